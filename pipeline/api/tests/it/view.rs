//! The view: the table first, then the topic; ready when both are read.

use crate::site::{PARTITIONS, Site, TIMEOUT, number, until};
use meterline_core::alert::Judged;
use meterline_core::catalog::plans::Cap;
use meterline_core::hash::partition_of;
use meterline_core::period::{PeriodRule, Zone};
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::standing::{Health, Standing, StandingProgress};
use meterline_core::time::LogTime;
use meterline_kafka::{Admin, Outgoing, Producer};
use meterline_schemas::records::{encode_standing, encode_standing_progress};
use serde_json::{Value, json};
use std::time::SystemTime;

fn clock() -> LogTime {
    SystemTime::now().into()
}

fn home(site: &Site, tenant: &str) -> LogPartition {
    let admin = Admin::connect(&site.kafka).expect("a client");
    let name = site.kafka.topics().usage_events();
    let topic = admin.describe_topic(&name, TIMEOUT).expect("an answer");
    LogPartition {
        topic_id: topic.expect("made by init").topic_id,
        partition: partition_of(tenant.as_bytes(), PARTITIONS),
    }
}

fn standing(site: &Site, tenant: &str, used: i128, offset: u64) -> Standing {
    let rule = PeriodRule::new(meterline_core::catalog::plans::Reset::Month, Zone::utc(), 1);
    let period = rule.period_at(clock().as_event_time());
    Standing {
        tenant: tenant.to_owned(),
        meter: "calls".to_owned(),
        period_start: period.start,
        period_end: period.end,
        used: number(used),
        included: None,
        limit: Some(number(100)),
        cap: Cap::Hard,
        health: Health::Critical,
        crossed_at: None,
        plan: "free".to_owned(),
        judged: Judged {
            usage: vec![(home(site, tenant), Stamp { epoch: 0, offset })],
            catalog: 0,
            account: None,
            effective: None,
        },
    }
}

fn progress(site: &Site, tenant: &str, offset: u64) -> StandingProgress {
    StandingProgress {
        log_partition: home(site, tenant),
        to: Stamp { epoch: 0, offset },
        log_time: clock(),
        control: 0,
        standing_position: Some(0),
    }
}

fn publish(site: &Site, tenant: &str, payload: &[u8]) {
    publish_to(site, &site.kafka.topics().standing(), tenant, payload);
}

fn publish_to(site: &Site, topic: &str, tenant: &str, payload: &[u8]) {
    let producer = Producer::connect(&site.kafka).expect("a client");
    let written = producer.send_blocking(Outgoing {
        topic,
        key: Some(tenant.as_bytes()),
        payload: Some(payload),
        ..Outgoing::default()
    });
    written.expect("acknowledged");
}

#[test]
fn checks_answer_from_the_table_and_then_from_the_topic() {
    let site = Site::new();
    let insert = async {
        let rows = [standing(&site, "acme", 99, 1)];
        site.clickhouse.insert_standings(&rows).await?;
        let progress = [progress(&site, "acme", 2)];
        site.clickhouse.insert_standing_progress(&progress).await
    };
    site.runtime.block_on(insert).expect("inserted");
    let api = site.start_ready();
    let account = json!({"terms": {"plan": "free", "start": "2026-01-01"}});
    let put = api.request("PUT", "/v1/accounts/acme");
    let put = put.header("content-type", "application/json");
    let (status, made) = api.send(put.body(account.to_string()));
    assert_eq!(status, 200, "{made}");
    let check = || -> Value {
        let request = api.request("POST", "/v1/limits/check?enforce=true");
        let request = request.header("content-type", "application/json");
        let (_, answer) = api.send(request.body(r#"{"tenant":"acme","meter":"calls"}"#));
        answer
    };
    let answer = check();
    assert_eq!(
        (&answer["allowed"], &answer["stale"]),
        (&json!(true), &json!(false)),
        "{answer}"
    );
    assert_eq!(answer["meters"][0]["used"], json!("99"));
    let mut bytes = Vec::new();
    encode_standing(&standing(&site, "acme", 100, 2), &mut bytes);
    publish(&site, "acme", &bytes);
    let refused = until("the newer standing", || {
        let answer = check();
        (answer["allowed"] == json!(false)).then_some(answer)
    });
    assert_eq!(refused["meters"][0]["reason"], json!("hard_cap"));
    let mut bytes = Vec::new();
    encode_standing_progress(&progress(&site, "acme", 3), &mut bytes);
    publish(&site, "acme", &bytes);
    let (status, list) = api.send(api.request("GET", "/v1/limits"));
    assert_eq!(status, 200);
    assert_eq!(list["items"][0]["health"], json!("critical"), "{list}");
    // A second instance begins where the first is.
    let other = site.start_ready();
    let (_, standing) = other.send(other.request("GET", "/v1/limits/acme"));
    assert_eq!(standing["meters"][0]["used"], json!("100"), "{standing}");
    let (status, usage) = other.send(other.request("GET", "/v1/usage?tenant=acme"));
    assert_eq!((status, &usage["items"]), (200, &json!([])), "{usage}");
    let (status, alerts) = other.send(other.request("GET", "/v1/alerts"));
    assert_eq!((status, &alerts["items"]), (200, &json!([])), "{alerts}");
}

#[test]
fn a_control_log_that_cannot_be_read_on_is_told() {
    let site = Site::new();
    let api = site.start_ready();
    publish_to(&site, &site.kafka.topics().control(), "acme", b"?");
    until("it is not ready", || {
        (api.try_get("/health/ready") == Some(503)).then_some(())
    });
    assert_eq!(api.try_get("/health/live"), Some(200));
}

#[test]
fn an_api_without_clickhouse_waits_and_serves_what_needs_none() {
    let site = Site::new();
    let api = site.start_without_clickhouse();
    until("it listens", || {
        let request = api.try_get("/health/live")?;
        (request == 200).then_some(())
    });
    assert_eq!(api.try_get("/health/ready"), Some(503));
    let request = api.request("POST", "/v1/limits/check");
    let request = request.header("content-type", "application/json");
    let (status, problem) = until("the key", || {
        let request = request.try_clone().expect("no stream");
        let request = request.body(r#"{"tenant":"acme","meter":"calls"}"#);
        let (status, problem) = api.send(request);
        (status != 401).then_some((status, problem))
    });
    assert_eq!(status, 503, "{problem}");
}
