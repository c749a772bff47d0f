//! The independent recount: SQL over the raw table, compared with all that Meterline wrote.
//!
//! Knows the duplicate rule, acceptance, sealing and the meters of `catalogs/load.yaml` from the
//! design alone; the statements are in `recount/*.sql`. A comparison is a FULL OUTER JOIN, so
//! that rows too many, rows too few and wrong values are all differences.

use super::clickhouse::Sql;
use super::load::Publisher;
use super::site::Site;
use super::totals;
use std::time::Duration;

/// How long a worker may take to finish what is in the log.
const COMPLETE: Duration = Duration::from_secs(120);

/// Differences that a failed test shows of each comparison.
const SHOWN: usize = 10;

/// Which records of the raw table count, by the design's rules.
pub(crate) const JUDGED: &str = include_str!("recount/judged.sql");

/// The buckets that follow from what each meter takes from each event.
pub(crate) const BUCKETS: &str = include_str!("recount/expected.sql");

/// What the raw table says of `catalogs/load.yaml`.
const EXPECTED: [&str; 3] = [JUDGED, include_str!("recount/measured.sql"), BUCKETS];

/// What Meterline wrote, brought into the same form.
const ACTUAL: [&str; 5] = [
    include_str!("recount/actual.sql"),
    include_str!("recount/views.sql"),
    include_str!("recount/letters.sql"),
    include_str!("recount/progress.sql"),
    include_str!("recount/levels.sql"),
];

/// Two tables that must hold the same rows.
struct Comparison {
    what: &'static str,
    expected: &'static str,
    actual: &'static str,
    keys: &'static str,
    values: &'static str,
}

const BUCKET: &str = "level, tenant, meter, kind, dimensions_text, window_start, log_partition";

const COMPARISONS: [Comparison; 7] = [
    Comparison {
        what: "buckets",
        expected: "expected",
        actual: "actual",
        keys: BUCKET,
        values: "aggregated, events, sum, min, max, latest, latest_time, latest_version, revision, \
                 updated_at, version",
    },
    Comparison {
        what: "views",
        expected: "shown",
        actual: "seen",
        keys: "level, tenant, meter, dimensions_text, window_start",
        values: "value, window_end, events, revision, updated_at",
    },
    Comparison {
        what: "dead letters in the table",
        expected: "letters_expected",
        actual: "letters_actual",
        keys: "log_partition, offset",
        values: "reason",
    },
    Comparison {
        what: "dead letters in the topic",
        expected: "letters_expected",
        actual: "letters_published",
        keys: "log_partition, offset",
        values: "reason",
    },
    Comparison {
        what: "conservation (INV-CONSERVE)",
        expected: "counters_expected",
        actual: "counters_actual",
        keys: "log_partition, name",
        values: "records",
    },
    Comparison {
        what: "levels (INV-LEVELS)",
        expected: "levels_below",
        actual: "levels_above",
        keys: BUCKET,
        values: "events, sum",
    },
    Comparison {
        what: "totals",
        expected: "totals_expected",
        actual: "totals_kept",
        keys: "level, tenant, meter, kind, window_start, log_partition",
        values: "aggregated, events, sum, min, max, latest, latest_time, latest_version, revision, \
                 updated_at, version",
    },
];

/// Waits until everything sent is complete, counts it again, and compares.
///
/// # Panics
/// With the first differences, where there are any.
pub(crate) fn assert_exact(site: &Site, publisher: &Publisher) {
    site.wait_complete(&publisher.ends(), COMPLETE);
    publisher.close_books();
    let differences = differences(site);
    assert!(
        differences.is_empty(),
        "the recount differs:\n{}",
        differences.join("\n")
    );
}

/// Every comparison that finds differences, with the first of them.
pub(crate) fn differences(site: &Site) -> Vec<String> {
    differences_by(site, &EXPECTED)
}

/// The same with other scripts, which make the tables `judged` to `expected`.
pub(crate) fn differences_by(site: &Site, expected: &[&str]) -> Vec<String> {
    let sql = site.raw_sql();
    let database = site.sql();
    make(&sql, expected, database.name());
    make(&sql, &ACTUAL, database.name());
    totals::load(site, &sql);
    let records = sql.number("SELECT count() FROM raw");
    let buckets = sql.number("SELECT count() FROM expected");
    println!("recount: {records} records, {buckets} buckets");
    assert!(buckets > 0, "the recount is empty, so it shows nothing");
    COMPARISONS.iter().filter_map(|c| c.run(&sql)).collect()
}

/// Runs statements that make tables, which may be there from an earlier recount.
fn make(sql: &Sql, scripts: &[&str], database: &str) {
    for script in scripts {
        let script = script
            .replace("CREATE TABLE", "CREATE OR REPLACE TABLE")
            .replace("{database}", database);
        sql.run_script(&script);
    }
}

impl Comparison {
    /// The first differences, with their number; `None` where there are none.
    fn run(&self, sql: &Sql) -> Option<String> {
        let Self {
            what,
            expected,
            actual,
            keys,
            values,
        } = self;
        let on: Vec<_> = keys
            .split(", ")
            .map(|key| format!("e.{key} = a.{key}"))
            .collect();
        let side = |letter: &str| {
            let columns = values.split(", ").map(|value| format!("{letter}.{value}"));
            let columns: Vec<_> = columns.chain([format!("{letter}.here")]).collect();
            format!("({})", columns.join(", "))
        };
        let (e, a) = (side("e"), side("a"));
        let from = format!(
            "FROM (SELECT *, 1 AS here FROM {expected}) AS e \
             FULL OUTER JOIN (SELECT *, 1 AS here FROM {actual}) AS a ON {} WHERE {e} != {a}",
            on.join(" AND ")
        );
        let count = sql.number(&format!(
            "SELECT count() {from} SETTINGS join_use_nulls = 0"
        ));
        if count == 0 {
            return None;
        }
        let names: Vec<_> = keys
            .split(", ")
            .map(|key| {
                let of = |side| format!("substring(toString({side}.{key}), 1, 40)");
                format!("if(e.here = 1, {}, {}) AS {key}_", of("e"), of("a"))
            })
            .collect();
        let rows = sql.run(&format!(
            "SELECT {}, {e} AS expected, {a} AS actual {from} LIMIT {SHOWN} \
             SETTINGS join_use_nulls = 0 FORMAT PrettyCompactMonoBlock",
            names.join(", ")
        ));
        Some(format!("{what}: {count} differences ({values})\n{rows}"))
    }
}
