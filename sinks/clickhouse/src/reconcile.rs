//! Buckets beside the ledger of pushes, compared by the server: only what differs comes back, and
//! one sum for each day.
//!
//! A month of 100,000 tenants' meters has 74 million windows, too many to be read one by one. A
//! window should be at Stripe as its buckets say, with what is carried into it; it is left out while
//! it is open or changed a moment ago. SQL is put together from fixed pieces only; what a caller
//! passes travels beside it.

mod lines;

pub use lines::{LINES_MAX, LineKey, LineSum, OwnerRow};

use crate::client::ClickHouse;
use crate::error::Error;
use crate::stream::Rows;
use clickhouse::Row;
use clickhouse::query::Query;
use meterline_core::position::TopicId;
use meterline_core::time::{EventTime, Hour, LogTime};
use meterline_schemas::rows::{PairRow, WindowRow, bound_seconds, columns};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Differing windows of one customer's meter that come back one by one; the others are counted.
pub const DIFFERENCES_MAX: usize = 100;

/// Which windows are compared, and by what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// The hours.
    pub hours: Range<Hour>,
    /// Hours before this one, the first of a day, are summed by days.
    pub days_to: Hour,
    /// Meters that are pushed.
    pub meters: Vec<String>,
    /// Only tenants' meters of which a step was written since, or a difference is open; or all.
    pub since: Option<LogTime>,
    /// Windows that changed later are left out.
    pub settled: LogTime,
    /// Windows before this moment that were never pushed are nobody's business here.
    pub ours: EventTime,
    /// The hour in which the ledger's first record that is kept was written.
    pub began: Hour,
    /// Whether what Stripe was not told counts as told: of a ledger that somebody keeps beside
    /// another biller.
    pub shadow: bool,
    /// The incarnation of `meterline.pushes`.
    pub pushes: TopicId,
}

/// A tenant's meter; their order is that of the tables.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Row, Serialize, Deserialize)]
pub struct PairKey {
    /// The tenant.
    pub tenant: String,
    /// The meter.
    pub meter: String,
}

/// Tenants' meters behind one, up to another, that is among them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PairRange {
    /// The last one before them; empty names: they begin with the first.
    pub after: PairKey,
    /// The last of them.
    pub to: PairKey,
}

#[derive(Clone, Copy, Debug, Row, Deserialize)]
struct PushTopic {
    #[serde(with = "columns::topic_id")]
    topic_id: TopicId,
    first: LogTime,
}

const OF_SPAN: &str = "window_start >= toDateTime({from:UInt32}, 'UTC') \
                       AND window_start < toDateTime({to:UInt32}, 'UTC') \
                       AND meter IN {meters:Array(String)}";
const BEHIND: &str = "tenant >= {after_tenant:String} \
                      AND (tenant, meter) > ({after_tenant:String}, {after_meter:String})";
const UP_TO: &str = "tenant <= {to_tenant:String} \
                     AND (tenant, meter) <= ({to_tenant:String}, {to_meter:String})";
const ZERO: &str = "toDecimal128(0, 9)";

impl ClickHouse {
    /// The newest incarnation of `meterline.pushes` in the tables, and when its first record that is
    /// kept was written; `None` where nothing was ever pushed.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn pushes_topic(&self) -> Result<Option<(TopicId, LogTime)>, Error> {
        let sql = "SELECT topic_id, min(p.append_time) AS first FROM stripe_pushes AS p \
                   GROUP BY topic_id ORDER BY max(p.append_time) DESC LIMIT 1";
        let query = self.client().query(sql);
        let found: Vec<PushTopic> = self
            .rows(|| "find the ledger of pushes".to_owned(), query)
            .await?;
        Ok(found.first().map(|topic| (topic.topic_id, topic.first)))
    }

    /// The next tenants' meters with a bucket or a push in the hours, at most `limit`, by their keys.
    /// Of `tenant` only, if there is one.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn pairs(
        &self,
        comparison: &Comparison,
        tenant: Option<&str>,
        after: &PairKey,
        limit: u32,
    ) -> Result<Vec<PairKey>, Error> {
        let of_tenant = if tenant.is_some() {
            "tenant = {tenant:String}"
        } else {
            "1"
        };
        let recent = comparison.recent_sql();
        let side = |table: &str| {
            format!(
                "SELECT tenant, meter FROM {table} WHERE {OF_SPAN} AND {BEHIND} AND {of_tenant} \
                 AND {recent} \
                 GROUP BY tenant, meter ORDER BY tenant, meter LIMIT {{limit:UInt32}}"
            )
        };
        let sql = format!(
            "SELECT ?fields FROM (SELECT * FROM ({}) UNION DISTINCT SELECT * FROM ({})) \
             ORDER BY tenant, meter LIMIT {{limit:UInt32}} \
             SETTINGS optimize_aggregation_in_order = 1",
            side("bucket_hourly"),
            side("stripe_pushes")
        );
        let mut query = comparison
            .bind(self.client().query(&sql))
            .param("after_tenant", &after.tenant)
            .param("after_meter", &after.meter)
            .param("limit", limit);
        if let Some(tenant) = tenant {
            query = query.param("tenant", tenant);
        }
        self.rows(|| "list tenants' meters".to_owned(), query).await
    }

    /// Windows of these tenants' meters compared with the ledger, by tenant, meter and the customer
    /// of the ledger.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub fn compare_pairs(
        &self,
        comparison: &Comparison,
        range: &PairRange,
    ) -> Result<Rows<PairRow>, Error> {
        let sql = pairs_sql(comparison);
        let query = comparison
            .bind(self.client().query(&sql))
            .param("after_tenant", &range.after.tenant)
            .param("after_meter", &range.after.meter)
            .param("to_tenant", &range.to.tenant)
            .param("to_meter", &range.to.meter);
        Rows::of(self, "compare buckets with the ledger".to_owned(), query)
    }

    /// The windows of one tenant's meter, by their start: at most as many as there are hours.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn compare_windows(
        &self,
        comparison: &Comparison,
        pair: &PairKey,
    ) -> Result<Vec<WindowRow>, Error> {
        let only = "tenant = {to_tenant:String} AND meter = {to_meter:String}";
        let sql = format!(
            "SELECT window_start, customer, wanted, if(step = 0, NULL, quantity) AS pushed, \
             CAST(is_open OR changed_at > {SETTLED}, 'Bool') AS is_in_work, \
             CAST(is_away OR verdict IN (1, 3), 'Bool') AS is_told FROM ({}) ORDER BY window_start",
            judged_sql(only)
        );
        let query = comparison
            .bind(self.client().query(&sql))
            .param("to_tenant", &pair.tenant)
            .param("to_meter", &pair.meter);
        self.rows(|| "compare windows with the ledger".to_owned(), query)
            .await
    }
}

impl Comparison {
    /// The condition on tenants' meters that `since` makes.
    fn recent_sql(&self) -> &'static str {
        if self.since.is_none() {
            return "1";
        }
        "(tenant, meter) IN (SELECT tenant, meter FROM stripe_pushes \
         WHERE topic_id = {pushes:UUID} \
         AND window_start >= toDateTime({from:UInt32}, 'UTC') \
         AND window_start < toDateTime({to:UInt32}, 'UTC') \
         AND append_time > fromUnixTimestamp64Milli({since:Int64}, 'UTC') \
         UNION DISTINCT SELECT tenant, meter FROM stripe_differences FINAL WHERE is_open)"
    }

    fn bind(&self, query: Query) -> Query {
        let proved: &[i8] = if self.shadow { &[6, 3] } else { &[6] };
        let query = match self.since {
            Some(since) => query.param("since", since.0),
            None => query,
        };
        query
            .param("from", bound_seconds(self.hours.start.start()))
            .param("to", bound_seconds(self.hours.end.start()))
            .param("days_to", bound_seconds(self.days_to.start()))
            .param("meters", &self.meters)
            .param("settled", self.settled.0)
            .param("ours", bound_seconds(self.ours))
            .param("proved", proved)
            .param("pushes", self.pushes.to_string())
    }
}

/// The verdict on a window that is left out.
const IN_WORK: u8 = 100;
const SETTLED: &str = "fromUnixTimestamp64Milli({settled:Int64}, 'UTC')";

fn pairs_sql(comparison: &Comparison) -> String {
    let differs = format!("verdict BETWEEN 1 AND {}", IN_WORK - 1);
    format!(
        "SELECT tenant, meter, customer, event_name, count() AS windows, \
         countIf(verdict = {IN_WORK}) AS in_work, countIf({differs}) AS differing, \
         sumIf(w.wanted, {differs}) AS differing_sum, \
         arraySort(x -> x.1, groupArrayIf({DIFFERENCES_MAX})((w.window_start, toInt8(verdict), \
         w.wanted, if(w.step = 0, NULL, w.quantity), w.detail), {differs})) AS differences, \
         sumMapIf([toUInt32(if(w.window_start < toDateTime({{days_to:UInt32}}, 'UTC'), \
         toStartOfDay(w.window_start), w.window_start))], [w.quantity], w.step != 0) AS pushed \
         FROM ({}) AS w GROUP BY tenant, meter, customer, event_name \
         ORDER BY tenant, meter, customer, event_name",
        judged_sql(&format!(
            "{BEHIND} AND {UP_TO} AND {}",
            comparison.recent_sql()
        ))
    )
}

/// Windows with a verdict: 0 (nothing is to be said), the code of a kind of difference, or
/// [`IN_WORK`]. Of one that was carried alone and pushed, too, its invoice's line decides.
fn judged_sql(keys: &str) -> String {
    format!(
        "SELECT *, multiIf(\
         step != 0 AND is_away, 0, \
         has({{proved:Array(Int8)}}, step) AND quantity = wanted, 0, \
         step = 0 AND (wanted = 0 OR window_start < toDateTime({{ours:UInt32}}, 'UTC')), 0, \
         is_open OR changed_at > {SETTLED}, {IN_WORK}, \
         step = 0 OR step = 5, 1, quantity != wanted, 2, 3) AS verdict FROM ({})",
        merged_sql(keys)
    )
}

/// Windows on all sides that the tables know: what Stripe should have (`wanted`), the newest step of
/// the ledger (0 without one) and what it pushed, whether the hour is open, and the last change.
fn merged_sql(keys: &str) -> String {
    let sides = [
        buckets_sql(keys),
        ledger_sql(keys),
        placed_sql(keys),
        away_sql(keys),
    ];
    format!(
        "SELECT tenant, meter, window_start, max(u.step) AS step, max(u.customer) AS customer, \
         max(u.event_name) AS event_name, sum(u.quantity) AS quantity, max(u.detail) AS detail, \
         sum(u.value) + sum(u.placed) - sum(u.away) AS wanted, sum(u.away) != 0 AS is_away, \
         max(u.is_open) AS is_open, max(u.changed_at) AS changed_at \
         FROM ({}) AS u GROUP BY tenant, meter, window_start",
        sides.join(" UNION ALL ")
    )
}

/// What the buckets come to: the value of every window, as [`crate::grouped`] merges log partitions.
fn buckets_sql(keys: &str) -> String {
    let latest = "(b.latest_time, b.latest_version, b.topic_id, b.log_partition)";
    format!(
        "SELECT tenant, meter, window_start, CAST(multiIf(\
         aggregation = 'count', CAST(sum(b.events), 'Decimal(76, 9)'), \
         aggregation = 'sum', sum(CAST(b.sum, 'Decimal(76, 9)')), \
         aggregation = 'min', CAST(minIf(b.min, b.events > 0), 'Decimal(76, 9)'), \
         aggregation = 'max', CAST(maxIf(b.max, b.events > 0), 'Decimal(76, 9)'), \
         CAST(argMaxIf(b.latest, {latest}, b.events > 0), 'Decimal(76, 9)')), \
         'Decimal(38, 9)') AS value, {ZERO} AS placed, {ZERO} AS away, toInt8(0) AS step, \
         '' AS customer, '' AS event_name, {ZERO} AS quantity, '' AS detail, \
         toUInt8(min(s.sealed_to) < addHours(window_start, 1)) AS is_open, \
         max(b.updated_at) AS changed_at \
         FROM bucket_hourly AS b FINAL LEFT ANY JOIN log_partition_sealed AS s \
         ON b.topic_id = s.topic_id AND b.log_partition = s.log_partition \
         WHERE kind != 'part' AND aggregation NOT IN ('avg', 'unique_count') \
         AND {OF_SPAN} AND {keys} \
         GROUP BY tenant, meter, window_start, aggregation"
    )
}

/// The newest step in force of every window. Receipts are passed over: they prove no more than their
/// intents, and are a third of all steps.
fn ledger_sql(keys: &str) -> String {
    format!(
        "SELECT tenant, meter, window_start, {ZERO} AS value, {ZERO} AS placed, {ZERO} AS away, \
         CAST(argMax(p.step, p.offset), 'Int8') AS step, argMax(p.customer, p.offset) AS customer, \
         CAST(argMax(p.event_name, p.offset), 'String') AS event_name, \
         argMax(p.quantity, p.offset) AS quantity, argMax(p.detail, p.offset) AS detail, \
         toUInt8(0) AS is_open, max(p.append_time) AS changed_at \
         FROM stripe_pushes AS p WHERE p.topic_id = {{pushes:UUID}} AND p.step != 'received' \
         AND {OF_SPAN} AND {keys} GROUP BY tenant, meter, window_start"
    )
}

/// What is carried into windows.
fn placed_sql(keys: &str) -> String {
    format!(
        "SELECT tenant, meter, window_start, {ZERO} AS value, sum(c.quantity) AS placed, \
         {ZERO} AS away, toInt8(0) AS step, '' AS customer, '' AS event_name, {ZERO} AS quantity, \
         '' AS detail, toUInt8(0) AS is_open, max(c.append_time) AS changed_at \
         FROM stripe_carries AS c FINAL WHERE c.topic_id = {{pushes:UUID}} AND {OF_SPAN} AND {keys} \
         GROUP BY tenant, meter, window_start"
    )
}

/// What is carried out of windows that Stripe would not take; their source is `window/<hour>`.
fn away_sql(keys: &str) -> String {
    format!(
        "SELECT tenant, meter, window_start, {ZERO} AS value, {ZERO} AS placed, \
         sum(c.quantity) AS away, toInt8(0) AS step, '' AS customer, '' AS event_name, \
         {ZERO} AS quantity, '' AS detail, toUInt8(0) AS is_open, \
         max(c.append_time) AS changed_at FROM (SELECT tenant, meter, quantity, append_time, \
         toDateTime(toUInt32OrZero(substring(source, 8)) * 3600, 'UTC') AS window_start \
         FROM stripe_carries FINAL \
         WHERE topic_id = {{pushes:UUID}} AND startsWith(source, 'window/')) AS c \
         WHERE {OF_SPAN} AND {keys} GROUP BY tenant, meter, window_start"
    )
}
