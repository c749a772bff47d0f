//! Usage by fewer dimensions than a meter has: the buckets behind the usage views, merged further.
//!
//! Merged are buckets, never the values of the views: a mean of means is no mean, and the latest of
//! several parts is one of them, not their sum. By all dimensions it is the view itself, by none
//! what the meter's buckets of kind `whole` hold; tests hold it to both. It refuses
//! `unique_count`, whose parts do not add up: such rows are left out.
//!
//! SQL is put together from fixed pieces only; what a caller passes travels beside it.

use crate::client::ClickHouse;
use crate::error::Error;
use crate::query::{PAGE_ROWS_MAX, UsageFilter, bind_usage, usage_sql_of};
use meterline_core::time::Level;
use meterline_schemas::rows::{UsageRow, bucket_table};

impl ClickHouse {
    /// One tenant's usage by meter, window and these dimensions alone, each meter's other ones
    /// merged by its aggregation. `group_by` is sorted and unique; a dimension that a meter lacks
    /// is empty. In the order, and with the places, of [`ClickHouse::usage`].
    ///
    /// # Errors
    /// Any [`Error`] of a request.
    pub async fn usage_by(
        &self,
        group_by: &[String],
        filter: &UsageFilter<'_>,
    ) -> Result<Vec<UsageRow>, Error> {
        let sql = usage_sql_of(
            "?fields",
            &format!("({})", grouped_sql(filter.level)),
            filter,
        );
        let query = bind_usage(self.client().query(&sql), filter)
            .param("group_by", group_by)
            .param("limit", filter.limit.min(PAGE_ROWS_MAX));
        // Without the tenant: actions get into log lines, which name none.
        let action = || "read usage by dimensions".to_owned();
        self.rows(action, query).await
    }
}

/// The statement of a level's usage view, with the dimensions that are named in the place of all.
fn grouped_sql(level: Level) -> String {
    let (window_end, sealed_to) = match level {
        Level::Hour => ("addHours(window_start, 1)", "sealed_to"),
        Level::Day => ("addDays(window_start, 1)", "levels_sealed_to"),
        Level::Month => ("addMonths(window_start, 1)", "levels_sealed_to"),
    };
    let table = bucket_table(level);
    format!(
        "SELECT tenant, meter, \
         arrayMap(key -> b.dimensions[key], {{group_by:Array(String)}}) AS group_values, \
         mapFromArrays({{group_by:Array(String)}}, group_values) AS dimensions, \
         window_start, {window_end} AS window_end, \
         CAST(multiIf(\
         aggregation = 'count', CAST(sum(b.events), 'Decimal(76, 9)'), \
         aggregation = 'sum', sum(CAST(b.sum, 'Decimal(76, 9)')), \
         aggregation = 'min', CAST(min(b.min), 'Decimal(76, 9)'), \
         aggregation = 'max', CAST(max(b.max), 'Decimal(76, 9)'), \
         aggregation = 'avg', sum(CAST(b.sum, 'Decimal(76, 9)')) / greatest(sum(b.events), 1), \
         CAST(argMax(b.latest, (b.latest_time, b.latest_version, b.topic_id, b.log_partition)), \
         'Decimal(76, 9)')), 'Decimal(38, 9)') AS value, \
         sum(b.events) AS events, \
         min(s.{sealed_to}) >= window_end AS sealed, \
         accurateCast(sum(b.revision), 'UInt32') AS revision, \
         CAST(max(b.updated_at), 'DateTime64(3)') AS updated_at \
         FROM {table} AS b FINAL \
         LEFT ANY JOIN log_partition_sealed AS s \
         ON b.topic_id = s.topic_id AND b.log_partition = s.log_partition \
         WHERE kind != 'whole' AND b.events > 0 AND aggregation != 'unique_count' \
         GROUP BY tenant, meter, window_start, group_values, aggregation \
         SETTINGS do_not_merge_across_partitions_select_final = 1, join_use_nulls = 0"
    )
}
