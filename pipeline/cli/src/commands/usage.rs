//! `usage`: a tenant's usage by hour, day or month, from the public views.

use super::Session;
use crate::args::{Output, UsageArgs};
use crate::failure::Failure;
use crate::output::{Place, Rows, Table, note, print, short_time};
use anyhow::Result;
use meterline_clickhouse::{ClickHouse, PAGE_ROWS_MAX, UsageFilter};
use meterline_core::time::{EVENT_TIME_END, EventTime, Level};
use meterline_schemas::rows::UsageRow;
use serde_json::{Map, Value, json};
use std::io::Write;

/// Columns of the output, in every form but Parquet, which also has the tenant.
const COLUMNS: [&str; 9] = [
    "meter",
    "window_start",
    "window_end",
    "dimensions",
    "value",
    "events",
    "sealed",
    "revision",
    "updated_at",
];

/// Runs the command.
pub(crate) fn run(args: &UsageArgs, session: &Session<'_>) -> Result<(), Failure> {
    check(args)?;
    let file = args.result.file()?;
    let clickhouse = session.clickhouse()?;
    if args.result.output == Output::Parquet {
        let place = Place::of(file)?;
        let limit = if args.all { u32::MAX } else { args.limit };
        return Ok(place.fill(|place| {
            let export = clickhouse.export_usage(&filter(args, None, limit))?;
            session.runtime.block_on(place.take_all(export))
        })?);
    }
    let mut pages = Pages::new(args, &clickhouse);
    let first = session.runtime.block_on(pages.next())?;
    if first.is_empty() && args.result.output == Output::Table {
        return Ok(print(&nothing(args))?);
    }
    let place = Place::of(file)?;
    place.fill(|place| {
        if args.result.output == Output::Table {
            let mut rows = first;
            while pages.has_more() {
                rows.extend(session.runtime.block_on(pages.next())?);
            }
            return Ok(place.write_all(table(&rows).render(Output::Table)?.as_bytes())?);
        }
        let mut rows = Rows::start(args.result.output, &COLUMNS, place)?;
        rows.add(&table(&first))?;
        while pages.has_more() {
            rows.add(&table(&session.runtime.block_on(pages.next())?))?;
        }
        rows.finish()?;
        Ok(())
    })?;
    if pages.is_cut {
        note("there are more rows; raise --limit, give --all, or narrow --from and --to");
    }
    Ok(())
}

/// Refuses what can have no rows.
fn check(args: &UsageArgs) -> Result<(), Failure> {
    if args.tenant.is_empty() {
        return Err(Failure::usage("--tenant must not be empty"));
    }
    if args.all && args.result.output == Output::Table {
        let how = "--all needs --output csv, json or parquet: a table is aligned over all rows";
        return Err(Failure::usage(how));
    }
    match (args.from, args.to) {
        (Some(from), Some(to)) if from > to => Err(Failure::usage("--from must not be after --to")),
        _ => Ok(()),
    }
}

fn filter<'a>(args: &'a UsageArgs, after: Option<&'a UsageRow>, limit: u32) -> UsageFilter<'a> {
    UsageFilter {
        level: args.level.into(),
        tenant: &args.tenant,
        meter: args.meter.as_deref(),
        from: args.from.unwrap_or(EventTime(0)),
        to: args.to.unwrap_or(EVENT_TIME_END),
        after,
        limit,
    }
}

/// The rows that were asked for, page by page.
struct Pages<'a> {
    args: &'a UsageArgs,
    clickhouse: &'a ClickHouse,
    last: Option<UsageRow>,
    /// Rows still to come; `None`: all that there are.
    left: Option<u32>,
    is_done: bool,
    /// There are more rows than were asked for.
    is_cut: bool,
}

impl<'a> Pages<'a> {
    fn new(args: &'a UsageArgs, clickhouse: &'a ClickHouse) -> Self {
        Self {
            args,
            clickhouse,
            last: None,
            left: (!args.all).then_some(args.limit),
            is_done: false,
            is_cut: false,
        }
    }

    fn has_more(&self) -> bool {
        !self.is_done
    }

    async fn next(&mut self) -> Result<Vec<UsageRow>> {
        // One row more than asked for tells whether there are more.
        let left = self.left.map_or(u32::MAX, |left| left.saturating_add(1));
        let limit = left.min(PAGE_ROWS_MAX);
        let wanted = filter(self.args, self.last.as_ref(), limit);
        let mut rows = self.clickhouse.usage(&wanted).await?;
        let read = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        self.is_done = read < limit;
        if let Some(left) = &mut self.left {
            self.is_cut = read > *left;
            self.is_done |= read >= *left && self.is_cut;
            rows.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
            *left = left.saturating_sub(read);
        }
        self.last = rows.last().cloned();
        Ok(rows)
    }
}

fn table(rows: &[UsageRow]) -> Table {
    let mut table = Table::new(&COLUMNS);
    for row in rows {
        let dimensions: Map<String, Value> = row
            .dimensions
            .iter()
            .map(|(k, v)| (k.clone(), json!(v)))
            .collect();
        table.push(vec![
            json!(row.meter),
            json!(short_time(row.window_start)),
            json!(short_time(row.window_end)),
            Value::Object(dimensions),
            json!(row.value.to_string()),
            json!(row.events),
            json!(row.sealed == 1),
            json!(row.revision),
            json!(short_time(row.updated_at)),
        ]);
    }
    table
}

fn nothing(args: &UsageArgs) -> String {
    let level = Level::from(args.level);
    let meter = args
        .meter
        .as_ref()
        .map_or_else(String::new, |meter| format!(" of meter {meter}"));
    let hint = match level {
        Level::Hour => "`meterline status` shows lag, `meterline dead-letters list` refused events",
        Level::Day | Level::Month => {
            "days and months follow hours by up to rollup.levels_interval; try --level hour"
        }
    };
    format!(
        "no usage{meter} by {} for tenant {} in this span; {hint}\n",
        level.name(),
        args.tenant
    )
}
