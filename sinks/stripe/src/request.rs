//! Requests: what is asked of Stripe, with the type of its answer.
//!
//! A [`Read`] changes nothing and may be sent at any time. A [`Write`] always has a body, so that
//! its deadline can be judged where the body is written ([`crate::Client::write_while`]).
//! Invariant: a request holds no key and no address.

use crate::failure::{Failure, bounded};
use crate::form::Form;
use http::Method;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// A request that changes nothing at Stripe, answered with a `T`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read<T> {
    path: String,
    form: Form,
    answer: PhantomData<fn() -> T>,
}

impl<T> Read<T> {
    pub(crate) fn new(path: impl Into<String>, form: Form) -> Self {
        Self {
            path: path.into(),
            form,
            answer: PhantomData,
        }
    }

    /// `GET`, as text.
    #[must_use]
    pub fn method(&self) -> &'static str {
        "GET"
    }

    /// The path with its query.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        if self.form.is_empty() {
            return self.path.clone();
        }
        format!("{}?{}", self.path, self.form.encoded())
    }

    pub(crate) fn parts(&self) -> Parts {
        Parts {
            method: Method::GET,
            path_and_query: self.path_and_query(),
            body: String::new(),
            idempotency_key: None,
            what: format!("GET {}", self.path),
        }
    }
}

/// A request that changes something at Stripe, answered with a `T`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write<T> {
    method: Method,
    path: String,
    body: String,
    idempotency_key: Option<String>,
    answer: PhantomData<fn() -> T>,
}

impl<T> Write<T> {
    pub(crate) fn post(path: impl Into<String>, form: &Form) -> Self {
        Self::new(Method::POST, path.into(), form)
    }

    pub(crate) fn delete(path: impl Into<String>, form: &Form) -> Self {
        Self::new(Method::DELETE, path.into(), form)
    }

    fn new(method: Method, path: String, form: &Form) -> Self {
        assert!(!form.is_empty(), "every write has a parameter: {path}");
        Self {
            method,
            path,
            body: form.encoded(),
            idempotency_key: None,
            answer: PhantomData,
        }
    }

    /// The same request with an idempotency key, at most 255 characters: for 24 hours Stripe does
    /// it once and repeats its answer (<https://docs.stripe.com/api/idempotent_requests>).
    #[must_use]
    pub fn with_idempotency_key(mut self, key: &str) -> Self {
        self.idempotency_key = Some(key.to_owned());
        self
    }

    /// `POST` or `DELETE`.
    #[must_use]
    pub fn method(&self) -> &str {
        self.method.as_str()
    }

    /// The path; a write has no query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The body, form-encoded; never empty.
    #[must_use]
    pub fn body(&self) -> &str {
        &self.body
    }

    pub(crate) fn parts(&self) -> Parts {
        Parts {
            method: self.method.clone(),
            path_and_query: self.path.clone(),
            body: self.body.clone(),
            idempotency_key: self.idempotency_key.clone(),
            what: format!("{} {}", self.method, self.path),
        }
    }
}

/// A request without its type, as the client sends it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Parts {
    pub(crate) method: Method,
    pub(crate) path_and_query: String,
    pub(crate) body: String,
    pub(crate) idempotency_key: Option<String>,
    /// Method and path, for errors.
    pub(crate) what: String,
}

impl Parts {
    /// Reads the answer of a call that succeeded.
    pub(crate) fn understood<T: DeserializeOwned>(
        &self,
        body: &[u8],
        key: &str,
    ) -> Result<T, Failure> {
        serde_json::from_slice(body).map_err(|error| Failure::Misunderstood {
            what: self.what.clone(),
            detail: bounded(&error.to_string(), key),
        })
    }
}
