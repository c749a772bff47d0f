//! Who calls: the API key, what it may do, and for whom.
//!
//! Every request of `/v1` comes with a key or is answered 401, whatever its path: nobody without
//! one learns what is there. A key that lacks the role is answered 403; a tenant outside of its
//! scope does not exist for it.

use crate::observe::KeyId;
use crate::problem::{Kind, Problem};
use crate::rate::Allowance;
use crate::server::Peer;
use crate::state::{Shared, now};
use crate::token::Token;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use meterline_control::Author;
use meterline_core::account::{ApiKey, Role, TenantScope};
use std::sync::Arc;
use std::time::Instant;

/// The rate that a key has; Internet-Draft `draft-ietf-httpapi-ratelimit-headers`.
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// What is left of it; the same draft.
const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The key, as it was when the request came.
    key: Arc<ApiKey>,
    /// From where; empty where that is not known.
    pub(crate) origin: String,
}

impl Caller {
    /// The key's id.
    pub(crate) fn key_id(&self) -> &str {
        &self.key.id
    }

    /// For whom the key speaks.
    pub(crate) fn tenants(&self) -> &TenantScope {
        &self.key.tenants
    }

    /// Whether the key may do it; an admin may do everything.
    pub(crate) fn may(&self, role: Role) -> bool {
        let roles = &self.key.roles;
        roles.contains(&role) || roles.contains(&Role::Admin)
    }

    /// # Errors
    /// 403 where the key may not do it.
    pub(crate) fn must(&self, role: Role) -> Result<(), Problem> {
        if self.may(role) {
            return Ok(());
        }
        Err(Problem::new(Kind::Forbidden))
    }

    /// # Errors
    /// 403 where the key does not speak for all tenants, which the call is about.
    pub(crate) fn must_speak_for_all(&self) -> Result<(), Problem> {
        if *self.tenants() == TenantScope::All {
            return Ok(());
        }
        Err(Problem::new(Kind::Forbidden))
    }

    /// A note for the audit trail, with from where it comes: keys and routes have no field for it.
    pub(crate) fn note(&self, note: &str) -> String {
        match (note, self.origin.as_str()) {
            (note, "") => note.to_owned(),
            ("", origin) => format!("from {origin}"),
            (note, origin) => format!("{note} (from {origin})"),
        }
    }

    /// Who decides, for the audit trail.
    pub(crate) fn author(&self, note: String) -> Author {
        Author {
            actor: format!("key:{}", self.key.id),
            note,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        // A route outside of `authenticate` has no caller; it may not ask for one.
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Kind::Unauthenticated))
    }
}

/// Lets in who has a key, at the key's rate.
pub(crate) async fn authenticate(
    State(shared): State<Arc<Shared>>,
    mut request: Request,
    next: Next,
) -> Response {
    let (caller, rate) = match identify(&shared, &request) {
        Ok(known) => known,
        Err(problem) => {
            shared.metrics.turned_away("unauthenticated");
            return problem.into_response();
        }
    };
    let key: Arc<str> = caller.key.id.as_str().into();
    let allowance = shared.rates.take(&key, rate, Instant::now());
    let mut response = if allowance.allowed {
        request.extensions_mut().insert(caller);
        next.run(request).await
    } else {
        shared.metrics.turned_away("rate_limited");
        let problem = Problem::new(Kind::RateLimited);
        problem
            .retry_after(allowance.wait_seconds())
            .into_response()
    };
    if response.status() == axum::http::StatusCode::FORBIDDEN {
        shared.metrics.turned_away("forbidden");
    }
    state_rate(&mut response, allowance);
    response.extensions_mut().insert(KeyId(key));
    response
}

/// The caller and the rate of its key.
fn identify(shared: &Shared, request: &Request) -> Result<(Caller, u32), Problem> {
    let refused = || Problem::new(Kind::Unauthenticated);
    let header = request.headers().get(header::AUTHORIZATION);
    let header = header.and_then(|value| value.to_str().ok());
    let token = header.and_then(Token::parse).ok_or_else(refused)?;
    let key = shared.with_accounts(|accounts| accounts.key(token.id).map(Arc::clone));
    if !token.opens(key.as_deref(), now()) {
        return Err(refused());
    }
    let key = key.ok_or_else(refused)?;
    let peer = request.extensions().get::<Peer>();
    let caller = Caller {
        key: Arc::clone(&key),
        origin: peer.map_or_else(String::new, |peer| peer.0.ip().to_string()),
    };
    Ok((caller, key.rate.unwrap_or(shared.settings.rate)))
}

/// Says what the key's rate is and what is left of it.
fn state_rate(response: &mut Response, allowance: Allowance) {
    let Allowance {
        rate, remaining, ..
    } = allowance;
    let wait = allowance.wait_seconds();
    let texts = [
        (RATE_LIMIT_POLICY, format!("\"key\";q={rate};w=1")),
        (RATE_LIMIT, format!("\"key\";r={remaining};t={wait}")),
    ];
    for (name, text) in texts {
        let value = HeaderValue::from_str(&text).expect("numbers are plain text");
        response.headers_mut().insert(name, value);
    }
}
