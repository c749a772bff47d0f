//! The client's quota checks against the API stage itself: what a gateway decides by them.

use crate::limits::limits;
use crate::support::load::{Form, Publisher, Usage};
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use meterline_client::check::{Basis, Checker, Fail, Reason, Verdict};
use meterline_client::http::CheckLayer;
use reqwest::blocking::{Client, Response};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt, service_fn};

/// Long enough that an answer is kept for all of the test.
const HOUR: Duration = Duration::from_secs(3_600);
/// The limit of `requests` for everybody; see `catalogs/operators.yaml`.
const LIMIT: u64 = 10;

#[test]
fn a_gateway_decides_by_the_api_and_by_what_it_keeps() {
    let _turn = Turn::light();
    let gateway = Gateway::begin();
    gateway.stops_at_the_hard_cap();
    gateway.stops_where_a_grace_ends();
    gateway.refuses_what_is_not_served();
    gateway.layer_refuses_before_the_service();
}

/// An installation with an API, and who has used what.
struct Gateway {
    site: Site,
    publisher: Publisher,
    key: String,
    url: String,
    runtime: Runtime,
    _workers: Vec<crate::support::worker::Worker>,
}

impl Gateway {
    fn begin() -> Self {
        let site = Site::new("gateway");
        site.init(1, "operators");
        let key = site.key(&["--role", "check", "--all-tenants"]);
        let mut workers = vec![site.worker("rollup", &[]), limits(&site, "limits")];
        let (api, address) = site.api("api", &[]);
        workers.push(api);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let gateway = Self {
            publisher: site.publisher(),
            site,
            key,
            url: format!("http://{address}"),
            runtime: runtime.enable_all().build().expect("a runtime"),
            _workers: workers,
        };
        gateway.has_used("acme", "api.request", 8);
        gateway.has_used("beta", "api.request", 9);
        gateway.has_used("gone", "api.request", 1);
        gateway.has_used("soft", "llm.completion", 119);
        let gone = ["account", "set", "gone", "--plan", "small", "--status"];
        gateway
            .site
            .meterline(&[&gone[..], &["suspended"]].concat())
            .ok();
        for (tenant, meter, used) in [
            ("acme", "requests", "8"),
            ("beta", "requests", "9"),
            ("soft", "tokens", "119"),
        ] {
            gateway.wait_known(tenant, meter, |it| it["used"] == used);
        }
        gateway.wait_known("gone", "requests", |it| it["reason"] == "suspended");
        gateway
    }

    fn has_used(&self, tenant: &str, kind: &str, quantity: i128) {
        // A count takes no quantity: as many events.
        let is_count = kind == "api.request";
        let events = if is_count { quantity } else { 1 };
        for n in 0..events {
            let usage = Usage {
                id: format!("{tenant}-{n}"),
                source: "//gateway".to_owned(),
                kind: kind.to_owned(),
                tenant: tenant.to_owned(),
                time: chrono::Utc::now().timestamp_micros(),
                quantity: (!is_count).then_some(quantity * 1_000_000_000),
                properties: Vec::new(),
            };
            self.publisher.send_event(usage, Form::Json);
        }
        self.publisher.flush();
    }

    /// Waits until the API's own answer is this.
    fn wait_known(&self, tenant: &str, meter: &str, is_it: impl Fn(&Value) -> bool) {
        let (client, url) = (Client::new(), format!("{}/v1/limits/check", self.url));
        until(&format!("what {tenant} used of {meter}"), SOON, || {
            let request = client.post(&url).bearer_auth(&self.key);
            let asked = json!({"tenant": tenant, "meter": meter});
            let answer = request.json(&asked).send().and_then(Response::json);
            let answer: Value = answer.unwrap_or_default();
            is_it(&answer["meters"][0]).then_some(()).ok_or(answer)
        });
    }

    /// A checker without anything kept.
    fn checker(&self, key: &str, fail: Fail) -> Checker {
        let builder = Checker::builder(&self.url, key).without_tls().fail(fail);
        let builder = builder.timeout(Duration::from_secs(5));
        builder.fresh(HOUR).good(HOUR).connect().expect("a checker")
    }

    fn ask(&self, checker: &Checker, tenant: &str, meter: &str, quantity: u64) -> Verdict {
        self.runtime
            .block_on(checker.check(tenant, meter, quantity))
    }

    fn stops_at_the_hard_cap(&self) {
        let checker = self.checker(&self.key, Fail::Closed);
        let verdict = self.ask(&checker, "acme", "requests", 1);
        assert_eq!(seen(&verdict), (true, Reason::Allowed, Basis::Service));
        assert!(verdict.age < Duration::from_secs(60), "{verdict:?}");
        let mut allowed = 1;
        while allowed < LIMIT {
            let kept = self.ask(&checker, "acme", "requests", 1);
            assert_eq!(kept.basis, Basis::Kept);
            if !kept.allowed {
                break;
            }
            allowed += 1;
        }
        assert_eq!(allowed, LIMIT - 8, "what was left, and no more");
        let beyond = self.ask(&checker, "acme", "requests", 1);
        assert_eq!(seen(&beyond), (false, Reason::Limit, Basis::Kept));
        // The service says itself when asking again helps.
        let asked = self.checker(&self.key, Fail::Closed);
        let refused = self.ask(&asked, "acme", "requests", 3);
        assert_eq!(seen(&refused), (false, Reason::Limit, Basis::Service));
        let after = refused.retry_after.expect("the period ends");
        assert!(after <= 31 * 24 * HOUR, "{after:?}");
        let kept = self.ask(&asked, "acme", "requests", 2);
        assert_eq!(seen(&kept), (true, Reason::Allowed, Basis::Kept));
    }

    /// 119 of 100, and 120 is where the grace ends.
    fn stops_where_a_grace_ends(&self) {
        let checker = self.checker(&self.key, Fail::Closed);
        let last = self.ask(&checker, "soft", "tokens", 1);
        assert_eq!(seen(&last), (true, Reason::Allowed, Basis::Service));
        assert!(last.soft, "the tenant is beyond its limit");
        let beyond = self.ask(&checker, "soft", "tokens", 1);
        assert_eq!(seen(&beyond), (false, Reason::GraceOver, Basis::Kept));
        let asked = self.checker(&self.key, Fail::Closed);
        let refused = self.ask(&asked, "soft", "tokens", 2);
        assert_eq!(seen(&refused), (false, Reason::GraceOver, Basis::Service));
        let kept = self.ask(&asked, "soft", "tokens", 1);
        assert_eq!(seen(&kept), (true, Reason::Allowed, Basis::Kept));
    }

    fn refuses_what_is_not_served(&self) {
        let scoped = self.site.key(&["--role", "check", "--tenant", "acme"]);
        for (key, tenant, meter, reason) in [
            (&self.key, "gone", "requests", Reason::Account),
            (&self.key, "acme", "request", Reason::Unknown),
            (&scoped, "beta", "requests", Reason::Unknown),
        ] {
            let checker = self.checker(key, Fail::Open);
            let verdict = self.ask(&checker, tenant, meter, 1);
            let expected = (false, reason, Basis::Service);
            assert_eq!(seen(&verdict), expected, "{tenant} {meter}");
        }
        // A key that may not ask is no answer: the setting decides.
        let other = self.site.key(&["--role", "ingest", "--all-tenants"]);
        let stranger = format!("mlk_{}_{}", "0".repeat(12), "0".repeat(43));
        for (key, fail, allowed) in [
            (&other, Fail::Open, true),
            (&other, Fail::Closed, false),
            (&stranger, Fail::Closed, false),
        ] {
            let checker = self.checker(key, fail);
            let verdict = self.ask(&checker, "acme", "requests", 1);
            assert_eq!((verdict.allowed, verdict.basis), (allowed, Basis::Nothing));
            assert_eq!(checker.unanswered(), 1);
        }
    }

    fn layer_refuses_before_the_service(&self) {
        let reached = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&reached);
        let inner = service_fn(move |_: http::Request<()>| {
            count.fetch_add(1, Ordering::SeqCst);
            async { Ok::<_, Infallible>(http::Response::new(())) }
        });
        let layer = CheckLayer::new(
            self.checker(&self.key, Fail::Closed),
            "requests",
            |parts| Some(parts.headers.get("x-tenant-id")?.to_str().ok()?.to_owned()),
            |verdict| {
                let response = http::Response::builder().status(429);
                let reason = format!("{:?}", verdict.reason);
                response
                    .header("x-reason", reason)
                    .body(())
                    .expect("a response")
            },
        );
        let gate = layer.layer(inner);
        let mut answers = Vec::new();
        for tenant in [Some("beta"), Some("beta"), Some("gone"), None] {
            let mut request = http::Request::builder();
            if let Some(tenant) = tenant {
                request = request.header("x-tenant-id", tenant);
            }
            let request = request.body(()).expect("a request");
            let answer = self.runtime.block_on(gate.clone().oneshot(request));
            let answer = answer.expect("infallible");
            let reason = answer.headers().get("x-reason");
            let reason = reason.map(|it| it.to_str().expect("text").to_owned());
            answers.push((answer.status().as_u16(), reason));
        }
        let refused = |reason: &str| (429, Some(reason.to_owned()));
        let through = (200, None);
        // One was left of beta's ten.
        let expected = [
            through.clone(),
            refused("Limit"),
            refused("Account"),
            through,
        ];
        assert_eq!(answers, expected);
        assert_eq!(reached.load(Ordering::SeqCst), 2);
    }
}

fn seen(verdict: &Verdict) -> (bool, Reason, Basis) {
    (verdict.allowed, verdict.reason, verdict.basis)
}
