//! What `verify` compares and `resolve` restates: rows of given up histories, sums, levels, letters.
//!
//! Every query is bound to one log partition. What is compared is decided by the caller; here rows
//! are only found and added up, by the server, with every value a bound parameter.

use crate::client::ClickHouse;
use crate::error::Error;
use clickhouse::Row;
use clickhouse::query::Query;
use meterline_core::position::{LogPartition, MAX_OFFSET, Stamp};
use meterline_core::quantity::Quantity;
use meterline_core::restate::EpochEnds;
use meterline_core::time::{EventTime, Level};
use meterline_schemas::rows::columns;
use meterline_schemas::rows::{BucketTableRow, ReasonCount, bound_seconds, bucket_table};
use serde::Deserialize;

/// Most rows of one answer.
const ROWS_MAX: u32 = 5_000;

/// Most differences of one comparison that are shown.
const DIFFERENCES_MAX: u32 = 100;

/// A row that belongs to an epoch which has ended, at or behind where it did. The last offset marks
/// what was restated ([`meterline_core::restate::restated`]).
const ABANDONED: &str = "bitShiftRight(version, 48) < length({ends:Array(UInt64)}) \
     AND bitAnd(version, {last:UInt64}) != {last:UInt64} \
     AND bitAnd(version, {last:UInt64}) >= \
         arrayElement({ends:Array(UInt64)}, toUInt32(bitShiftRight(version, 48)) + 1)";

/// The same for dead letters, which carry epoch and offset.
const ABANDONED_LETTER: &str = "epoch < length({ends:Array(UInt64)}) \
     AND offset >= arrayElement({ends:Array(UInt64)}, toUInt32(epoch) + 1)";

const OF_PARTITION: &str = "topic_id = {topic:UUID} AND log_partition = {partition:UInt32}";

/// The events of one meter in one partition, of kinds `whole` and `only`.
#[derive(Clone, PartialEq, Eq, Debug, Row, Deserialize)]
pub struct MeterSum {
    /// The meter.
    pub meter: String,
    /// Events in its buckets.
    pub events: u64,
}

/// A bucket whose value is not the sum of the level below it.
#[derive(Clone, PartialEq, Eq, Debug, Row, Deserialize)]
pub struct LevelDifference {
    /// Who is billed.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// The window's start.
    #[serde(with = "columns::seconds")]
    pub window_start: EventTime,
    /// Events in the level below.
    pub below_events: u64,
    /// Events in the bucket.
    pub events: u64,
    /// Sum in the level below.
    #[serde(with = "columns::quantity")]
    pub below_sum: Quantity,
    /// Sum in the bucket.
    #[serde(with = "columns::quantity")]
    pub sum: Quantity,
}

/// Which buckets a comparison of levels is about.
#[derive(Clone, Copy, Debug)]
pub struct LevelFilter<'a> {
    /// One tenant, or all.
    pub tenant: Option<&'a str>,
    /// First moment at which a window may start.
    pub from: EventTime,
    /// First moment at which it may no longer.
    pub to: EventTime,
}

#[derive(Row, Deserialize)]
struct Number {
    number: u64,
}

#[derive(Row, Deserialize)]
struct Place {
    #[serde(with = "columns::topic_id")]
    topic_id: meterline_core::position::TopicId,
    log_partition: u32,
}

impl ClickHouse {
    /// Rows of histories that were given up, by key; after the last there is an empty page.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn abandoned_rows(
        &self,
        level: Level,
        partition: LogPartition,
        ends: &EpochEnds,
        after: Option<&BucketTableRow>,
    ) -> Result<Vec<BucketTableRow>, Error> {
        let sql = page_of(level, ABANDONED, after);
        let query = bind_after(self.of(&sql, partition, ends), after);
        let table = bucket_table(level);
        let action = || format!("read abandoned rows of {table} of {partition}");
        self.rows(action, query).await
    }

    /// Rows whose window starts at or after a moment, by key; after the last there is an empty
    /// page.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn rows_since(
        &self,
        level: Level,
        partition: LogPartition,
        since: EventTime,
        after: Option<&BucketTableRow>,
    ) -> Result<Vec<BucketTableRow>, Error> {
        let wanted = "window_start >= toDateTime({since:UInt32}, 'UTC') AND events > 0";
        let sql = page_of(level, wanted, after);
        let query = self.of(&sql, partition, &EpochEnds::default());
        let query = bind_after(query.param("since", bound_seconds(since)), after);
        let table = bucket_table(level);
        let action = || format!("read rows of {table} of {partition}");
        self.rows(action, query).await
    }

    /// How many rows of a level belong to histories that were given up.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn count_abandoned(
        &self,
        level: Level,
        partition: LogPartition,
        ends: &EpochEnds,
    ) -> Result<u64, Error> {
        let table = bucket_table(level);
        let sql = format!(
            "SELECT count() AS number FROM {table} FINAL WHERE {OF_PARTITION} AND {ABANDONED}"
        );
        let action = || format!("count abandoned rows of {table} of {partition}");
        self.number(action, self.of(&sql, partition, ends)).await
    }

    /// How many dead letters belong to histories that were given up.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn count_abandoned_letters(
        &self,
        partition: LogPartition,
        ends: &EpochEnds,
    ) -> Result<u64, Error> {
        let sql = format!(
            "SELECT count() AS number FROM dead_letters FINAL \
             WHERE {OF_PARTITION} AND {ABANDONED_LETTER}"
        );
        let action = || format!("count abandoned dead letters of {partition}");
        self.number(action, self.of(&sql, partition, ends)).await
    }

    /// Removes dead letters of histories that were given up, and returns when they are gone.
    ///
    /// Those that the new history has too are its own, under a later epoch, and stay.
    ///
    /// # Errors
    /// Any [`Error`] of a request; some may be gone then.
    pub async fn remove_abandoned_letters(
        &self,
        partition: LogPartition,
        ends: &EpochEnds,
    ) -> Result<(), Error> {
        let sql = format!(
            "ALTER TABLE dead_letters DELETE WHERE {OF_PARTITION} AND {ABANDONED_LETTER} \
             SETTINGS mutations_sync = 2"
        );
        let action = || format!("remove abandoned dead letters of {partition}");
        let query = self.of(&sql, partition, ends);
        self.call(action, query.execute()).await
    }

    /// The events of each meter in a level's buckets of kinds `whole` and `only`.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn meter_sums(
        &self,
        level: Level,
        partition: LogPartition,
    ) -> Result<Vec<MeterSum>, Error> {
        let table = bucket_table(level);
        let sql = format!(
            "SELECT meter, sum(events) AS events FROM {table} FINAL \
             WHERE {OF_PARTITION} AND kind != 'part' GROUP BY meter ORDER BY meter"
        );
        let action = || format!("add up the events of {table} of {partition}");
        let query = self.of(&sql, partition, &EpochEnds::default());
        self.rows(action, query).await
    }

    /// Rows of the levels at or behind a position, restated ones aside: what is on its way.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn count_behind(
        &self,
        level: Level,
        partition: LogPartition,
        position: Stamp,
    ) -> Result<u64, Error> {
        let table = bucket_table(level);
        let sql = format!(
            "SELECT count() AS number FROM {table} \
             WHERE {OF_PARTITION} AND version >= {{position:UInt64}}"
        );
        let action = || format!("count rows of {table} of {partition} behind its progress");
        let query = self.of(&sql, partition, &EpochEnds::default());
        self.number(action, query.param("position", position.version()))
            .await
    }

    /// Buckets of a level that are not the sum of the level below, by tenant, meter and window.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    ///
    /// # Panics
    /// For hours, which have no level below.
    pub async fn level_differences(
        &self,
        level: Level,
        partition: LogPartition,
        filter: &LevelFilter<'_>,
    ) -> Result<Vec<LevelDifference>, Error> {
        let (below, start) = match level {
            Level::Hour => panic!("hours have no level below"),
            Level::Day => (Level::Hour, "toStartOfDay(window_start)"),
            Level::Month => (
                Level::Day,
                "toDateTime(toStartOfMonth(window_start), 'UTC')",
            ),
        };
        let tenant = filter
            .tenant
            .map_or("", |_| " AND tenant = {tenant:String}");
        let wanted = format!(
            "{OF_PARTITION}{tenant} AND starts >= toDateTime({{from:UInt32}}, 'UTC') \
             AND starts < toDateTime({{to:UInt32}}, 'UTC')"
        );
        let key = "tenant, meter, kind, dimensions_hash, starts";
        let side = |table: &str, window: &str| {
            format!(
                "SELECT {key}, sum(b.events) AS events, sum(b.sum) AS sum FROM \
                 (SELECT *, {window} AS starts FROM {table} FINAL) AS b \
                 WHERE {wanted} GROUP BY {key}"
            )
        };
        let sql = format!(
            "SELECT tenant, meter, starts AS window_start, below.events AS below_events, \
             above.events AS events, CAST(below.sum, 'Decimal(38, 9)') AS below_sum, \
             CAST(above.sum, 'Decimal(38, 9)') AS sum \
             FROM ({}) AS below FULL OUTER JOIN ({}) AS above USING ({key}) \
             WHERE below.events != above.events OR below.sum != above.sum \
             ORDER BY {key} LIMIT {{limit:UInt32}}",
            side(bucket_table(below), start),
            side(bucket_table(level), "window_start"),
        );
        let mut query = self
            .of(&sql, partition, &EpochEnds::default())
            .param("from", bound_seconds(filter.from))
            .param("to", bound_seconds(filter.to))
            .param("limit", DIFFERENCES_MAX);
        if let Some(tenant) = filter.tenant {
            query = query.param("tenant", tenant);
        }
        let name = level.name();
        self.rows(|| format!("compare {name}s of {partition}"), query)
            .await
    }

    /// Start of the first month that a partition has buckets of; `None` where it has none.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn first_month(&self, partition: LogPartition) -> Result<Option<EventTime>, Error> {
        let sql = format!(
            "SELECT toUInt64(toUnixTimestamp(min(window_start))) AS number FROM bucket_monthly \
             WHERE {OF_PARTITION} HAVING count() > 0"
        );
        let query = self.of(&sql, partition, &EpochEnds::default());
        let action = || format!("look for the first month of {partition}");
        let rows: Vec<Number> = self.rows(action, query).await?;
        let micros = |row: &Number| i64::try_from(row.number).ok()?.checked_mul(1_000_000);
        Ok(rows.first().and_then(micros).map(EventTime))
    }

    /// Dead letters of a partition before an offset, by reason.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn letters_before(
        &self,
        partition: LogPartition,
        to: u64,
    ) -> Result<Vec<ReasonCount>, Error> {
        let sql = format!(
            "SELECT toString(reason) AS reason, count() AS count FROM dead_letters FINAL \
             WHERE {OF_PARTITION} AND offset < {{to:UInt64}} GROUP BY reason ORDER BY reason"
        );
        let query = self.of(&sql, partition, &EpochEnds::default());
        let action = || format!("count dead letters of {partition}");
        self.rows(action, query.param("to", to)).await
    }

    /// Log partitions that have hour rows and no progress at all.
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn rows_without_progress(&self) -> Result<Vec<LogPartition>, Error> {
        let sql = "SELECT DISTINCT topic_id, log_partition FROM bucket_hourly \
                   WHERE (topic_id, log_partition) NOT IN \
                   (SELECT topic_id, log_partition FROM progress) \
                   ORDER BY topic_id, log_partition LIMIT {limit:UInt32}";
        let query = self.client().query(sql).param("limit", DIFFERENCES_MAX);
        let action = || "look for rows without progress".to_owned();
        let places: Vec<Place> = self.rows(action, query).await?;
        let partitions = places.into_iter().map(|place| LogPartition {
            topic_id: place.topic_id,
            partition: place.log_partition,
        });
        Ok(partitions.collect())
    }

    fn of(&self, sql: &str, partition: LogPartition, ends: &EpochEnds) -> Query {
        self.client()
            .query(sql)
            .param("topic", partition.topic_id.to_string())
            .param("partition", partition.partition)
            .param("ends", ends.offsets())
            .param("last", MAX_OFFSET)
    }

    async fn number(&self, action: impl FnOnce() -> String, query: Query) -> Result<u64, Error> {
        let rows: Vec<Number> = self.rows(action, query).await?;
        Ok(rows.first().map_or(0, |row| row.number))
    }
}

/// A page of rows of a level that fulfil a condition, by key.
fn page_of(level: Level, wanted: &str, after: Option<&BucketTableRow>) -> String {
    let table = bucket_table(level);
    let key = "tenant, meter, toUnixTimestamp(window_start), toInt8(kind), dimensions_hash";
    let next = after.map_or_else(String::new, |_| {
        format!(
            " AND ({key}) > ({{after_tenant:String}}, {{after_meter:String}}, \
             {{after_start:UInt32}}, {{after_kind:Int8}}, toUInt128({{after_hash:String}}))"
        )
    });
    format!(
        "SELECT ?fields FROM {table} FINAL WHERE {OF_PARTITION} AND {wanted}{next} \
         ORDER BY {key} LIMIT {ROWS_MAX}"
    )
}

fn bind_after(query: Query, after: Option<&BucketTableRow>) -> Query {
    let Some(after) = after else {
        return query;
    };
    query
        .param("after_tenant", &after.tenant)
        .param("after_meter", &after.meter)
        .param("after_start", after.window_start)
        .param("after_kind", after.kind as u8)
        .param("after_hash", after.dimensions_hash.to_string())
}
