//! `/v1/routes`: who is told of which alerts, and how.
//!
//! A route of one account is its own key's business; one of all accounts is for keys of all
//! tenants, and so is one to a Kafka topic, since the topic may be anybody's. A route is never
//! deleted, since its history says who was told: it is disabled.

mod target;

use crate::body::{Json, Name, Params};
use crate::caller::Caller;
use crate::decide::{Change, decide, expected, tag};
use crate::document::SeverityWord;
use crate::known::{Tenants, must_know_meter};
use crate::paging::{Cursor, Page, PageQuery};
use crate::problem::{FieldProblem, Kind, Problem, ProblemBody};
use crate::state::{Shared, now};
use crate::text::time;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use meterline_control::Expected;
use meterline_core::account::{Role, Route, Target};
use meterline_core::catalog::plans::Severity;
use meterline_core::control::{ChainKey, Decision};
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use target::TargetBody;
use utoipa::ToSchema;

/// Routes of one account, where a key of some tenants makes another: each alert of the account is
/// held against all of them. The operator's own keys are not bounded.
const ROUTES_OF_ACCOUNT_MAX: usize = 100;

/// A new version of a route.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteBody {
    /// Alerts of this account only; null: of all.
    #[serde(default)]
    account: Option<String>,
    /// Alerts of these meters only; empty: of all.
    #[serde(default)]
    #[schema(required = false)]
    meters: Vec<String>,
    /// Alerts of at least this severity: `info`, `medium`, `warning`, `critical`.
    #[schema(value_type = SeverityWord)]
    severity: Severity,
    /// How it tells.
    target: TargetBody,
    /// Sign with a new secret, and with the old one for a day. Only for webhooks.
    #[serde(default)]
    #[schema(required = false)]
    rotate_secret: bool,
    /// The head that was seen, where there is no `If-Match`.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    head: Option<Offset>,
    /// Why, for the audit trail.
    #[serde(default)]
    #[schema(required = false)]
    note: String,
}

/// A route.
#[derive(Serialize, ToSchema)]
pub(super) struct RouteView {
    /// Its id.
    id: String,
    /// The version: for `If-Match` or `head` of the next change.
    #[schema(value_type = Option<u64>)]
    head: Option<Offset>,
    /// Alerts of this account only; null: of all.
    account: Option<String>,
    /// Alerts of these meters only; empty: of all.
    meters: Vec<String>,
    /// Alerts of at least this severity.
    #[schema(value_type = SeverityWord)]
    severity: Severity,
    /// How it tells.
    target: TargetBody,
    /// Until when requests are signed with the secret before, too.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_secret_until: Option<String>,
    /// The secret that webhooks are signed with; only where the route was just put.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// Whether it is used.
    enabled: bool,
}

/// The routes that the key may see, by id.
#[utoipa::path(
    get, path = "/v1/routes", tag = "routes", operation_id = "list_routes",
    params(PageQuery),
    responses(
        (status = 200, body = Page<RouteView>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<PageQuery>,
) -> Result<Json<Page<RouteView>>, Problem> {
    caller.must(Role::Admin)?;
    let page = params.page()?;
    let after: Option<String> = page.after()?;
    let items = shared.with_accounts(|accounts| {
        let rest = accounts.routes().filter(|route| {
            after.as_ref().is_none_or(|after| route.id > *after) && sees(&caller, route)
        });
        let head = |route: &Route| accounts.head_of(&ChainKey::Route(route.id.clone()));
        let rest = rest.take(page.limit + 1);
        rest.map(|route| RouteView::new(route, head(route)))
            .collect()
    });
    Ok(Json(Page::new(items, page.limit, |item: &RouteView| {
        Cursor::of(&item.id)
    })))
}

/// One route.
#[utoipa::path(
    get, path = "/v1/routes/{id}", tag = "routes", operation_id = "get_route",
    params(("id" = String, Path, description = "The route")),
    responses(
        (status = 200, body = RouteView, headers(("etag" = String, description = "For If-Match"))),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Name(id): Name,
) -> Result<Response, Problem> {
    caller.must(Role::Admin)?;
    let (route, head) = own(&shared, &caller, &id)?;
    Ok(answer(RouteView::new(&route, head)))
}

/// Puts a new version of a route in force, and enables it.
///
/// All of it is replaced but the secret's generation and the kind of its target, which is fixed
/// once the route is made: another kind is refused, make another route. A route to a Kafka topic is
/// for keys of all tenants. The answer of a webhook shows its secret.
#[utoipa::path(
    put, path = "/v1/routes/{id}", tag = "routes", operation_id = "put_route",
    params(
        ("id" = String, Path, description = "The route: `[a-z0-9][a-z0-9_-]*`"),
        ("If-Match" = Option<String>, Header, description = "The etag that was seen"),
    ),
    request_body = RouteBody,
    responses(
        (status = 200, body = RouteView, headers(("etag" = String, description = "For If-Match"))),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "Somebody else was first: both versions", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn put(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Name(id): Name,
    headers: HeaderMap,
    Json(body): Json<RouteBody>,
) -> Result<Response, Problem> {
    caller.must(Role::Admin)?;
    let expected = expected(&headers, body.head)?;
    // Another instance may just have made the account that this is about.
    shared.read_on().await?;
    let known = shared.with_accounts(|accounts| accounts.route(&id).map(Arc::clone));
    if known.as_ref().is_some_and(|known| !sees(&caller, known)) {
        return Err(Problem::unknown("route", None));
    }
    body.must_tell_of_known(&shared, &caller)?;
    let note = body.note.clone();
    let route = body.route(&id, known.as_deref(), now());
    let is_new = known.is_none();
    known.map_or(Ok(()), |known| may_decide(&caller, &known))?;
    may_decide(&caller, &route)?;
    if is_new {
        must_have_room(&shared, &caller, &route)?;
    }
    if let Some(settings) = &shared.notifications {
        meterline_notify::check_target(&route.target, settings).map_err(|detail| {
            let field = "target".to_owned();
            Problem::invalid(vec![FieldProblem { field, detail }])
        })?;
    }
    let head = change(&shared, &caller, &route, expected, &note).await?;
    let mut view = RouteView::new(&route, Some(head));
    view.secret = secret(&shared, &route);
    Ok(answer(view))
}

/// Disables a route.
#[utoipa::path(
    delete, path = "/v1/routes/{id}", tag = "routes", operation_id = "disable_route",
    params(
        ("id" = String, Path, description = "The route"),
        ("If-Match" = Option<String>, Header, description = "The etag that was seen; default any"),
    ),
    responses(
        (status = 200, body = RouteView, headers(("etag" = String, description = "For If-Match"))),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn disable(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Name(id): Name,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.must(Role::Admin)?;
    let (mut route, head) = own(&shared, &caller, &id)?;
    may_decide(&caller, &route)?;
    let expected = expected(&headers, head)?;
    route.enabled = false;
    let head = change(&shared, &caller, &route, expected, "").await?;
    Ok(answer(RouteView::new(&route, Some(head))))
}

/// Whether the caller speaks for whom the route is about.
fn sees(caller: &Caller, route: &Route) -> bool {
    match &route.account {
        Some(account) => caller.tenants().holds(account),
        None => caller.must_speak_for_all().is_ok(),
    }
}

/// # Errors
/// 403 for a key of some tenants and a route of all accounts, or to a topic that may be anybody's.
fn may_decide(caller: &Caller, route: &Route) -> Result<(), Problem> {
    if route.account.is_none() || matches!(route.target, Target::Kafka { .. }) {
        caller.must_speak_for_all()?;
    }
    Ok(())
}

/// # Errors
/// 422 where the account has as many routes as a key of some tenants may make. Disabled ones count:
/// they are never deleted, and can be put again.
fn must_have_room(shared: &Shared, caller: &Caller, route: &Route) -> Result<(), Problem> {
    if caller.must_speak_for_all().is_ok() {
        return Ok(());
    }
    let count = shared.with_accounts(|accounts| {
        let own = accounts
            .routes()
            .filter(|known| known.account == route.account);
        own.count()
    });
    if count < ROUTES_OF_ACCOUNT_MAX {
        return Ok(());
    }
    let detail = format!(
        "the account has {ROUTES_OF_ACCOUNT_MAX} routes, disabled ones too; put one of them anew"
    );
    Err(Problem::of(Kind::Invalid, detail))
}

/// The route and its head, where it is the caller's.
fn own(shared: &Shared, caller: &Caller, id: &str) -> Result<(Route, Option<Offset>), Problem> {
    shared.with_accounts(|accounts| {
        let route = accounts.route(id).filter(|route| sees(caller, route));
        let route = route.ok_or_else(|| Problem::unknown("route", None))?;
        let head = accounts.head_of(&ChainKey::Route(id.to_owned()));
        Ok(((**route).clone(), head))
    })
}

async fn change(
    shared: &Shared,
    caller: &Caller,
    route: &Route,
    expected: Expected,
    note: &str,
) -> Result<Offset, Problem> {
    let value = |view: RouteView| serde_json::to_value(view).ok();
    let change = Change {
        decision: Decision::Route(Box::new(route.clone())),
        expected,
        note: caller.note(note),
        yours: value(RouteView::new(route, None)),
    };
    let current = || {
        let (known, head) = own(shared, caller, &route.id).ok()?;
        value(RouteView::new(&known, head))
    };
    decide(shared, caller, change, current).await
}

/// The secret of a webhook, where the deployment's key is known here.
fn secret(shared: &Shared, route: &Route) -> Option<String> {
    let Target::Webhook { generation, .. } = &route.target else {
        return None;
    };
    let key = &shared.notifications.as_ref()?.signing_key;
    let secret = meterline_notify::webhook_secret(key, &route.id, *generation);
    Some(secret.expose().to_owned())
}

fn answer(view: RouteView) -> Response {
    let tag = view.head.map(tag);
    let mut response = Json(view).into_response();
    let headers = response.headers_mut();
    if let Some(tag) = tag.and_then(|tag| tag.parse().ok()) {
        headers.insert(header::ETAG, tag);
    }
    let no_store = axum::http::HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    response
}

impl RouteBody {
    /// # Errors
    /// 404 with the field's path for an account or a meter that is not there: of it nobody would
    /// ever be told.
    fn must_tell_of_known(&self, shared: &Shared, caller: &Caller) -> Result<(), Problem> {
        if let Some(account) = &self.account {
            let known = shared.with_accounts(|accounts| {
                Tenants::new(shared, caller).must_have_account(account, accounts)
            });
            known.map_err(|problem| problem.at("account"))?;
        }
        if self.meters.is_empty() {
            return Ok(());
        }
        let decision = shared.catalog()?;
        for (at, meter) in self.meters.iter().enumerate() {
            let known = must_know_meter(&decision.compiled.catalog, meter);
            known.map_err(|problem| problem.at(&format!("meters[{at}]")))?;
        }
        Ok(())
    }

    fn route(self, id: &str, known: Option<&Route>, now: LogTime) -> Route {
        let mut meters = self.meters;
        meters.sort_unstable();
        meters.dedup();
        let before = known.map(|known| &known.target);
        Route {
            id: id.to_owned(),
            account: self.account,
            meters,
            severity: self.severity,
            target: self.target.target(before, self.rotate_secret, now),
            enabled: true,
        }
    }
}

impl RouteView {
    fn new(route: &Route, head: Option<Offset>) -> Self {
        let old_secret_until = match &route.target {
            Target::Webhook { previous_until, .. } => *previous_until,
            Target::Email { .. } | Target::Kafka { .. } => None,
        };
        Self {
            id: route.id.clone(),
            head,
            account: route.account.clone(),
            meters: route.meters.clone(),
            severity: route.severity,
            target: TargetBody::new(&route.target),
            old_secret_until: old_secret_until.map(|at| time(at.as_event_time())),
            secret: None,
            enabled: route.enabled,
        }
    }
}
