//! `GET /v1/limits`: how tenants stand.

use crate::body::{Json, Name, Params};
use crate::caller::Caller;
use crate::document::{CapWord, HealthWord};
use crate::known::Tenants;
use crate::paging::{Cursor, Page, PageParams};
use crate::problem::{Problem, ProblemBody};
use crate::state::{Shared, now};
use crate::text::{millis, quantity, time};
use crate::view::Known;
use axum::extract::State;
use meterline_core::account::{Role, TenantScope};
use meterline_core::catalog::plans::Cap;
use meterline_core::standing::Health;
use serde::{Deserialize, Serialize};
use std::collections::BinaryHeap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// How a tenant stands.
#[derive(Serialize, ToSchema)]
pub(super) struct TenantStanding {
    /// The tenant.
    tenant: String,
    /// By its worst meter: `healthy`, `caution`, `warning`, `critical`.
    #[schema(value_type = HealthWord)]
    health: Health,
    /// Age of what is known of the tenant's use, in milliseconds; null where nothing is known.
    age_ms: Option<u64>,
    /// Its meters and derived quantities, those that it has used.
    meters: Vec<MeterStanding>,
}

/// How a tenant stands on one meter. Quantities are strings, in the meter's base unit.
#[derive(Serialize, ToSchema)]
pub(super) struct MeterStanding {
    /// The meter or derived quantity.
    meter: String,
    /// When the running period started.
    period_start: String,
    /// First moment after it.
    period_end: String,
    /// Use in it so far.
    used: String,
    /// What is included; null where nothing is said.
    included: Option<String>,
    /// The limit; null where there is none.
    limit: Option<String>,
    /// What happens beyond the limit.
    #[schema(value_type = CapWord)]
    cap: Cap,
    /// How well the tenant is by this meter.
    #[schema(value_type = HealthWord)]
    health: Health,
    /// When use first passed the limit in the period.
    crossed_at: Option<String>,
    /// The plan that it was judged by.
    plan: String,
}

/// Which tenants.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsParams {
    /// Only tenants of this health: `healthy`, `caution`, `warning` or `critical`.
    #[param(value_type = Option<HealthWord>)]
    health: Option<Health>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Most tenants of the page, at most 1,000. Default 100.
    limit: Option<u32>,
}

/// Tenants that have used something, by name.
#[utoipa::path(
    get, path = "/v1/limits", tag = "limits", operation_id = "list_limits",
    params(LimitsParams),
    responses(
        (status = 200, body = Page<TenantStanding>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<LimitsParams>,
) -> Result<Json<Page<TenantStanding>>, Problem> {
    caller.must(Role::Read)?;
    shared.must_be_caught_up()?;
    let page = PageParams::new(params.cursor.as_deref(), params.limit)?;
    let after: Option<String> = page.after()?;
    let is_wanted = |tenant: &str| {
        after.as_deref().is_none_or(|after| tenant > after)
            && params
                .health
                .is_none_or(|health| worst(&shared, tenant) == health)
    };
    let tenants = first_tenants(&shared, &caller, page.limit + 1, is_wanted);
    let items = tenants.iter().map(|tenant| standing(&shared, tenant));
    let items = items.collect();
    Ok(Json(Page::new(
        items,
        page.limit,
        |item: &TenantStanding| Cursor::of(&item.tenant),
    )))
}

/// One tenant.
#[utoipa::path(
    get, path = "/v1/limits/{tenant}", tag = "limits", operation_id = "get_limits",
    params(("tenant" = String, Path, description = "The tenant")),
    responses(
        (status = 200, body = TenantStanding),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Name(tenant): Name,
) -> Result<Json<TenantStanding>, Problem> {
    caller.must(Role::Read)?;
    shared.must_be_caught_up()?;
    let catalog = shared.catalog()?;
    let catalog = &catalog.compiled.catalog;
    shared.with_accounts(|accounts| {
        let account = accounts.account(&tenant);
        Tenants::new(&shared, &caller).must_know(&tenant, account, catalog, accounts)
    })?;
    Ok(Json(standing(&shared, &tenant)))
}

/// The first tenants by name that are the caller's and wanted.
fn first_tenants(
    shared: &Shared,
    caller: &Caller,
    count: usize,
    is_wanted: impl Fn(&str) -> bool,
) -> Vec<String> {
    let mut first: BinaryHeap<String> = BinaryHeap::new();
    let mut offer = |tenant: &str| {
        let is_first =
            first.len() < count || first.peek().is_some_and(|last| tenant < last.as_str());
        if is_first && is_wanted(tenant) {
            first.push(tenant.to_owned());
            if first.len() > count {
                first.pop();
            }
        }
    };
    match caller.tenants() {
        TenantScope::All => shared.standings.each_tenant(|tenant| offer(tenant)),
        TenantScope::These(own) => {
            let known = own.iter().filter(|tenant| shared.standings.knows(tenant));
            known.for_each(|tenant| offer(tenant));
        }
    }
    first.into_sorted_vec()
}

fn worst(shared: &Shared, tenant: &str) -> Health {
    let known = shared.standings.of_tenant(tenant);
    known
        .iter()
        .map(|known| known.health)
        .max()
        .unwrap_or_default()
}

fn standing(shared: &Shared, tenant: &str) -> TenantStanding {
    let topic = shared.usage_topic();
    let age = topic.and_then(|topic| shared.ages.of(topic.home(tenant), now()));
    let known = shared.standings.of_tenant(tenant);
    TenantStanding {
        tenant: tenant.to_owned(),
        health: known
            .iter()
            .map(|known| known.health)
            .max()
            .unwrap_or_default(),
        age_ms: age.map(millis),
        meters: known.into_iter().map(MeterStanding::from).collect(),
    }
}

impl From<Known> for MeterStanding {
    fn from(known: Known) -> Self {
        Self {
            meter: known.meter,
            period_start: time(known.period_start),
            period_end: time(known.period_end),
            used: quantity(known.used),
            included: known.included.map(quantity),
            limit: known.limit.map(quantity),
            cap: known.cap,
            health: known.health,
            crossed_at: known.crossed_at.map(|at| time(at.as_event_time())),
            plan: known.plan,
        }
    }
}
