//! The archive against the log: every record once, and the verdict of every event.
//!
//! The log is read again by a plain consumer and hashed by BLAKE3's own crate; verdicts come from
//! the recount's tables, which know the duplicate rule from the design alone.

use super::clickhouse::Sql;
use super::kafka::LogRecord;
use super::site::Site;
use super::wait::until;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long the archive may take to reach the log's end.
const COMPLETE: Duration = Duration::from_secs(60);

/// Largest value that the archive keeps whole.
const KEPT: usize = 64 << 10;

/// Reasons of records whose tenant or time cannot be read.
const UNREADABLE: &str = "'malformed', 'batch', 'unknown_schema', 'missing_tenant', 'bad_time'";

const LOG: &str = "CREATE OR REPLACE TABLE log
(
    log_partition UInt32,
    offset UInt64,
    append_time Int64 COMMENT 'milliseconds since 1970, by the broker',
    length UInt64,
    hash UInt128,
    value String COMMENT 'hexadecimal, empty where it is too long',
    incoming String COMMENT 'where the record came from'
)
ENGINE = MergeTree ORDER BY (log_partition, offset)";

/// Where a partition of the archive stands.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Archived {
    pub(crate) log_partition: i32,
    pub(crate) to_offset: i64,
    /// First missing, first there again, cause.
    pub(crate) holes: Vec<(i64, i64, String)>,
}

#[derive(Serialize)]
struct Row {
    log_partition: i32,
    offset: i64,
    append_time: i64,
    length: usize,
    hash: String,
    value: String,
    incoming: String,
}

impl Row {
    fn of(record: &LogRecord) -> Self {
        let digest = blake3::hash(&record.value);
        let (first, _) = digest.as_bytes().split_at(16);
        let first = first.try_into().expect("16 bytes were split off");
        let is_kept = record.value.len() <= KEPT;
        let bytes = record.value.iter().filter(|_| is_kept);
        Self {
            log_partition: record.partition,
            offset: record.offset,
            append_time: record.append_time,
            length: record.value.len(),
            hash: u128::from_be_bytes(first).to_string(),
            value: bytes.map(|byte| format!("{byte:02x}")).collect(),
            incoming: record.header("meterline-incoming").unwrap_or_default(),
        }
    }
}

/// Reads the usage log into the table `log` of the recount's database.
pub(crate) fn read_log(site: &Site) -> Sql {
    let sql = site.raw_sql();
    sql.run(LOG);
    let records = site.kafka().read_all(&site.usage_topic());
    for part in records.chunks(20_000) {
        let mut lines = Vec::new();
        for record in part {
            serde_json::to_writer(&mut lines, &Row::of(record)).expect("a row can be written");
            lines.push(b'\n');
        }
        sql.insert_json("log", lines);
    }
    sql
}

/// Where the archive stands; nothing where ClickHouse does not answer.
pub(crate) fn archived(site: &Site) -> Vec<Archived> {
    let query = "SELECT log_partition, to_offset, holes FROM archive_complete \
                 ORDER BY log_partition FORMAT JSONEachRow";
    let text = site.sql().try_run(query).unwrap_or_default();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
        .collect()
}

/// Waits until the archive reaches these ends, by partition.
pub(crate) fn wait_archived(site: &Site, ends: &BTreeMap<i32, i64>) {
    until(&format!("the archive to reach {ends:?}"), COMPLETE, || {
        let archived = archived(site);
        let reaches = |(partition, end): (&i32, &i64)| {
            let mut here = archived.iter();
            here.any(|a| a.log_partition == *partition && a.to_offset >= *end)
        };
        ends.iter()
            .all(reaches)
            .then_some(())
            .ok_or_else(|| format!("{archived:?}"))
    });
}

/// Compares the archive with the log: every record by position and content, none twice.
///
/// # Panics
/// With the number of differences.
pub(crate) fn assert_equal_to_log(site: &Site) {
    let sql = read_log(site);
    let archive = format!("{}.usage_events", site.sql().name());
    let records = sql.number("SELECT count() FROM log");
    assert!(records > 0, "the log is empty, so it shows nothing");
    let twice =
        format!("SELECT count() - uniqExact(topic_id, log_partition, offset) FROM {archive} FINAL");
    assert_eq!(sql.number(&twice), 0, "records that are there twice");
    // The archive may hold what the log no longer has or got a moment ago, but nothing else.
    let differences = format!(
        "SELECT count() FROM log AS l LEFT JOIN (SELECT *, 1 AS here FROM {archive} FINAL) AS a \
         ON l.log_partition = a.log_partition AND l.offset = a.offset \
         WHERE a.here != 1 OR a.hash != l.hash OR a.length != l.length \
         OR toUnixTimestamp64Milli(a.append_time) != l.append_time \
         OR (l.length <= {KEPT} AND a.original != unhex(l.value)) \
         OR (l.length > {KEPT} AND NOT a.truncated) SETTINGS join_use_nulls = 0"
    );
    assert_eq!(sql.number(&differences), 0, "records missing or different");
    let strangers = format!(
        "SELECT count() FROM (SELECT log_partition, offset FROM {archive} FINAL) AS a \
         INNER JOIN (SELECT log_partition, min(offset) AS first, max(offset) AS last FROM log \
         GROUP BY log_partition) AS ends USING (log_partition) LEFT ANTI JOIN log USING (log_partition, offset) \
         WHERE offset BETWEEN first AND last"
    );
    assert_eq!(sql.number(&strangers), 0, "records the log never delivered");
    println!("archive: {records} records equal to the log");
}

/// Compares the verdicts of `usage_raw`, tenant by tenant, with the recount's tables.
///
/// # Panics
/// With the first differences.
pub(crate) fn assert_verdicts(site: &Site) {
    let sql = site.raw_sql();
    let database = site.sql().name().to_owned();
    sql.run(
        "CREATE OR REPLACE TABLE verdicts (log_partition UInt32, offset UInt64, verdict String, \
         reason String) ENGINE = MergeTree ORDER BY (log_partition, offset)",
    );
    let tenants = sql.run(&format!(
        "SELECT DISTINCT tenant FROM {database}.usage_events WHERE tenant != '' FORMAT TSV"
    ));
    for tenant in tenants.lines().map(|line| line.replace('\'', "\\'")) {
        sql.run(&format!(
            "INSERT INTO verdicts SELECT log_partition, offset, verdict, reason FROM \
             {database}.usage_raw(tenant = '{tenant}', since = '1971-01-01', until = '2199-01-01')"
        ));
    }
    let expected = "SELECT log_partition, offset, toString(multiIf(reason != '', 'rejected', \
         type = 'noise', 'ignored', \
         (log_partition, offset) IN (SELECT log_partition, offset FROM duplicates), 'duplicate', \
         (log_partition, offset) IN (SELECT log_partition, offset FROM measured), 'counted', \
         'unmatched')) AS verdict, reason FROM judged";
    // What could not be decoded has no tenant, or no time, to be found by; all else is there.
    let from = format!(
        "FROM ({expected}) AS e FULL OUTER JOIN verdicts AS v \
         ON e.log_partition = v.log_partition AND e.offset = v.offset \
         WHERE (e.verdict, e.reason) != (v.verdict, v.reason) \
         AND NOT (e.reason IN ({UNREADABLE}) AND v.verdict = '')"
    );
    let shown = sql.run(&format!(
        "SELECT e.log_partition, e.offset, e.verdict, e.reason, v.log_partition, v.offset, \
         v.verdict, v.reason {from} LIMIT 10 SETTINGS join_use_nulls = 0 \
         FORMAT PrettyCompactMonoBlock"
    ));
    assert!(shown.trim().is_empty(), "verdicts differ:\n{shown}");
    let kinds = sql.number("SELECT uniqExact(verdict) FROM verdicts");
    assert_eq!(kinds, 5, "every verdict but pending must occur");
    println!(
        "verdicts: {}",
        sql.run("SELECT verdict, count() FROM verdicts GROUP BY verdict")
    );
}
