//! CORS: off unless origins are set, and then for exactly those.
//!
//! Keys come in a header and never in a cookie, so credentials are not allowed to browsers.
//! Source: the Fetch standard, "CORS protocol".

use crate::state::Shared;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// How long a browser may remember what is allowed.
const MAX_AGE_SECONDS: &str = "600";
/// What a browser may send.
const METHODS: &str = "GET, POST, PUT, DELETE";
/// Headers that a browser may send.
const HEADERS: &str = "authorization, content-type, idempotency-key, if-match, x-request-id";
/// Headers that a page may read.
const EXPOSED: &str = "etag, ratelimit, ratelimit-policy, retry-after, x-request-id";

/// Answers preflights of known origins, and tells browsers who may read the answer.
pub(crate) async fn cors(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_known = |origin: &HeaderValue| {
        let known = &shared.settings.cors_origins;
        known
            .iter()
            .any(|known| known.as_bytes() == origin.as_bytes())
    };
    let Some(origin) = origin.filter(is_known) else {
        return next.run(request).await;
    };
    let asks = request
        .headers()
        .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_preflight = request.method() == Method::OPTIONS && asks;
    let mut response = if is_preflight {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    let said = if is_preflight {
        &[
            (header::ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE_SECONDS),
        ][..]
    } else {
        &[(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED)][..]
    };
    for (name, text) in said {
        headers.insert(name.clone(), HeaderValue::from_static(text));
    }
    response
}
