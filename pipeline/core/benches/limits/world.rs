//! The catalog, accounts and series that are measured.

use super::{CREDIT, METERS, TENANTS};
use meterline_core::account::{AccountChange, AccountStatus, AccountTerms, RunningPeriod};
use meterline_core::bucket::{Kind, Series};
use meterline_core::catalog::plans::{
    Cap, Derived, Grace, HealthBounds, PeriodZone, Plan, Plans, Reset, Severity, Term, Terms,
    Threshold,
};
use meterline_core::catalog::{Aggregation, Catalog, Meter};
use meterline_core::control::{ControlRecord, Decision};
use meterline_core::quantity::Quantity;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn catalog() -> Catalog {
    let term = |meter: &str| Term {
        meter: meter.to_owned(),
        weight: Quantity::parse("0.5").expect("a quantity"),
    };
    let meters = METERS.into_iter().chain([CREDIT]);
    let plan = Plan {
        name: "standard".to_owned(),
        title: String::new(),
        base: None,
        meters: meters.map(|meter| (meter.to_owned(), terms())).collect(),
    };
    Catalog {
        plans: Plans {
            currency: String::new(),
            default_plan: None,
            units: BTreeMap::new(),
            derived: vec![Derived {
                name: CREDIT.to_owned(),
                description: String::new(),
                unit: String::new(),
                constant: Quantity::ZERO,
                terms: vec![term("calls"), term("texts")],
                unless: None,
            }],
            health: HealthBounds::default(),
            plans: vec![plan],
        },
        ..Catalog::new("bench", METERS.into_iter().map(meter).collect())
    }
}

pub(crate) fn meter(name: &str) -> Meter {
    let aggregation = aggregation(name);
    Meter {
        name: name.to_owned(),
        description: String::new(),
        unit: String::new(),
        event_type: name.to_owned(),
        filter: Vec::new(),
        value: None,
        scale: Quantity::ONE,
        aggregation,
        group_by: Vec::new(),
        negative: aggregation.reads_quantity(),
        max_dimensions: Meter::MAX_DIMENSIONS,
    }
}

pub(crate) fn aggregation(meter: &str) -> Aggregation {
    match meter {
        "texts" => Aggregation::Count,
        "storage" => Aggregation::Latest,
        _ => Aggregation::Sum,
    }
}

/// 100 a month, soft, with three shares that are told.
pub(crate) fn terms() -> Terms {
    let threshold = |percent| Threshold {
        percent: whole(percent),
        above: false,
        severity: Severity::Warning,
        kind: Threshold::KIND.to_owned(),
    };
    Terms {
        included: None,
        limit: Some(whole(100)),
        cap: Cap::Soft,
        grace: Some(Grace::default()),
        thresholds: [80, 90, 100].map(threshold).into(),
        reset: Reset::Month,
        zone: PeriodZone::Utc,
        price: None,
    }
}

pub(crate) fn account(tenant: usize) -> (u64, ControlRecord) {
    let offset = tenant as u64 + 1;
    let terms = AccountTerms {
        name: String::new(),
        plan: "standard".to_owned(),
        status: AccountStatus::Active,
        start: "2026-01-15".to_owned(),
        time_zone: "UTC".to_owned(),
        overrides: BTreeMap::new(),
        contacts: Vec::new(),
        stripe_customer: None,
    };
    let change = AccountChange {
        account: id(tenant),
        effective: None,
        running: RunningPeriod::Keep,
        origin: String::new(),
        terms,
    };
    let record = ControlRecord {
        write_id: u128::from(offset),
        actor: "bench".to_owned(),
        note: String::new(),
        head: None,
        decision: Decision::Account(Box::new(change)),
    };
    (offset, record)
}

pub(crate) fn series() -> Vec<Arc<Series>> {
    let of = |tenant: usize| {
        METERS.map(|meter| {
            Arc::new(Series {
                tenant: id(tenant).into(),
                meter: meter.into(),
                kind: Kind::Only,
                aggregation: aggregation(meter),
                dimensions: Box::new([]),
                dimensions_hash: 0,
            })
        })
    };
    (0..TENANTS).flat_map(of).collect()
}

pub(crate) fn id(tenant: usize) -> String {
    format!("customer-{tenant:08}")
}

pub(crate) fn whole(number: u64) -> Quantity {
    Quantity::from_unscaled(number.into(), 0).expect("small numbers fit")
}
