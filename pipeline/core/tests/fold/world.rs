//! Catalogs and records for the tests.

use meterline_core::catalog::{Aggregation, Bounds, Catalog, CompiledCatalog, Meter};
use meterline_core::control::{Adoption, Bytes, CatalogDecision, EventRecord, Void, VoidDecision};
use meterline_core::hash::IdentityKey;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime, Millis};
use std::sync::Arc;

pub(crate) const HOUR: i64 = 3_600_000_000;
pub(crate) const MINUTE: i64 = 60_000_000;
pub(crate) const KEY: IdentityKey = IdentityKey([3; 16]);
/// 2026-01-31 00:00 UTC, in microseconds: a day before a month's end.
pub(crate) const START: i64 = 1_769_817_600_000_000;

pub(crate) fn partition() -> LogPartition {
    LogPartition {
        topic_id: TopicId(77),
        partition: 0,
    }
}

pub(crate) fn meter(
    name: &str,
    event_type: &str,
    aggregation: Aggregation,
    group_by: &[&str],
) -> Meter {
    Meter {
        name: name.into(),
        description: String::new(),
        unit: "unit".into(),
        event_type: event_type.into(),
        filter: vec![],
        value: None,
        scale: Quantity::ONE,
        aggregation,
        group_by: group_by.iter().map(|k| (*k).to_owned()).collect(),
        negative: aggregation.reads_quantity(),
        max_dimensions: 3,
    }
}

/// One meter of every aggregation on type `use`, some of them with parts.
pub(crate) fn catalog() -> Catalog {
    let aggregations = [
        ("a_count", Aggregation::Count, &[][..]),
        ("b_sum", Aggregation::Sum, &["model"][..]),
        ("c_min", Aggregation::Min, &[][..]),
        ("d_max", Aggregation::Max, &["model"][..]),
        ("e_avg", Aggregation::Avg, &[][..]),
        ("f_latest", Aggregation::Latest, &[][..]),
    ];
    Catalog {
        name: "test".into(),
        fold: 1,
        acceptance: Millis(35 * 86_400_000),
        ahead: Millis(300_000),
        restamp_window: Millis(900_000),
        lateness: Millis(300_000),
        ignored_types: vec!["noise".into()],
        bounds: Bounds::default(),
        sources: [].into(),
        schemas: vec![],
        meters: aggregations
            .into_iter()
            .map(|(name, aggregation, group_by)| meter(name, "use", aggregation, group_by))
            .collect(),
        plans: meterline_core::catalog::Plans::default(),
        stripe: meterline_core::catalog::StripeMapping::default(),
    }
}

pub(crate) fn decision(version: u32, catalog: Catalog) -> Arc<CatalogDecision> {
    let compiled = CompiledCatalog::new(catalog).expect("a valid catalog");
    let compiled = Arc::new(compiled);
    Arc::new(CatalogDecision {
        version,
        offset: u64::from(version),
        hash: 1,
        compiled,
    })
}

pub(crate) fn adoption() -> Adoption {
    Adoption {
        topic: "usage.events".into(),
        log_partition: partition(),
        partitions: 1,
        first_offset: 0,
        catalog_version: 1,
    }
}

/// An event as a test writes it; `None` leaves the field out.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub(crate) id: String,
    pub(crate) kind: &'static str,
    pub(crate) tenant: &'static str,
    pub(crate) time: EventTime,
    pub(crate) quantity: String,
    pub(crate) model: Option<String>,
}

impl Use {
    pub(crate) fn new(id: &str, time: i64) -> Self {
        Self {
            id: id.into(),
            kind: "use",
            tenant: "acme",
            time: EventTime(time),
            quantity: "1".into(),
            model: None,
        }
    }

    pub(crate) fn json(&self) -> Vec<u8> {
        let model = self
            .model
            .as_ref()
            .map_or(String::new(), |m| format!(",\"model\":\"{m}\""));
        format!(
            "{{\"specversion\":\"1.0\",\"id\":\"{}\",\"source\":\"/t\",\"type\":\"{}\",\
             \"subject\":\"{}\",\"time\":\"{}\",\"data\":{{\"quantity\":{}{model}}}}}",
            self.id, self.kind, self.tenant, self.time, self.quantity
        )
        .into_bytes()
    }
}

/// A record of the log: what was appended, when and where.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    pub(crate) offset: u64,
    pub(crate) append_time: LogTime,
    pub(crate) content: Content,
}

/// What a record holds.
#[derive(Clone, Debug)]
pub(crate) enum Content {
    Event(Use),
    Broken,
    Tick,
    Void(VoidOf),
}

/// A pointer to a void or amend of the event that was counted at an offset.
#[derive(Clone, Debug)]
pub(crate) struct VoidOf {
    pub(crate) offset: u64,
    pub(crate) replacement: Option<Use>,
    pub(crate) decision: Arc<VoidDecision>,
}

/// A decision at a control offset to void or amend the event at `offset`, after other voids.
pub(crate) fn void_of(
    control: u64,
    (offset, event): (u64, &Use),
    replacement: Option<&Use>,
    before: &[Arc<VoidDecision>],
) -> VoidOf {
    let carried = |event: &Use| EventRecord {
        headers: vec![],
        payload: Some(Bytes(event.json())),
    };
    let of_event =
        |void: &Void| (void.tenant.as_str(), void.id.as_str()) == (event.tenant, &event.id);
    let mut earlier = before.iter().rev().filter(|other| of_event(&other.void));
    let decision = Arc::new(VoidDecision {
        offset: control,
        hash: 0,
        follows: before.last().map(|last| last.offset),
        earlier: earlier.next().cloned(),
        void: Void {
            tenant: event.tenant.into(),
            source: "/t".into(),
            id: event.id.clone(),
            log_partition: partition(),
            offset,
            record: carried(event),
            replacement: replacement.map(carried),
        },
    });
    VoidOf {
        offset,
        replacement: replacement.cloned(),
        decision,
    }
}
