//! `dead-letters`: records that could not be counted: listed, shown, replayed, purged.

use super::{Session, clock};
use crate::args::Output;
use crate::args::dead_letters::{DeadLettersCommand, ListArgs, PurgeArgs};
use crate::failure::Failure;
use crate::output::{Place, Table, grouped, note, print, short_time};
use meterline_clickhouse::{
    ClickHouse, DEAD_LETTERS_MAX, DeadLetterFilter, LetterOrder, LetterPage, Purge,
};
use meterline_control::Author;
use meterline_core::position::LogPartition;
use meterline_core::time::LogTime;
use meterline_replay::LetterId;
use serde_json::json;
use std::io::Write;

mod replay;
mod show;

/// Runs the command.
pub(crate) fn run(command: &DeadLettersCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        DeadLettersCommand::List(args) => list(args, session),
        DeadLettersCommand::Show(args) => show::run(args, session),
        DeadLettersCommand::Replay(args) => replay::run(args, session),
        DeadLettersCommand::Purge(args) => purge(args, session),
    }
}

fn list(args: &ListArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = args.result.file()?;
    let clickhouse = session.clickhouse()?;
    let mut filter = args.which.filter();
    filter.replayed = match (args.replayed, args.unreplayed) {
        (false, false) => None,
        (replayed, _) => Some(replayed),
    };
    filter.purged = Some(args.purged);
    if args.result.output == Output::Parquet && !args.by_reason {
        let export = |place: &mut Place| {
            let export = clickhouse.export_dead_letters(&filter, args.limit)?;
            session.runtime.block_on(place.take_all(export))
        };
        return Ok(Place::of(file)?.fill(export)?);
    }
    let table = if args.by_reason {
        session.runtime.block_on(count(&filter, &clickhouse))?
    } else {
        let rows = rows(&filter, args.limit, &clickhouse);
        session.runtime.block_on(rows)?
    };
    if table.is_empty() && args.result.output == Output::Table {
        let narrows = !filter.is_all() || filter.replayed.is_some() || args.purged;
        let which = if narrows { " that fits" } else { "" };
        return Ok(print(&format!(
            "no dead letter{which}; `meterline status` shows how far records are read\n"
        ))?);
    }
    let text = table.render(args.result.output)?;
    let write = |place: &mut Place| Ok(place.write_all(text.as_bytes())?);
    Ok(Place::of(file)?.fill(write)?)
}

async fn count(filter: &DeadLetterFilter<'_>, clickhouse: &ClickHouse) -> Result<Table, Failure> {
    let mut table = Table::new(&["reason", "count"]);
    for row in clickhouse.dead_letter_counts(filter).await? {
        table.push(vec![json!(row.reason), json!(row.count)]);
    }
    Ok(table)
}

async fn rows(
    filter: &DeadLetterFilter<'_>,
    limit: u32,
    clickhouse: &ClickHouse,
) -> Result<Table, Failure> {
    let columns = [
        "log_time",
        "topic",
        "letter",
        "partition",
        "offset",
        "reason",
        "tenant",
        "length",
        "hash",
        "replayed",
        "detail",
    ];
    let mut table = Table::new(&columns);
    let mut page = LetterPage::first(LetterOrder::NewestFirst, 0);
    let mut left = limit;
    while left > 0 {
        page.limit = left.min(DEAD_LETTERS_MAX);
        let rows = clickhouse.dead_letter_summaries(filter, &page).await?;
        for row in &rows {
            let letter = LetterId {
                log_partition: LogPartition {
                    topic_id: row.topic_id,
                    partition: row.log_partition,
                },
                offset: row.offset,
            };
            table.push(vec![
                json!(short_time(row.log_time)),
                json!(row.topic),
                json!(letter.to_string()),
                json!(row.log_partition),
                json!(row.offset),
                json!(row.reason),
                json!(row.tenant),
                json!(row.length),
                json!(format!("{:032x}", row.hash)),
                json!(row.replayed == 1),
                json!(row.detail),
            ]);
            page.after = Some((row.log_time, letter.log_partition, row.offset));
        }
        let read = u32::try_from(rows.len()).unwrap_or(u32::MAX);
        left = if read < page.limit { 0 } else { left - read };
    }
    Ok(table)
}

fn purge(args: &PurgeArgs, session: &Session<'_>) -> Result<(), Failure> {
    let mut filter = args.which.filter();
    if filter.is_all() {
        return Err(Failure::usage(
            "say which letters: --reason, --tenant, --topic-id, --partition, --since or --until",
        ));
    }
    if !args.unreplayed {
        // What a killed replay has done is in the log, and may not be in the table yet.
        replay::replayer(session)?.catch_up()?;
        filter.replayed = Some(true);
    }
    filter.purged = Some(false);
    let clickhouse = session.clickhouse()?;
    let runtime = session.runtime;
    let kind = if args.unreplayed { "" } else { "replayed " };
    if !args.yes {
        let number = grouped(runtime.block_on(clickhouse.dead_letter_count(&filter))?);
        note(&format!(
            "{number} {kind}dead letters would be purged; give --yes to remove what they hold"
        ));
        return Ok(());
    }
    let Author { actor, note: why } = session.author(args.actor.as_deref(), &args.note);
    let purge = Purge {
        purged_at: LogTime(clock().0.div_euclid(1_000)),
        purged_by: actor,
        purge_note: why,
    };
    let number = runtime.block_on(clickhouse.purge_dead_letters(&filter, &purge))?;
    Ok(print(&format!(
        "{} {kind}dead letters are purged; their topics and the archive keep copies for their \
         retention\n",
        grouped(number)
    ))?)
}
