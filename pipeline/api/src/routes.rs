//! What is where, and the document that says so.
//!
//! Health and the document are for everybody, all of `/v1` is for keys. The document is generated
//! from the handlers; a test compares it with the routes.

mod accounts;
mod alerts;
mod check;
mod events;
mod health;
mod keys;
mod limits;
mod notification_routes;
mod plans;
mod usage;

use crate::caller::authenticate;
use crate::cors::cors;
use crate::document::{Common, LevelWord};
use crate::observe::{admit, observe};
use crate::problem::{Kind, Problem};
use crate::state::Shared;
use axum::Router;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use std::sync::Arc;
use utoipa::OpenApi;

/// The OpenAPI 3.1 document of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Meterline",
        description = "Usage in, and what may still be used. Quantities and amounts are strings \
                       with up to nine decimals; times are RFC 3339 in UTC.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        health::live,
        health::ready,
        events::publish,
        check::check,
        limits::list,
        limits::show,
        usage::list,
        alerts::list,
        plans::show,
        accounts::list,
        accounts::show,
        accounts::put,
        accounts::history,
        keys::list,
        keys::create,
        keys::rotate,
        keys::revoke,
        notification_routes::list,
        notification_routes::show,
        notification_routes::put,
        notification_routes::disable,
    ),
    // Of parameters alone, which are not looked through.
    components(schemas(LevelWord)),
    modifiers(&Common),
    security(("key" = []))
)]
struct Document;

/// The OpenAPI 3.1 document, as `/openapi.json` serves it.
#[must_use]
pub fn openapi() -> String {
    let document = Document::openapi();
    document.to_pretty_json().expect("a document has text keys")
}

/// All routes.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let layer = |shared: &Arc<Shared>| Arc::clone(shared);
    let for_keys = Router::new()
        .route("/v1/events", post(events::publish))
        .route("/v1/limits/check", post(check::check))
        .route("/v1/limits", get(limits::list))
        .route("/v1/limits/{tenant}", get(limits::show))
        .route("/v1/usage", get(usage::list))
        .route("/v1/alerts", get(alerts::list))
        .route("/v1/plans", get(plans::show))
        .route("/v1/accounts", get(accounts::list))
        .route("/v1/accounts/{id}", get(accounts::show).put(accounts::put))
        .route("/v1/accounts/{id}/history", get(accounts::history))
        .route("/v1/keys", get(keys::list).post(keys::create))
        .route("/v1/keys/{id}/rotate", post(keys::rotate))
        .route("/v1/keys/{id}/revoke", post(keys::revoke))
        .route("/v1/routes", get(notification_routes::list))
        .route(
            "/v1/routes/{id}",
            get(notification_routes::show)
                .put(notification_routes::put)
                .delete(notification_routes::disable),
        )
        .method_not_allowed_fallback(no_method)
        .layer(from_fn_with_state(layer(&shared), authenticate))
        .layer(from_fn_with_state(layer(&shared), admit));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .route("/openapi.json", get(document))
        .merge(for_keys)
        .fallback(no_route)
        .layer(from_fn_with_state(layer(&shared), cors))
        .layer(from_fn_with_state(layer(&shared), observe))
        .with_state(shared)
}

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], openapi())
}

async fn no_route() -> Problem {
    Problem::new(Kind::NotFound)
}

async fn no_method() -> Problem {
    Problem::new(Kind::MethodNotAllowed)
}

#[cfg(test)]
mod tests;
