//! A request and its answer, free of HTTP's machinery.

use crate::form::Form;
use crate::refusal::Refusal;
use bytes::Bytes;
use serde_json::Value;

/// What of a request decides about its answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: String,
    /// The API key.
    pub(crate) key: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) version: Option<String>,
}

impl Request {
    /// The parameters: of the body, or of the query where the method has no body.
    pub(crate) fn form(&self) -> Form {
        Form::parse(if self.method == "POST" {
            &self.body
        } else if self.body.is_empty() {
            &self.query
        } else {
            &self.body
        })
    }

    /// The parts of the path behind the version.
    pub(crate) fn parts(&self) -> Vec<&str> {
        self.path
            .split('/')
            .filter(|part| !part.is_empty())
            .collect()
    }

    /// The operation: the path without what names one object.
    ///
    /// Each named operation is an endpoint with a limit of its own (`POST /v1/invoices` and `GET
    /// /v1/invoices/{id}` are two), and requests for different ids count against the same one
    /// (<https://docs.stripe.com/rate-limits>).
    pub(crate) fn operation(&self) -> String {
        let parts = self.parts();
        let id_at = if matches!(parts.get(1), Some(&("billing" | "core"))) {
            3
        } else {
            2
        };
        let name = |(index, part): (usize, &&str)| {
            if index == id_at && *part != "create_preview" {
                "{id}".to_owned()
            } else {
                (*part).to_owned()
            }
        };
        let path: Vec<_> = parts.iter().enumerate().map(name).collect();
        format!("{} /{}", self.method, path.join("/"))
    }

    /// What permissions are given for: `customers`, `billing/meter_events`.
    pub(crate) fn resource(&self) -> String {
        match self.parts().as_slice() {
            [_, group @ ("billing" | "core"), resource, ..] => format!("{group}/{resource}"),
            [_, resource, ..] => (*resource).to_owned(),
            _ => String::new(),
        }
    }
}

/// A request on its way to an endpoint: its parameters, and the path behind the resource.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) rest: &'a [&'a str],
    /// The header `Stripe-Version`.
    pub(crate) version: Option<&'a str>,
    pub(crate) form: Form,
}

impl Call<'_> {
    pub(crate) fn no_such_route(&self) -> Refusal {
        Refusal::no_such_route(self.method, self.path)
    }
}

/// Status, headers and body.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Bytes::from(body.to_string()),
        }
    }

    pub(crate) fn add_header(&mut self, name: &'static str, value: &str) {
        self.headers.push((name, value.to_owned()));
    }
}
