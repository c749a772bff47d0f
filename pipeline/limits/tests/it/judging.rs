//! What becomes of use: alerts, standings, rows.

use crate::catalog::METER;
use crate::site::{Site, number, until};
use meterline_clickhouse::{AlertFilter, AuditFilter};
use meterline_core::standing::Health;
use meterline_stack::Service;
use prometheus_client::encoding::text::encode;
use std::time::{Instant, SystemTime};

#[test]
fn a_crossing_is_an_alert_a_standing_and_rows() {
    let site = Site::new();
    let stage = site.start_ready("one");
    site.calls("acme", 79);
    site.calls("acme", 80);
    site.until_in_force("acme", &["80 opened 1"]);
    site.calls("acme", 120);
    // Where the plan does not say it, above 100 % is told too.
    let all = ["80 opened 1", "100 opened 1", ">100 opened 1"];
    site.until_in_force("acme", &all);
    let standing = until("the standing in the table", || {
        let standings = site.runtime.block_on(site.clickhouse.standings_of("acme"));
        let standings = standings.expect("an answer");
        standings.into_iter().find(|s| s.crossed_at.is_some())
    });
    assert_eq!(
        (standing.meter.as_str(), standing.used),
        (METER, number(120))
    );
    assert_eq!(standing.limit, Some(number(100)));
    assert_eq!(standing.health, Health::Critical);
    until("the rows of alerts", || {
        let filter = AlertFilter::default();
        let rows = site
            .runtime
            .block_on(site.clickhouse.alerts(&filter, None, 10));
        (rows.expect("an answer").len() == all.len()).then_some(())
    });
    until("the rows of the audit log", || {
        let filter = AuditFilter::default();
        let rows = site
            .runtime
            .block_on(site.clickhouse.audit(&filter, None, 100));
        let rows = rows.expect("an answer");
        rows.iter().any(|row| row.kind == "catalog").then_some(())
    });
    let mut text = String::new();
    encode(&mut text, &stage.metrics).expect("a String takes all that is written to it");
    let line = "transitions_total{outcome=\"in_force\",state=\"opened\",severity=\"critical\"} 2";
    assert!(text.contains(line), "{text}");
}

#[test]
fn two_instances_end_with_the_same_alerts_and_a_restart_changes_none() {
    let site = Site::new();
    let one = site.start_ready("one");
    let two = site.start_ready("two");
    for n in 0..20 {
        site.calls(&format!("t{n}"), 80 + n);
    }
    for n in 0..20 {
        site.until_in_force(&format!("t{n}"), &["80 opened 1"]);
    }
    drop(one);
    site.calls("t0", 79);
    site.until_in_force("t0", &["80 opened 1", "80 resolved 1"]);
    drop(two);
    let before = site.in_force();
    let three = site.start_ready("three");
    site.calls("t0", 82);
    let all = ["80 opened 1", "80 resolved 1", "80 opened 2"];
    site.until_in_force("t0", &all);
    let (mut after, ignored) = site.in_force();
    assert_eq!(
        after.get_mut("t0").expect("its alerts").pop().as_deref(),
        Some(all[2])
    );
    assert_eq!((after, ignored), before);
    let status = three.health.status(Instant::now(), SystemTime::now());
    assert_eq!(status.open_alerts, 20);
}

#[test]
fn an_upgrade_judges_at_once() {
    let site = Site::new();
    let _stage = site.start_ready("one");
    site.calls("acme", 90);
    site.until_in_force("acme", &["80 opened 1"]);
    site.account("acme", "pro");
    site.until_in_force("acme", &["80 opened 1", "80 resolved 1"]);
    site.calls("acme", 160);
    let all = ["80 opened 1", "80 resolved 1", "80 opened 2"];
    site.until_in_force("acme", &all);
}

#[test]
fn judging_goes_on_while_clickhouse_is_away() {
    let site = Site::alone();
    let _stage = site.start_ready("one");
    site.stack.kill(Service::Clickhouse);
    site.calls("acme", 80);
    site.until_in_force("acme", &["80 opened 1"]);
    site.stack.up(Some(Service::Clickhouse));
    until("the rows once ClickHouse is back", || {
        let standings = site.runtime.block_on(site.clickhouse.standings_of("acme"));
        let rows = site
            .runtime
            .block_on(site.clickhouse.alerts(&AlertFilter::default(), None, 10));
        let has_standing = standings.is_ok_and(|standings| !standings.is_empty());
        (has_standing && rows.is_ok_and(|rows| rows.len() == 1)).then_some(())
    });
}

#[test]
fn a_record_that_cannot_be_read_is_named_and_stops_the_stage() {
    let site = Site::new();
    let stage = site.start_ready("one");
    let topic = site.kafka.topics().alerts();
    site.publish(&topic, 1, b"{}");
    let halt = format!("limits: topic {topic} partition 1 at offset 0: unknown_format: ");
    until("the halt", || {
        let problems = stage.health.problems(Instant::now(), SystemTime::now());
        let is_named = problems.iter().any(|problem| problem.starts_with(&halt));
        is_named.then_some(())
    });
}
