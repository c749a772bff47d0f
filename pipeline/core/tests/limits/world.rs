//! Catalogs, names and records that the tests are made of.

use meterline_core::account::{
    AccountChange, AccountStatus, AccountTerms, LimitOverride, Override, RunningPeriod,
};
use meterline_core::catalog::plans::{
    Cap, Derived, Grace, HealthBounds, PeriodZone, Plan, Plans, Reset, Severity, Term, Terms,
    Threshold,
};
use meterline_core::catalog::{Aggregation, Catalog, CompiledCatalog, Meter};
use meterline_core::control::{CatalogContent, CatalogDecision, ControlRecord, Decision};
use meterline_core::position::{LogPartition, Offset, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::LogTime;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;
/// 2026-03-27T00:00Z, milliseconds since 1970: scripts of some days pass a month's end.
pub(crate) const START: i64 = 1_774_569_600_000;
/// Partitions of `usage.alerts`.
pub(crate) const ALERT_PARTITIONS: u32 = 2;

pub(crate) const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
/// Flow, flow, level, peak.
pub(crate) const METERS: [(&str, Aggregation); 4] = [
    ("calls", Aggregation::Sum),
    ("texts", Aggregation::Count),
    ("seats", Aggregation::Latest),
    ("rate", Aggregation::Max),
];
/// The derived quantity: calls · 0.5 + texts · 0.25.
pub(crate) const CREDIT: &str = "credit";

pub(crate) fn q(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}

pub(crate) fn log_partition(partition: u32) -> LogPartition {
    LogPartition {
        topic_id: TopicId(7),
        partition,
    }
}

/// Terms with these shares in percent, `>100` above.
pub(crate) fn terms(limit: &str, cap: Cap, reset: Reset, shares: &[&str]) -> Terms {
    let threshold = |share: &&str| Threshold {
        percent: q(share.trim_start_matches('>')),
        above: share.starts_with('>'),
        severity: Severity::Warning,
        kind: Threshold::KIND.to_owned(),
    };
    Terms {
        included: None,
        limit: (limit != "unlimited").then(|| q(limit)),
        cap,
        grace: (cap == Cap::Soft).then(Grace::default),
        thresholds: shares.iter().map(threshold).collect(),
        reset,
        zone: PeriodZone::Utc,
        price: None,
    }
}

fn meter((name, aggregation): (&str, Aggregation)) -> Meter {
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

/// A catalog of [`METERS`] and these plans; the first is that of tenants without an account.
pub(crate) fn catalog(plans: Vec<(&str, Vec<(&str, Terms)>)>) -> Catalog {
    let term = |meter: &str, weight| Term {
        meter: meter.to_owned(),
        weight: q(weight),
    };
    let plan = |(name, meters): (&str, Vec<(&str, Terms)>)| Plan {
        name: name.to_owned(),
        title: String::new(),
        base: None,
        meters: meters.into_iter().map(|(m, t)| (m.to_owned(), t)).collect(),
    };
    Catalog {
        plans: Plans {
            currency: String::new(),
            default_plan: plans.first().map(|(name, _)| (*name).to_owned()),
            units: BTreeMap::new(),
            derived: vec![Derived {
                name: CREDIT.to_owned(),
                description: String::new(),
                unit: String::new(),
                constant: Quantity::ZERO,
                terms: vec![term("calls", "0.5"), term("texts", "0.25")],
                unless: None,
            }],
            health: HealthBounds::default(),
            plans: plans.into_iter().map(plan).collect(),
        },
        ..Catalog::new("test", METERS.into_iter().map(meter).collect())
    }
}

/// The catalogs of scripts: limits, shares, resets and the plans' meters differ.
pub(crate) fn catalogs() -> Vec<Catalog> {
    use Cap::{Hard, None, Soft};
    let seats = |limit| terms(limit, Hard, Reset::Day, &["50"]);
    let first = vec![
        (
            "small",
            vec![
                (
                    "calls",
                    terms("100", Soft, Reset::Day, &["80", "100", "120"]),
                ),
                ("seats", seats("10")),
                ("rate", terms("20", None, Reset::Day, &["90", ">100"])),
                ("credit", terms("60", Soft, Reset::Month, &["50"])),
            ],
        ),
        (
            "large",
            vec![
                ("calls", terms("200", Hard, Reset::Day, &["80"])),
                ("texts", terms("5", None, Reset::Hour, &["100"])),
                ("seats", seats("unlimited")),
            ],
        ),
    ];
    let second = vec![
        (
            "small",
            vec![
                ("calls", terms("50", None, Reset::Month, &["80", ">100"])),
                ("seats", terms("12", Hard, Reset::Hour, &["50", "75"])),
                ("credit", terms("30", None, Reset::Day, &["100"])),
            ],
        ),
        (
            "large",
            vec![
                ("calls", terms("unlimited", Hard, Reset::Month, &["80"])),
                ("texts", terms("8", Hard, Reset::Day, &["50"])),
                ("rate", terms("0", None, Reset::Day, &["100"])),
            ],
        ),
    ];
    vec![catalog(first), catalog(second)]
}

pub(crate) fn catalog_decision(offset: Offset, catalog: Catalog) -> Arc<CatalogDecision> {
    let compiled = CompiledCatalog::new(catalog).expect("a valid catalog");
    Arc::new(CatalogDecision {
        version: 1,
        offset,
        hash: 0,
        compiled: Arc::new(compiled),
    })
}

pub(crate) fn record(head: Option<Offset>, decision: Decision) -> ControlRecord {
    ControlRecord {
        write_id: 0,
        actor: "admin".to_owned(),
        note: String::new(),
        head,
        decision,
    }
}

pub(crate) fn catalog_record(head: Option<Offset>, catalog: Catalog) -> ControlRecord {
    let source = String::new();
    record(head, Decision::Catalog(CatalogContent { catalog, source }))
}

/// What a script or a walk says of an account.
#[derive(Clone, Debug)]
pub(crate) struct Wish {
    pub(crate) tenant: &'static str,
    pub(crate) plan: &'static str,
    pub(crate) status: AccountStatus,
    /// Another limit of `calls`; -1: unlimited.
    pub(crate) calls: Option<i64>,
    pub(crate) effective: Option<LogTime>,
    pub(crate) running: RunningPeriod,
}

impl Wish {
    pub(crate) fn of(tenant: &'static str, plan: &'static str) -> Self {
        Self {
            tenant,
            plan,
            status: AccountStatus::Active,
            calls: None,
            effective: None,
            running: RunningPeriod::Keep,
        }
    }

    pub(crate) fn record(&self, head: Option<Offset>) -> ControlRecord {
        let limit = |calls: i64| match calls {
            -1 => LimitOverride::Unlimited,
            limit => LimitOverride::At(q(&limit.to_string())),
        };
        let overrides = self.calls.map(|calls| {
            let limit = Some(limit(calls));
            let changed = Override {
                limit,
                ..Override::default()
            };
            ("calls".to_owned(), changed)
        });
        let change = AccountChange {
            account: self.tenant.to_owned(),
            effective: self.effective,
            running: self.running,
            origin: String::new(),
            terms: AccountTerms {
                name: String::new(),
                plan: self.plan.to_owned(),
                status: self.status,
                start: "2026-01-15".to_owned(),
                time_zone: "UTC".to_owned(),
                overrides: overrides.into_iter().collect(),
                contacts: Vec::new(),
                stripe_customer: None,
            },
        };
        record(head, Decision::Account(Box::new(change)))
    }
}
