//! `GET /v1/limits`: how tenants stand.

use crate::body::{Json, Name, Params};
use crate::caller::Caller;
use crate::document::{CapWord, HealthWord};
use crate::known::Tenants;
use crate::paging::{Cursor, Page, PageParams};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::{Shared, now};
use crate::text::{millis, quantity, time};
use crate::view::{Known, Standings};
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
    let wanted = Wanted {
        after: page.after()?,
        health: params.health,
        count: page.limit + 1,
    };
    let tenants = first_tenants(&shared, caller, wanted).await?;
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

/// Which tenants a page is of.
struct Wanted {
    /// The last tenant of the page before.
    after: Option<String>,
    /// How well they must be.
    health: Option<Health>,
    /// How many there may be.
    count: usize,
}

/// The first tenants by name that are the caller's and wanted.
///
/// All that are known are looked through, up to a million: on a thread for what takes long, a few
/// callers at once.
///
/// # Errors
/// 500 where the thread was lost.
async fn first_tenants(
    shared: &Arc<Shared>,
    caller: Caller,
    wanted: Wanted,
) -> Result<Vec<String>, Problem> {
    let permit = Arc::clone(&shared.scans).acquire_owned().await;
    let shared = Arc::clone(shared);
    let look = move || {
        // Held until the look is over, also where the caller has gone.
        let _permit = permit;
        wanted.first(&shared.standings, caller.tenants())
    };
    let found = tokio::task::spawn_blocking(look).await;
    found.map_err(|_| Problem::new(Kind::Internal))
}

impl Wanted {
    fn first(&self, standings: &Standings, scope: &TenantScope) -> Vec<String> {
        let mut first: BinaryHeap<String> = BinaryHeap::new();
        let mut offer = |tenant: &str, health: Health| {
            let is_first =
                first.len() < self.count || first.peek().is_some_and(|last| tenant < last.as_str());
            if is_first && self.holds(tenant, health) {
                first.push(tenant.to_owned());
                if first.len() > self.count {
                    first.pop();
                }
            }
        };
        match scope {
            TenantScope::All => standings.each_tenant(offer),
            TenantScope::These(own) => {
                for tenant in own {
                    if let Some(health) = standings.health(tenant) {
                        offer(tenant, health);
                    }
                }
            }
        }
        first.into_sorted_vec()
    }

    fn holds(&self, tenant: &str, health: Health) -> bool {
        self.after.as_deref().is_none_or(|after| tenant > after)
            && self.health.is_none_or(|wanted| wanted == health)
    }
}

fn standing(shared: &Shared, tenant: &str) -> TenantStanding {
    let age = shared.age_of(tenant, now());
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

#[cfg(test)]
mod tests;
