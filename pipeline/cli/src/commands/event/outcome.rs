//! What became of a void: taken by its partition, and applied or refused there.
//!
//! A checkpoint says up to which void its partition has taken them, and is published only after
//! the dead letters before it: so a void that was taken and has no letter was applied.

use super::found::Found;
use crate::args::event::CorrectionArgs;
use crate::commands::Session;
use crate::failure::Failure;
use crate::output::print;
use anyhow::anyhow;
use meterline_checkpoint::Store;
use meterline_clickhouse::{
    ClickHouse, DEAD_LETTERS_MAX, DeadLetterFilter, LetterOrder, LetterPage,
};
use meterline_core::control::VoidDecision;
use meterline_core::position::{LogPartition, Offset};
use meterline_core::reason::Reason;
use std::time::{Duration, Instant};

/// How often checkpoints are looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Waits until the partition has taken the void; fails where it was refused.
pub(super) fn wait(
    store: &Store,
    args: &CorrectionArgs,
    found: &Found,
    offset: Offset,
    session: &Session<'_>,
) -> Result<(), Failure> {
    let deadline = Instant::now() + args.timeout.0;
    let partition = found.log_partition;
    loop {
        let newest = session.runtime.block_on(store.newest(partition, None))?;
        if newest.is_some_and(|manifest| manifest.header.voids_to >= Some(offset)) {
            break;
        }
        if Instant::now() + LOOK >= deadline {
            return Err(anyhow!(
                "partition {} has not taken the decision at control offset {offset} yet; it will, \
                 once the rollup stage runs: `meterline status` says where it stands",
                partition.partition
            )
            .into());
        }
        std::thread::sleep(LOOK);
    }
    let clickhouse = session.clickhouse()?;
    match letter(session, &clickhouse, &args.tenant, partition, offset)? {
        None => Ok(print(
            "taken; buckets and totals follow with the next flush\n",
        )?),
        Some(detail) => Err(anyhow!("the decision was refused: {detail}").into()),
    }
}

/// Why the fold refused a void; `None` where it did not, or has not taken it yet.
pub(super) fn was_refused(
    session: &Session<'_>,
    clickhouse: &ClickHouse,
    decision: &VoidDecision,
) -> Result<Option<String>, Failure> {
    let void = &decision.void;
    letter(
        session,
        clickhouse,
        &void.tenant,
        void.log_partition,
        decision.offset,
    )
}

/// The dead letter of a void that was refused.
fn letter(
    session: &Session<'_>,
    clickhouse: &ClickHouse,
    tenant: &str,
    partition: LogPartition,
    offset: Offset,
) -> Result<Option<String>, Failure> {
    let filter = DeadLetterFilter {
        reason: Some(Reason::VoidRefused),
        tenant: Some(tenant),
        topic_id: Some(partition.topic_id),
        partition: Some(partition.partition),
        ..DeadLetterFilter::default()
    };
    let begins = format!("void at control offset {offset}: ");
    let mut page = LetterPage::first(LetterOrder::NewestFirst, DEAD_LETTERS_MAX);
    loop {
        let letters = session
            .runtime
            .block_on(clickhouse.dead_letters(&filter, &page))?;
        if let Some(found) = letters.iter().find(|row| row.detail.starts_with(&begins)) {
            return Ok(Some(found.detail.clone()));
        }
        match letters.last() {
            Some(last) if letters.len() == DEAD_LETTERS_MAX as usize => {
                let partition = LogPartition {
                    topic_id: last.topic_id,
                    partition: last.log_partition,
                };
                page.after = Some((last.log_time, partition, last.offset));
            }
            _ => return Ok(None),
        }
    }
}
