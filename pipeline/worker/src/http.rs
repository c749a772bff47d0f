//! Health, metrics and status over HTTP.
//!
//! Read-only and without secrets: it can be reached by whoever reaches the port. Live means that
//! the consumer's thread turns; ready means that every partition makes progress.

use crate::health::StatusReport;
use crate::shared::Shared;
use crate::stages;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, body};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The address could not be listened on.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {address} for health and metrics")]
pub struct ListenError {
    /// `http.listen`.
    pub address: SocketAddr,
    /// Why.
    pub source: std::io::Error,
}

/// Serves until the handle is aborted; listens before it returns.
///
/// # Errors
/// When the address cannot be listened on.
pub(crate) async fn serve(
    address: SocketAddr,
    shared: Arc<Shared>,
) -> Result<JoinHandle<()>, ListenError> {
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ListenError { address, source })?;
    tracing::info!(%address, "serving health and metrics");
    Ok(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router(shared)).await {
            tracing::error!(%error, "health and metrics are no longer served");
        }
    }))
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/status", get(status))
        .with_state(shared)
}

/// A JSON answer; axum's own extractor would need a feature for no gain.
fn json<T: Serialize>(code: StatusCode, value: &T) -> impl IntoResponse + use<T> {
    let text = serde_json::to_vec(value).expect("answers have text keys");
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (code, kind, body::Body::from(text))
}

async fn live(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let is_live = shared.is_live(Instant::now());
    let code = if is_live {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    json(code, &serde_json::json!({ "live": is_live }))
}

async fn ready(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let problems = shared.problems(Instant::now());
    let code = if problems.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let answer = serde_json::json!({ "ready": problems.is_empty(), "problems": problems });
    json(code, &answer)
}

async fn metrics(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, kind)],
        stages::scrape(&shared, Instant::now()),
    )
}

async fn status(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let report = StatusReport {
        instance: shared.settings.instance.clone(),
        group: shared.settings.group.clone(),
        topic: shared.topic.clone(),
        problems: shared.problems(Instant::now()),
        partitions: shared.board.partitions(),
        relays: shared.relays(Instant::now()),
        limits: shared.limits(Instant::now()),
        stripe: shared.stripe(Instant::now()),
        api: shared.api(Instant::now()),
    };
    json(StatusCode::OK, &report)
}
