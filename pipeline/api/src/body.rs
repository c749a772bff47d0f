//! What requests carry: bounded bodies, JSON, parameters; and JSON answers.
//!
//! A body is read no further than its bound. What cannot be read is a problem with the place of
//! the fault in the caller's own text, and the path of the field.

mod fault;

use crate::problem::{Kind, Problem};
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Largest JSON body of everything but ingest: a check of a thousand meters, an account with
/// overrides of them all.
const JSON_BYTES_MAX: usize = 256 << 10;

/// The media type of a request's body, in lower case and without parameters; empty without one.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value.and_then(|value| value.to_str().ok());
    let name = text.unwrap_or_default().split(';').next();
    name.unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a body of at most `most` bytes.
///
/// # Errors
/// 413 above the bound, 400 where the connection breaks.
pub(crate) async fn read(body: Body, most: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is larger than {most} bytes");
            Err(Problem::of(Kind::TooLarge, detail))
        }
        Err(_) => Err(Problem::of(Kind::BadRequest, "the body ended early")),
    }
}

/// A JSON body, or a JSON answer.
pub(crate) struct Json<T>(pub(crate) T);

/// A JSON body as it came, for types that borrow from it.
pub(crate) struct JsonBytes(pub(crate) Bytes);

impl<S: Sync> FromRequest<S> for JsonBytes {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let media_type = media_type(request.headers());
        if media_type != "application/json" {
            let detail = "send application/json";
            return Err(Problem::of(Kind::UnsupportedMediaType, detail));
        }
        let bytes = read(request.into_body(), JSON_BYTES_MAX).await?;
        Ok(Self(bytes))
    }
}

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let JsonBytes(bytes) = JsonBytes::from_request(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// Reads JSON.
///
/// # Errors
/// 400 with the place of the fault, and the path of the field that it is in.
pub(crate) fn parse<'a, T: serde::Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| fault::problem::<T>(bytes, error))
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let bytes = serde_json::to_vec(&self.0).expect("answers have text keys");
        let kind = [(header::CONTENT_TYPE, "application/json")];
        (StatusCode::OK, kind, Body::from(bytes)).into_response()
    }
}

/// Parameters of the query.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = Query::try_from_uri(&parts.uri)
            .map_err(|rejection| Problem::of(Kind::BadRequest, rejection.body_text()))?;
        Ok(Self(query.0))
    }
}

/// The name in a path.
pub(crate) struct Name(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for Name {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let path = path.map_err(|_| Problem::new(Kind::NotFound))?;
        Ok(Self(path.0))
    }
}
