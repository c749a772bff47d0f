//! One exit for every halt and stall, on the real parts; each ends with a recount and `verify`, but
//! those of the control log, whose exits cannot be staged (`control`).
//!
//! How what one broker does not do by itself is made: a log is cut by putting back an older copy of
//! its folder, a dispute by a second manifest with another hash, records of a newer release by
//! bytes put together by hand.

mod control;
mod log;
mod store;
mod times;
mod topics;

use crate::support::load::Publisher;
use crate::support::process::Ended;
use crate::support::recount::differences;
use crate::support::site::Site;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;

/// Comparisons that know nothing of epochs: a stamp's epoch is not in the input.
const COMPARED: [&str; 3] = ["dead letters in the table", "conservation", "levels"];

/// The same of every bucket: values without stamps, without buckets that were restated as nothing.
const BUCKETS_DIFFER: &str = "SELECT count() FROM (
    SELECT level, tenant, meter, kind, dimensions_text, window_start, log_partition, events, sum,
        min, max, latest, latest_time, revision, updated_at
    FROM actual WHERE events > 0) AS found
    FULL OUTER JOIN (
    SELECT level, tenant, meter, kind, dimensions_text, window_start, log_partition, events, sum,
        min, max, latest, latest_time, revision, updated_at
    FROM expected) AS wanted
    USING (level, tenant, meter, kind, dimensions_text, window_start, log_partition)
    WHERE (found.events, found.sum, found.min, found.max, found.latest, found.latest_time,
        found.revision, found.updated_at)
       != (wanted.events, wanted.sum, wanted.min, wanted.max, wanted.latest, wanted.latest_time,
        wanted.revision, wanted.updated_at)
    SETTINGS join_use_nulls = 0";

/// What a reader of totals keeps, without stamps and without buckets that were restated as nothing.
const TOTALS_DIFFER: &str = "SELECT count() FROM (
    SELECT level, tenant, meter, kind, window_start, log_partition, events, sum, min, max, latest
    FROM totals_kept WHERE events > 0) AS kept
    FULL OUTER JOIN (
    SELECT level, tenant, meter, kind, window_start, log_partition, events, sum, min, max, latest
    FROM totals_expected) AS expected
    USING (level, tenant, meter, kind, window_start, log_partition)
    WHERE (kept.events, kept.sum, kept.min, kept.max, kept.latest)
       != (expected.events, expected.sum, expected.min, expected.max, expected.latest)
    SETTINGS join_use_nulls = 0";

/// Waits until a partition is complete to `end` in this epoch.
fn wait_epoch(site: &Site, partition: i32, epoch: u16, end: i64) {
    let what = format!("partition {partition} to reach {end} in epoch {epoch}");
    until(&what, SOON, || {
        let rows = site.sql().run(&format!(
            "SELECT epoch, to_offset, levels_to FROM progress FINAL WHERE log_partition = \
             {partition} ORDER BY log_time DESC LIMIT 1"
        ));
        let seen: Vec<i64> = rows
            .split_whitespace()
            .map(|n| n.parse().unwrap_or(-1))
            .collect();
        let is_there =
            seen.len() == 3 && seen[0] == i64::from(epoch) && seen[1] >= end && seen[2] >= end;
        is_there.then_some(()).ok_or(rows)
    });
}

/// Compares all that is shown with the input, and with itself.
fn assert_counted(site: &Site, publisher: &Publisher) {
    compare(site, publisher, &[&COMPARED[..], &["views"]].concat());
}

/// The same where a tenant moved to another partition, which the recount of the views does not add
/// up.
fn assert_counted_apart(site: &Site, publisher: &Publisher) {
    compare(site, publisher, &COMPARED);
}

fn compare(site: &Site, publisher: &Publisher, compared: &[&str]) {
    compare_rows(site, publisher, compared);
    site.meterline(&["verify"]).ok();
}

/// Compares all that is shown with the input, where the control log cannot be read.
fn assert_rows(site: &Site, publisher: &Publisher) {
    compare_rows(site, publisher, &[&COMPARED[..], &["views"]].concat());
}

fn compare_rows(site: &Site, publisher: &Publisher, compared: &[&str]) {
    publisher.close_books();
    let found = differences(site);
    let found: Vec<_> = found
        .iter()
        .filter(|text| compared.iter().any(|name| text.starts_with(name)))
        .map(String::as_str)
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert_eq!(site.raw_sql().number(BUCKETS_DIFFER), 0, "buckets");
    assert_eq!(site.raw_sql().number(TOTALS_DIFFER), 0, "totals");
}

/// Runs `resolve` against a worker.
fn resolve(site: &Site, worker: &Worker, more: &[&str]) -> Ended {
    let arguments = ["resolve", "--workers", worker.http(), "--note", "a test"];
    site.meterline(&[&arguments, more].concat())
}

/// Takes the records out of the books that are not in the log any more.
fn forget(site: &Site, publisher: &Publisher, records: &str) {
    publisher.close_books();
    let statement = format!("ALTER TABLE raw DELETE WHERE {records} SETTINGS mutations_sync = 2");
    site.raw_sql().run(&statement);
}
