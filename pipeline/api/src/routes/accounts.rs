//! `/v1/accounts`: what tenants may use, and who changed it.

mod wire;

use crate::body::{Json, Name, Params};
use crate::caller::Caller;
use crate::decide::{Change, decide, expected, tag};
use crate::known::{Tenants, must_know_meter, must_know_plan};
use crate::paging::{Cursor, Page, PageQuery, foreign_cursor};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::{READ_TIMEOUT, Shared, unread};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use meterline_control::ControlError;
use meterline_core::account::{AccountTerms, Role, TenantScope};
use meterline_core::accounts::Accounts;
use meterline_core::control::{ChainKey, Decision};
use meterline_core::position::Offset;
use std::sync::Arc;
use wire::{AccountBody, AccountPast, AccountView, TermsBody};

pub(super) use wire::{GraceBody, ThresholdBody};

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
        (status = 404, description = "No such account for the key, or no such plan or meter", body = ProblemBody, content_type = "application/problem+json"),
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
    let terms = change.terms.clone();
    let yours = serde_json::to_value(TermsBody::new(&terms)).ok();
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
    let decided = decide(&shared, &caller, change, current).await;
    decided.map_err(|refusal| unknown_or_refused(&shared, &terms, refusal))?;
    let view = own(&shared, &caller, &id)?;
    Ok(with_tag(view))
}

/// The versions of an account, newest first: who, when, why and from where.
#[utoipa::path(
    get, path = "/v1/accounts/{id}/history", tag = "accounts", operation_id = "account_history",
    params(("id" = String, Path, description = "The account"), PageQuery),
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
    Params(params): Params<PageQuery>,
) -> Result<Json<Page<AccountPast>>, Problem> {
    caller.must(Role::Read)?;
    let page = params.page()?;
    let before: Option<Offset> = page.after()?;
    own(&shared, &caller, &id)?;
    let Ok(permit) = Arc::clone(&shared.histories).try_acquire_owned() else {
        shared.metrics.turned_away("busy");
        let detail = "too many histories are read at once";
        return Err(Problem::of(Kind::Unavailable, detail).retry_after(1));
    };
    let log = shared.log()?.control().clone();
    let chain_key = ChainKey::Account(id);
    let most = page.limit + 1;
    let read = move |log: &meterline_control::ControlLog| {
        // Held until the reading is over, also where the caller has gone.
        let _permit = permit;
        log.history_before(&chain_key, before, most, READ_TIMEOUT)
    };
    let past = log.off_thread(read).await.map_err(|error| match error {
        // Whatever is at that offset: it is no version of this account.
        ControlError::NoSuchHead { .. } => foreign_cursor(),
        error => unread(&error),
    })?;
    let items = past.into_iter().filter_map(AccountPast::new).collect();
    Ok(Json(Page::new(items, page.limit, |item: &AccountPast| {
        Cursor::of(&item.head)
    })))
}

/// A refusal of terms; of a plan or meter that is not there it is the answer to any unknown name,
/// with all that was refused.
///
/// The refusal read the log to its end, so the catalog here is no older than the one it judged by.
fn unknown_or_refused(shared: &Shared, terms: &AccountTerms, refusal: Problem) -> Problem {
    if !refusal.is(Kind::Invalid) {
        return refusal;
    }
    let Ok(decision) = shared.catalog() else {
        return refusal;
    };
    let catalog = &decision.compiled.catalog;
    let mut meters = terms.overrides.keys();
    let unknown = must_know_plan(catalog, &terms.plan).err();
    let unknown =
        unknown.or_else(|| meters.find_map(|meter| must_know_meter(catalog, meter).err()));
    match unknown {
        Some(unknown) => unknown.with_errors(refusal.into_errors()),
        None => refusal,
    }
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
