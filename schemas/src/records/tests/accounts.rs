//! Decisions about accounts, API keys and routes survive their envelope.

use super::{check_survives, control};
use crate::records::Record;
use meterline_core::account::{
    AccountChange, AccountStatus, AccountTerms, ApiKey, LimitOverride, Override, PreviousHash,
    Role, Route, RunningPeriod, Target, TenantScope,
};
use meterline_core::catalog::plans::{Cap, Grace, Severity, Threshold};
use meterline_core::control::Decision;
use meterline_core::quantity::Quantity;
use meterline_core::time::LogTime;
use std::collections::BTreeMap;

fn account() -> AccountChange {
    let threshold = Threshold {
        percent: Quantity::ONE,
        above: true,
        severity: Severity::Critical,
        kind: "billing.over_limit".to_owned(),
    };
    let changed = Override {
        included: Some(Quantity::ZERO),
        limit: Some(LimitOverride::At(Quantity::ONE)),
        cap: Some(Cap::Soft),
        grace: Some(Grace::default()),
        thresholds: Some(vec![threshold]),
    };
    let unlimited = Override {
        limit: Some(LimitOverride::Unlimited),
        ..Override::default()
    };
    let overrides = [("calls", changed), ("tokens", unlimited)];
    AccountChange {
        account: "acme".to_owned(),
        effective: Some(LogTime(1_764_547_200_123)),
        running: RunningPeriod::Restart,
        origin: "10.0.0.1".to_owned(),
        terms: AccountTerms {
            name: "première".to_owned(),
            plan: "pro".to_owned(),
            status: AccountStatus::Suspended,
            start: "2026-01-31".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            overrides: overrides.map(|(m, o)| (m.to_owned(), o)).into(),
            contacts: vec!["ops@example.com".to_owned()],
            stripe_customer: Some("cus_1".to_owned()),
        },
    }
}

fn key(tenants: TenantScope) -> ApiKey {
    ApiKey {
        id: "k1k1k1k1k1k1".to_owned(),
        name: String::new(),
        hash: "00ff".to_owned(),
        previous: Some(PreviousHash {
            hash: "ff00".to_owned(),
            until: LogTime(1),
        }),
        roles: vec![Role::Ingest, Role::Read, Role::Check, Role::Admin],
        tenants,
        rate: Some(u32::MAX),
        revoked: true,
        expires: Some(LogTime(2)),
    }
}

fn route(target: Target) -> Route {
    Route {
        id: "ops".to_owned(),
        account: Some("acme".to_owned()),
        meters: vec!["calls".to_owned()],
        severity: Severity::Medium,
        target,
        enabled: false,
    }
}

#[test]
fn decisions_about_accounts_survive_their_encoding() {
    let mut plain = account();
    plain.effective = None;
    plain.terms.overrides = BTreeMap::new();
    let webhook = Target::Webhook {
        url: "https://example.com/hook".to_owned(),
        generation: 2,
        previous_until: Some(LogTime(5)),
    };
    let email = Target::Email { to: Vec::new() };
    let kafka = Target::Kafka {
        topic: "alerts".to_owned(),
    };
    for decision in [
        Decision::Account(Box::new(account())),
        Decision::Account(Box::new(plain)),
        Decision::ApiKey(Box::new(key(TenantScope::All))),
        Decision::ApiKey(Box::new(key(TenantScope::These(vec!["acme".to_owned()])))),
        Decision::Route(Box::new(route(webhook))),
        Decision::Route(Box::new(route(email))),
        Decision::Route(Box::new(route(kafka))),
    ] {
        check_survives(Record::Control(Box::new(control(Some(3), decision))));
    }
}
