//! What a call that failed proves, and what to do next.
//!
//! [`judge`] gives an answer its place by its status first (<https://docs.stripe.com/api/errors>)
//! and by its code second, never by its words. Texts are Stripe's, bounded and without the key.
//! Invariant: a failure that says that nothing was sent or tried is one for certain; whatever is
//! not known to be so is unknown.

use meterline_core::push::Outcome;
use serde::Deserialize;
use std::fmt;

/// Most bytes of a text of Stripe that is kept.
const TEXT_BYTES_MAX: usize = 300;

/// A call that did not give what it was made for.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// There was no connection, so nothing was sent.
    #[error("no connection to Stripe: {detail}; check stripe.api_base and the network")]
    NotConnected {
        /// What the connection says.
        detail: String,
    },
    /// The request has a part that no HTTP request can carry, such as an idempotency key with a
    /// line break; nothing was sent.
    #[error("{what} cannot be sent: {detail}")]
    Unsendable {
        /// Method and path.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The caller's deadline passed before the request was written, so nothing was sent.
    #[error("the deadline of the call passed before its request was written")]
    DeadlinePassed,
    /// 429: Stripe did not try.
    #[error("Stripe takes no more calls for now ({reason})")]
    RateLimited {
        /// `Stripe-Rate-Limited-Reason`: `global-rate`, `endpoint-concurrency`, …; `no reason
        /// given` without one (<https://docs.stripe.com/rate-limits>).
        reason: String,
    },
    /// 409 or 429 with the code `lock_timeout`: "This object cannot be accessed right now because
    /// another API request or Stripe process is currently accessing it." Stripe did not try.
    #[error("Stripe could not lock what the call is about: {0}")]
    LockTimeout(Said),
    /// 409 with the code `idempotency_key_in_use`: the first call with this key is still in work.
    #[error("an earlier call with the same idempotency key is in work: {0}")]
    InWork(Said),
    /// 401: "No valid API key provided." Stripe did not try.
    #[error("Stripe does not know the key; check stripe.api_key")]
    Unauthorized,
    /// 403: "The API key doesn't have permissions to perform the request." Stripe did not try.
    #[error("the key lacks a permission; give it to the restricted key in Stripe: {0}")]
    Forbidden(Said),
    /// Another 4xx: Stripe refuses the call as it is.
    #[error("Stripe refused the call with {status}: {said}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Stripe's words.
        said: Said,
    },
    /// 5xx, and what is no answer of an API (a redirect, 408): it may have been done or not.
    #[error("Stripe answered {status}, so what became of the call is unknown: {said}")]
    ServerError {
        /// The HTTP status.
        status: u16,
        /// Stripe's words.
        said: Said,
    },
    /// No answer: it may have been done or not.
    #[error("no answer of Stripe, so what became of the call is unknown: {detail}")]
    Unknown {
        /// What was seen.
        detail: String,
    },
    /// The call succeeded, with an answer that does not have the documented form.
    #[error("Stripe's answer to {what} does not have the documented form: {detail}")]
    Misunderstood {
        /// Method and path.
        what: String,
        /// What is wrong with it.
        detail: String,
    },
}

/// What to do after a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Try again, with growing pauses; as it was, where the first call may have been done.
    Retry,
    /// The same call fails again until somebody mends something about its subject.
    Mend,
    /// Every call fails until somebody mends the key: the stage must halt.
    Halt,
}

impl Failure {
    /// What to do next.
    #[must_use]
    pub const fn next(&self) -> Next {
        match self {
            Self::NotConnected { .. }
            | Self::DeadlinePassed
            | Self::RateLimited { .. }
            | Self::LockTimeout(_)
            | Self::InWork(_)
            | Self::ServerError { .. }
            | Self::Unknown { .. } => Next::Retry,
            Self::Unsendable { .. } | Self::Refused { .. } | Self::Misunderstood { .. } => {
                Next::Mend
            }
            Self::Unauthorized | Self::Forbidden(_) => Next::Halt,
        }
    }

    /// Whether Stripe has done nothing, for certain.
    #[must_use]
    pub const fn proves_nothing_done(&self) -> bool {
        matches!(
            self,
            Self::NotConnected { .. }
                | Self::Unsendable { .. }
                | Self::DeadlinePassed
                | Self::RateLimited { .. }
                | Self::LockTimeout(_)
                | Self::Unauthorized
                | Self::Forbidden(_)
        )
    }

    /// Whether Stripe says that what the call names does not exist (code `resource_missing`).
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { said, .. } if said.has_code("resource_missing"))
    }
}

/// What became of the call for a meter event. A 400 for a repeated identifier looks like others,
/// so a refusal proves no more than [`Outcome::Unknown`] does.
#[must_use]
pub fn meter_event_outcome<T>(result: &Result<T, Failure>) -> Outcome {
    let failure = match result {
        // A 2xx means received, whatever its body says.
        Ok(_) | Err(Failure::Misunderstood { .. }) => return Outcome::Received,
        Err(failure) => failure,
    };
    let detail = failure.to_string();
    match failure {
        _ if failure.proves_nothing_done() => Outcome::NotTaken { detail },
        Failure::Refused { .. } => Outcome::Refused { detail },
        _ => Outcome::Unknown { detail },
    }
}

/// What an error's body says (<https://docs.stripe.com/api/errors>), bounded, without the key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Said {
    /// `invalid_request_error`, `idempotency_error`, `card_error`, `api_error`.
    pub kind: Option<String>,
    /// "Some errors that could be handled programmatically" have a code
    /// (<https://docs.stripe.com/error-codes>).
    pub code: Option<String>,
    /// For people.
    pub message: Option<String>,
    /// The parameter it is about.
    pub parameter: Option<String>,
}

impl Said {
    /// Whether it has this code.
    #[must_use]
    pub fn has_code(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }

    fn read(body: &[u8], key: &str) -> Self {
        let Ok(read) = serde_json::from_slice::<ErrorBody>(body) else {
            return Self::default();
        };
        let keep = |text: Option<String>| text.map(|text| bounded(&text, key));
        let error = read.error;
        Self {
            kind: keep(error.kind),
            code: keep(error.code),
            message: keep(error.message),
            parameter: keep(error.param),
        }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = self.message.as_deref();
        f.write_str(message.unwrap_or("it gave no reason in Stripe's form"))?;
        for (name, text) in [("code", &self.code), ("parameter", &self.parameter)] {
            if let Some(text) = text {
                write!(f, " [{name} {text}]")?;
            }
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorFields,
}

#[derive(Deserialize)]
struct ErrorFields {
    #[serde(rename = "type")]
    kind: Option<String>,
    code: Option<String>,
    message: Option<String>,
    param: Option<String>,
}

/// The text without the key, cut at the bound.
pub(crate) fn bounded(text: &str, key: &str) -> String {
    let mut text = text.replace(key, "(key)");
    let mut ends = (0..=text.len().min(TEXT_BYTES_MAX)).rev();
    let end = ends.find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    text.truncate(end);
    text
}

/// The failure that an answer other than 2xx is. `limited_by` is its header
/// `Stripe-Rate-Limited-Reason`.
pub(crate) fn judge(status: u16, limited_by: Option<&str>, body: &[u8], key: &str) -> Failure {
    let said = Said::read(body, key);
    match status {
        401 => Failure::Unauthorized,
        403 => Failure::Forbidden(said),
        409 | 429 if said.has_code("lock_timeout") => Failure::LockTimeout(said),
        409 if said.has_code("idempotency_key_in_use") => Failure::InWork(said),
        429 => Failure::RateLimited {
            reason: bounded(limited_by.unwrap_or("no reason given"), key),
        },
        // Of whatever stands in between: Stripe's API sends no 408.
        408 => Failure::ServerError { status, said },
        400..500 => Failure::Refused { status, said },
        _ => Failure::ServerError { status, said },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk_test_hunter2";

    fn judged(status: u16, body: &str) -> Failure {
        judge(status, None, body.as_bytes(), KEY)
    }

    #[test]
    fn an_answer_says_what_became_of_a_meter_event_and_what_to_do() {
        let check = |failure: Failure, expected: &str, next: Next| {
            let outcome = match meter_event_outcome(&Err::<(), _>(failure.clone())) {
                Outcome::Received => "received",
                Outcome::NotTaken { .. } => "not taken",
                Outcome::Unknown { .. } => "unknown",
                Outcome::Refused { .. } => "refused",
            };
            assert_eq!((outcome, failure.next()), (expected, next), "{failure}");
        };
        let code = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"m"}}}}"#);
        check(judged(401, "{}"), "not taken", Next::Halt);
        check(judged(403, "{}"), "not taken", Next::Halt);
        check(judged(429, &code("rate_limit")), "not taken", Next::Retry);
        check(judged(429, "busy"), "not taken", Next::Retry);
        check(judged(429, &code("lock_timeout")), "not taken", Next::Retry);
        check(judged(409, &code("lock_timeout")), "not taken", Next::Retry);
        check(
            judged(409, &code("idempotency_key_in_use")),
            "unknown",
            Next::Retry,
        );
        check(judged(409, &code("other")), "refused", Next::Mend);
        check(judged(400, "{}"), "refused", Next::Mend);
        check(
            judged(404, &code("resource_missing")),
            "refused",
            Next::Mend,
        );
        check(judged(408, "{}"), "unknown", Next::Retry);
        check(judged(302, "{}"), "unknown", Next::Retry);
        check(judged(500, "{}"), "unknown", Next::Retry);
        check(judged(503, "<html>"), "unknown", Next::Retry);
        check(Failure::DeadlinePassed, "not taken", Next::Retry);
        let detail = || "d".to_owned();
        check(
            Failure::NotConnected { detail: detail() },
            "not taken",
            Next::Retry,
        );
        check(
            Failure::Unknown { detail: detail() },
            "unknown",
            Next::Retry,
        );
        let what = "POST /v1/billing/meter_events".to_owned();
        let misunderstood = Failure::Misunderstood {
            what,
            detail: detail(),
        };
        check(misunderstood, "received", Next::Mend);
        assert_eq!(meter_event_outcome(&Ok(())), Outcome::Received);
    }

    #[test]
    fn texts_are_bounded_and_hide_the_key() {
        let long = format!(r#"{{"error":{{"message":"{KEY} {}"}}}}"#, "ä".repeat(1_000));
        let text = judged(400, &long).to_string();
        assert!(
            text.contains("(key)") && !text.contains("hunter2"),
            "{text}"
        );
        assert!(text.len() < 2 * TEXT_BYTES_MAX, "{text}");
        let body = format!(r#"{{"error":{{"message":"Invalid API Key provided: {KEY}"}}}}"#);
        assert!(!format!("{:?}", judged(401, &body)).contains("hunter2"));
    }

    #[test]
    fn what_stripe_said_is_shown_with_code_and_parameter() {
        let body = r#"{"error":{"type":"invalid_request_error","code":"parameter_missing",
            "message":"Missing required param: customer.","param":"customer","new":[1]}}"#;
        assert_eq!(
            judged(400, body).to_string(),
            "Stripe refused the call with 400: Missing required param: customer. \
             [code parameter_missing] [parameter customer]"
        );
        let limited = judge(429, Some("endpoint-rate"), b"{}", KEY).to_string();
        assert!(limited.contains("endpoint-rate"), "{limited}");
    }
}
