//! Errors as their receivers see them: problem details by RFC 9457.
//!
//! A `type` is stable, for programs; title and detail are for people and may change. Nothing in
//! here helps an attacker: a missing key, a wrong one and a revoked one look the same, another
//! tenant's data is simply not found, and what failed inside is in the log under the request id.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What went wrong, for programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The request cannot be read.
    BadRequest,
    /// No key, or none that is taken.
    Unauthenticated,
    /// The key has not the role.
    Forbidden,
    /// There is no such thing, as far as the key may see.
    NotFound,
    /// The path is there, the method is not.
    MethodNotAllowed,
    /// The media type of the body is not read here.
    UnsupportedMediaType,
    /// Somebody else changed it first.
    Conflict,
    /// The body, or what is in it, is above a bound.
    TooLarge,
    /// The request can be read, and what it says cannot be.
    Invalid,
    /// Too many requests of one key.
    RateLimited,
    /// Too many requests, or something that the API needs does not answer.
    Unavailable,
    /// The request took too long.
    TimedOut,
    /// A fault of ours.
    Internal,
}

impl Kind {
    /// The status code, the last part of the type, and the title.
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                "bad-request",
                "The request cannot be read",
            ),
            Self::Unauthenticated => (
                StatusCode::UNAUTHORIZED,
                "unauthenticated",
                "A valid API key is needed",
            ),
            Self::Forbidden => (
                StatusCode::FORBIDDEN,
                "forbidden",
                "The API key may not do this",
            ),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The method is not allowed here",
            ),
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The media type of the body is not read here",
            ),
            Self::Conflict => (
                StatusCode::CONFLICT,
                "conflict",
                "Somebody else changed it first",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The request is too large",
            ),
            Self::Invalid => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "What the request says cannot be",
            ),
            Self::RateLimited => (
                StatusCode::TOO_MANY_REQUESTS,
                "rate-limited",
                "Too many requests with this API key",
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "The service cannot answer now",
            ),
            Self::TimedOut => (
                StatusCode::GATEWAY_TIMEOUT,
                "timed-out",
                "The request took too long",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The service failed",
            ),
        }
    }
}

/// What every type begins with.
const TYPE_PREFIX: &str = "urn:meterline:problem:";

/// A field that cannot be taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub(crate) struct FieldProblem {
    /// Path of the field, such as `terms.overrides.api_calls.limit`.
    pub(crate) field: String,
    /// What is wrong with it.
    pub(crate) detail: String,
}

/// Problem details (RFC 9457).
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// What went wrong, for programs: `urn:meterline:problem:…`; stable.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// What went wrong, for people.
    pub(crate) title: String,
    /// The status code.
    pub(crate) status: u16,
    /// What went wrong this time, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
    /// The nearest known name, where a name is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nearest: Option<String>,
    /// The fields that cannot be taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) errors: Vec<FieldProblem>,
    /// The version in force, where a change conflicts with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) current: Option<Value>,
    /// The version that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) yours: Option<Value>,
}

/// An error on its way to the caller.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    body: Box<ProblemBody>,
    retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem with nothing to add.
    pub(crate) fn new(kind: Kind) -> Self {
        let (status, name, title) = kind.parts();
        Self {
            status,
            body: Box::new(ProblemBody {
                kind: format!("{TYPE_PREFIX}{name}"),
                title: title.to_owned(),
                status: status.as_u16(),
                detail: None,
                nearest: None,
                errors: Vec::new(),
                current: None,
                yours: None,
            }),
            retry_after_seconds: None,
        }
    }

    /// A problem, explained; the text must hold nothing that the caller may not know.
    pub(crate) fn of(kind: Kind, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(kind);
        problem.body.detail = Some(detail.into());
        problem
    }

    /// An unknown name, and the known one that is most like it.
    pub(crate) fn unknown(what: &str, nearest: Option<&str>) -> Self {
        let detail = match nearest {
            Some(nearest) => format!("there is no such {what}; the nearest is `{nearest}`"),
            None => format!("there is no such {what}"),
        };
        let mut problem = Self::of(Kind::NotFound, detail);
        problem.body.nearest = nearest.map(str::to_owned);
        problem
    }

    /// Fields that cannot be taken.
    pub(crate) fn invalid(errors: Vec<FieldProblem>) -> Self {
        Self::new(Kind::Invalid).with_errors(errors)
    }

    /// With the fields that it is about.
    pub(crate) fn with_errors(mut self, errors: Vec<FieldProblem>) -> Self {
        self.body.errors = errors;
        self
    }

    /// With the one field that it is about, for the same reason.
    pub(crate) fn at(self, field: &str) -> Self {
        let error = FieldProblem {
            field: field.to_owned(),
            detail: self.body.detail.clone().unwrap_or_default(),
        };
        self.with_errors(vec![error])
    }

    /// Whether it is of this kind.
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.status == kind.parts().0
    }

    /// The fields that cannot be taken.
    pub(crate) fn into_errors(self) -> Vec<FieldProblem> {
        self.body.errors
    }

    /// A change that is based on an older version than the one in force.
    pub(crate) fn conflict(detail: String, current: Option<Value>, yours: Option<Value>) -> Self {
        let mut problem = Self::of(Kind::Conflict, detail);
        problem.body.current = current;
        problem.body.yours = yours;
        problem
    }

    /// The body, as callers get it.
    #[cfg(test)]
    pub(crate) fn to_json(&self) -> Value {
        serde_json::to_value(&self.body).expect("a problem has text keys")
    }

    /// With the header `Retry-After`.
    pub(crate) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let bytes = serde_json::to_vec(&self.body).expect("a problem has text keys");
        let mut response = Response::new(Body::from(bytes));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let media_type = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, media_type);
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_stable_and_titles_are_not_empty() {
        for (kind, status, name) in [
            (Kind::BadRequest, 400, "bad-request"),
            (Kind::Unauthenticated, 401, "unauthenticated"),
            (Kind::Forbidden, 403, "forbidden"),
            (Kind::NotFound, 404, "not-found"),
            (Kind::MethodNotAllowed, 405, "method-not-allowed"),
            (Kind::Conflict, 409, "conflict"),
            (Kind::TooLarge, 413, "too-large"),
            (Kind::UnsupportedMediaType, 415, "unsupported-media-type"),
            (Kind::Invalid, 422, "invalid"),
            (Kind::RateLimited, 429, "rate-limited"),
            (Kind::Internal, 500, "internal"),
            (Kind::Unavailable, 503, "unavailable"),
            (Kind::TimedOut, 504, "timed-out"),
        ] {
            let body = Problem::new(kind).body;
            assert_eq!(body.kind, format!("urn:meterline:problem:{name}"));
            assert_eq!(body.status, status);
            assert!(!body.title.is_empty());
        }
    }
}
