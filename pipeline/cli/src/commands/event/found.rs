//! The record of an event that counted, as the archive has it, and what was decided on it since.

use super::outcome::was_refused;
use super::version;
use crate::args::event::CorrectionArgs;
use crate::commands::{KAFKA_TIMEOUT, Session};
use crate::failure::Failure;
use anyhow::{Context as _, anyhow};
use meterline_clickhouse::{ClickHouse, EventIdentity};
use meterline_control::ControlLog;
use meterline_core::control::{
    Bytes, CatalogDecision, ChainKey, EventKey, EventRecord, View, VoidDecision,
};
use meterline_core::hash::content_hash;
use meterline_core::position::{LogPartition, Offset};
use meterline_schemas::rows::{ArchivedBytesRow, EventVerdictRow};
use std::collections::BTreeSet;
use std::sync::Arc;

/// An event that was counted.
pub(super) struct Found {
    pub(super) log_partition: LogPartition,
    /// Offset of the record that counted.
    pub(super) offset: Offset,
    /// That record.
    pub(super) record: EventRecord,
    /// The catalog that counted it.
    pub(super) catalog: Arc<CatalogDecision>,
    pub(super) newest_catalog: Arc<CatalogDecision>,
    /// The control log, at its end.
    pub(super) view: Arc<View>,
    /// The last amend of it that was not refused.
    amended: Option<Arc<VoidDecision>>,
}

impl Found {
    /// What counts of the event now.
    pub(super) fn content(&self) -> &EventRecord {
        let replacement = self.amended.as_ref();
        replacement
            .and_then(|amend| amend.void.replacement.as_ref())
            .unwrap_or(&self.record)
    }
}

/// Finds the event's record that counted.
pub(super) fn find(
    args: &CorrectionArgs,
    session: &Session<'_>,
    control: &ControlLog,
) -> Result<Found, Failure> {
    let clickhouse = session.clickhouse()?;
    let event = EventIdentity {
        tenant: &args.tenant,
        source: &args.source,
        id: &args.id,
    };
    let verdicts = session.runtime.block_on(clickhouse.event_verdicts(event))?;
    let counted = the_counted(args, &verdicts)?;
    let (log_partition, offset) = (counted.partition(), counted.offset);
    let bytes = clickhouse.archived_bytes(&args.tenant, log_partition, offset);
    let bytes = session.runtime.block_on(bytes)?;
    let bytes = bytes.context("the archive lost the record while it was asked for")?;
    let view = control.read_to_end(KAFKA_TIMEOUT)?;
    let amended = standing(args, &view, log_partition, session, &clickhouse)?;
    let newest = view.catalog().context("there is no catalog in force")?;
    Ok(Found {
        log_partition,
        offset,
        catalog: version(&view, bytes.catalog_version)?,
        newest_catalog: Arc::clone(newest),
        record: whole(bytes)?,
        view,
        amended,
    })
}

/// The record that counted, or why none did.
fn the_counted<'a>(
    args: &CorrectionArgs,
    verdicts: &'a [EventVerdictRow],
) -> Result<&'a EventVerdictRow, Failure> {
    let (id, tenant, source) = (&args.id, &args.tenant, &args.source);
    let mut counted = verdicts.iter().filter(|row| row.verdict == "counted");
    match (counted.next(), counted.next()) {
        (Some(row), None) => Ok(row),
        (Some(_), Some(_)) => Err(anyhow!(
            "event {id} of source {source} counted more than once, with times further apart than \
             duplicates are looked for; correct it by a credit on the next statement"
        )
        .into()),
        (None, _) if verdicts.is_empty() => Err(anyhow!(
            "the archive has no event {id} of source {source} and tenant {tenant}; is the archive \
             stage running, and is the id written as it was sent?"
        )
        .into()),
        (None, _) => {
            let found = verdicts.iter().map(|row| match row.reason.as_str() {
                "" => row.verdict.clone(),
                reason => format!("{} ({reason})", row.verdict),
            });
            let found: Vec<String> = found.collect::<BTreeSet<_>>().into_iter().collect();
            Err(anyhow!("event {id} did not count: it is {}", found.join(", ")).into())
        }
    }
}

/// The last amend of the event that was not refused; refuses an event that is void.
fn standing(
    args: &CorrectionArgs,
    view: &View,
    log_partition: LogPartition,
    session: &Session<'_>,
    clickhouse: &ClickHouse,
) -> Result<Option<Arc<VoidDecision>>, Failure> {
    let chain = ChainKey::Void(Box::new(EventKey {
        tenant: args.tenant.clone(),
        source: args.source.clone(),
        id: args.id.clone(),
    }));
    let head = view.head_of(&chain);
    let all = view.voids_after(&log_partition, None).iter();
    let mut at = all.rev().find(|void| Some(void.offset) == head).cloned();
    while let Some(decision) = at {
        if was_refused(session, clickhouse, &decision)?.is_none() {
            if decision.void.replacement.is_some() {
                return Ok(Some(decision));
            }
            let by = view.link(decision.offset).map_or("", |link| &link.actor);
            return Err(anyhow!(
                "event {} is void already, by {by} at control offset {}",
                args.id,
                decision.offset
            )
            .into());
        }
        at = decision.earlier.clone();
    }
    Ok(None)
}

/// The record, where the archive holds all of it.
fn whole(row: ArchivedBytesRow) -> Result<EventRecord, Failure> {
    let is_whole = row.truncated == 0
        && row.original.len() as u64 == row.length
        && content_hash(&row.original) == row.hash;
    if !is_whole {
        return Err(anyhow!(
            "the archive holds only a part of the event's record ({} bytes); correct it by a \
             credit on the next statement",
            row.length
        )
        .into());
    }
    let headers = row.headers.into_iter();
    Ok(EventRecord {
        headers: headers
            .map(|(name, value)| (name, Some(Bytes(value.into_vec()))))
            .collect(),
        payload: Some(Bytes(row.original.into_vec())),
    })
}
