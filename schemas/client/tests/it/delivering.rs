//! Events that are taken arrive, each once, as they were meant, and are reported.

use crate::support::{Cluster, Reports, SOON};
use meterline_client::{Counters, EmitError, Form, Usage};
use rdkafka::types::RDKafkaRespErr;
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn micros_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.expect("after 1970").as_micros()).expect("near the present")
}

#[test]
fn an_event_arrives_in_every_form_with_its_time_set_once() {
    for form in [Form::Avro, Form::CloudEventsJson, Form::CloudEventsBinary] {
        let cluster = Cluster::new();
        let client = cluster.builder().form(form).connect().expect("a client");
        let before = micros_now();
        let usage = Usage::new("llm.completion", "acme").quantity("1.5");
        let usage = usage.property("model", "small").request_id("req-81");
        client.emit(usage).expect("it is taken");
        let after = micros_now();
        let counters = client.close(SOON).expect("it is delivered");
        assert_eq!((counters.emitted, counters.delivered), (1, 1));
        let seen = cluster.read(1).remove(0);
        assert!(
            (before..=after).contains(&seen.micros),
            "{form:?}: {seen:?}"
        );
        let texts = [&seen.id, &seen.source, &seen.kind, &seen.tenant];
        let meant = ["req-81:llm.completion", "//test", "llm.completion", "acme"];
        assert_eq!(texts, meant, "{form:?}");
        assert_eq!(seen.quantity.as_deref(), Some("1.5"), "{form:?}");
        let model = BTreeMap::from([("model".to_owned(), "small".to_owned())]);
        assert_eq!(seen.properties, model, "{form:?}");
    }
}

#[test]
fn every_event_is_reported_by_its_id() {
    let cluster = Cluster::new();
    let reports = Reports::default();
    let builder = cluster.builder().on_delivery(reports.collector());
    let client = builder.connect().expect("a client");
    for n in 0..1_000 {
        let usage = Usage::new("api.call", "acme").id(format!("{n:04}"));
        client.emit(usage).expect("there is room");
    }
    client.flush(SOON).expect("all are delivered");
    let ids: Vec<_> = (0..1_000).map(|n| (format!("{n:04}"), true)).collect();
    assert_eq!(reports.sorted(), ids);
    let read: Vec<_> = cluster
        .read(1_000)
        .into_iter()
        .map(|seen| seen.id)
        .collect();
    let in_order: Vec<_> = ids.into_iter().map(|(id, _)| id).collect();
    assert_eq!(read, in_order, "one tenant's events keep their order");
}

#[test]
fn a_report_that_panics_stops_nothing() {
    let cluster = Cluster::new();
    let builder = cluster
        .builder()
        .on_delivery(|_| panic!("a caller's mistake"));
    let client = builder.connect().expect("a client");
    for _ in 0..3 {
        client.emit(Usage::new("api.call", "acme")).expect("room");
    }
    assert_eq!(client.close(SOON).expect("delivered").delivered, 3);
}

/// The broker says that the producer's sequence is broken: idempotence ends there, usage does not.
#[test]
fn a_failed_producer_is_replaced_and_its_events_arrive() {
    let cluster = Cluster::new();
    let client = cluster.client();
    client
        .emit(Usage::new("api.call", "acme").id("before"))
        .expect("room");
    client.flush(SOON).expect("delivered");
    let broken = RDKafkaRespErr::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER;
    cluster.refuse_next(&[broken]);
    for n in 0..100 {
        let usage = Usage::new("api.call", "acme").id(format!("{n:03}"));
        client.emit(usage).expect("there is room");
    }
    let counters = client.close(SOON).expect("all are delivered");
    assert_eq!((counters.delivered, counters.failed), (101, 0));
    let mut ids: Vec<_> = cluster.read(101).into_iter().map(|seen| seen.id).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 101);
}

#[test]
fn what_is_refused_is_counted_and_a_closed_client_takes_nothing() {
    let client = Cluster::new().client();
    let float = client.emit(Usage::new("api.call", "acme").quantity("5,25"));
    assert!(matches!(float, Err(EmitError::Quantity(_))), "{float:?}");
    let large = (0..40).fold(Usage::new("api.call", "acme"), |usage, n| {
        usage.property(format!("{n}"), "x".repeat(256))
    });
    let small = meterline_client::Bounds {
        record_bytes: 4_096,
        ..Default::default()
    };
    let bounded = Cluster::new()
        .builder()
        .bounds(small)
        .connect()
        .expect("a client");
    let refused = bounded.emit(large);
    assert!(
        matches!(refused, Err(EmitError::TooLarge { .. })),
        "{refused:?}"
    );
    client.close(Duration::ZERO).expect("nothing was taken");
    let closed = client.emit(Usage::new("api.call", "acme"));
    assert_eq!(closed, Err(EmitError::Closed));
    let counters = Counters {
        refused: 1,
        dropped_closed: 1,
        ..Counters::default()
    };
    assert_eq!(client.counters(), counters);
    assert_eq!(counters.lost(), 2);
}
