//! Around every request: its id, its bound of time, its line in the access log, its metrics.
//!
//! The log has method, route, status, duration and the key's id. It has no path, no query, no
//! address and nothing that a tenant sent: those may hold names, phone numbers or secrets.

use crate::problem::{Kind, Problem};
use crate::state::Shared;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

/// The header that carries a request's id, in both directions.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id of a caller that is taken.
const REQUEST_ID_CHARS: usize = 128;
/// The log's target, for filters.
const ACCESS: &str = "meterline_api::access";
/// Routes of gateways, producers and probes.
const FREQUENT: [&str; 4] = [
    "/v1/limits/check",
    "/v1/events",
    "/health/live",
    "/health/ready",
];
/// The route of requests that have none.
const NO_ROUTE: &str = "none";

/// Id of the key that a request came with; on answers.
#[derive(Clone, Debug)]
pub(crate) struct KeyId(pub(crate) Arc<str>);

/// Answers, logs and counts one request.
pub(crate) async fn observe(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let start = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
    let id = request_id(&request);
    let _in_flight = shared.metrics.enter();
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    let mut response = match tokio::time::timeout(shared.settings.request_timeout, work).await {
        Ok(Ok(response)) => response,
        // The panic has been reported with its place already.
        Ok(Err(_panic)) => Problem::new(Kind::Internal).into_response(),
        Err(_) => Problem::new(Kind::TimedOut).into_response(),
    };
    let took = start.elapsed();
    let status = response.status().as_u16();
    shared
        .metrics
        .answered(method.as_str(), route, status, took);
    let key = response.extensions().get::<KeyId>();
    let line = Line {
        method: method.as_str(),
        route,
        status,
        duration_us: u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        key: key.map_or("", |key| &*key.0),
        request_id: id.to_str().unwrap_or_default(),
    };
    line.write();
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// A line of the access log.
struct Line<'a> {
    method: &'a str,
    route: &'a str,
    status: u16,
    duration_us: u64,
    key: &'a str,
    request_id: &'a str,
}

impl Line<'_> {
    /// Writes it; what comes thousands of times a second and went well is at debug level.
    fn write(&self) {
        macro_rules! at {
            ($level:ident) => {
                tracing::$level!(
                    target: ACCESS,
                    method = self.method,
                    route = self.route,
                    status = self.status,
                    duration_us = self.duration_us,
                    key = self.key,
                    request_id = self.request_id,
                    "answered"
                )
            };
        }
        let is_good = self.status < 400;
        if is_good && FREQUENT.contains(&self.route) {
            at!(debug);
        } else {
            at!(info);
        }
    }
}

/// The caller's id where that is safe to repeat, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let in_id = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    let is_safe = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=REQUEST_ID_CHARS).contains(&bytes.len()) && bytes.iter().all(in_id)
    };
    let given = request.headers().get(REQUEST_ID).filter(is_safe);
    given.cloned().unwrap_or_else(|| {
        let id = uuid::Uuid::new_v4().to_string();
        HeaderValue::from_str(&id).expect("a UUID is plain text")
    })
}

/// Answers 503 at once where too many requests are worked on.
pub(crate) async fn admit(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(_permit) = shared.requests.try_acquire() else {
        shared.metrics.turned_away("busy");
        let problem = Problem::of(Kind::Unavailable, "too many requests at once");
        return problem.retry_after(1).into_response();
    };
    next.run(request).await
}
