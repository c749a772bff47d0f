//! `dead-letters list`: records that could not be counted, newest first, or their number by reason.

use super::Session;
use crate::args::{DeadLettersArgs, Output};
use crate::failure::Failure;
use crate::output::{Table, print, short_time};
use meterline_clickhouse::{ClickHouse, DeadLetterFilter};
use meterline_schemas::rows::DeadLetterRow;
use serde_json::json;

/// Rows of one answer: each may hold 64 KiB of its record.
const PAGE_ROWS: u32 = 200;

/// Runs the command.
pub(crate) fn run(args: &DeadLettersArgs, session: &Session<'_>) -> Result<(), Failure> {
    let clickhouse = session.clickhouse()?;
    let table = if args.by_reason {
        session.runtime.block_on(count(&clickhouse))?
    } else {
        session.runtime.block_on(list(args, &clickhouse))?
    };
    if table.is_empty() && args.output == Output::Table {
        let which = if args.reason.is_some() || args.tenant.is_some() {
            " that fits"
        } else {
            ""
        };
        return Ok(print(&format!(
            "no dead letter{which}; `meterline status` shows how far records are read\n"
        ))?);
    }
    Ok(print(&table.render(args.output)?)?)
}

async fn count(clickhouse: &ClickHouse) -> Result<Table, Failure> {
    let mut table = Table::new(&["reason", "count"]);
    for row in clickhouse.dead_letter_counts().await? {
        table.push(vec![json!(row.reason), json!(row.count)]);
    }
    Ok(table)
}

async fn list(args: &DeadLettersArgs, clickhouse: &ClickHouse) -> Result<Table, Failure> {
    let columns = [
        "log_time",
        "topic",
        "partition",
        "offset",
        "reason",
        "tenant",
        "length",
        "hash",
        "detail",
    ];
    let mut table = Table::new(&columns);
    let mut left = args.limit;
    let mut last: Option<DeadLetterRow> = None;
    while left > 0 {
        let limit = left.min(PAGE_ROWS);
        let tenant = args.tenant.as_deref();
        let filter = DeadLetterFilter {
            reason: args.reason,
            tenant,
            since: None,
            after: last.as_ref(),
            limit,
        };
        let page = clickhouse.dead_letters(&filter).await?;
        let read = u32::try_from(page.len()).unwrap_or(u32::MAX);
        for row in &page {
            table.push(vec![
                json!(short_time(row.log_time)),
                json!(row.topic),
                json!(row.log_partition),
                json!(row.offset),
                json!(row.reason),
                json!(row.tenant),
                json!(row.length),
                json!(format!("{:032x}", row.hash)),
                json!(row.detail),
            ]);
        }
        last = page.into_iter().last();
        left = if read < limit { 0 } else { left - read };
    }
    Ok(table)
}
