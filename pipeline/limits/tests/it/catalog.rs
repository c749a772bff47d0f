//! The catalog of the tests: one meter, two plans.

use crate::site::number;
use meterline_core::catalog::plans::{
    Cap, PeriodZone, Plan, Plans, Reset, Severity, Terms, Threshold,
};
use meterline_core::catalog::{Aggregation, Catalog, Meter};
use meterline_core::quantity::Quantity;
use std::collections::BTreeMap;

/// The one meter: it counts calls.
pub(crate) const METER: &str = "call_count";

/// What is told at 80 %, and at the limit.
fn thresholds() -> Vec<Threshold> {
    let at = |percent, severity| Threshold {
        percent: number(percent),
        above: false,
        severity,
        kind: Threshold::KIND.to_owned(),
    };
    vec![at(80, Severity::Warning), at(100, Severity::Critical)]
}

fn plan(name: &str, limit: i128) -> Plan {
    let terms = Terms {
        included: None,
        limit: Some(number(limit)),
        cap: Cap::Hard,
        grace: None,
        thresholds: thresholds(),
        reset: Reset::Month,
        zone: PeriodZone::Utc,
        price: None,
    };
    Plan {
        name: name.to_owned(),
        title: name.to_owned(),
        base: None,
        meters: BTreeMap::from([(METER.to_owned(), terms)]),
    }
}

/// Plan `free` of 100 calls a month for everybody, `pro` of 200.
pub(crate) fn catalog() -> Catalog {
    let meter = Meter {
        name: METER.to_owned(),
        description: "Calls.".to_owned(),
        unit: "call".to_owned(),
        event_type: "call".to_owned(),
        filter: Vec::new(),
        value: None,
        scale: Quantity::ONE,
        aggregation: Aggregation::Count,
        group_by: Vec::new(),
        negative: false,
        max_dimensions: 10_000,
    };
    Catalog {
        plans: Plans {
            default_plan: Some("free".to_owned()),
            plans: vec![plan("free", 100), plan("pro", 200)],
            ..Plans::default()
        },
        ..Catalog::new("test", vec![meter])
    }
}
