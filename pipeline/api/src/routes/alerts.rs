//! `GET /v1/alerts`: what was opened and resolved, or what is open now.

mod place;

use super::usage::{moment, unanswered};
use crate::body::{Json, Params};
use crate::caller::Caller;
use crate::document::{AlertStateWord, SeverityWord};
use crate::known::{Tenants, must_know_meter};
use crate::paging::{Cursor, Page, PageParams};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::{Shared, now};
use crate::text::{quantity, time};
use axum::extract::State;
use meterline_clickhouse::{AlertFilter, OpenAlertFilter};
use meterline_core::account::{Role, TenantScope};
use meterline_core::alert::AlertState;
use meterline_core::catalog::plans::Severity;
use meterline_core::time::{EventTime, LogTime};
use meterline_schemas::rows::{AlertRow, OpenAlertRow};
use place::Place;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Which alerts.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertsParams {
    /// One tenant; default all that the key speaks for.
    tenant: Option<String>,
    /// One meter; default all.
    meter: Option<String>,
    /// Only alerts that are open now, in periods that run: each is the transition that opened it,
    /// by tenant, meter and period. Goes with neither `state`, `from` nor `to`. Default false.
    #[serde(default)]
    #[param(required = false)]
    open: bool,
    /// `opened` or `resolved`; default both.
    #[param(value_type = Option<AlertStateWord>)]
    state: Option<AlertState>,
    /// At least this severity: `info`, `medium`, `warning` or `critical`.
    #[param(value_type = Option<SeverityWord>)]
    severity: Option<Severity>,
    /// Decided at or after: RFC 3339, or a date.
    from: Option<String>,
    /// Decided before.
    to: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Most alerts of the page, at most 1,000. Default 100.
    limit: Option<u32>,
}

/// A transition in force. Quantities are strings, in the meter's base unit.
#[derive(Serialize, ToSchema)]
pub(super) struct AlertView {
    /// The tenant.
    tenant: String,
    /// The meter or derived quantity.
    meter: String,
    /// `opened` or `resolved`.
    #[schema(value_type = AlertStateWord)]
    state: AlertState,
    /// Share of the limit in percent, such as `80`; `>100` for above 100 %.
    threshold: String,
    /// How bad it is.
    #[schema(value_type = SeverityWord)]
    severity: Severity,
    /// What receivers call it.
    kind: String,
    /// From 1; each opening counts up.
    episode: u32,
    /// Use that it was judged by.
    used: String,
    /// What the share is taken of.
    limit: String,
    /// The plan in force.
    plan: String,
    /// When the period started.
    period_start: String,
    /// First moment after it.
    period_end: String,
    /// When it was decided.
    at: String,
    /// Id of its notification: the `webhook-id` of webhooks.
    notification: String,
    #[serde(skip)]
    place: Place,
}

/// Transitions of alerts, newest first; or, with `open=true`, the alerts that are open now.
#[utoipa::path(
    get, path = "/v1/alerts", tag = "alerts", operation_id = "list_alerts",
    params(AlertsParams),
    responses(
        (status = 200, body = Page<AlertView>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<AlertsParams>,
) -> Result<Json<Page<AlertView>>, Problem> {
    caller.must(Role::Read)?;
    let page = PageParams::new(params.cursor.as_deref(), params.limit)?;
    let own = tenants(&shared, &caller, params.tenant.as_deref())?;
    if let Some(meter) = &params.meter {
        must_know_meter(&shared.catalog()?.compiled.catalog, meter)?;
    }
    let known = must_know(&shared, &caller, params.tenant.as_deref());
    let items = if params.open {
        open_now(&shared, &params, &page, own.as_deref()).await?
    } else {
        transitions(&shared, &params, &page, own.as_deref()).await?
    };
    // Alerts outlive what says that their tenant exists; where there is none, the name is judged.
    if items.is_empty() {
        known?;
    }
    Ok(Json(Page::new(items, page.limit, |item: &AlertView| {
        Cursor::of(&item.place)
    })))
}

/// 404 for a tenant that is asked for and is not there as far as the caller may see.
fn must_know(shared: &Shared, caller: &Caller, asked: Option<&str>) -> Result<(), Problem> {
    let Some(tenant) = asked else {
        return Ok(());
    };
    let catalog = shared.catalog()?;
    let catalog = &catalog.compiled.catalog;
    shared.with_accounts(|accounts| {
        let account = accounts.account(tenant);
        Tenants::new(shared, caller).must_know(tenant, account, catalog, accounts)
    })
}

/// One more than a page.
fn rows_of(page: &PageParams<'_>) -> u32 {
    u32::try_from(page.limit + 1).expect("pages are bounded")
}

async fn transitions(
    shared: &Shared,
    params: &AlertsParams,
    page: &PageParams<'_>,
    own: Option<&[String]>,
) -> Result<Vec<AlertView>, Problem> {
    let after = page.after()?.map(Place::transition).transpose()?;
    let millis = |at: EventTime| LogTime(at.0.div_euclid(1_000));
    let filter = AlertFilter {
        tenants: own,
        meter: params.meter.as_deref(),
        state: params.state,
        severity: params.severity,
        from: moment("from", params.from.as_deref())?.map(millis),
        to: moment("to", params.to.as_deref())?.map(millis),
    };
    let rows = shared.clickhouse.alerts(&filter, after, rows_of(page));
    let rows = rows.await.map_err(|error| unanswered(&error))?;
    Ok(rows.into_iter().map(AlertView::from).collect())
}

/// Alerts of periods that have ended stay open in the table; nobody can act on them any more.
async fn open_now(
    shared: &Shared,
    params: &AlertsParams,
    page: &PageParams<'_>,
    own: Option<&[String]>,
) -> Result<Vec<AlertView>, Problem> {
    if params.state.is_some() || params.from.is_some() || params.to.is_some() {
        let detail = "`open` goes with neither `state`, `from` nor `to`";
        return Err(Problem::of(Kind::BadRequest, detail));
    }
    let after = page.after()?.map(Place::open).transpose()?;
    let filter = OpenAlertFilter {
        tenants: own,
        meter: params.meter.as_deref(),
        severity: params.severity,
        running_at: Some(now().as_event_time()),
    };
    let clickhouse = &shared.clickhouse;
    let rows = clickhouse.open_alerts(&filter, after.as_ref(), rows_of(page));
    let rows = rows.await.map_err(|error| unanswered(&error))?;
    Ok(rows.into_iter().map(AlertView::from).collect())
}

/// The tenants to read; `None`: all.
fn tenants(
    shared: &Shared,
    caller: &Caller,
    asked: Option<&str>,
) -> Result<Option<Vec<String>>, Problem> {
    match (asked, caller.tenants()) {
        (None, TenantScope::All) => Ok(None),
        (None, TenantScope::These(own)) => Ok(Some(own.clone())),
        (Some(tenant), scope) if scope.holds(tenant) => Ok(Some(vec![tenant.to_owned()])),
        (Some(tenant), _) => {
            Err(shared
                .with_accounts(|accounts| Tenants::new(shared, caller).unknown(tenant, accounts)))
        }
    }
}

impl From<AlertRow> for AlertView {
    fn from(row: AlertRow) -> Self {
        Self {
            place: Place::of(&row),
            tenant: row.tenant,
            meter: row.meter,
            state: row.state,
            threshold: row.threshold,
            severity: row.severity,
            kind: row.kind,
            episode: row.episode,
            used: quantity(row.used),
            limit: quantity(row.limit),
            plan: row.plan,
            period_start: time(row.period_start),
            period_end: time(row.period_end),
            at: time(row.append_time.as_event_time()),
            notification: format!("{:032x}", row.notification),
        }
    }
}

impl From<OpenAlertRow> for AlertView {
    fn from(row: OpenAlertRow) -> Self {
        Self {
            place: Place::of_open(&row),
            tenant: row.tenant,
            meter: row.meter,
            state: AlertState::Opened,
            threshold: row.threshold,
            severity: row.severity,
            kind: row.kind,
            episode: row.episode,
            used: quantity(row.used),
            limit: quantity(row.limit),
            plan: row.plan,
            period_start: time(row.period_start),
            period_end: time(row.period_end),
            at: time(row.append_time.as_event_time()),
            notification: format!("{:032x}", row.notification),
        }
    }
}
