//! `GET /v1/plans`: what accounts may have.

mod wire;

use crate::body::Json;
use crate::caller::Caller;
use crate::problem::{Problem, ProblemBody};
use crate::state::Shared;
use axum::extract::State;
use meterline_core::account::Role;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use wire::PlansView;

/// The plans of the newest catalog.
#[derive(Serialize, ToSchema)]
pub(super) struct PlansAnswer {
    /// The catalog's version.
    version: u32,
    /// The plans: per meter what is included, the limit, the cap, thresholds, the period.
    plans: PlansView,
}

/// The plans of the newest catalog.
#[utoipa::path(
    get, path = "/v1/plans", tag = "accounts", operation_id = "get_plans",
    responses(
        (status = 200, body = PlansAnswer),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
) -> Result<Json<PlansAnswer>, Problem> {
    caller.must(Role::Read)?;
    let decision = shared.catalog()?;
    Ok(Json(PlansAnswer {
        version: decision.version,
        plans: PlansView::new(&decision.compiled.catalog.plans),
    }))
}
