//! The plain path: what goes in by any form comes out as one exact bucket.

use crate::support::load::mix::{HOUR, now, plain};
use crate::support::load::{Form, Mix, Mixer};
use crate::support::recount::{assert_exact, differences};
use crate::support::site::Site;
use crate::support::turn::Turn;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[test]
fn all_forms_count_exactly() {
    let _turn = Turn::light();
    let site = Site::new("forms");
    site.init(3, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("forms", 3), rand::random());
    publisher.send_many(&mut mixer, 60_000);
    let _worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);
    let sql = site.raw_sql();
    for form in Form::ALL {
        let counted = format!("SELECT count() FROM fresh WHERE form = '{}'", form.name());
        assert!(sql.number(&counted) > 1_000, "{form:?} was not tried");
    }
    for reason in [
        "too_late",
        "from_the_future",
        "wrong_partition",
        "bad_quantity",
    ] {
        let letters = format!("SELECT count() FROM letters_expected WHERE reason = '{reason}'");
        assert!(sql.number(&letters) > 0, "{reason} was not tried");
    }
    let across = "SELECT count() FROM duplicates AS d INNER JOIN passed AS p \
                  ON d.log_partition = p.log_partition AND d.offset = p.offset \
                  WHERE (identity, hour) NOT IN (SELECT identity, hour FROM fresh)";
    assert!(
        sql.number(across) > 0,
        "no duplicate crossed an hour's border"
    );
}

/// The recount itself must be able to fail: every comparison sees one wrong record.
#[test]
fn the_recount_sees_a_lost_record_a_wrong_value_and_a_letter_too_many() {
    let _turn = Turn::light();
    let site = Site::new("recount");
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("recount", 1), rand::random());
    publisher.send_many(&mut mixer, 3_000);
    let worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);
    worker.stop();
    let raw = site.raw_sql();
    let check = |break_it: &str, found: &[&str]| {
        raw.run(
            "CREATE OR REPLACE TABLE saved ENGINE = MergeTree ORDER BY offset AS SELECT * FROM raw",
        );
        raw.run(&format!("{break_it} SETTINGS mutations_sync = 2"));
        let differences = differences(&site);
        for what in found {
            let is_found = differences.iter().any(|d| d.starts_with(what));
            assert!(is_found, "{what} after {break_it}: {differences:?}");
        }
        raw.run("TRUNCATE TABLE raw");
        raw.run("INSERT INTO raw SELECT * FROM saved");
    };
    let all = ["buckets", "views", "conservation", "totals"];
    check(
        "ALTER TABLE raw DELETE WHERE offset = (SELECT max(offset) FROM fresh WHERE type = 'credit')",
        &all,
    );
    check(
        "ALTER TABLE raw UPDATE quantity = assumeNotNull(quantity) + toDecimal128('0.000000001', 9) \
         WHERE offset = (SELECT max(offset) FROM fresh WHERE type = 'credit')",
        &["buckets", "views", "totals"],
    );
    check(
        "ALTER TABLE raw DELETE WHERE offset = (SELECT max(offset) FROM judged WHERE fault != '')",
        &[
            "dead letters in the table",
            "dead letters in the topic",
            "conservation",
        ],
    );
    assert_eq!(differences(&site), Vec::<String>::new());
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Row {
    kind: String,
    dimensions: BTreeMap<String, String>,
    events: u64,
}

#[test]
fn an_event_without_its_property_is_a_part_of_its_own_and_in_the_whole() {
    let _turn = Turn::light();
    let site = Site::new("dimension");
    site.init(1, "load");
    let publisher = site.publisher();
    let time = now() - 26 * HOUR;
    let mut with = plain("acme", "with", time);
    with.kind = "api.request".to_owned();
    with.properties = vec![("endpoint".to_owned(), "/v1/x".to_owned())];
    let mut without = plain("acme", "without", time);
    without.kind = "api.request".to_owned();
    without.properties = Vec::new();
    let mut empty = plain("acme", "empty", time);
    empty.kind = "api.request".to_owned();
    empty.properties = vec![("endpoint".to_owned(), String::new())];
    for usage in [with, without, empty] {
        publisher.send_event(usage, Form::Json);
    }
    let _worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);
    for table in ["bucket_hourly", "bucket_daily", "bucket_monthly"] {
        let rows: Vec<Row> = site.sql().rows(&format!(
            "SELECT toString(kind) AS kind, dimensions, events FROM {table} FINAL \
             ORDER BY kind, toString(dimensions)"
        ));
        let expected: Vec<Row> = serde_json::from_value(json!([
            {"kind": "part", "dimensions": {"endpoint": ""}, "events": 2},
            {"kind": "part", "dimensions": {"endpoint": "/v1/x"}, "events": 1},
            {"kind": "whole", "dimensions": {}, "events": 3},
        ]))
        .expect("rows");
        assert_eq!(rows, expected, "{table}");
    }
    let shown = site
        .sql()
        .number("SELECT sum(value) FROM usage_hourly WHERE meter = 'requests'");
    assert_eq!(shown, 3, "the view hides the whole");
}
