//! Errors in Stripe's form: status, type, code, message, parameter.
//!
//! Sources: <https://docs.stripe.com/api/errors>, <https://docs.stripe.com/error-codes>,
//! <https://docs.stripe.com/error-low-level>, <https://docs.stripe.com/rate-limits>.

use crate::request::Answer;
use serde_json::json;

/// Why a request was not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    status: u16,
    kind: &'static str,
    code: Option<&'static str>,
    message: String,
    parameter: Option<String>,
    /// The header `Stripe-Rate-Limited-Reason`.
    limited_by: Option<&'static str>,
}

impl Refusal {
    fn new(status: u16, kind: &'static str, message: &str) -> Self {
        Self {
            status,
            kind,
            code: None,
            message: message.to_owned(),
            parameter: None,
            limited_by: None,
        }
    }

    /// 400 about a parameter, with a code.
    pub(crate) fn invalid(code: &'static str, parameter: &str, message: &str) -> Self {
        Self {
            code: Some(code),
            ..Self::parameter(parameter, message)
        }
    }

    /// 400 about a parameter, without a code.
    pub(crate) fn parameter(parameter: &str, message: &str) -> Self {
        Self {
            parameter: Some(parameter.to_owned()),
            ..Self::bad(message)
        }
    }

    /// 400 with a message alone.
    pub(crate) fn bad(message: &str) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    pub(crate) fn missing(parameter: &str) -> Self {
        let message = format!("Missing required param: {parameter}.");
        Self::invalid("parameter_missing", parameter, &message)
    }

    /// "404 Not Found: The requested resource doesn't exist."
    pub(crate) fn no_such(what: &str, id: &str) -> Self {
        Self {
            status: 404,
            ..Self::invalid("resource_missing", "id", &format!("No such {what}: '{id}'"))
        }
    }

    /// A parameter that names what does not exist is a 400 with the same code.
    pub(crate) fn names_no(what: &str, parameter: &str, id: &str) -> Self {
        let message = format!("No such {what}: '{id}'");
        Self::invalid("resource_missing", parameter, &message)
    }

    pub(crate) fn no_such_route(method: &str, path: &str) -> Self {
        let message = format!("Unrecognized request URL ({method}: {path}).");
        Self::new(404, "invalid_request_error", &message)
    }

    /// "401 Unauthorized: No valid API key provided."
    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "invalid_request_error", "Invalid API Key provided")
    }

    /// "403 Forbidden: The API key doesn't have permissions to perform the request."
    pub(crate) fn forbidden(resource: &str) -> Self {
        let message = format!(
            "The provided key does not have the required permissions for this endpoint ({resource})."
        );
        Self::new(403, "invalid_request_error", &message)
    }

    /// "429 Too Many Requests: Too many requests hit the API too quickly."
    pub(crate) fn too_many(reason: &'static str) -> Self {
        Self {
            code: Some("rate_limit"),
            limited_by: Some(reason),
            ..Self::new(
                429,
                "invalid_request_error",
                "Request rate limit exceeded. You can learn more about rate limits here \
                 https://stripe.com/docs/rate-limits.",
            )
        }
    }

    /// "This object cannot be accessed right now because another API request or Stripe process is
    /// currently accessing it." Integrations have met it with both statuses.
    pub(crate) fn lock_timeout(status: u16) -> Self {
        Self {
            code: Some("lock_timeout"),
            ..Self::new(
                status,
                "invalid_request_error",
                "This object cannot be accessed right now because another API request or Stripe \
                 process is currently accessing it.",
            )
        }
    }

    /// "500, 502, 503, 504 Server Errors: Something went wrong on Stripe's end."
    pub(crate) fn server_error() -> Self {
        Self::new(500, "api_error", "An unknown error occurred")
    }

    /// 409: the first request with this key has not been answered yet.
    pub(crate) fn key_in_use(key: &str) -> Self {
        Self {
            code: Some("idempotency_key_in_use"),
            ..Self::new(
                409,
                "idempotency_error",
                &format!(
                    "There is currently another in-progress request using this Idempotent Key: {key}"
                ),
            )
        }
    }

    /// 400: the key came with other parameters before.
    pub(crate) fn key_reused(key: &str) -> Self {
        Self::new(
            400,
            "idempotency_error",
            &format!(
                "Keys for idempotent requests can only be used with the same parameters they were \
                 first used with. Try using a key other than '{key}' if you meant to execute a \
                 different request."
            ),
        )
    }

    pub(crate) fn answer(&self) -> Answer {
        let mut error = json!({ "type": self.kind, "message": self.message });
        if let Some(code) = self.code {
            error["code"] = json!(code);
            error["doc_url"] = json!(format!(
                "https://stripe.com/docs/error-codes/{}",
                code.replace('_', "-")
            ));
        }
        if let Some(parameter) = &self.parameter {
            error["param"] = json!(parameter);
        }
        let mut answer = Answer::json(self.status, &json!({ "error": error }));
        if let Some(reason) = self.limited_by {
            answer.add_header("stripe-rate-limited-reason", reason);
        }
        answer
    }
}
