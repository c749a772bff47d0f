//! `/v1/accounts`: what tenants may use, and who changed it.

mod wire;

use crate::body::{Json, Name, Params};
use crate::caller::Caller;
use crate::decide::{Change, decide, expected, tag};
use crate::known::Tenants;
use crate::paging::{Cursor, Page, PageParams, PageQuery};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::Shared;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use meterline_core::account::{Role, TenantScope};
use meterline_core::accounts::Accounts;
use meterline_core::causes::chain;
use meterline_core::control::{ChainKey, Decision};
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use utoipa::IntoParams;
use wire::{AccountBody, AccountPast, AccountView, TermsBody};

pub(super) use wire::{GraceBody, ThresholdBody};

/// How long reading a history may take.
const HISTORY_TIMEOUT: Duration = Duration::from_secs(15);

/// How much of a history.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct HistoryParams {
    /// Most versions, newest first, at most 1,000. Default 100.
    limit: Option<u32>,
}

/// The accounts that the key may see, by id.
#[utoipa::path(
    get, path = "/v1/accounts", tag = "accounts", operation_id = "list_accounts",
    params(PageQuery),
    responses(
        (status = 200, body = Page<AccountView>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<PageQuery>,
) -> Result<Json<Page<AccountView>>, Problem> {
    caller.must(Role::Read)?;
    let page = params.page()?;
    let after: Option<String> = page.after()?;
    let items = shared.with_accounts(|accounts| {
        let most = page.limit + 1;
        match caller.tenants() {
            TenantScope::All => {
                let found = accounts.accounts_after(after.as_deref(), most);
                found
                    .map(|(id, account)| AccountView::new(id, account))
                    .collect()
            }
            TenantScope::These(own) => {
                let rest = own
                    .iter()
                    .filter(|id| after.as_ref().is_none_or(|after| *id > after));
                let found = rest.filter_map(|id| view(accounts, id));
                found.take(most).collect()
            }
        }
    });
    Ok(Json(Page::new(items, page.limit, |item: &AccountView| {
        Cursor::of(&item.id)
    })))
}

/// One account: its newest version, whether it is in effect or not.
#[utoipa::path(
    get, path = "/v1/accounts/{id}", tag = "accounts", operation_id = "get_account",
    params(("id" = String, Path, description = "The account: the tenant in usage events")),
    responses(
        (status = 200, body = AccountView, headers(("etag" = String, description = "For If-Match"))),
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
    caller.must(Role::Read)?;
    let view = own(&shared, &caller, &id)?;
    Ok(with_tag(view))
}

/// Puts a new version of an account in force.
///
/// All of it is replaced. A change says what it is based on, by `If-Match` or `head`; without
/// either there must be no account yet.
#[utoipa::path(
    put, path = "/v1/accounts/{id}", tag = "accounts", operation_id = "put_account",
    params(
        ("id" = String, Path, description = "The account: the tenant in usage events"),
        ("If-Match" = Option<String>, Header, description = "The etag that was seen"),
    ),
    request_body = AccountBody,
    responses(
        (status = 200, body = AccountView, headers(("etag" = String, description = "For If-Match"))),
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
    Json(body): Json<AccountBody>,
) -> Result<Response, Problem> {
    caller.must(Role::Admin)?;
    if !caller.tenants().holds(&id) {
        return Err(
            shared.with_accounts(|known| Tenants::new(&shared, &caller).unknown(&id, known))
        );
    }
    let expected = expected(&headers, body.head)?;
    let note = body.note.clone();
    let change = body.change(&id, &caller.origin)?;
    let yours = serde_json::to_value(TermsBody::new(&change.terms)).ok();
    let change = Change {
        decision: Decision::Account(Box::new(change)),
        expected,
        note,
        yours,
    };
    let current = || {
        let view = shared.with_accounts(|accounts| view(accounts, &id));
        view.and_then(|view| serde_json::to_value(view).ok())
    };
    decide(&shared, &caller, change, current).await?;
    let view = own(&shared, &caller, &id)?;
    Ok(with_tag(view))
}

/// The versions of an account, newest first: who, when, why and from where.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/history", tag = "accounts", operation_id = "account_history",
    params(("id" = String, Path, description = "The account"), HistoryParams),
    responses(
        (status = 200, body = Page<AccountPast>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn history(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Name(id): Name,
    Params(params): Params<HistoryParams>,
) -> Result<Json<Page<AccountPast>>, Problem> {
    caller.must(Role::Read)?;
    let page = PageParams::new(None, params.limit)?;
    own(&shared, &caller, &id)?;
    let log = shared.log()?.control().clone();
    let chain_key = ChainKey::Account(id);
    let limit = page.limit;
    let read =
        move |log: &meterline_control::ControlLog| log.history(&chain_key, limit, HISTORY_TIMEOUT);
    let past = log.off_thread(read).await.map_err(|error| {
        tracing::warn!(error = chain(&error), "failed to read a history");
        Problem::new(Kind::Unavailable).retry_after(1)
    })?;
    let items = past.into_iter().filter_map(AccountPast::new).collect();
    Ok(Json(Page { items, next: None }))
}

fn view(accounts: &Accounts, id: &str) -> Option<AccountView> {
    let account = accounts.account(id)?;
    Some(AccountView::new(id, account))
}

/// The account, where it is the caller's.
fn own(shared: &Shared, caller: &Caller, id: &str) -> Result<AccountView, Problem> {
    shared.with_accounts(|accounts| {
        let found = view(accounts, id).filter(|_| caller.tenants().holds(id));
        found.ok_or_else(|| Tenants::new(shared, caller).unknown(id, accounts))
    })
}

fn with_tag(view: AccountView) -> Response {
    let tag = HeaderValue::from_str(&tag(view.head)).expect("digits are plain text");
    let mut response = Json(view).into_response();
    response.headers_mut().insert(header::ETAG, tag);
    response
}
