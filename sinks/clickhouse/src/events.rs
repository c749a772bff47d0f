//! One event by its identity: which of its records counted, and the bytes of a record.
//!
//! The verdicts are those of the view `usage_raw`; nothing is judged here. A tenant's granules of
//! the archive are read, and nobody else's.

use crate::client::ClickHouse;
use crate::error::Error;
use clickhouse::Row;
use meterline_core::position::{LogPartition, Offset};
use meterline_schemas::rows::{ArchivedBytesRow, EventVerdictRow};
use serde::Deserialize;

/// Most records of one event that are looked at: the first is the one that may have counted.
pub const EVENT_RECORDS_MAX: u32 = 1_000;

/// An event's identity.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EventIdentity<'a> {
    /// Its tenant.
    pub tenant: &'a str,
    /// Its source.
    pub source: &'a str,
    /// Its id.
    pub id: &'a str,
}

/// The span of event time that holds all of an event's records, as the server writes it.
#[derive(Row, Deserialize)]
struct Span {
    records: u64,
    since: String,
    until: String,
}

const SPAN: &str = "SELECT count() AS records, toString(min(time)) AS since, \
    toString(addMicroseconds(max(time), 1)) AS until \
    FROM usage_events FINAL \
    WHERE tenant = {tenant:String} AND source = {source:String} AND id = {id:String} \
    SETTINGS do_not_merge_across_partitions_select_final = 1";

const VERDICTS: &str = "SELECT ?fields \
    FROM usage_raw(tenant = {tenant:String}, since = {since:String}, until = {until:String}) \
    WHERE source = {source:String} AND id = {id:String} \
    ORDER BY topic_id, log_partition, offset LIMIT {limit:UInt32}";

const BYTES: &str = "SELECT ?fields FROM usage_events FINAL \
    WHERE tenant = {tenant:String} AND topic_id = {topic_id:UUID} \
    AND log_partition = {partition:UInt32} AND offset = {offset:UInt64}";

impl ClickHouse {
    /// The archived records of an event and what became of each, by position.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn event_verdicts(
        &self,
        event: EventIdentity<'_>,
    ) -> Result<Vec<EventVerdictRow>, Error> {
        let action = || format!("find event {} of tenant {}", event.id, event.tenant);
        let query = || {
            let query = self.client().query(SPAN).param("tenant", event.tenant);
            query.param("source", event.source).param("id", event.id)
        };
        let span: Span = self.call(action, query().fetch_one()).await?;
        if span.records == 0 {
            return Ok(Vec::new());
        }
        let query = self.client().query(VERDICTS).param("tenant", event.tenant);
        let query = query.param("source", event.source).param("id", event.id);
        let query = query.param("since", span.since).param("until", span.until);
        let query = query.param("limit", EVENT_RECORDS_MAX);
        self.call(action, query.fetch_all()).await
    }

    /// An archived record of a tenant; `None` where the archive does not have it.
    ///
    /// # Errors
    /// When the query fails.
    pub async fn archived_bytes(
        &self,
        tenant: &str,
        partition: LogPartition,
        offset: Offset,
    ) -> Result<Option<ArchivedBytesRow>, Error> {
        let action = || format!("read the archived record {partition} {offset}");
        let query = self.client().query(BYTES).param("tenant", tenant);
        let query = query.param("topic_id", partition.topic_id.to_string());
        let query = query.param("partition", partition.partition);
        self.call(action, query.param("offset", offset).fetch_optional())
            .await
    }
}
