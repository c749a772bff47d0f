//! Who is told of an alert: a webhook by HTTPS and a Kafka topic, under one id that anybody can
//! compute.

use crate::limits::{limits, use_up};
use crate::support::certificates::certificates;
use crate::support::receiver::Receiver;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use serde_json::{Value, json};

#[test]
fn an_alert_comes_by_https_and_by_topic_under_one_id() {
    let _turn = Turn::light();
    let mut site = Site::new("notifications");
    let [ca, certificate, key] = certificates(site.folder());
    let trusted = Receiver::start_tls(&certificate, &key);
    let elsewhere = site.folder().join("elsewhere");
    std::fs::create_dir(&elsewhere).expect("a folder can be made");
    let [_, certificate, key] = certificates(&elsewhere);
    let distrusted = Receiver::start_tls(&certificate, &key);
    for (setting, value) in [
        ("signing_key", "\"0123456789abcdef0123456789abcdef\""),
        ("bundle_window", "\"50ms\""),
        ("webhook.allow_private_addresses", "true"),
        ("webhook.ca_file", &format!("\"{ca}\"")),
    ] {
        site.set(&format!("notifications.{setting}"), value);
    }
    site.init(1, "limits");
    let topic = site.topic("billing");
    site.kafka().create_topic(&topic, 1, &[]);
    for (route, target) in [
        ("trusted", ["--webhook", trusted.url()]),
        ("distrusted", ["--webhook", distrusted.url()]),
        ("billing", ["--kafka", &topic]),
    ] {
        let words = ["route", "set", route, target[0], target[1]];
        site.meterline(&words).ok();
    }
    let _workers = [site.worker("rollup", &[]), limits(&site, "limits")];
    // 80 % of the limit.
    use_up(&site.publisher(), "acme", 0, 8);

    let alert = until("the alert by HTTPS", SOON, || {
        trusted.alerts().pop().ok_or("nothing")
    });
    let id = alert["id"].as_str().expect("a text").to_owned();
    assert_eq!(id, id_of(&alert));
    assert_eq!(trusted.alerts().len(), 1, "told once");
    assert_published(&site, &topic, &alert);
    let shown = until("the alert in its table", SOON, || {
        let ended = site.meterline(&["limits", "show", "acme", "--output", "json"]);
        let shown: Value = serde_json::from_str(&ended.stdout).unwrap_or_default();
        let open = shown["open_alerts"][0]["notification"].as_str();
        open.map(str::to_owned).ok_or(ended)
    });
    assert_eq!(shown, id);

    let failure = until(
        "the failure of an authority that is not known",
        SOON,
        || {
            let rows = attempts(&site, &id);
            let of_it = rows.into_iter().find(|row| row["route"] == "distrusted");
            of_it.ok_or("nothing")
        },
    );
    assert_eq!(failure["outcome"], "failed");
    let detail = failure["detail"].as_str().expect("a text");
    assert!(detail.starts_with("no connection by TLS: "), "{detail}");
    assert!(distrusted.alerts().is_empty(), "an alert was told");
}

/// The topic has the same document, by its tenant's key and under its alert's id.
fn assert_published(site: &Site, topic: &str, alert: &Value) {
    let records = until("the alert's record", SOON, || {
        let records = site.kafka().read_all(topic);
        (!records.is_empty()).then_some(records).ok_or("nothing")
    });
    let [record] = records.as_slice() else {
        panic!("one record, not {records:?}");
    };
    assert_eq!(record.key, b"acme");
    assert_eq!(record.header("webhook-id").as_deref(), alert["id"].as_str());
    let media_type = record.header("content-type");
    assert_eq!(media_type.as_deref(), Some("application/json"));
    let document: Value = serde_json::from_slice(&record.value).expect("JSON");
    assert_eq!(document["type"], "usage.alerts");
    assert_eq!(document["data"]["alerts"], json!([alert]));
}

/// What became of attempts to tell it.
pub(crate) fn attempts(site: &Site, id: &str) -> Vec<Value> {
    let list = ["limits", "notifications", "list", "--notification", id];
    site.json(&list).as_array().expect("rows").clone()
}

/// The id by its definition: BLAKE3-128 over what it is about, each part after its length.
fn id_of(alert: &Value) -> String {
    let text = |name: &str| alert[name].as_str().expect("a text").to_owned();
    let start = text("period_start");
    let start = chrono::DateTime::parse_from_rfc3339(&start).expect("RFC 3339");
    let parts = [
        text("tenant"),
        text("meter"),
        start.timestamp_micros().to_string(),
        text("threshold"),
        alert["episode"].to_string(),
        text("state"),
    ];
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&u64::try_from(part.len()).expect("short").to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let hex = hasher.finalize().to_hex();
    hex[..32].to_owned()
}
