//! What the unit tests share: a small catalog, keys, events.

use aws_lc_rs::digest::{SHA256, digest};
use meterline_core::account::{ApiKey, Role, TenantScope};
use meterline_core::catalog::{
    Aggregation, Bounds, Catalog, CompiledCatalog, Meter, NEWEST_FOLD, Plans,
};
use meterline_core::quantity::Quantity;
use meterline_core::time::LogTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Secret of the keys of tests.
pub(crate) const SECRET: &str = "s3cret";

/// 2026-11-21T12:00:00Z: the moment of the tests.
pub(crate) const NOW: LogTime = LogTime(1_795_262_400_000);

/// The hash of a secret as keys have it.
pub(crate) fn hash_of(secret: &str) -> String {
    let hash = digest(&SHA256, secret.as_bytes());
    hash.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// A key for everything, whose secret is [`SECRET`].
pub(crate) fn api_key(id: &str) -> ApiKey {
    ApiKey {
        id: id.to_owned(),
        name: "a test".to_owned(),
        hash: hash_of(SECRET),
        previous: None,
        roles: vec![Role::Ingest, Role::Read, Role::Check, Role::Admin],
        tenants: TenantScope::All,
        rate: None,
        revoked: false,
        expires: None,
    }
}

/// A catalog with one meter `calls`, the sum of events of type `call`.
pub(crate) fn catalog() -> Catalog {
    Catalog {
        name: "test".to_owned(),
        fold: NEWEST_FOLD,
        acceptance: Catalog::ACCEPTANCE,
        ahead: Catalog::AHEAD,
        restamp_window: Catalog::RESTAMP_WINDOW,
        lateness: Catalog::LATENESS,
        ignored_types: Vec::new(),
        bounds: Bounds::default(),
        sources: BTreeMap::new(),
        schemas: Vec::new(),
        meters: vec![Meter {
            name: "calls".to_owned(),
            description: "Calls.".to_owned(),
            unit: "call".to_owned(),
            event_type: "call".to_owned(),
            filter: Vec::new(),
            value: None,
            scale: Quantity::ONE,
            aggregation: Aggregation::Sum,
            group_by: Vec::new(),
            negative: false,
            max_dimensions: Meter::MAX_DIMENSIONS,
        }],
        plans: Plans::default(),
    }
}

/// [`catalog`], compiled.
pub(crate) fn compiled() -> Arc<CompiledCatalog> {
    Arc::new(CompiledCatalog::new(catalog()).expect("compiles"))
}

/// A CloudEvent at about [`NOW`]; `id` is the member with its comma, or nothing.
pub(crate) fn event_json(id: &str, kind: &str, tenant: &str) -> String {
    format!(
        "{{{id}\"specversion\":\"1.0\",\"source\":\"//test\",\"type\":\"{kind}\",\
         \"subject\":\"{tenant}\",\"time\":\"2026-11-21T11:59:00Z\",\"data\":{{\"quantity\":1}}}}"
    )
}
