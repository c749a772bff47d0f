//! Use past a hard cap: two APIs, 16 callers each, a gateway that stops where it is refused.
//!
//! A gateway lets through beyond the cap what the view did not know yet. That is bounded by
//!
//! `instances × rate × delay + instances × callers × quantity`
//!
//! with the rate in units a second through one instance, and the delay from an event to the view:
//! flush interval, standing interval, lag of the rollup, and the way of the records. The second
//! term is what was asked before and is used after. Where an API fails closed, its
//! `max_view_age` stands for the delay, however long the rollup lags.

use crate::support::load::{Form, Publisher, Usage};
use crate::support::site::Site;
use crate::support::stack::free_port;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// One partition: whoever is used keeps the log time of all moving.
const PARTITIONS: u32 = 1;
const INSTANCES: usize = 2;
/// Per instance.
const CALLERS: u64 = 16;
/// What every call uses.
const QUANTITY: u64 = 1;
/// A caller asks this often at most.
const PACE: Duration = Duration::from_millis(50);
/// The limit of `catalogs/overshoot.yaml`.
const CAP: u64 = 4_000;
/// So many units before the cap the rollup is stopped: more than a second of all callers.
const STOP_BEFORE: u64 = 1_000;

/// How often the rollup of a site flushes.
const FLUSH: Duration = Duration::from_millis(300);
/// How often the limits stage publishes standings.
const STANDING: Duration = Duration::from_millis(100);
/// How long the rollup is stopped.
const LAG: Duration = Duration::from_secs(10);
/// Four hops from producer to view, and the rollup's backlog after a stop, on two busy cores.
const ON_THE_WAY: Duration = Duration::from_secs(3);
/// Above this age an API that fails closed refuses: the least that the setting takes.
const MAX_VIEW_AGE: Duration = Duration::from_secs(31);
/// Append times and the API's clock are whole milliseconds, and a rate is measured by the second.
const ROUNDING: Duration = Duration::from_secs(1);
/// No run takes this long.
const RUN: Duration = Duration::from_secs(90);

#[test]
fn use_past_a_hard_cap_stays_within_the_bound() {
    let _turn = Turn::alone();
    let gateway = Gateway::start("overshoot", &[]);
    let known = FLUSH + STANDING + ON_THE_WAY;

    let steady = gateway.run("steady", |_| ());
    steady.assert_refused_by("hard_cap");
    gateway.assert_counted("steady", steady.total());
    steady.assert_within("no lag", known);

    let lagging = gateway.run("lagging", |run| {
        run.stop_before_cap();
        // The lag itself: nothing is waited for.
        sleep(LAG);
        gateway.rollup.signal("CONT");
    });
    lagging.assert_refused_by("hard_cap");
    gateway.assert_counted("lagging", lagging.total());
    lagging.assert_within("a rollup lag of 10 s", known + LAG);
    let of_the_lag = lagging.rate() * LAG.as_secs() / 2;
    assert!(lagging.overshoot() > of_the_lag, "the lag does not show");
}

#[test]
fn a_gateway_that_fails_closed_stops_although_the_rollup_does_not_go_on() {
    let _turn = Turn::alone();
    let closed = [
        ("api.when_stale", "\"closed\""),
        ("api.max_view_age", "\"31s\""),
    ];
    let gateway = Gateway::start("overshoot_closed", &closed);
    let beating = AtomicBool::new(true);
    std::thread::scope(|scope| {
        // Also where an assertion fails, or the scope would never end.
        let _stop = Unset(&beating);
        scope.spawn(|| gateway.beat(&beating));
        let is_allowed = |verdict| matches!(verdict, Verdict::Allowed);
        gateway.wait_verdict("closed", "to be allowed", is_allowed);
        let run = gateway.run("closed", Run::stop_before_cap);
        run.assert_refused_by("stale");
        run.assert_within("failing closed after 31 s", MAX_VIEW_AGE + ROUNDING);
        gateway.rollup.signal("CONT");
        gateway.assert_counted("closed", run.total());
        let over = |verdict| matches!(verdict, Verdict::Refused(reason) if reason == "hard_cap");
        gateway.wait_verdict("closed", "to be over its cap", over);
        gateway.wait_verdict("another", "to be allowed again", is_allowed);
    });
}

/// An installation with two APIs, and who asks them.
struct Gateway {
    site: Site,
    publisher: Publisher,
    key: String,
    client: Client,
    rollup: Worker,
    _others: Vec<Worker>,
    urls: Vec<String>,
}

/// What a check was answered with `enforce=true`.
enum Verdict {
    Allowed,
    Refused(String),
}

impl Gateway {
    fn start(name: &str, of_api: &[(&str, &str)]) -> Self {
        let mut site = Site::new(name);
        let millis = |length: Duration| format!("\"{}ms\"", length.as_millis());
        site.set("rollup.flush_interval", &millis(FLUSH));
        // A stop must not cost the partition: that would be another lag on top.
        site.set("rollup.session_timeout", "\"90s\"");
        site.set("limits.standing_interval", &millis(STANDING));
        site.init(PARTITIONS, "overshoot");
        let key = site.key(&["--role", "check", "--all-tenants"]);
        let mut rollup = site.worker("rollup", &[]);
        rollup.wait_ready(200);
        let mut others = vec![site.worker_of("limits", "limits", &[])];
        let mut urls = Vec::new();
        for n in 0..INSTANCES {
            let address = format!("127.0.0.1:{}", free_port());
            let listen = format!("\"{address}\"");
            let changes = [of_api, &[("api.listen", listen.as_str())]].concat();
            others.push(site.worker_of("api", &format!("api-{n}"), &changes));
            urls.push(format!("http://{address}/v1/limits/check?enforce=true"));
        }
        others.iter_mut().for_each(|worker| worker.wait_ready(200));
        let client = Client::builder().timeout(Duration::from_secs(10)).build();
        Self {
            publisher: site.publisher(),
            site,
            key,
            client: client.expect("an HTTP client can be made"),
            rollup,
            _others: others,
            urls,
        }
    }

    fn check(&self, instance: usize, tenant: &str) -> Verdict {
        let body = json!({"tenant": tenant, "meter": "calls", "quantity": QUANTITY});
        let request = self
            .client
            .post(&self.urls[instance])
            .bearer_auth(&self.key);
        let answer = request.json(&body).send().expect("the API answers");
        let status = answer.status().as_u16();
        let answer: Value = answer.json().expect("an answer is JSON");
        let checked = &answer["meters"][0];
        match (status, checked["reason"].as_str()) {
            (200, Some(_)) => Verdict::Allowed,
            (429, Some(reason)) => Verdict::Refused(reason.to_owned()),
            _ => panic!("{status} {answer}"),
        }
    }

    fn publish(&self, kind: &str, tenant: &str) {
        let usage = Usage {
            id: uuid::Uuid::new_v4().to_string(),
            source: "//gateway".to_owned(),
            kind: kind.to_owned(),
            tenant: tenant.to_owned(),
            time: chrono::Utc::now().timestamp_micros(),
            quantity: None,
            properties: Vec::new(),
        };
        self.publisher.send_event(usage, Form::Json);
    }

    /// Keeps the log moving: without records, what is known grows old.
    fn beat(&self, goes_on: &AtomicBool) {
        while goes_on.load(Ordering::Relaxed) {
            self.publish("beat", "beat");
            sleep(Duration::from_millis(100));
        }
    }

    /// All callers of both instances, each until it is refused; `meanwhile` happens beside them.
    fn run<'a>(&'a self, tenant: &'a str, meanwhile: impl FnOnce(&Run<'a>)) -> Outcome {
        let run = Run {
            gateway: self,
            tenant,
            start: Instant::now(),
            let_through: AtomicU64::new(0),
            passed: [const { Mutex::new(Vec::new()) }; INSTANCES],
        };
        let reasons = std::thread::scope(|scope| {
            let callers = (0..INSTANCES).flat_map(|n| (0..CALLERS).map(move |_| n));
            let run = &run;
            let callers: Vec<_> = callers
                .map(|instance| scope.spawn(move || run.call_until_refused(instance)))
                .collect();
            meanwhile(run);
            let ended = callers.into_iter();
            ended.map(|c| c.join().expect("a caller ends")).collect()
        });
        let passed = run.passed.map(|p| p.into_inner().expect("whole"));
        Outcome { reasons, passed }
    }

    /// Everything that was let through is counted once, and nothing else.
    fn assert_counted(&self, tenant: &str, expected: u64) {
        let query = format!("SELECT sum(events) FROM usage_hourly WHERE tenant = '{tenant}'");
        until(&format!("{expected} calls of {tenant}"), SOON, || {
            let counted = self.site.sql().try_run(&query).unwrap_or_default();
            let is_it = counted.trim().parse() == Ok(expected);
            is_it.then_some(()).ok_or(counted)
        });
    }

    fn wait_verdict(&self, tenant: &str, what: &str, is_it: impl Fn(Verdict) -> bool) {
        for instance in 0..INSTANCES {
            until(&format!("{tenant} {what} at API {instance}"), SOON, || {
                let verdict = self.check(instance, tenant);
                is_it(verdict).then_some(()).ok_or("another verdict")
            });
        }
    }
}

/// All callers against one tenant.
struct Run<'a> {
    gateway: &'a Gateway,
    tenant: &'a str,
    start: Instant,
    let_through: AtomicU64,
    /// When each call was let through, by instance.
    passed: [Mutex<Vec<Duration>>; INSTANCES],
}

impl Run<'_> {
    /// One caller: asks, uses at once what it may, and ends where it is refused; says why.
    fn call_until_refused(&self, instance: usize) -> String {
        let mut due = Instant::now();
        loop {
            assert!(self.start.elapsed() < RUN, "nobody refuses {}", self.tenant);
            match self.gateway.check(instance, self.tenant) {
                Verdict::Allowed => self.pass(instance),
                Verdict::Refused(reason) => {
                    let before = self.let_through.load(Ordering::SeqCst) * QUANTITY;
                    let is_early = reason == "hard_cap" && before < CAP;
                    assert!(!is_early, "refused after {before} of {CAP}");
                    return reason;
                }
            }
            // Nothing is caught up, so that the rate has a bound.
            due = (due + PACE).max(Instant::now());
            sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    fn pass(&self, instance: usize) {
        self.let_through.fetch_add(1, Ordering::SeqCst);
        let passed = self.passed[instance].lock();
        let mut passed = passed.unwrap_or_else(PoisonError::into_inner);
        passed.push(self.start.elapsed());
        drop(passed);
        self.gateway.publish("call", self.tenant);
    }

    /// Stops the rollup while the cap is not reached yet.
    fn stop_before_cap(&self) {
        until("use to come near the cap", RUN, || {
            let used = self.let_through.load(Ordering::SeqCst) * QUANTITY;
            (used + STOP_BEFORE >= CAP).then_some(()).ok_or(used)
        });
        self.gateway.rollup.signal("STOP");
    }
}

/// What came of a run.
struct Outcome {
    reasons: Vec<String>,
    passed: [Vec<Duration>; INSTANCES],
}

impl Outcome {
    /// Units let through.
    fn total(&self) -> u64 {
        QUANTITY * self.passed.iter().map(|p| p.len() as u64).sum::<u64>()
    }

    fn overshoot(&self) -> u64 {
        self.total().saturating_sub(CAP)
    }

    /// Units in the busiest second of any instance.
    fn rate(&self) -> u64 {
        let busiest = self.passed.iter().flat_map(|passed| {
            let seconds = passed.iter().map(Duration::as_secs);
            let last = seconds.clone().max().unwrap_or(0);
            (0..=last).map(move |n| seconds.clone().filter(|s| *s == n).count() as u64)
        });
        QUANTITY * busiest.max().unwrap_or(0)
    }

    fn assert_refused_by(&self, reason: &str) {
        assert_eq!(self.reasons.len() as u64, INSTANCES as u64 * CALLERS);
        let others: Vec<_> = self.reasons.iter().filter(|r| *r != reason).collect();
        assert!(others.is_empty(), "not all by {reason}: {others:?}");
    }

    /// Prints and asserts the bound.
    fn assert_within(&self, what: &str, delay: Duration) {
        let (instances, rate) = (INSTANCES as u64, self.rate());
        let millis = u64::try_from(delay.as_millis()).expect("some seconds");
        let unknown = (instances * rate * millis).div_ceil(1_000);
        let asked = instances * CALLERS * QUANTITY;
        let (bound, overshoot) = (unknown + asked, self.overshoot());
        println!(
            "{what}: {overshoot} past a cap of {CAP}; bound {bound} = {instances} instances × \
             {rate}/s × {delay:?} + {instances} × {CALLERS} callers × {QUANTITY}"
        );
        assert!(
            overshoot <= bound,
            "{overshoot} past the cap, bound {bound}"
        );
    }
}

/// Says stop when it is dropped.
struct Unset<'a>(&'a AtomicBool);

impl Drop for Unset<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
