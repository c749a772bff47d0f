//! `/v1/keys`: who may call.
//!
//! A token is shown once, in the answer that makes it; its hash is what is stored. A key of some
//! tenants sees and makes only keys of those tenants, so that nobody gains scope by making keys.

use crate::body::{Json, Name, Params};
use crate::caller::Caller;
use crate::decide::{Change, decide};
use crate::document::RoleWord;
use crate::paging::{Cursor, Page, PageQuery};
use crate::problem::{FieldProblem, Kind, Problem, ProblemBody};
use crate::state::{Shared, now};
use crate::text::{read_time, time};
use crate::token::NewToken;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use meterline_control::Expected;
use meterline_core::account::{ApiKey, PreviousHash, Role, TenantScope};
use meterline_core::control::{ChainKey, Decision};
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// The tenants of a key that speaks for all of them: this alone.
const ALL_TENANTS: &str = "*";
/// Longest time that a rotated token goes on: a month.
const KEEP_OLD_SECONDS_MAX: u32 = 31 * 86_400;
/// Live keys that a key of some tenants may see when it makes another: every key is held by every
/// instance. Keys of all tenants are the operator's, and not bounded. Two calls at once may pass it
/// by one.
const KEYS_OF_SCOPE_MAX: usize = 100;

/// A new key.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyBody {
    /// Shown to people.
    name: String,
    /// `ingest`, `read`, `check`, `admin`; at least one.
    #[schema(value_type = Vec<RoleWord>)]
    roles: Vec<Role>,
    /// Tenants that it speaks for; `["*"]`: all. Must be said, so that no key speaks for all by
    /// oversight.
    #[serde(default)]
    #[schema(value_type = Vec<String>, required = true, min_items = 1)]
    tenants: Option<Vec<String>>,
    /// Requests a second, per instance; default as the service is set.
    #[serde(default)]
    rate: Option<u32>,
    /// When it ends, RFC 3339 or a date; default never.
    #[serde(default)]
    expires: Option<String>,
    /// Why, for the audit trail.
    #[serde(default)]
    #[schema(required = false)]
    note: String,
}

/// A rotation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotateBody {
    /// How long the old token is still taken. Default 0: not at all.
    #[serde(default)]
    #[schema(required = false)]
    keep_old_seconds: u32,
    /// Why, for the audit trail.
    #[serde(default)]
    #[schema(required = false)]
    note: String,
}

/// A revocation.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RevokeBody {
    /// Why, for the audit trail.
    #[serde(default)]
    #[schema(required = false)]
    note: String,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyView {
    /// Its id: the public part of the token.
    id: String,
    /// Shown to people.
    name: String,
    /// What it may do.
    #[schema(value_type = Vec<RoleWord>)]
    roles: Vec<Role>,
    /// Tenants that it speaks for; `["*"]`: all.
    tenants: Vec<String>,
    /// Requests a second, per instance; null: as the service is set.
    rate: Option<u32>,
    /// Whether it was revoked.
    revoked: bool,
    /// When it ends; null: never.
    expires: Option<String>,
    /// Until when the token before the last rotation is taken; null: it is not.
    old_until: Option<String>,
}

/// A key and its token, which is never shown again.
#[derive(Serialize, ToSchema)]
pub(super) struct NewKey {
    /// The key.
    key: KeyView,
    /// The token: for `Authorization: Bearer`.
    token: String,
}

/// The keys that the key may see, revoked ones too, by id.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", operation_id = "list_keys",
    params(PageQuery),
    responses(
        (status = 200, body = Page<KeyView>),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Params(params): Params<PageQuery>,
) -> Result<Json<Page<KeyView>>, Problem> {
    caller.must(Role::Admin)?;
    let page = params.page()?;
    let after: Option<String> = page.after()?;
    let items = shared.with_accounts(|accounts| {
        let rest = accounts.keys().filter(|key| {
            after.as_ref().is_none_or(|after| key.id > *after) && sees(&caller, &key.tenants)
        });
        rest.take(page.limit + 1)
            .map(|key| KeyView::new(key))
            .collect()
    });
    Ok(Json(Page::new(items, page.limit, |item: &KeyView| {
        Cursor::of(&item.id)
    })))
}

/// Makes a key and shows its token, once.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", operation_id = "create_key",
    request_body = KeyBody,
    responses(
        (status = 201, body = NewKey),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn create(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Json(body): Json<KeyBody>,
) -> Result<Response, Problem> {
    caller.must(Role::Admin)?;
    let note = body.note.clone();
    let new = NewToken::mint();
    let key = body.key(&new)?;
    if !sees(&caller, &key.tenants) {
        return Err(Problem::new(Kind::Forbidden));
    }
    must_have_room(&shared, &caller, now())?;
    put(&shared, &caller, &key, Expected::Head(None), &note).await?;
    Ok(created(StatusCode::CREATED, &key, new))
}

/// Gives a key a new token and shows it, once.
#[utoipa::path(
    post, path = "/v1/keys/{id}/rotate", tag = "keys", operation_id = "rotate_key",
    params(("id" = String, Path, description = "The key's id")),
    request_body = RotateBody,
    responses(
        (status = 200, body = NewKey),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "It was revoked", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn rotate(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Name(id): Name,
    Json(body): Json<RotateBody>,
) -> Result<Response, Problem> {
    caller.must(Role::Admin)?;
    if body.keep_old_seconds > KEEP_OLD_SECONDS_MAX {
        let detail = format!("is above {KEEP_OLD_SECONDS_MAX}");
        return Err(invalid("keep_old_seconds", detail));
    }
    let (mut key, head) = own(&shared, &caller, &id)?;
    if key.revoked {
        let detail = "the key was revoked, which is for ever; make a new one";
        return Err(Problem::of(Kind::Invalid, detail));
    }
    let new = NewToken::of(&id);
    let hash = std::mem::replace(&mut key.hash, new.hash.clone());
    let until = LogTime(now().0 + i64::from(body.keep_old_seconds) * 1_000);
    key.previous = (body.keep_old_seconds > 0).then_some(PreviousHash { hash, until });
    put(&shared, &caller, &key, Expected::Head(head), &body.note).await?;
    Ok(created(StatusCode::OK, &key, new))
}

/// Ends a key, for ever and within seconds.
#[utoipa::path(
    post, path = "/v1/keys/{id}/revoke", tag = "keys", operation_id = "revoke_key",
    params(("id" = String, Path, description = "The key's id")),
    request_body = RevokeBody,
    responses(
        (status = 200, body = KeyView),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Name(id): Name,
    Json(body): Json<RevokeBody>,
) -> Result<Json<KeyView>, Problem> {
    caller.must(Role::Admin)?;
    let (mut key, head) = own(&shared, &caller, &id)?;
    key.revoked = true;
    key.previous = None;
    put(&shared, &caller, &key, Expected::Head(head), &body.note).await?;
    Ok(Json(KeyView::new(&key)))
}

/// Whether the caller speaks for all of these.
fn sees(caller: &Caller, tenants: &TenantScope) -> bool {
    match (caller.tenants(), tenants) {
        (TenantScope::All, _) => true,
        (TenantScope::These(_), TenantScope::All) => false,
        (own, TenantScope::These(tenants)) => tenants.iter().all(|tenant| own.holds(tenant)),
    }
}

/// # Errors
/// 422 where a caller of some tenants has as many live keys as it may.
fn must_have_room(shared: &Shared, caller: &Caller, now: LogTime) -> Result<(), Problem> {
    if *caller.tenants() == TenantScope::All {
        return Ok(());
    }
    let is_live = |key: &ApiKey| !key.revoked && key.expires.is_none_or(|end| end > now);
    let live = shared.with_accounts(|accounts| {
        let own = accounts.keys().filter(|key| sees(caller, &key.tenants));
        own.filter(|key| is_live(key)).count()
    });
    if live < KEYS_OF_SCOPE_MAX {
        return Ok(());
    }
    let detail = format!("there are {KEYS_OF_SCOPE_MAX} live keys of these tenants; revoke one");
    Err(Problem::of(Kind::Invalid, detail))
}

/// The key and its head, where it is the caller's.
fn own(shared: &Shared, caller: &Caller, id: &str) -> Result<(ApiKey, Option<Offset>), Problem> {
    shared.with_accounts(|accounts| {
        let key = accounts.key(id).filter(|key| sees(caller, &key.tenants));
        let key = key.ok_or_else(|| Problem::unknown("key", None))?;
        let head = accounts.head_of(&ChainKey::ApiKey(id.to_owned()));
        Ok(((**key).clone(), head))
    })
}

async fn put(
    shared: &Shared,
    caller: &Caller,
    key: &ApiKey,
    expected: Expected,
    note: &str,
) -> Result<(), Problem> {
    let view = |key: &ApiKey| serde_json::to_value(KeyView::new(key)).ok();
    let change = Change {
        decision: Decision::ApiKey(Box::new(key.clone())),
        expected,
        note: caller.note(note),
        yours: view(key),
    };
    let current =
        || shared.with_accounts(|accounts| accounts.key(&key.id).and_then(|key| view(key)));
    decide(shared, caller, change, current).await.map(|_| ())
}

/// An answer with a secret: nobody on the way may keep it.
fn created(status: StatusCode, key: &ApiKey, new: NewToken) -> Response {
    let answer = NewKey {
        key: KeyView::new(key),
        token: new.token,
    };
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    let mut response = (no_store, Json(answer)).into_response();
    *response.status_mut() = status;
    response
}

fn invalid(field: &str, detail: String) -> Problem {
    let field = field.to_owned();
    Problem::invalid(vec![FieldProblem { field, detail }])
}

/// For whom a new key speaks.
///
/// # Errors
/// 422 where it is not said, for none, and for all beside some.
fn scope(tenants: Option<Vec<String>>) -> Result<TenantScope, Problem> {
    let refused = |detail: &str| Err(invalid("tenants", detail.to_owned()));
    let Some(mut tenants) = tenants.filter(|tenants| !tenants.is_empty()) else {
        return refused("is missing: name the tenants, or `*` alone for all of them");
    };
    if tenants.iter().any(|tenant| tenant == ALL_TENANTS) {
        return match tenants.len() {
            1 => Ok(TenantScope::All),
            _ => refused("has `*`, which is all tenants, beside others"),
        };
    }
    if tenants.iter().any(String::is_empty) {
        return refused("has one without a name");
    }
    tenants.sort_unstable();
    tenants.dedup();
    Ok(TenantScope::These(tenants))
}

impl KeyBody {
    fn key(self, new: &NewToken) -> Result<ApiKey, Problem> {
        if self.roles.is_empty() {
            return Err(invalid("roles", "are none".to_owned()));
        }
        if self.rate == Some(0) {
            return Err(invalid("rate", "is 0".to_owned()));
        }
        let expires = self.expires.as_deref().map(|text| {
            let at = read_time(text).map(|at| LogTime(at.0.div_euclid(1_000)));
            at.ok_or_else(|| invalid("expires", "is neither RFC 3339 nor a date".to_owned()))
        });
        let mut roles = self.roles;
        roles.sort_unstable();
        roles.dedup();
        Ok(ApiKey {
            id: new.id.clone(),
            name: self.name,
            hash: new.hash.clone(),
            previous: None,
            roles,
            tenants: scope(self.tenants)?,
            rate: self.rate,
            revoked: false,
            expires: expires.transpose()?,
        })
    }
}

impl KeyView {
    fn new(key: &ApiKey) -> Self {
        let text = |at: LogTime| time(at.as_event_time());
        Self {
            id: key.id.clone(),
            name: key.name.clone(),
            roles: key.roles.clone(),
            tenants: match &key.tenants {
                TenantScope::All => vec![ALL_TENANTS.to_owned()],
                TenantScope::These(tenants) => tenants.clone(),
            },
            rate: key.rate,
            revoked: key.revoked,
            expires: key.expires.map(text),
            old_until: key.previous.as_ref().map(|previous| text(previous.until)),
        }
    }
}
