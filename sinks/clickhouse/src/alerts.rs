//! Alerts and what was told of them: the projection of `usage.alerts`, and pages of it.
//!
//! SQL is put together from fixed pieces only; what a caller passes travels beside it.

use crate::client::ClickHouse;
use crate::error::Error;
use crate::query::PAGE_ROWS_MAX;
use clickhouse::query::Query;
use meterline_core::alert::AlertState;
use meterline_core::catalog::plans::Severity;
use meterline_core::position::{LogPartition, Offset};
use meterline_core::time::{EventTime, LogTime};
use meterline_schemas::rows::{
    AlertRow, DeliveryRow, LogPlace, OpenAlertRow, ProjectionPositionRow, bound_seconds,
};

/// Most notifications whose deliveries are asked for at once.
pub const NOTIFICATIONS_MAX: usize = 1_000;

/// A projection of a log, as `projection_positions` names it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Projection {
    /// Of `usage.alerts`, in `alerts` and `alert_deliveries`.
    Alerts,
    /// Of `meterline.control`, in `audit_log`.
    AuditLog,
    /// Of `meterline.pushes`, in `stripe_pushes` and `stripe_carries`.
    Pushes,
}

impl Projection {
    /// The name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alerts => "alerts",
            Self::AuditLog => "audit_log",
            Self::Pushes => "stripe_pushes",
        }
    }
}

/// Which transitions of alerts are meant; every part narrows it further.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlertFilter<'a> {
    /// These tenants, or all.
    pub tenants: Option<&'a [String]>,
    /// One meter, or all.
    pub meter: Option<&'a str>,
    /// Only openings, or only what was resolved.
    pub state: Option<AlertState>,
    /// At least this severity.
    pub severity: Option<Severity>,
    /// First append time that is meant.
    pub from: Option<LogTime>,
    /// First append time that is no longer meant.
    pub to: Option<LogTime>,
}

/// Which open alerts are meant; every part narrows it further.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAlertFilter<'a> {
    /// These tenants, or all.
    pub tenants: Option<&'a [String]>,
    /// One meter, or all.
    pub meter: Option<&'a str>,
    /// At least this severity.
    pub severity: Option<Severity>,
    /// Only of periods that have not ended at this moment.
    pub running_at: Option<EventTime>,
}

/// A filter's conditions: those that are asked for.
pub(crate) fn conditions(asked: &[(bool, &str)]) -> String {
    let mut sql = "1".to_owned();
    for (_, condition) in asked.iter().filter(|(is_asked, _)| *is_asked) {
        sql.push_str(" AND ");
        sql.push_str(condition);
    }
    sql
}

pub(crate) const OF_TENANTS: &str = "tenant IN {tenants:Array(String)}";
pub(crate) const OF_METER: &str = "meter = {meter:String}";
const OF_SEVERITY: &str = "severity >= {severity:String}";
const AFTER_PLACE: &str = "(append_time, topic_id, log_partition, offset) < \
     (fromUnixTimestamp64Milli({after_time:Int64}, 'UTC'), {after_topic:UUID}, \
     {after_partition:UInt32}, {after_offset:UInt64})";
const NEWEST_FIRST: &str = "ORDER BY append_time DESC, topic_id DESC, log_partition DESC, \
     offset DESC LIMIT {limit:UInt32}";

impl AlertFilter<'_> {
    fn sql(&self, after: Option<LogPlace>) -> String {
        let wanted = conditions(&[
            (self.tenants.is_some(), OF_TENANTS),
            (self.meter.is_some(), OF_METER),
            (self.state.is_some(), "state = {state:String}"),
            (self.severity.is_some(), OF_SEVERITY),
            (
                self.from.is_some(),
                "append_time >= fromUnixTimestamp64Milli({from:Int64}, 'UTC')",
            ),
            (
                self.to.is_some(),
                "append_time < fromUnixTimestamp64Milli({to:Int64}, 'UTC')",
            ),
            (after.is_some(), AFTER_PLACE),
        ]);
        format!("SELECT ?fields FROM alerts FINAL WHERE {wanted} {NEWEST_FIRST}")
    }

    fn bind(&self, mut query: Query) -> Query {
        if let Some(tenants) = self.tenants {
            query = query.param("tenants", tenants);
        }
        if let Some(meter) = self.meter {
            query = query.param("meter", meter);
        }
        if let Some(state) = self.state {
            query = query.param("state", state.name());
        }
        if let Some(severity) = self.severity {
            query = query.param("severity", severity.name());
        }
        if let Some(from) = self.from {
            query = query.param("from", from.0);
        }
        if let Some(to) = self.to {
            query = query.param("to", to.0);
        }
        query
    }
}

fn bind_after(query: Query, after: Option<LogPlace>) -> Query {
    let Some(after) = after else {
        return query;
    };
    query
        .param("after_time", after.append_time.0)
        .param("after_topic", after.log_partition.topic_id.to_string())
        .param("after_partition", after.log_partition.partition)
        .param("after_offset", after.offset)
}

impl OpenAlertFilter<'_> {
    fn sql(&self, after: Option<&OpenAlertRow>) -> String {
        let wanted = conditions(&[
            (self.tenants.is_some(), OF_TENANTS),
            (self.meter.is_some(), OF_METER),
            (self.severity.is_some(), OF_SEVERITY),
            (
                self.running_at.is_some(),
                "period_end > toDateTime({running_at:UInt32}, 'UTC')",
            ),
            (
                after.is_some(),
                "(tenant, meter, period_start, threshold) > ({after_tenant:String}, \
                 {after_meter:String}, toDateTime({after_start:UInt32}, 'UTC'), \
                 {after_threshold:String})",
            ),
        ]);
        format!(
            "SELECT ?fields FROM open_alerts WHERE {wanted} \
             ORDER BY tenant, meter, period_start, threshold LIMIT {{limit:UInt32}}"
        )
    }

    fn bind(&self, mut query: Query, after: Option<&OpenAlertRow>) -> Query {
        if let Some(tenants) = self.tenants {
            query = query.param("tenants", tenants);
        }
        if let Some(meter) = self.meter {
            query = query.param("meter", meter);
        }
        if let Some(severity) = self.severity {
            query = query.param("severity", severity.name());
        }
        if let Some(moment) = self.running_at {
            // Whole seconds before the moment: a period that ends within the second has not ended.
            let second = EventTime(moment.0.div_euclid(1_000_000) * 1_000_000);
            query = query.param("running_at", bound_seconds(second));
        }
        if let Some(after) = after {
            query = query
                .param("after_tenant", &after.tenant)
                .param("after_meter", &after.meter)
                .param("after_start", bound_seconds(after.period_start))
                .param("after_threshold", &after.threshold);
        }
        query
    }
}

impl ClickHouse {
    /// Inserts transitions in force and outcomes of deliveries, then the position up to which
    /// their partition is projected. May be repeated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_alerts(
        &self,
        alerts: &[AlertRow],
        deliveries: &[DeliveryRow],
        log_partition: LogPartition,
        position: Offset,
    ) -> Result<(), Error> {
        if !alerts.is_empty() {
            let action = || format!("insert {} alerts of {log_partition}", alerts.len());
            self.call(action, self.insert_rows("alerts", alerts))
                .await?;
        }
        if !deliveries.is_empty() {
            let action = || format!("insert {} deliveries of {log_partition}", deliveries.len());
            let inserted = self.insert_rows("alert_deliveries", deliveries);
            self.call(action, inserted).await?;
        }
        self.insert_projection_position(Projection::Alerts, log_partition, position)
            .await
    }

    pub(crate) async fn insert_projection_position(
        &self,
        projection: Projection,
        log_partition: LogPartition,
        position: Offset,
    ) -> Result<(), Error> {
        let rows = [ProjectionPositionRow {
            name: projection.name().to_owned(),
            topic_id: log_partition.topic_id,
            log_partition: log_partition.partition,
            position,
        }];
        let name = projection.name();
        let action = || format!("insert the position of {name} of {log_partition}");
        let inserted = self.insert_rows("projection_positions", &rows);
        self.call(action, inserted).await
    }

    /// First offset of a log's partition that is not projected; 0 where nothing is known.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn projection_position(
        &self,
        projection: Projection,
        log_partition: LogPartition,
    ) -> Result<Offset, Error> {
        let sql = "SELECT ?fields FROM projection_positions FINAL \
                   WHERE name = {name:String} AND topic_id = {topic:UUID} \
                   AND log_partition = {partition:UInt32}";
        let query = self
            .client()
            .query(sql)
            .param("name", projection.name())
            .param("topic", log_partition.topic_id.to_string())
            .param("partition", log_partition.partition);
        let name = projection.name();
        let action = || format!("read the position of {name} of {log_partition}");
        let found: Vec<ProjectionPositionRow> = self.rows(action, query).await?;
        Ok(found.first().map_or(0, |row| row.position))
    }

    /// Transitions in force, newest first; those behind `after`, which is
    /// [`AlertRow::place`] of the last of the page before. At most [`PAGE_ROWS_MAX`] come; a
    /// shorter page than `limit` is the last.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn alerts(
        &self,
        filter: &AlertFilter<'_>,
        after: Option<LogPlace>,
        limit: u32,
    ) -> Result<Vec<AlertRow>, Error> {
        let query = filter.bind(self.client().query(&filter.sql(after)));
        let query = bind_after(query, after).param("limit", limit.min(PAGE_ROWS_MAX));
        self.rows(|| "read alerts".to_owned(), query).await
    }

    /// Alerts that are open, by tenant, meter, period and threshold; those behind `after`, the last
    /// of the page before. At most [`PAGE_ROWS_MAX`] come; a shorter page than `limit` is the last.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn open_alerts(
        &self,
        filter: &OpenAlertFilter<'_>,
        after: Option<&OpenAlertRow>,
        limit: u32,
    ) -> Result<Vec<OpenAlertRow>, Error> {
        let query = filter.bind(self.client().query(&filter.sql(after)), after);
        let query = query.param("limit", limit.min(PAGE_ROWS_MAX));
        self.rows(|| "read open alerts".to_owned(), query).await
    }

    /// Outcomes of the attempts to deliver these notifications of these tenants (or of all), by
    /// notification and route, oldest first; at most [`PAGE_ROWS_MAX`].
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    ///
    /// # Panics
    /// For more than [`NOTIFICATIONS_MAX`] notifications.
    pub async fn alert_deliveries(
        &self,
        tenants: Option<&[String]>,
        notifications: &[u128],
    ) -> Result<Vec<DeliveryRow>, Error> {
        assert!(
            notifications.len() <= NOTIFICATIONS_MAX,
            "{} notifications at once",
            notifications.len()
        );
        let wanted = conditions(&[
            (
                true,
                "notification IN arrayMap(id -> toUInt128(id), {ids:Array(String)})",
            ),
            (tenants.is_some(), OF_TENANTS),
        ]);
        let sql = format!(
            "SELECT ?fields FROM alert_deliveries FINAL WHERE {wanted} \
             ORDER BY notification, route, append_time, topic_id, log_partition, offset \
             LIMIT {{limit:UInt32}}"
        );
        let ids: Vec<String> = notifications.iter().map(u128::to_string).collect();
        let mut query = self.client().query(&sql).param("ids", ids);
        if let Some(tenants) = tenants {
            query = query.param("tenants", tenants);
        }
        let query = query.param("limit", PAGE_ROWS_MAX);
        self.rows(|| "read deliveries of alerts".to_owned(), query)
            .await
    }

    /// Notifications that are parked: per notification and route the newest outcome, where that is
    /// `parked`; newest first, those behind `after`. At most [`PAGE_ROWS_MAX`] come; a shorter
    /// page than `limit` is the last.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn parked_deliveries(
        &self,
        tenants: Option<&[String]>,
        after: Option<LogPlace>,
        limit: u32,
    ) -> Result<Vec<DeliveryRow>, Error> {
        let of_tenants = conditions(&[(tenants.is_some(), OF_TENANTS)]);
        let wanted = conditions(&[(true, "outcome = 'parked'"), (after.is_some(), AFTER_PLACE)]);
        // All outcomes of a notification are in one partition, where offsets order them.
        let sql = format!(
            "SELECT ?fields FROM (SELECT * FROM alert_deliveries WHERE {of_tenants} \
             ORDER BY offset DESC LIMIT 1 BY notification, route, topic_id, log_partition) \
             WHERE {wanted} {NEWEST_FIRST}"
        );
        let mut query = self.client().query(&sql);
        if let Some(tenants) = tenants {
            query = query.param("tenants", tenants);
        }
        let query = bind_after(query, after).param("limit", limit.min(PAGE_ROWS_MAX));
        self.rows(|| "read parked deliveries".to_owned(), query)
            .await
    }
}
