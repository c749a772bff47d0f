//! `GET /v1/alerts`: what was opened and resolved.

use super::usage::{moment, unanswered};
use crate::body::{Json, Params};
use crate::caller::Caller;
use crate::document::{AlertStateWord, SeverityWord};
use crate::known::{Tenants, must_know_meter};
use crate::paging::{Cursor, Page, PageParams};
use crate::problem::{Problem, ProblemBody};
use crate::state::Shared;
use crate::text::{quantity, time};
use axum::extract::State;
use meterline_clickhouse::AlertFilter;
use meterline_core::account::{Role, TenantScope};
use meterline_core::alert::AlertState;
use meterline_core::catalog::plans::Severity;
use meterline_core::position::LogPartition;
use meterline_core::time::{EventTime, LogTime};
use meterline_schemas::rows::{AlertPlace, AlertRow};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Which transitions.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertsParams {
    /// One tenant; default all that the key speaks for.
    tenant: Option<String>,
    /// One meter; default all.
    meter: Option<String>,
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
    /// Most transitions of the page, at most 1,000. Default 100.
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

/// Place of a transition among all.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Place {
    log_partition: LogPartition,
    offset: u64,
    append_time: LogTime,
}

/// Transitions of alerts, newest first.
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
    let after: Option<Place> = page.after()?;
    let own = tenants(&shared, &caller, params.tenant)?;
    if let Some(meter) = &params.meter {
        must_know_meter(&shared.catalog()?.compiled.catalog, meter)?;
    }
    let millis = |at: EventTime| LogTime(at.0.div_euclid(1_000));
    let filter = AlertFilter {
        tenants: own.as_deref(),
        meter: params.meter.as_deref(),
        state: params.state,
        severity: params.severity,
        from: moment("from", params.from.as_deref())?.map(millis),
        to: moment("to", params.to.as_deref())?.map(millis),
    };
    let limit = u32::try_from(page.limit + 1).expect("pages are bounded");
    let rows = shared
        .clickhouse
        .alerts(&filter, after.map(AlertPlace::from), limit);
    let rows = rows.await.map_err(|error| unanswered(&error))?;
    let items = rows.into_iter().map(AlertView::from).collect();
    Ok(Json(Page::new(items, page.limit, |item: &AlertView| {
        Cursor::of(&item.place)
    })))
}

/// The tenants to read; `None`: all.
fn tenants(
    shared: &Shared,
    caller: &Caller,
    asked: Option<String>,
) -> Result<Option<Vec<String>>, Problem> {
    match (asked, caller.tenants()) {
        (None, TenantScope::All) => Ok(None),
        (None, TenantScope::These(own)) => Ok(Some(own.clone())),
        (Some(tenant), scope) if scope.holds(&tenant) => Ok(Some(vec![tenant])),
        (Some(tenant), _) => Err(shared
            .with_accounts(|accounts| Tenants::new(shared, caller).unknown(&tenant, accounts))),
    }
}

impl From<Place> for AlertPlace {
    fn from(place: Place) -> Self {
        Self {
            log_partition: place.log_partition,
            offset: place.offset,
            append_time: place.append_time,
        }
    }
}

impl From<AlertRow> for AlertView {
    fn from(row: AlertRow) -> Self {
        let AlertPlace {
            log_partition,
            offset,
            append_time,
        } = row.place();
        Self {
            place: Place {
                log_partition,
                offset,
                append_time,
            },
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
