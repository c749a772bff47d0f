//! `stripe statement`: a tenant's month, from the events that each hour counts to the invoice that
//! bills it.
//!
//! The reading is [`meterline_billing::reconcile::StatementReader`]'s; here each meter is written as
//! soon as it is read. It judges nothing: `stripe reconcile` does.

use super::reconcile::{billed, check_key};
use crate::args::Output;
use crate::args::stripe::StatementArgs;
use crate::commands::Session;
use crate::commands::account::now;
use crate::failure::Failure;
use crate::output::{Place, Rows, Table, short_time};
use anyhow::{Context as _, Result};
use meterline_billing::reconcile::{
    MeterStatement, ReconcileSettings, Reconciler, StatementLine, StatementReader, StatementWindow,
};
use meterline_billing::stripe::Pace;
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::quantity::Quantity;
use meterline_core::time::Hour;
use meterline_schemas::rows::CarryRow;
use meterline_schemas::rows::codes::push_step;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Columns of the CSV; a row has those of its kind.
const COLUMNS: [&str; 19] = [
    "kind",
    "meter",
    "from",
    "to",
    "events",
    "value",
    "changes",
    "carried",
    "customer",
    "pushed",
    "step",
    "attempt",
    "identifier",
    "ledger",
    "intent",
    "confirmed",
    "stripe",
    "invoice",
    "billed",
];

/// Runs the command.
pub(super) fn run(args: &StatementArgs, session: &Session<'_>) -> Result<(), Failure> {
    if !matches!(args.output, Output::Json | Output::Csv) {
        return Err(Failure::usage(
            "a statement is JSON or CSV: use --output json or csv",
        ));
    }
    check_key(session)?;
    let stage = &session.settings.stripe;
    let reconciler = Reconciler::new(
        session.clickhouse()?,
        stage,
        Pace::new(stage.requests_per_second),
        billed(session)?,
        ReconcileSettings::default(),
    )?;
    let mut reader = StatementReader::new(reconciler, &args.tenant, args.period.hours());
    let mut next =
        || -> Result<Option<MeterStatement>> { Ok(session.runtime.block_on(reader.next())?) };
    Place::of(args.output_file.as_deref())?.fill(|place| match args.output {
        Output::Csv => write_csv(place, &mut next),
        _ => write_json(args, place, &mut next),
    })?;
    Ok(())
}

type Next<'a> = &'a mut dyn FnMut() -> Result<Option<MeterStatement>>;

fn write_json(args: &StatementArgs, mut place: impl Write, next: Next<'_>) -> Result<()> {
    let head = json!({
        "tenant": args.tenant,
        "period": args.period.to_string(),
        "made_at": short_time(now()),
    });
    let head = head.to_string();
    let open = head.strip_suffix('}').unwrap_or(&head);
    write!(place, "{open},\"meters\":[")?;
    let mut count = 0_u64;
    while let Some(meter) = next()? {
        let comma = if count > 0 { "," } else { "" };
        write!(place, "{comma}\n{}", as_json(&meter))?;
        count += 1;
    }
    writeln!(place, "\n]}}").context("failed to write")
}

fn write_csv(place: impl Write, next: Next<'_>) -> Result<()> {
    let mut rows = Rows::start(Output::Csv, &COLUMNS, place)?;
    while let Some(meter) = next()? {
        rows.add(&as_rows(&meter))?;
    }
    rows.finish()?;
    Ok(())
}

fn text(quantity: Option<Quantity>) -> Value {
    json!(quantity.map(|quantity| quantity.to_string()))
}

fn start(hour: Hour) -> Value {
    json!(short_time(hour.start()))
}

/// A meter as an object; its shape is in the operator's guide.
fn as_json(meter: &MeterStatement) -> Value {
    let windows = meter
        .windows
        .iter()
        .map(|window| window_json(meter, window));
    json!({
        "meter": meter.meter,
        "event_name": meter.event_name,
        "windows": windows.collect::<Vec<_>>(),
        "invoice_lines": meter.lines.iter().map(|line| line_json(meter, line)).collect::<Vec<_>>(),
        "carries": meter.carries.iter().map(carry_json).collect::<Vec<_>>(),
        "totals": totals(meter),
    })
}

fn window_json(meter: &MeterStatement, window: &StatementWindow) -> Value {
    let ledger = window.push.as_ref().map(|push| {
        json!({
            "customer": push.customer,
            "quantity": push.quantity.to_string(),
            "step": push_step::name(push.step),
            "attempt": push.attempt,
            "identifier": push.identifier,
            "log_partition": push.place().log_partition.to_string(),
            "intent": window.intent,
            "confirmed": window.confirmed,
        })
    });
    json!({
        "window": start(window.hour),
        "events": window.events,
        "value": text(window.value),
        "changes": changes_json(&window.changes),
        "carried": window.carried.to_string(),
        "ledger": ledger,
        "stripe": text(window.stripe),
        "invoice": meter.invoice_of(window),
    })
}

/// The records of the last change in each partition of usage: a version.
fn changes_json(changes: &[(LogPartition, Stamp)]) -> Value {
    let changes = changes.iter().map(|(log_partition, stamp)| {
        json!({
            "log_partition": log_partition.to_string(),
            "epoch": stamp.epoch,
            "offset": stamp.offset,
        })
    });
    changes.collect()
}

fn line_json(meter: &MeterStatement, line: &StatementLine) -> Value {
    let carried = meter.carried_of(&line.source);
    json!({
        "invoice": line.invoice,
        "customer": line.customer,
        "is_final": line.is_final,
        "from": start(line.hours.start),
        "to": start(line.hours.end),
        "billed": line.billed.to_string(),
        "carried_in_this_month": text(carried),
    })
}

fn carry_json(row: &CarryRow) -> Value {
    let carry = row.carry();
    let windows = carry.windows.iter().map(|window| {
        json!({
            "window": short_time(window.window),
            "before": window.before.to_string(),
            "after": window.after.to_string(),
            "changes": changes_json(window.stamps.changes()),
        })
    });
    json!({
        "source": row.source,
        "window": short_time(carry.window),
        "quantity": carry.quantity.to_string(),
        "wanted": carry.wanted.to_string(),
        "billed": carry.billed.to_string(),
        "changes": changes_json(carry.stamps.changes()),
        "windows": windows.collect::<Vec<_>>(),
        "log_partition": row.place().log_partition.to_string(),
        "offset": row.offset,
    })
}

/// Sums over a meter's windows; null where one does not fit.
fn totals(meter: &MeterStatement) -> Value {
    let sum = |of: &dyn Fn(&StatementWindow) -> Option<Quantity>| {
        let mut quantities = meter.windows.iter().filter_map(of);
        text(quantities.try_fold(Quantity::ZERO, Quantity::plus).ok())
    };
    json!({
        "windows": meter.windows.len(),
        "events": meter.windows.iter().map(|window| window.events).sum::<u64>(),
        "value": sum(&|window| window.value),
        "carried": sum(&|window| Some(window.carried)),
        "pushed": sum(&|window| window.push.as_ref().map(|push| push.quantity)),
        "stripe": sum(&|window| window.stripe),
    })
}

/// A meter as rows of the CSV: windows, invoice lines, carries, totals.
fn as_rows(meter: &MeterStatement) -> Table {
    let mut table = Table::new(&COLUMNS);
    let mut push = |kind: &str, cells: Value| {
        let Value::Object(mut cells) = cells else {
            unreachable!("rows are made as objects");
        };
        cells.insert("kind".to_owned(), json!(kind));
        cells.insert("meter".to_owned(), json!(meter.meter));
        table.push(
            COLUMNS
                .map(|name| cells.remove(name).unwrap_or(Value::Null))
                .into(),
        );
    };
    for window in &meter.windows {
        push("window", window_cells(meter, window));
    }
    for line in &meter.lines {
        let cells = json!({
            "from": start(line.hours.start),
            "to": start(line.hours.end),
            "invoice": line.invoice,
            "customer": line.customer,
            "billed": line.billed.to_string(),
            "carried": text(meter.carried_of(&line.source)),
        });
        push("invoice_line", cells);
    }
    for carry in &meter.carries {
        let cells = json!({
            "from": short_time(carry.window_start),
            "customer": carry.customer,
            "value": carry.wanted.to_string(),
            "billed": carry.billed.to_string(),
            "carried": carry.quantity.to_string(),
            "invoice": carry.source,
            "ledger": carry.place().log_partition.to_string(),
            "intent": carry.offset,
        });
        push("carry", cells);
    }
    push("total", totals(meter));
    table
}

fn window_cells(meter: &MeterStatement, window: &StatementWindow) -> Value {
    let changes = window.changes.iter();
    let changes = changes.map(|(at, stamp)| format!("{at} {}:{}", stamp.epoch, stamp.offset));
    let mut cells = Map::new();
    let mut put = |name: &str, value: Value| cells.insert(name.to_owned(), value);
    put("from", start(window.hour));
    put("to", start(Hour(window.hour.0 + 1)));
    put("events", json!(window.events));
    put("value", text(window.value));
    put("changes", json!(changes.collect::<Vec<_>>().join("; ")));
    put("carried", json!(window.carried.to_string()));
    put("stripe", text(window.stripe));
    put("invoice", json!(meter.invoice_of(window)));
    if let Some(push) = &window.push {
        put("customer", json!(push.customer));
        put("pushed", json!(push.quantity.to_string()));
        put("step", json!(push_step::name(push.step)));
        put("attempt", json!(push.attempt));
        put("identifier", json!(push.identifier));
        put("ledger", json!(push.place().log_partition.to_string()));
        put("intent", json!(window.intent));
        put("confirmed", json!(window.confirmed));
    }
    Value::Object(cells)
}
