//! Pushes to Stripe and carries: the projection of `meterline.pushes`, and pages of it.
//!
//! SQL is put together from fixed pieces only; what a caller passes travels beside it.

use crate::alerts::{OF_METER, OF_TENANTS, Projection, conditions};
use crate::client::ClickHouse;
use crate::error::Error;
use crate::query::PAGE_ROWS_MAX;
use clickhouse::query::Query;
use meterline_core::position::{LogPartition, Offset};
use meterline_core::pushes::State;
use meterline_core::time::EventTime;
use meterline_schemas::rows::codes::push_step;
use meterline_schemas::rows::{CarryRow, PushCountRow, PushRow, bound_seconds};

/// Windows are grouped in the order of the table's key, so that memory does not grow with how many
/// there are.
const IN_ORDER: &str = "SETTINGS optimize_aggregation_in_order = 1";
const FROM_WINDOW: &str = "window_start >= toDateTime({from:UInt32}, 'UTC')";
const TO_WINDOW: &str = "window_start < toDateTime({to:UInt32}, 'UTC')";

/// Which pushes or carries are meant, by the hour windows that they are of; every part narrows it
/// further.
#[derive(Clone, Copy, Debug, Default)]
pub struct PushFilter<'a> {
    /// These tenants, or all.
    pub tenants: Option<&'a [String]>,
    /// One meter, or all.
    pub meter: Option<&'a str>,
    /// First moment at which a window may start.
    pub from: Option<EventTime>,
    /// First moment at which a window may no longer start.
    pub to: Option<EventTime>,
}

impl PushFilter<'_> {
    /// The conditions that are asked for, and one more.
    fn sql(&self, more: (bool, &str)) -> String {
        conditions(&[
            (self.tenants.is_some(), OF_TENANTS),
            (self.meter.is_some(), OF_METER),
            (self.from.is_some(), FROM_WINDOW),
            (self.to.is_some(), TO_WINDOW),
            more,
        ])
    }

    fn bind(&self, mut query: Query) -> Query {
        if let Some(tenants) = self.tenants {
            query = query.param("tenants", tenants);
        }
        if let Some(meter) = self.meter {
            query = query.param("meter", meter);
        }
        for (name, moment) in [("from", self.from), ("to", self.to)] {
            if let Some(moment) = moment {
                query = query.param(name, bound_seconds(moment));
            }
        }
        query
    }
}

impl ClickHouse {
    /// Inserts steps and carries in force, then the position up to which their partition is
    /// projected. May be repeated.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn insert_pushes(
        &self,
        pushes: &[PushRow],
        carries: &[CarryRow],
        log_partition: LogPartition,
        position: Offset,
    ) -> Result<(), Error> {
        if !pushes.is_empty() {
            let action = || format!("insert {} steps of {log_partition}", pushes.len());
            self.call(action, self.insert_rows("stripe_pushes", pushes))
                .await?;
        }
        if !carries.is_empty() {
            let action = || format!("insert {} carries of {log_partition}", carries.len());
            self.call(action, self.insert_rows("stripe_carries", carries))
                .await?;
        }
        self.insert_projection_position(Projection::Pushes, log_partition, position)
            .await
    }

    /// All steps in force, by tenant, meter, window and position; those behind `after`, the last
    /// of the page before. At most [`PAGE_ROWS_MAX`] come; a shorter page than `limit` is the last.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn pushes(
        &self,
        filter: &PushFilter<'_>,
        after: Option<&PushRow>,
        limit: u32,
    ) -> Result<Vec<PushRow>, Error> {
        let key = "(tenant, meter, window_start, topic_id, log_partition, offset)";
        let behind = format!(
            "{key} > ({{after_tenant:String}}, {{after_meter:String}}, \
             toDateTime({{after_start:UInt32}}, 'UTC'), {{after_topic:UUID}}, \
             {{after_partition:UInt32}}, {{after_offset:UInt64}})"
        );
        let wanted = filter.sql((after.is_some(), &behind));
        let sql = format!(
            "SELECT ?fields FROM stripe_pushes FINAL WHERE {wanted} ORDER BY {key} \
             LIMIT {{limit:UInt32}}"
        );
        let mut query = filter.bind(self.client().query(&sql));
        if let Some(after) = after {
            query = bind_window(query, after)
                .param("after_topic", after.topic_id.to_string())
                .param("after_partition", after.log_partition)
                .param("after_offset", after.offset);
        }
        let query = query.param("limit", limit.min(PAGE_ROWS_MAX));
        self.rows(|| "read pushes".to_owned(), query).await
    }

    /// The newest step in force of each window, where it is one of `steps` (of any where there are
    /// none), by tenant, meter and window; those behind `after`, the last of the page before. At
    /// most [`PAGE_ROWS_MAX`] come; a shorter page than `limit` is the last.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn pushed_windows(
        &self,
        filter: &PushFilter<'_>,
        steps: &[State],
        after: Option<&PushRow>,
        limit: u32,
    ) -> Result<Vec<PushRow>, Error> {
        let behind = "(tenant, meter, window_start) > ({after_tenant:String}, \
                      {after_meter:String}, toDateTime({after_start:UInt32}, 'UTC'))";
        let wanted = filter.sql((after.is_some(), behind));
        let of_steps = conditions(&[(!steps.is_empty(), "step IN {steps:Array(String)}")]);
        let sql = format!(
            "SELECT ?fields FROM stripe_windows WHERE {wanted} AND {of_steps} \
             ORDER BY tenant, meter, window_start LIMIT {{limit:UInt32}} {IN_ORDER}"
        );
        let mut query = filter.bind(self.client().query(&sql));
        if let Some(after) = after {
            query = bind_window(query, after);
        }
        if !steps.is_empty() {
            let names: Vec<&str> = steps.iter().map(|step| push_step::name(*step)).collect();
            query = query.param("steps", names);
        }
        let query = query.param("limit", limit.min(PAGE_ROWS_MAX));
        self.rows(|| "read windows at Stripe".to_owned(), query)
            .await
    }

    /// How many windows have which newest step, and since when; at most one row for each step.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn push_counts(&self, filter: &PushFilter<'_>) -> Result<Vec<PushCountRow>, Error> {
        let wanted = filter.sql((false, ""));
        let sql = format!(
            "SELECT ?fields FROM (SELECT step, count() AS windows, \
             min(window_start) AS oldest_window, min(append_time) AS since \
             FROM (SELECT window_start, step, append_time FROM stripe_windows WHERE {wanted}) \
             GROUP BY step) ORDER BY step {IN_ORDER}"
        );
        let query = filter.bind(self.client().query(&sql));
        self.rows(|| "count windows at Stripe".to_owned(), query)
            .await
    }

    /// All carries in force that are billed with the filter's windows, by tenant, meter, source
    /// and position; those behind `after`, the last of the page before. At most [`PAGE_ROWS_MAX`]
    /// come; a shorter page than `limit` is the last. Of one source the last one is the chain's
    /// head.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn carries(
        &self,
        filter: &PushFilter<'_>,
        after: Option<&CarryRow>,
        limit: u32,
    ) -> Result<Vec<CarryRow>, Error> {
        let key = "(tenant, meter, source, topic_id, log_partition, offset)";
        let behind = format!(
            "{key} > ({{after_tenant:String}}, {{after_meter:String}}, {{after_source:String}}, \
             {{after_topic:UUID}}, {{after_partition:UInt32}}, {{after_offset:UInt64}})"
        );
        let wanted = filter.sql((after.is_some(), &behind));
        let sql = format!(
            "SELECT ?fields FROM stripe_carries FINAL WHERE {wanted} ORDER BY {key} \
             LIMIT {{limit:UInt32}}"
        );
        let mut query = filter.bind(self.client().query(&sql));
        if let Some(after) = after {
            query = query
                .param("after_tenant", &after.tenant)
                .param("after_meter", &after.meter)
                .param("after_source", &after.source)
                .param("after_topic", after.topic_id.to_string())
                .param("after_partition", after.log_partition)
                .param("after_offset", after.offset);
        }
        let query = query.param("limit", limit.min(PAGE_ROWS_MAX));
        self.rows(|| "read carries".to_owned(), query).await
    }
}

fn bind_window(query: Query, after: &PushRow) -> Query {
    query
        .param("after_tenant", &after.tenant)
        .param("after_meter", &after.meter)
        .param("after_start", bound_seconds(after.window_start))
}
