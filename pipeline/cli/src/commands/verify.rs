//! `verify`: do the buckets, counters, levels and dead letters fit each other?
//!
//! Compared while workers run: progress is read first, then rows; if no row lies at or behind that
//! progress afterwards, what was read is exactly what the progress speaks of. A partition without
//! such a moment is tried again, and named if there is none in time. What was given up by a verdict
//! and still stands is a difference too. Exit code 1 where anything differs.

mod compare;

use super::{KAFKA_TIMEOUT, Session};
use crate::args::Output;
use crate::args::verify::VerifyArgs;
use crate::failure::Failure;
use crate::output::{Table, note, print};
use anyhow::anyhow;
use compare::{Compared, Comparison};
use meterline_clickhouse::ClickHouse;
use meterline_core::time::{EVENT_TIME_END, EventTime};
use meterline_schemas::rows::ProgressRow;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Pause between two looks at a busy partition: flushes take a fraction of their interval.
const LOOK: Duration = Duration::from_millis(300);

/// Something that does not fit.
pub(super) struct Difference {
    check: &'static str,
    partition: String,
    what: String,
    expected: Value,
    found: Value,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs, session: &Session<'_>) -> Result<(), Failure> {
    let clickhouse = session.clickhouse()?;
    let view = session.control()?.read_to_end(KAFKA_TIMEOUT)?;
    let comparison = Comparison {
        clickhouse: &clickhouse,
        retention: session.settings.clickhouse.retention,
        tenant: args.tenant.as_deref(),
        from: args.from.unwrap_or(EventTime(0)),
        to: args.to.unwrap_or(EVENT_TIME_END),
        now: super::clock(),
    };
    let deadline = Instant::now() + args.timeout.0;
    let mut differences = session.runtime.block_on(without_progress(&clickhouse))?;
    let progress = session.runtime.block_on(clickhouse.progress())?;
    let mut unsettled = Vec::new();
    for row in &progress {
        let verdicts = view.verdicts(&row.partition());
        let compared = comparison.partition(row, verdicts, deadline);
        let Compared {
            found,
            notes,
            is_settled,
        } = session.runtime.block_on(compared)?;
        differences.extend(found);
        notes.iter().for_each(|text| note(text));
        match is_settled {
            true => {}
            false if is_current(row, &progress) => unsettled.push(row.partition().to_string()),
            false => note(&format!(
                "{}: rows lie behind its last progress; its topic is gone, they stay",
                row.partition()
            )),
        }
    }
    show(args.output, progress.len(), &differences)?;
    if !unsettled.is_empty() {
        let unsettled = unsettled.join(", ");
        return Err(Failure::Failed(anyhow!(
            "rows of {unsettled} were always on their way: nothing can be said of them; try again \
             with a longer --timeout, or while less is written"
        )));
    }
    if !differences.is_empty() {
        let count = differences.len();
        return Err(Failure::Failed(anyhow!("{count} differences")));
    }
    Ok(())
}

async fn without_progress(clickhouse: &ClickHouse) -> Result<Vec<Difference>, Failure> {
    let partitions = clickhouse.rows_without_progress().await?;
    let differences = partitions.into_iter().map(|partition| Difference {
        check: "progress",
        partition: partition.to_string(),
        what: "hour rows without any progress".to_owned(),
        expected: Value::Null,
        found: Value::Null,
    });
    Ok(differences.collect())
}

fn show(output: Output, partitions: usize, differences: &[Difference]) -> Result<(), Failure> {
    if differences.is_empty() && output == Output::Table {
        return Ok(print(&format!(
            "no differences in {partitions} partitions\n"
        ))?);
    }
    let mut table = Table::new(&["check", "partition", "what", "expected", "found"]);
    for difference in differences {
        table.push(vec![
            json!(difference.check),
            json!(difference.partition),
            json!(difference.what),
            difference.expected.clone(),
            difference.found.clone(),
        ]);
    }
    Ok(print(&table.render(output)?)?)
}

/// Whether a partition belongs to the newest incarnation of its topic: only that can still change.
fn is_current(row: &ProgressRow, all: &[ProgressRow]) -> bool {
    let of_topic = all.iter().filter(|other| other.topic == row.topic);
    let newest = of_topic.max_by_key(|other| (other.log_time, other.topic_id));
    newest.is_some_and(|newest| newest.topic_id == row.topic_id)
}

impl Difference {
    pub(super) fn new(
        check: &'static str,
        row: &ProgressRow,
        what: String,
        expected: impl Into<Value>,
        found: impl Into<Value>,
    ) -> Self {
        Self {
            check,
            partition: row.partition().to_string(),
            what,
            expected: expected.into(),
            found: found.into(),
        }
    }
}

async fn pause() {
    tokio::time::sleep(LOOK).await;
}
