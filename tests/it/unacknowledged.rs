//! Ingest while the broker does not answer: the call is answered 503, and making it again is
//! harmless.

use crate::support::site::Site;
use crate::support::stack::{Service, Stack};
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};

#[test]
fn unacknowledged_events_are_answered_503_and_counted_once_when_sent_again() {
    let _turn = Turn::alone();
    let kafka = Stack::own(Service::Kafka);
    let site = Site::with_kafka("unacknowledged", &kafka);
    site.init(1, "limits");
    let key = site.key(&["--role", "ingest", "--all-tenants"]);
    let (api, address) = site.api("api", &[("api.request_timeout", "\"4s\"")]);
    let url = format!("http://{address}/v1/events");
    let client = Client::new();
    let publish = |body: &str| {
        let request = client.post(&url).bearer_auth(&key);
        let request = request.header("content-type", "application/cloudevents-batch+json");
        let answer = request.body(body.to_owned()).send();
        answer.expect("the API answers")
    };
    // A producer's first words with a broker take their time; the call again is harmless.
    let first = batch(&["before"]);
    let taken = |call: &str| {
        until("the call to be acknowledged", SOON, || {
            let answer = publish(call);
            let status = answer.status();
            (status == 202).then_some(answer).ok_or(status)
        })
    };
    taken(&first);
    let call = batch(&["one", "two"]);
    let before = unacknowledged(&api);

    let stopped = Stopped::new(&kafka);
    assert_unavailable(publish(&call));
    assert_eq!(unacknowledged(&api), before + 2);
    assert!(api.log().contains("failed to publish events"));
    drop(stopped);

    // The records of the first call may have come after all.
    let again = taken(&call);
    let again: Value = again.json().expect("an answer is JSON");
    assert_eq!(
        (&again["accepted"], &again["rejected"]),
        (&json!(2), &json!(0))
    );
    let end = site.kafka().ends(&site.usage_topic(), 0).1;
    let _rollup = site.worker("rollup", &[]);
    site.wait_complete(&[(0, end)].into(), SOON);
    let sum = |what: &str| site.sql().number(&format!("SELECT {what}"));
    assert_eq!(sum("sum(events) FROM usage_monthly"), 3);
    assert_eq!(sum("sum(accepted) FROM progress FINAL"), 3);
}

/// Events that the API has counted as not acknowledged.
fn unacknowledged(api: &Worker) -> u64 {
    let metrics = api.text_of("/metrics");
    let name = "meterline_api_events_total{outcome=\"unacknowledged\"} ";
    let mut counts = metrics.lines().filter_map(|line| line.strip_prefix(name));
    counts
        .next()
        .map_or(0, |count| count.parse().expect("a count"))
}

fn assert_unavailable(answer: Response) {
    assert_eq!(answer.status(), 503);
    let header = |name: &str| {
        answer
            .headers()
            .get(name)
            .map(|it| it.to_str().expect("text"))
    };
    assert_eq!(header("content-type"), Some("application/problem+json"));
    assert_eq!(header("retry-after"), Some("1"));
    let problem: Value = answer.json().expect("a problem is JSON");
    let kind = problem["type"].as_str().expect("a text");
    assert!(kind.ends_with("unavailable"), "{problem}");
    assert_eq!(problem["status"], 503);
    let detail = "not all events were acknowledged; make the same call again";
    assert_eq!(problem["detail"], detail);
}

/// Events of one tenant, now.
fn batch(ids: &[&str]) -> String {
    let now = chrono::Utc::now().to_rfc3339();
    let event = |id: &&str| {
        json!({
            "specversion": "1.0", "id": id, "source": "//unacknowledged",
            "type": "api.request", "subject": "acme", "time": now,
        })
    };
    json!(ids.iter().map(event).collect::<Vec<_>>()).to_string()
}

/// A broker that does not answer, until this is dropped.
struct Stopped<'a>(&'a Stack);

impl<'a> Stopped<'a> {
    fn new(kafka: &'a Stack) -> Self {
        kafka.signal(Service::Kafka, "STOP");
        Self(kafka)
    }
}

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal(Service::Kafka, "CONT");
    }
}
