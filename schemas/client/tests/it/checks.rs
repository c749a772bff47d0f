//! Quota checks against a service in this process that answers as the API stage does.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use axum::routing::{MethodRouter, post};
use meterline_client::check::{Basis, Checker, Fail, Reason};
use meterline_client::http::CheckLayer;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tower::{Layer, ServiceExt, service_fn};

/// A service with so many units left, and how often it was asked.
struct Service {
    url: String,
    asked: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

async fn service(status: StatusCode, remaining: u64) -> Service {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let answer = serde_json::json!({
        "tenant": "acme", "allowed": remaining > 0, "age_ms": 2_000, "stale": false,
        "meters": [{
            "meter": "calls", "allowed": remaining > 0, "soft": false,
            "reason": if remaining > 0 { "within" } else { "hard_cap" },
            "used": "0", "included": null, "limit": "100", "remaining": remaining.to_string(),
            "percentage": "0.0", "room": remaining.to_string(), "cap": "hard", "resets_at": null, "retry_after": 60,
            "grace_until": null,
        }],
    });
    let handler = move || async move {
        count.fetch_add(1, Ordering::SeqCst);
        (status, answer.to_string())
    };
    serve(post(handler), asked).await
}

async fn serve(handler: MethodRouter, asked: Arc<AtomicU64>) -> Service {
    let app = Router::new().route("/v1/limits/check", handler);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let task = tokio::spawn(async move {
        axum::serve(listener, app).await.expect("it serves");
    });
    Service { url, asked, task }
}

fn checker(service: &Service, fail: Fail) -> Checker {
    let builder = Checker::builder(&service.url, "mlk_0123456789ab_secret");
    let builder = builder.without_tls().fail(fail);
    let builder = builder
        .timeout(Duration::from_secs(5))
        .fresh(Duration::from_secs(60));
    builder
        .good(Duration::from_secs(60))
        .connect()
        .expect("a checker")
}

#[tokio::test]
async fn one_question_serves_until_the_room_is_used_up() {
    let service = service(StatusCode::OK, 10).await;
    let checker = checker(&service, Fail::Open);
    let first = checker.check("acme", "calls", 1).await;
    assert_eq!((first.allowed, first.basis), (true, Basis::Service));
    let mut allowed = 1;
    for _ in 0..20 {
        let verdict = checker.try_check("acme", "calls", 1).expect("it is kept");
        assert_eq!(verdict.basis, Basis::Kept);
        allowed += u32::from(verdict.allowed);
    }
    assert_eq!(allowed, 10);
    let last = checker.check("acme", "calls", 1).await;
    assert_eq!((last.allowed, last.reason), (false, Reason::Limit));
    assert_eq!(service.asked.load(Ordering::SeqCst), 1);
    service.task.abort();
}

/// The service refuses more than five at once, and says nothing of what is left.
async fn service_for_small_calls() -> Service {
    let asked = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&asked);
    let handler = move |body: String| async move {
        let question: serde_json::Value = serde_json::from_str(&body).expect("JSON");
        let wanted: u64 = question["quantity"]
            .as_str()
            .map_or(0, |q| q.parse().expect("whole"));
        let allowed = wanted <= 5;
        count.fetch_add(1, Ordering::SeqCst);
        serde_json::json!({
            "age_ms": 0,
            "meters": [{
                "allowed": allowed, "soft": allowed, "cap": "soft", "room": null,
                "reason": if allowed { "soft_cap" } else { "grace_over" }, "retry_after": null,
            }],
        })
        .to_string()
    };
    serve(post(handler), asked).await
}

#[tokio::test]
async fn an_answer_is_renewed_for_what_the_caller_wants() {
    let service = service_for_small_calls().await;
    let builder = Checker::builder(&service.url, "mlk_0123456789ab_secret").without_tls();
    let builder = builder
        .fresh(Duration::ZERO)
        .timeout(Duration::from_secs(5));
    let checker = builder.connect().expect("a checker");
    let first = checker.check("acme", "calls", 9).await;
    assert_eq!((first.allowed, first.reason), (false, Reason::GraceOver));
    // A question is asked once the answer to the one before is kept.
    let renewed = async {
        while service.asked.load(Ordering::SeqCst) < 4 {
            let kept = checker.try_check("acme", "calls", 9).expect("it is kept");
            assert_eq!((kept.allowed, kept.basis), (false, Basis::Kept));
            tokio::task::yield_now().await;
        }
    };
    let renewed = tokio::time::timeout(Duration::from_secs(30), renewed).await;
    renewed.expect("the answer is renewed");
    service.task.abort();
}

/// The answer to every question of a service that sees no use; `measure` is as the API says it.
fn ten_are_left(measure: &str) -> String {
    let answer = serde_json::json!({
        "age_ms": 0,
        "meters": [{
            "measure": measure, "allowed": true, "soft": false, "cap": "hard", "room": "10",
            "reason": "within", "retry_after": null,
        }],
    });
    answer.to_string()
}

#[tokio::test]
async fn what_was_allowed_while_a_question_was_under_way_is_held_back() {
    let asked = Arc::new(AtomicU64::new(0));
    let (arrived, answers) = (Arc::new(Notify::new()), Arc::new(Semaphore::new(1)));
    let seen = (
        Arc::clone(&asked),
        Arc::clone(&arrived),
        Arc::clone(&answers),
    );
    let handler = move || async move {
        let (asked, arrived, answers) = seen;
        asked.fetch_add(1, Ordering::SeqCst);
        arrived.notify_one();
        answers.acquire().await.expect("it is open").forget();
        ten_are_left("flow")
    };
    let service = serve(post(handler), asked).await;
    let builder = Checker::builder(&service.url, "mlk_0123456789ab_secret").without_tls();
    let builder = builder.fresh(Duration::ZERO).event_within(Duration::ZERO);
    let builder = builder.timeout(Duration::from_secs(30));
    let checker = builder.connect().expect("a checker");
    let is_allowed = |quantity: u64| {
        let kept = checker.try_check("acme", "calls", quantity);
        kept.expect("it is kept").allowed
    };
    assert!(checker.check("acme", "calls", 0).await.allowed);
    arrived.notified().await;
    assert!(is_allowed(0), "and asks again in the background");
    arrived.notified().await;
    assert_eq!((0..20).filter(|_| is_allowed(1)).count(), 10);
    // The way back takes longer than the steps in which the client keeps time.
    tokio::time::sleep(Duration::from_secs(1)).await;
    answers.add_permits(1);
    // One question at a time: the next is sent once the answer to this one is kept.
    let renewed = async {
        while service.asked.load(Ordering::SeqCst) < 3 {
            assert!(is_allowed(0));
            tokio::task::yield_now().await;
        }
    };
    let renewed = tokio::time::timeout(Duration::from_secs(30), renewed).await;
    renewed.expect("the answer is renewed");
    assert!(!is_allowed(1), "the service did not see the ten");
    service.task.abort();
}

#[test]
fn an_event_that_comes_after_more_than_an_hour_cannot_be_waited_for() {
    for (millis, is_taken) in [(0, true), (3_600_000, true), (3_600_001, false)] {
        let builder = Checker::builder("https://usage.example", "mlk_0123456789ab_secret");
        let builder = builder.event_within(Duration::from_millis(millis));
        assert_eq!(builder.connect().is_ok(), is_taken, "{millis} ms");
    }
}

#[tokio::test]
async fn a_peak_is_asked_for_each_time_because_it_does_not_add_up() {
    let handler = || async { ten_are_left("peak") };
    let service = serve(post(handler), Arc::default()).await;
    let checker = checker(&service, Fail::Closed);
    for _ in 0..2 {
        let verdict = checker.check("acme", "rooms", 6).await;
        assert_eq!((verdict.allowed, verdict.basis), (true, Basis::Service));
        assert_eq!(checker.try_check("acme", "rooms", 6), None);
    }
    service.task.abort();
}

#[tokio::test]
async fn without_an_answer_the_setting_decides_and_says_so() {
    for (status, fail, allowed, basis, reason) in [
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            Fail::Open,
            true,
            Basis::Nothing,
            Reason::Allowed,
        ),
        (
            StatusCode::UNAUTHORIZED,
            Fail::Closed,
            false,
            Basis::Nothing,
            Reason::Stale,
        ),
        (
            StatusCode::NOT_FOUND,
            Fail::Open,
            false,
            Basis::Service,
            Reason::Unknown,
        ),
    ] {
        let service = service(status, 10).await;
        let checker = checker(&service, fail);
        let verdict = checker.check("acme", "calls", 1).await;
        let seen = (verdict.allowed, verdict.basis, verdict.reason);
        assert_eq!(seen, (allowed, basis, reason), "{status}");
        assert_eq!(checker.unanswered(), u64::from(basis == Basis::Nothing));
        service.task.abort();
    }
}

#[tokio::test]
async fn a_service_that_is_gone_holds_nobody_up() {
    let builder = Checker::builder("http://127.0.0.1:1", "mlk_0123456789ab_secret");
    let builder = builder.without_tls().fail(Fail::Closed);
    let checker = builder.connect().expect("a checker");
    let verdict = checker.check("acme", "calls", 1).await;
    assert_eq!((verdict.allowed, verdict.basis), (false, Basis::Nothing));
}

#[tokio::test]
async fn the_layer_refuses_before_the_service_is_reached() {
    let service = service(StatusCode::OK, 3).await;
    let reached = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&reached);
    let inner = service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, std::convert::Infallible>(Response::new(Body::empty())) }
    });
    let layer = CheckLayer::new(
        checker(&service, Fail::Open),
        "calls",
        |parts| Some(parts.headers.get("x-tenant-id")?.to_str().ok()?.to_owned()),
        |verdict| {
            let after = verdict.retry_after.expect("the service says it").as_secs();
            let response = Response::builder().status(429).header("retry-after", after);
            response.body(Body::empty()).expect("a response")
        },
    );
    let gate = layer.layer(inner);
    let mut statuses = Vec::new();
    for tenant in [Some("acme"), Some("acme"), Some("acme"), Some("acme"), None] {
        let mut request = Request::builder();
        if let Some(tenant) = tenant {
            request = request.header("x-tenant-id", tenant);
        }
        let request = request.body(Body::empty()).expect("a request");
        let response = gate.clone().oneshot(request).await.expect("infallible");
        statuses.push(response.status().as_u16());
    }
    assert_eq!(statuses, [200, 200, 200, 429, 200]);
    assert_eq!(reached.load(Ordering::SeqCst), 4);
    service.task.abort();
}
