//! The audit log: what the control log says, projected, and pages of it.
//!
//! SQL is put together from fixed pieces only; what a caller passes travels beside it.

use crate::alerts::Projection;
use crate::client::ClickHouse;
use crate::error::Error;
use clickhouse::query::Query;
use meterline_core::position::{LogPartition, Offset};
use meterline_core::time::LogTime;
use meterline_schemas::rows::AuditRow;

/// Most decisions of one answer: a catalog in one may have hundreds of kilobytes.
pub const AUDIT_ROWS_MAX: u32 = 1_000;

/// Which decisions are meant; every part narrows it further.
#[derive(Clone, Copy, Debug, Default)]
pub struct AuditFilter<'a> {
    /// One kind of `Decision::KINDS`, or all.
    pub kind: Option<&'a str>,
    /// About these accounts, keys, routes, topics …, or all.
    pub ids: Option<&'a [String]>,
    /// By this actor, or all.
    pub actor: Option<&'a str>,
    /// First append time that is meant.
    pub from: Option<LogTime>,
    /// First append time that is no longer meant.
    pub to: Option<LogTime>,
    /// Only what took effect, or only what did not.
    pub in_force: Option<bool>,
}

impl AuditFilter<'_> {
    fn sql(&self, is_continued: bool) -> String {
        let mut sql = "SELECT ?fields FROM audit_log FINAL WHERE 1".to_owned();
        for (is_asked, condition) in [
            (self.kind.is_some(), " AND kind = {kind:String}"),
            (self.ids.is_some(), " AND id IN {ids:Array(String)}"),
            (self.actor.is_some(), " AND actor = {actor:String}"),
            (
                self.from.is_some(),
                " AND append_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')",
            ),
            (
                self.to.is_some(),
                " AND append_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')",
            ),
            (self.in_force.is_some(), " AND in_force = {in_force:UInt8}"),
            (
                is_continued,
                " AND (append_time, topic_id, offset) < \
                 (fromUnixTimestamp64Milli({after_time:Int64}, 'UTC'), {after_topic:UUID}, \
                 {after_offset:UInt64})",
            ),
        ] {
            if is_asked {
                sql.push_str(condition);
            }
        }
        sql.push_str(" ORDER BY append_time DESC, topic_id DESC, offset DESC LIMIT {limit:UInt32}");
        sql
    }

    fn bind(&self, mut query: Query) -> Query {
        for (name, value) in [("kind", self.kind), ("actor", self.actor)] {
            if let Some(value) = value {
                query = query.param(name, value);
            }
        }
        if let Some(ids) = self.ids {
            query = query.param("ids", ids);
        }
        for (name, value) in [("from", self.from), ("to", self.to)] {
            if let Some(value) = value {
                query = query.param(name, value.0);
            }
        }
        if let Some(in_force) = self.in_force {
            query = query.param("in_force", u8::from(in_force));
        }
        query
    }
}

impl ClickHouse {
    /// Inserts decisions, then the position up to which the control log is projected. May be
    /// repeated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_audit(
        &self,
        rows: &[AuditRow],
        log_partition: LogPartition,
        position: Offset,
    ) -> Result<(), Error> {
        if !rows.is_empty() {
            let action = || format!("insert {} decisions into audit_log", rows.len());
            self.call(action, self.insert_rows("audit_log", rows))
                .await?;
        }
        self.insert_projection_position(Projection::AuditLog, log_partition, position)
            .await
    }

    /// Decisions, newest first; those behind `after`, the last of the page before. At most
    /// [`AUDIT_ROWS_MAX`] come; a shorter page than `limit` is the last.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn audit(
        &self,
        filter: &AuditFilter<'_>,
        after: Option<&AuditRow>,
        limit: u32,
    ) -> Result<Vec<AuditRow>, Error> {
        let sql = filter.sql(after.is_some());
        let mut query = filter.bind(self.client().query(&sql));
        if let Some(after) = after {
            query = query
                .param("after_time", after.append_time.0)
                .param("after_topic", after.topic_id.to_string())
                .param("after_offset", after.offset);
        }
        let query = query.param("limit", limit.min(AUDIT_ROWS_MAX));
        self.rows(|| "read the audit log".to_owned(), query).await
    }
}
