//! Alerts as the table has them: transitions, and those that are open.

use crate::site::{Running, Site, number};
use meterline_core::alert::{AlertKey, AlertState, Judged, Transition};
use meterline_core::catalog::plans::{Reset, Severity};
use meterline_core::limits::notification_id;
use meterline_core::period::{Period, PeriodRule, Zone};
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::time::{EventTime, LogTime};
use meterline_schemas::rows::{AlertRow, LogPlace};
use serde_json::{Value, json};
use std::time::SystemTime;

const ALERTS: LogPartition = LogPartition {
    topic_id: TopicId(8),
    partition: 0,
};

fn row(offset: Offset, transition: &Transition) -> AlertRow {
    let place = LogPlace {
        log_partition: ALERTS,
        offset,
        append_time: LogTime(1_767_225_600_000 + i64::try_from(offset).expect("small")),
    };
    let id = notification_id(&transition.key, transition.episode, transition.state);
    AlertRow::new(place, transition, id)
}

fn transition(
    tenant: &str,
    period: Period,
    (threshold, severity): (&str, Severity),
    state: AlertState,
) -> Transition {
    Transition {
        write_id: 1,
        head: None,
        key: AlertKey {
            tenant: tenant.to_owned(),
            meter: "calls".to_owned(),
            period_start: period.start,
            threshold: threshold.to_owned(),
        },
        state,
        episode: 1,
        severity,
        kind: "usage.threshold".to_owned(),
        period_end: period.end,
        used: number(80),
        limit: number(100),
        plan: "free".to_owned(),
        judged: Judged::default(),
        instance: "limits-0".to_owned(),
    }
}

/// Of acme 80 and 100 % are open, 50 % was resolved, and last month's 80 % never was; of globex
/// 80 % is open.
fn insert(site: &Site) {
    let rule = PeriodRule::new(Reset::Month, Zone::utc(), 1);
    let now = LogTime::from(SystemTime::now()).as_event_time();
    let running = rule.period_at(now);
    let ended = rule.period_at(EventTime(running.start.0 - 1));
    let (opened, resolved) = (AlertState::Opened, AlertState::Resolved);
    let (at_50, at_80) = (("50", Severity::Info), ("80", Severity::Warning));
    let at_100 = ("100", Severity::Critical);
    let rows: Vec<_> = (0..)
        .zip([
            transition("acme", ended, at_80, opened),
            transition("acme", running, at_50, opened),
            transition("acme", running, at_80, opened),
            transition("globex", running, at_80, opened),
            transition("acme", running, at_50, resolved),
            transition("acme", running, at_100, opened),
        ])
        .map(|(offset, transition)| row(offset, &transition))
        .collect();
    let inserted = site.clickhouse.insert_alerts(&rows, &[], ALERTS, 6);
    site.runtime.block_on(inserted).expect("inserted");
}

/// Tenant, threshold and state of all alerts, in pages of one.
fn alerts(api: &Running<'_>, token: &str, query: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut next = String::new();
    loop {
        let path = format!("/v1/alerts?limit=1{query}{next}");
        let (status, page) = api.send(api.request_by(token, "GET", &path));
        assert_eq!(status, 200, "{path}: {page}");
        for item in page["items"].as_array().expect("a list") {
            let text = |field: &str| item[field].as_str().expect("text").to_owned();
            found.push((text("tenant"), text("threshold"), text("state")));
        }
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return found,
        }
    }
}

#[test]
fn open_alerts_are_those_of_running_periods_that_were_not_resolved() {
    let site = Site::new();
    insert(&site);
    let own = site.key_for("acme");
    let api = site.start_ready();
    let check = |token: &str, query: &str, expected: &[(&str, &str)]| {
        let expected: Vec<_> = expected
            .iter()
            .map(|(tenant, threshold)| {
                let names = [tenant, threshold, "opened"].map(str::to_owned);
                let [tenant, threshold, state] = names;
                (tenant, threshold, state)
            })
            .collect();
        assert_eq!(alerts(&api, token, query), expected, "{query}");
    };
    let of_acme = [("acme", "100"), ("acme", "80")];
    let all = [of_acme[0], of_acme[1], ("globex", "80")];
    check(&site.token, "&open=true", &all);
    check(&site.token, "&open=true&severity=critical", &all[..1]);
    check(&site.token, "&open=true&tenant=globex", &all[2..]);
    check(&own, "&open=true", &of_acme);
    check(&own, "&open=true&meter=calls&tenant=acme", &of_acme);
    // All that happened is another list.
    assert_eq!(alerts(&api, &site.token, "").len(), 6);
    assert_eq!(alerts(&api, &own, "&open=false").len(), 5);
    // What nobody is called is said, as for usage.
    for query in ["tenant=acmee", "tenant=acmee&open=true"] {
        let path = format!("/v1/alerts?{query}");
        let (status, problem) = api.send(api.request_by(&site.token, "GET", &path));
        let kind = &problem["type"];
        let expected = json!("urn:meterline:problem:not-found");
        assert_eq!((status, kind), (404, &expected), "{query}: {problem}");
    }
}

#[test]
fn a_page_of_open_alerts_is_bound_to_its_list_and_the_callers_tenants() {
    let site = Site::new();
    insert(&site);
    let own = site.key_for("acme");
    let api = site.start_ready();
    let get = |token: &str, path: &str| api.send(api.request_by(token, "GET", path));
    let cursor = |query: &str| -> String {
        let (_, page) = get(&site.token, &format!("/v1/alerts?limit=1{query}"));
        page["next"].as_str().expect("another page").to_owned()
    };
    let (open, transitions) = (cursor("&open=true"), cursor(""));
    let detail = |answer: &Value| answer["detail"].clone();
    let foreign = json!("the cursor is not one of this list");
    for path in [
        format!("/v1/alerts?cursor={open}"),
        format!("/v1/alerts?open=true&cursor={transitions}"),
    ] {
        let (status, problem) = get(&site.token, &path);
        assert_eq!((status, detail(&problem)), (400, foreign.clone()), "{path}");
    }
    for query in ["state=opened", "from=2026-01-01", "to=2026-01-01"] {
        let (status, problem) = get(&site.token, &format!("/v1/alerts?open=true&{query}"));
        assert_eq!(status, 400, "{query}: {problem}");
    }
    let (status, _) = get(&own, "/v1/alerts?open=true&tenant=globex");
    assert_eq!(status, 404);
    // A cursor of somebody who may see more shows no more.
    let (status, page) = get(&own, &format!("/v1/alerts?open=true&cursor={open}"));
    let items = page["items"].as_array().expect("a list");
    let tenants: Vec<_> = items.iter().map(|item| &item["tenant"]).collect();
    assert_eq!((status, tenants), (200, vec![&json!("acme")]), "{page}");
}
