//! What tests share: a small catalog, events, and the real fold to judge records by.

use crate::load::event::{Form, Message, UsageEvent};
use crate::load::forms::Encoder;
use meterline_core::catalog::{
    Aggregation, Bounds, Catalog, CompiledCatalog, Condition, IdTime, Meter, NEWEST_FOLD,
    SourceRule, Test, WriterSchema,
};
use meterline_core::control::{Adoption, CatalogDecision};
use meterline_core::counters::Counters;
use meterline_core::decode::USAGE_EVENT_SCHEMA;
use meterline_core::fold::{Outcome, Partition};
use meterline_core::hash::{IdentityKey, partition_of};
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::record::{Placement, Record};
use meterline_core::runs::NoRuns;
use meterline_core::time::{EventTime, LogTime, Millis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2026-11-21T00:00:00Z in microseconds.
pub(crate) const NOW: i64 = 1_795_219_200_000_000;
/// Partitions of the topic that records are made for.
pub(crate) const PARTITIONS: u32 = 4;

/// What the fold does with a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Folded {
    Counted,
    Unmatched,
    Duplicate,
    Rejected(&'static str),
    Other,
}

fn meter(name: &str, event_type: &str, value: Option<&str>, aggregation: Aggregation) -> Meter {
    Meter {
        name: name.to_owned(),
        description: String::new(),
        unit: "unit".to_owned(),
        event_type: event_type.to_owned(),
        filter: Vec::new(),
        value: value.map(str::to_owned),
        scale: Quantity::ONE,
        aggregation,
        group_by: Vec::new(),
        negative: false,
        max_dimensions: 10_000,
    }
}

/// A catalog with every kind of meter that `simulate` has to fit.
pub(crate) fn catalog() -> Catalog {
    let condition = |property: &str, test| Condition {
        property: property.to_owned(),
        test,
    };
    let mut bandwidth = meter("bandwidth", "http.request", Some("bytes"), Aggregation::Sum);
    bandwidth.group_by = vec!["region".to_owned()];
    let mut errors = meter("errors", "http.request", None, Aggregation::Count);
    errors.filter = vec![condition(
        "status",
        Test::In(vec!["500".to_owned(), "503".to_owned()]),
    )];
    let mut minutes = meter("call_seconds", "call", None, Aggregation::Sum);
    minutes.scale = Quantity::parse("0.001").expect("a quantity");
    minutes.filter = vec![
        condition("duration", Test::Above(Quantity::ZERO)),
        condition("direction", Test::NotIn(vec!["inbound".to_owned()])),
        condition("test_call", Test::Exists(false)),
    ];
    let mut balance = meter("balance", "balance", Some("amount"), Aggregation::Latest);
    balance.negative = true;
    Catalog {
        name: "test".to_owned(),
        fold: NEWEST_FOLD,
        acceptance: Millis(35 * 86_400_000),
        ahead: Millis(300_000),
        restamp_window: Millis(900_000),
        lateness: Millis(300_000),
        ignored_types: Vec::new(),
        bounds: Bounds::default(),
        sources: BTreeMap::from([
            (
                "uuids".to_owned(),
                SourceRule {
                    id_time: IdTime::Uuidv7,
                },
            ),
            (
                "ulids".to_owned(),
                SourceRule {
                    id_time: IdTime::Ulid,
                },
            ),
        ]),
        schemas: vec![WriterSchema {
            confluent_id: Some(7),
            schema: USAGE_EVENT_SCHEMA.to_owned(),
        }],
        meters: vec![bandwidth, errors, minutes, balance],
        plans: meterline_core::catalog::Plans::default(),
        stripe: meterline_core::catalog::StripeMapping::default(),
    }
}

/// An event that the meter `bandwidth` counts.
pub(crate) fn event(number: usize) -> UsageEvent {
    UsageEvent {
        id: format!("id-{number}"),
        source: "test".into(),
        kind: "http.request".into(),
        tenant: format!("tenant-{}", number % 7).into(),
        time: EventTime(NOW),
        quantity: None,
        properties: vec![
            ("bytes".into(), "5".to_owned()),
            ("region".into(), "eu".to_owned()),
        ],
    }
}

/// What the fold does with one record of a partition that has seen nothing before.
pub(crate) fn fold(catalog: &Catalog, partitions: u32, message: &Message) -> Folded {
    let partition = place(message, partitions);
    outcome(&mut begin(catalog, partition, partitions), message)
}

/// The same with an event in structured JSON.
pub(crate) fn fold_event(catalog: &Catalog, event: &UsageEvent) -> Folded {
    let mut message = Message::default();
    Encoder::default()
        .encode(Form::Json, event, &mut message)
        .expect("encoded");
    fold(catalog, PARTITIONS, &message)
}

/// What the fold counts of records that are published one after the other.
pub(crate) fn fold_all(catalog: &Catalog, messages: &[Message]) -> Counters {
    let mut partitions: Vec<Partition> = (0..PARTITIONS)
        .map(|p| begin(catalog, p, PARTITIONS))
        .collect();
    for message in messages {
        let place = usize::try_from(place(message, PARTITIONS)).expect("small");
        outcome(&mut partitions[place], message);
    }
    let mut sum = Counters::default();
    for counters in partitions.iter().map(Partition::counters) {
        assert!(counters.is_conserved());
        sum.accepted += counters.accepted;
        sum.unmatched += counters.unmatched;
        sum.duplicate += counters.duplicate;
        for (reason, count) in counters.rejected {
            *sum.rejected.entry(reason).or_default() += count;
        }
    }
    sum
}

fn place(message: &Message, partitions: u32) -> u32 {
    message
        .partition
        .unwrap_or_else(|| partition_of(&message.key, partitions))
}

fn begin(catalog: &Catalog, partition: u32, partitions: u32) -> Partition {
    let compiled = Arc::new(CompiledCatalog::new(catalog.clone()).expect("a valid catalog"));
    let adoption = Adoption {
        topic: "usage.events".to_owned(),
        log_partition: LogPartition {
            topic_id: TopicId(1),
            partition,
        },
        partitions,
        first_offset: 0,
        catalog_version: 1,
    };
    let decision = Arc::new(CatalogDecision {
        version: 1,
        offset: 0,
        hash: 0,
        compiled,
    });
    Partition::begin(&adoption, decision, IdentityKey([7; 16]))
}

fn outcome(partition: &mut Partition, message: &Message) -> Folded {
    let headers: Vec<_> = message
        .headers
        .iter()
        .map(|(k, v)| (*k, Some(v.as_slice())))
        .collect();
    // Nobody wrote a control record, so every pointer is a bad one.
    let bad = Placement::Bad("no such record".to_owned());
    let is_pointer = headers
        .iter()
        .any(|(name, _)| *name == meterline_core::record::CONTROL_HEADER);
    let size = message.key.len()
        + message.payload.as_ref().map_or(0, Vec::len)
        + headers
            .iter()
            .map(|(k, v)| k.len() + v.map_or(0, <[u8]>::len))
            .sum::<usize>();
    let record = Record {
        offset: partition.position().offset,
        append_time: LogTime(NOW / 1_000),
        headers: &headers,
        payload: message.payload.as_deref(),
        size,
        placement: is_pointer.then_some(&bad),
    };
    match partition.step(&record, &NoRuns).expect("folded") {
        Outcome::Accepted { .. } => Folded::Counted,
        Outcome::Unmatched => Folded::Unmatched,
        Outcome::Duplicate => Folded::Duplicate,
        Outcome::Rejected(rejection) => Folded::Rejected(rejection.reason.name()),
        _ => Folded::Other,
    }
}
