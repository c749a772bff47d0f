//! What the unit tests share: a small catalog, keys, events, and an API over a view in memory.

use crate::health::Health;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::state::{Parts, Shared, Source, now};
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use meterline_clickhouse::ClickHouse;
use meterline_core::account::{
    AccountChange, AccountStatus, AccountTerms, ApiKey, Role, Route, RunningPeriod, Target,
    TenantScope,
};
use meterline_core::accounts::Accounts;
use meterline_core::alert::Judged;
use meterline_core::catalog::plans::{Cap, Grace, PeriodZone, Plan, Reset, Severity, Terms};
use meterline_core::catalog::{Aggregation, Catalog, CompiledCatalog, Meter, Plans};
use meterline_core::control::{Adoption, CatalogContent, ControlRecord, Decision, View};
use meterline_core::period::{PeriodRule, Zone};
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::standing::{Standing, StandingProgress};
use meterline_core::time::LogTime;
use meterline_kafka::Producer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tower::ServiceExt;

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
        plans: plans(),
        ..Catalog::new(
            "test",
            vec![Meter {
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
        )
    }
}

/// A whole number.
pub(crate) fn number(n: i128) -> Quantity {
    Quantity::from_unscaled(n, 0).expect("small numbers fit")
}

/// `free`: 100 calls a month, hard. `team`: 100 calls a month, soft with grace, no price.
fn plans() -> Plans {
    let plan = |name: &str, cap: Cap, grace: Option<Grace>| Plan {
        name: name.to_owned(),
        title: name.to_owned(),
        base: None,
        meters: [(
            "calls".to_owned(),
            Terms {
                included: Some(number(10)),
                limit: Some(number(100)),
                cap,
                grace,
                thresholds: Vec::new(),
                reset: Reset::Month,
                zone: PeriodZone::Utc,
                price: None,
            },
        )]
        .into(),
    };
    Plans {
        plans: vec![
            plan("free", Cap::Hard, None),
            plan("team", Cap::Soft, Some(Grace::default())),
        ],
        ..Plans::default()
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

/// An API over a view in memory, at the moment of the wall clock. Nothing answers behind it.
///
/// Keys: `admin0000000` may do everything, `owner0000000` everything for acme, `reader000000` may
/// read acme, `checker00000` may check acme and beta, `ingester0000` may publish for acme. Route
/// `stream` tells a topic of acme's alerts. Accounts: acme on `free`, beta on `team`,
/// gone (closed) and other on `free`. Catalog in force, one partition, progress of now.
pub(crate) struct Fixture {
    pub(crate) shared: Arc<Shared>,
}

impl Fixture {
    pub(crate) fn new(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with(change, Vec::new())
    }

    /// The same, after more decisions on accounts, keys and routes.
    pub(crate) fn with(change: impl FnOnce(&mut Settings), more: Vec<Decision>) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        let kafka = meterline_kafka::Settings {
            brokers: "127.0.0.1:1".to_owned(),
            properties: BTreeMap::new(),
            topic_prefix: String::new(),
        };
        let clickhouse = meterline_clickhouse::Settings::new("http://127.0.0.1:1");
        let (metrics, _) = Metrics::new();
        let shared = Shared::new(Parts {
            settings,
            metrics,
            health: Arc::new(Health::new(String::new(), Instant::now())),
            source: Source::Fixed {
                accounts: Box::new(accounts(more)),
                view: Arc::new(view()),
            },
            producer: Producer::connect(&kafka).expect("a client"),
            clickhouse: ClickHouse::connect(clickhouse).expect("a client"),
            topics: kafka.topics(),
            notifications: None,
        });
        shared.catch_up();
        let fixture = Self {
            shared: Arc::new(shared),
        };
        fixture.progress(now());
        fixture
    }

    /// Everything before this moment is in the view.
    pub(crate) fn progress(&self, log_time: LogTime) {
        self.progress_of(log_time, self.shared.view().position());
    }

    /// The same, said by who knows of decisions up to `control`.
    pub(crate) fn progress_of(&self, log_time: LogTime, control: Offset) {
        self.shared.take_progress(&StandingProgress {
            log_partition: partition(),
            to: Stamp {
                epoch: 0,
                offset: log_time.0.unsigned_abs(),
            },
            log_time,
            control,
            standing_position: None,
        });
    }

    /// A tenant's calls of the running month.
    pub(crate) fn used(&self, tenant: &str, calls: i128) {
        let rule = PeriodRule::new(Reset::Month, Zone::utc(), 1);
        let period = rule.period_at(now().as_event_time());
        let offset = calls.unsigned_abs().try_into().expect("small");
        self.shared.standings.take(&Standing {
            tenant: tenant.to_owned(),
            meter: "calls".to_owned(),
            period_start: period.start,
            period_end: period.end,
            used: number(calls),
            included: Some(number(10)),
            limit: Some(number(100)),
            cap: Cap::Hard,
            health: meterline_core::standing::Health::Warning,
            crossed_at: None,
            plan: "free".to_owned(),
            judged: Judged {
                usage: vec![(partition(), Stamp { epoch: 0, offset })],
                catalog: 0,
                account: None,
                effective: None,
            },
        });
    }

    /// Sends one request and reads the whole answer.
    pub(crate) async fn send(&self, request: Request<Body>) -> (Response<()>, String) {
        let router = crate::routes::router(Arc::clone(&self.shared));
        let response = router.oneshot(request).await.expect("never fails");
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.expect("whole").to_bytes();
        let text = String::from_utf8(bytes.to_vec()).expect("text");
        (Response::from_parts(parts, ()), text)
    }

    /// Sends a request with a key and a JSON body, and reads the JSON answer.
    pub(crate) async fn ask(
        &self,
        key: &str,
        method: &str,
        path: &str,
        body: &str,
    ) -> (StatusCode, serde_json::Value) {
        let request = request(key, method, path)
            .header("content-type", "application/json")
            .body(Body::from(body.to_owned()))
            .expect("a request");
        let (response, text) = self.send(request).await;
        let value = serde_json::from_str(&text).unwrap_or(serde_json::Value::Null);
        (response.status(), value)
    }
}

/// A request with a key's token.
pub(crate) fn request(key: &str, method: &str, path: &str) -> axum::http::request::Builder {
    let token = format!("Bearer mlk_{key}_{SECRET}");
    Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", token)
}

fn partition() -> LogPartition {
    LogPartition {
        topic_id: TopicId(7),
        partition: 0,
    }
}

fn record(decision: Decision) -> ControlRecord {
    ControlRecord {
        write_id: 1,
        actor: "test".to_owned(),
        note: String::new(),
        head: None,
        decision,
    }
}

fn view() -> View {
    let mut view = View::default();
    let content = CatalogContent {
        catalog: catalog(),
        source: String::new(),
    };
    let adoption = Adoption {
        topic: "usage.events".to_owned(),
        log_partition: partition(),
        partitions: 1,
        first_offset: 0,
        catalog_version: 1,
    };
    let decisions = [Decision::Catalog(content), Decision::Adoption(adoption)];
    for (offset, decision) in (0..).zip(decisions) {
        let applied = view.apply(offset, 0, LogTime(0), Ok(record(decision)));
        applied.expect("applies");
    }
    view
}

fn accounts(more: Vec<Decision>) -> Accounts {
    let key = |id: &str, roles: &[Role], tenants: &[&str]| {
        let mut key = api_key(id);
        key.roles = roles.to_vec();
        if !tenants.is_empty() {
            let tenants = tenants.iter().map(|tenant| (*tenant).to_owned());
            key.tenants = TenantScope::These(tenants.collect());
        }
        Decision::ApiKey(Box::new(key))
    };
    let account = |id: &str, plan: &str, status| {
        Decision::Account(Box::new(AccountChange {
            account: id.to_owned(),
            effective: None,
            running: RunningPeriod::Keep,
            origin: String::new(),
            terms: AccountTerms {
                name: String::new(),
                plan: plan.to_owned(),
                status,
                start: "2026-01-01".to_owned(),
                time_zone: "UTC".to_owned(),
                overrides: BTreeMap::new(),
                contacts: Vec::new(),
                stripe_customer: None,
            },
        }))
    };
    let active = AccountStatus::Active;
    let decisions = [
        key("admin0000000", &[Role::Admin], &[]),
        key("owner0000000", &[Role::Admin], &["acme"]),
        key("reader000000", &[Role::Read], &["acme"]),
        key("checker00000", &[Role::Check], &["acme", "beta"]),
        key("ingester0000", &[Role::Ingest], &["acme"]),
        account("acme", "free", active),
        account("beta", "team", active),
        account("gone", "free", AccountStatus::Closed),
        account("other", "free", active),
        Decision::Route(Box::new(Route {
            id: "stream".to_owned(),
            account: Some("acme".to_owned()),
            meters: Vec::new(),
            severity: Severity::Info,
            target: Target::Kafka {
                topic: "acme.alerts".to_owned(),
            },
            enabled: true,
        })),
    ];
    let mut accounts = Accounts::default();
    for (offset, decision) in (0..).zip(decisions.into_iter().chain(more)) {
        let applied = accounts.apply(offset, LogTime(0), &record(decision));
        applied.expect("applies");
    }
    accounts
}
