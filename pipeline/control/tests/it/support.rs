//! What the tests share: a ready deployment, catalogs, raw writes, comparable views.

use crate::stack;
use meterline_control::{Author, CatalogApplied, ControlLog, InitReport, InitSpec, init_topics};
use meterline_core::catalog::{Aggregation, Catalog, Meter};
use meterline_core::control::{CatalogDecision, ControlRecord, View};
use meterline_core::quantity::Quantity;
use meterline_kafka::{Admin, Outgoing, Producer, Settings, TopicSpec, Written};
use meterline_schemas::records::encode_control;
use std::sync::Arc;
use std::time::Duration;

/// Far above what any step takes; only a failing test waits for it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) fn author(actor: &str) -> Author {
    Author {
        actor: actor.to_owned(),
        note: "a test".to_owned(),
    }
}

/// Runs `init` for usage topics of this many partitions.
pub(crate) fn init(settings: &Settings, partitions: u32) -> InitReport {
    let spec = InitSpec {
        partitions,
        replicas: None,
        author: author("init"),
    };
    init_topics(settings, &spec, TIMEOUT).expect("topics")
}

/// A new deployment with its topics, and a reader of its control log.
pub(crate) fn deployment(partitions: u32) -> (Settings, InitReport, ControlLog) {
    let settings = stack::settings();
    let report = init(&settings, partitions);
    let log = ControlLog::connect(&settings).expect("a client");
    (settings, report, log)
}

/// A catalog with a counter for each of these event types.
pub(crate) fn catalog(types: &[&str]) -> Catalog {
    let meters = types.iter().map(|event_type| Meter {
        name: format!("{event_type}_count"),
        description: "Events.".to_owned(),
        unit: "event".to_owned(),
        event_type: (*event_type).to_owned(),
        filter: Vec::new(),
        value: None,
        scale: Quantity::ONE,
        aggregation: Aggregation::Count,
        group_by: Vec::new(),
        negative: false,
        max_dimensions: 10_000,
    });
    Catalog::new("test", meters.collect())
}

/// Publishes a catalog that must become a new version.
pub(crate) fn publish(log: &ControlLog, types: &[&str]) -> Arc<CatalogDecision> {
    match log.apply_catalog(catalog(types), "", &author("admin"), TIMEOUT) {
        Ok(CatalogApplied::New(decision)) => decision,
        other => panic!("not a new version: {other:?}"),
    }
}

pub(crate) fn encoded(record: &ControlRecord) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_control(record, &mut bytes);
    bytes
}

/// Writes a value to the control log without looking at anything, as a writer that dies would.
pub(crate) fn write_raw(settings: &Settings, value: Option<&[u8]>) -> Written {
    let topic = settings.topics().control();
    let producer = Producer::connect(settings).expect("a client");
    let written = producer.send_blocking(Outgoing {
        topic: &topic,
        partition: Some(0),
        payload: value,
        ..Outgoing::default()
    });
    written.expect("acknowledged")
}

/// The offset after the control log's last record.
pub(crate) fn end_of(settings: &Settings) -> u64 {
    let admin = Admin::connect(settings).expect("a client");
    let topic = settings.topics().control();
    admin.watermarks(&topic, 0, TIMEOUT).expect("an answer").1
}

/// Makes a topic by hand, with Kafka's defaults but for the given settings.
pub(crate) fn make_topic(settings: &Settings, name: &str, config: &[(&'static str, &str)]) {
    let config = config.iter().map(|(k, v)| (*k, (*v).to_owned()));
    let spec = TopicSpec {
        name: name.to_owned(),
        partitions: 1,
        replicas: 1,
        config: config.collect(),
    };
    let admin = Admin::connect(settings).expect("a client");
    admin.create_topic(&spec, TIMEOUT).expect("made");
}

/// Everything that a view says, in a form that can be compared.
pub(crate) fn summary(view: &View) -> String {
    let catalogs = view.catalogs().iter();
    let catalogs: Vec<_> = catalogs
        .map(|c| (c.version, c.offset, c.hash, &c.compiled.catalog))
        .collect();
    let links: Vec<_> = (0..view.position()).map(|at| view.link(at)).collect();
    let adoptions: Vec<_> = view.adoptions().collect();
    format!("{:?} {catalogs:?} {links:?} {adoptions:?}", view.position())
}
