//! Whether the API lives, and whether it is ready.

use crate::body::Json;
use crate::state::Shared;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use std::time::Instant;
use utoipa::ToSchema;

/// Whether the process lives.
#[derive(Serialize, ToSchema)]
pub(super) struct Live {
    /// Whether it does.
    live: bool,
}

/// Whether the API is ready.
#[derive(Serialize, ToSchema)]
pub(super) struct Ready {
    /// Whether it is.
    ready: bool,
}

/// Whether the process lives.
#[utoipa::path(
    get, path = "/health/live", tag = "health", operation_id = "health_live",
    security(()),
    responses((status = 200, body = Live), (status = 503, body = Live))
)]
pub(super) async fn live(State(shared): State<Arc<Shared>>) -> Response {
    let live = shared.health.is_live(Instant::now());
    answer(live, Json(Live { live }))
}

/// Whether everything that was known elsewhere at the start is known here. Why it is not is for
/// operators: `/health/ready` of the process says it.
#[utoipa::path(
    get, path = "/health/ready", tag = "health", operation_id = "health_ready",
    security(()),
    responses((status = 200, body = Ready), (status = 503, body = Ready))
)]
pub(super) async fn ready(State(shared): State<Arc<Shared>>) -> Response {
    let ready = shared.health.problems(Instant::now()).is_empty();
    answer(ready, Json(Ready { ready }))
}

fn answer(is_good: bool, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if !is_good {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}
