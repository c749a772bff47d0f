//! `usage`: a tenant's usage by hour, day or month, from the public views.

use super::Session;
use crate::args::{Output, UsageArgs};
use crate::failure::Failure;
use crate::output::{Table, note, print, short_time};
use meterline_clickhouse::{ClickHouse, PAGE_ROWS_MAX, UsageFilter};
use meterline_core::time::{EVENT_TIME_END, EventTime, Level};
use meterline_schemas::rows::UsageRow;
use serde_json::{Map, Value, json};

/// Runs the command.
pub(crate) fn run(args: &UsageArgs, session: &Session<'_>) -> Result<(), Failure> {
    check(args)?;
    let clickhouse = session.clickhouse()?;
    // One row more than asked for tells whether there are more.
    let mut rows = session.runtime.block_on(read(args, &clickhouse))?;
    let limit = usize::try_from(args.limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    if rows.is_empty() && args.output == Output::Table {
        return Ok(print(&nothing(args))?);
    }
    print(&table(&rows).render(args.output)?)?;
    if more {
        note("there are more rows; raise --limit or narrow --from and --to");
    }
    Ok(())
}

/// Refuses what can have no rows.
fn check(args: &UsageArgs) -> Result<(), Failure> {
    if args.tenant.is_empty() {
        return Err(Failure::usage("--tenant must not be empty"));
    }
    match (args.from, args.to) {
        (Some(from), Some(to)) if from > to => Err(Failure::usage("--from must not be after --to")),
        _ => Ok(()),
    }
}

async fn read(args: &UsageArgs, clickhouse: &ClickHouse) -> Result<Vec<UsageRow>, Failure> {
    let wanted = args.limit.saturating_add(1);
    let mut rows: Vec<UsageRow> = Vec::new();
    loop {
        let read = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        let limit = wanted.saturating_sub(read).min(PAGE_ROWS_MAX);
        let page = clickhouse
            .usage(&UsageFilter {
                level: args.level.into(),
                tenant: &args.tenant,
                meter: args.meter.as_deref(),
                from: args.from.unwrap_or(EventTime(0)),
                to: args.to.unwrap_or(EVENT_TIME_END),
                after: rows.last(),
                limit,
            })
            .await?;
        let last = page.len() < usize::try_from(limit).unwrap_or(usize::MAX);
        rows.extend(page);
        if last || rows.len() >= usize::try_from(wanted).unwrap_or(usize::MAX) {
            return Ok(rows);
        }
    }
}

fn table(rows: &[UsageRow]) -> Table {
    let columns = [
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
    let mut table = Table::new(&columns);
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
