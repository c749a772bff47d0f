//! `GET /v1/usage`: buckets of one tenant, by all dimensions of their meters or by those asked for.

mod grouping;

use crate::body::{Json, Params};
use crate::caller::Caller;
use crate::document::LevelWord;
use crate::known::{Tenants, must_know_meter};
use crate::paging::{Cursor, Page, PageParams, foreign_cursor};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::{Shared, now};
use crate::text::{quantity, read_time, time};
use axum::extract::State;
use grouping::grouping;
use meterline_clickhouse::{Error, Next, UsageFilter};
use meterline_core::account::Role;
use meterline_core::causes::chain;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Level, LogTime, Millis};
use meterline_schemas::rows::UsageRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Span that is read where `from` is not given: a day of hours fits a page.
const DEFAULT_SPAN: Millis = Millis(31 * 86_400_000);

/// Which usage.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageParams {
    /// The tenant.
    tenant: String,
    /// One meter; default all.
    meter: Option<String>,
    /// Length of the windows: `hour`, `day` (default) or `month`; UTC.
    #[param(value_type = Option<LevelWord>)]
    level: Option<Level>,
    /// Dimensions of the meter, separated by commas: one window for each combination of them, all
    /// others merged as the meter aggregates; empty: the whole meter. Needs `meter`. Default: all
    /// dimensions.
    group_by: Option<String>,
    /// First moment at which a window may start: RFC 3339, or a date. Default 31 days before `to`.
    from: Option<String>,
    /// First moment at which a window may no longer start. Default now.
    to: Option<String>,
    /// The `next` of the page before.
    cursor: Option<String>,
    /// Most windows of the page, at most 1,000. Default 100.
    limit: Option<u32>,
}

/// One window of a meter, and of one combination of its dimensions.
#[derive(Serialize, ToSchema)]
pub(super) struct UsageWindow {
    /// The meter.
    meter: String,
    /// What the meter is split by, or those of it in `group_by`; empty where it is not.
    dimensions: BTreeMap<String, String>,
    /// First moment of the window.
    window_start: String,
    /// First moment after it.
    window_end: String,
    /// The meter's value, in its base unit.
    value: String,
    /// Events counted.
    events: u64,
    /// Whether only late events can change it.
    sealed: bool,
    /// Changes after it was sealed.
    revision: u32,
    /// Log time of its last change.
    updated_at: String,
    #[serde(skip)]
    place: Place,
}

/// What a place is one of: a cursor leads on in this list alone. The span is not of it, since the
/// default one moves with the clock; a place beyond a span ends the list.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct List {
    tenant: String,
    meter: Option<String>,
    level: Level,
    group_by: Option<Vec<String>>,
}

/// Place of a row in its list.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    meter: String,
    start: EventTime,
    dimensions: Vec<(String, String)>,
}

/// Usage of one tenant, by meter, window and dimensions.
///
/// Without `group_by` there is a window for every combination of a meter's dimensions.
#[utoipa::path(
    get, path = "/v1/usage", tag = "usage", operation_id = "list_usage",
    params(UsageParams),
    responses(
        (status = 200, body = Page<UsageWindow>),
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
    Params(params): Params<UsageParams>,
) -> Result<Json<Page<UsageWindow>>, Problem> {
    caller.must(Role::Read)?;
    let page = PageParams::new(params.cursor.as_deref(), params.limit)?;
    let after: Option<(List, Place)> = page.after()?;
    let (from, to) = span(&params, now())?;
    let known = must_know(&shared, &caller, &params);
    if !caller.tenants().holds(&params.tenant) {
        known.as_ref().map_err(Problem::clone)?;
    }
    let group_by = group_by(&shared, &params)?;
    let list = List {
        tenant: params.tenant.clone(),
        meter: params.meter.clone(),
        level: params.level.unwrap_or(Level::Day),
        group_by,
    };
    if after.as_ref().is_some_and(|(of, _)| *of != list) {
        return Err(foreign_cursor());
    }
    let after = after.map(|(_, place)| place.row(&list.tenant));
    let limit = u32::try_from(page.limit + 1).expect("pages are bounded");
    let filter = UsageFilter {
        level: list.level,
        tenant: &list.tenant,
        meter: list.meter.as_deref(),
        from,
        to,
        after: after.as_ref(),
        limit,
    };
    let rows = match &list.group_by {
        Some(keys) => shared.clickhouse.usage_by(keys, &filter).await,
        None => shared.clickhouse.usage(&filter).await,
    };
    let rows = rows.map_err(|error| unanswered(&error))?;
    // Use is there without an account or a standing too; where there is none, names are judged.
    if rows.is_empty() {
        known?;
    }
    let items = rows.into_iter().map(UsageWindow::from).collect();
    Ok(Json(Page::new(items, page.limit, |item: &UsageWindow| {
        Cursor::of(&(&list, &item.place))
    })))
}

/// The dimensions that usage is shown by; `None`: all of each meter.
fn group_by(shared: &Shared, params: &UsageParams) -> Result<Option<Vec<String>>, Problem> {
    let Some(text) = &params.group_by else {
        return Ok(None);
    };
    let catalog = shared.catalog()?;
    let meter = params.meter.as_deref();
    grouping(&catalog.compiled.catalog, meter, text).map(Some)
}

/// What a failed query is answered with.
pub(super) fn unanswered(error: &Error) -> Problem {
    tracing::warn!(error = chain(error), "failed to ask ClickHouse");
    if error.next() == Next::Retry {
        return Problem::new(Kind::Unavailable).retry_after(1);
    }
    Problem::new(Kind::Internal)
}

fn span(params: &UsageParams, now: LogTime) -> Result<(EventTime, EventTime), Problem> {
    let to = moment("to", params.to.as_deref())?.unwrap_or(now.as_event_time());
    let from = moment("from", params.from.as_deref())?.unwrap_or(to.before(DEFAULT_SPAN));
    if from > to {
        return Err(Problem::of(Kind::BadRequest, "`from` is after `to`"));
    }
    Ok((from, to))
}

/// A moment of the query.
pub(super) fn moment(name: &str, text: Option<&str>) -> Result<Option<EventTime>, Problem> {
    let Some(text) = text else {
        return Ok(None);
    };
    // ClickHouse's DateTime begins with 1970 and ends with 2106.
    let bounds = EventTime(0)..EventTime(i64::from(u32::MAX) * 1_000_000);
    let read = read_time(text).filter(|at| bounds.contains(at));
    read.map(Some).ok_or_else(|| {
        let detail = format!("`{name}` is neither RFC 3339 nor a date from 1970 to 2105");
        Problem::of(Kind::BadRequest, detail)
    })
}

/// 404 for a tenant or meter that is not there as far as the caller may see.
fn must_know(shared: &Shared, caller: &Caller, params: &UsageParams) -> Result<(), Problem> {
    let catalog = shared.catalog()?;
    let catalog = &catalog.compiled.catalog;
    shared.with_accounts(|accounts| {
        let account = accounts.account(&params.tenant);
        let tenants = Tenants::new(shared, caller);
        tenants.must_know(&params.tenant, account, catalog, accounts)
    })?;
    let meter = params.meter.as_deref();
    meter.map_or(Ok(()), |meter| must_know_meter(catalog, meter))
}

impl Place {
    /// A row at this place; of its other columns nothing is read.
    fn row(self, tenant: &str) -> UsageRow {
        UsageRow {
            tenant: tenant.to_owned(),
            meter: self.meter,
            dimensions: self.dimensions,
            window_start: self.start,
            window_end: self.start,
            value: Quantity::ZERO,
            events: 0,
            sealed: 0,
            revision: 0,
            updated_at: LogTime(0),
        }
    }
}

impl From<UsageRow> for UsageWindow {
    fn from(row: UsageRow) -> Self {
        Self {
            place: Place {
                meter: row.meter.clone(),
                start: row.window_start,
                dimensions: row.dimensions.clone(),
            },
            meter: row.meter,
            dimensions: row.dimensions.into_iter().collect(),
            window_start: time(row.window_start),
            window_end: time(row.window_end),
            value: quantity(row.value),
            events: row.events,
            sealed: row.sealed == 1,
            revision: row.revision,
            updated_at: time(row.updated_at.as_event_time()),
        }
    }
}

#[cfg(test)]
mod tests;
