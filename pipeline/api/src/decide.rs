//! Writing decisions for callers: checked, written, read back, and answered with both versions
//! where somebody else was faster.

use crate::caller::Caller;
use crate::problem::{FieldProblem, Kind, Problem};
use crate::state::Shared;
use axum::http::{HeaderMap, header};
use meterline_control::{Changed, ControlError, Expected};
use meterline_core::accounts::Refused;
use meterline_core::causes::chain;
use meterline_core::control::Decision;
use meterline_core::position::Offset;
use serde_json::Value;
use std::time::Duration;

/// How long a decision is tried: several elections of a leader, and below the timeout of requests.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A decision that a caller asks for.
pub(crate) struct Change {
    /// What is decided.
    pub(crate) decision: Decision,
    /// What the caller has seen.
    pub(crate) expected: Expected,
    /// Why, in the caller's words.
    pub(crate) note: String,
    /// What the caller sent, to be shown beside the version that was first.
    pub(crate) yours: Option<Value>,
}

/// Puts a decision in force; `current` shows what is, for a conflict.
///
/// # Errors
/// 409 with both versions, 422 with field paths, 503 where the log does not answer in time.
pub(crate) async fn decide(
    shared: &Shared,
    caller: &Caller,
    change: Change,
    current: impl FnOnce() -> Option<Value>,
) -> Result<Offset, Problem> {
    let log = shared.log()?.clone();
    let author = caller.author(change.note);
    let (decision, expected) = (change.decision, change.expected);
    let work = move || log.change(decision, expected, &author, TIMEOUT);
    let changed = tokio::task::spawn_blocking(work).await;
    match changed.expect("a blocking task ends unless it panics") {
        Ok(Changed::InForce(offset) | Changed::Unchanged(offset)) => Ok(offset),
        Err(error) => Err(refused(error, change.yours, current)),
    }
}

fn refused(
    error: ControlError,
    yours: Option<Value>,
    current: impl FnOnce() -> Option<Value>,
) -> Problem {
    match error {
        ControlError::Raced { .. } | ControlError::NoSuchHead { .. } => {
            let detail = "the version in force is not the one that the change is based on";
            Problem::conflict(detail.to_owned(), current(), yours)
        }
        ControlError::RefusedAccount { problems, .. } => {
            let fields = problems.into_iter().map(|problem| FieldProblem {
                field: format!("terms.{}", problem.path),
                detail: problem.reason,
            });
            Problem::invalid(fields.collect())
        }
        ControlError::Unfit(Refused::Field { field, reason }) => {
            Problem::invalid(vec![FieldProblem {
                field: field.to_owned(),
                detail: reason,
            }])
        }
        // Not whose it is: that may be nobody whom this caller may see.
        ControlError::Unfit(Refused::CustomerTaken { .. }) => {
            Problem::invalid(vec![FieldProblem {
                field: "terms.stripe_customer".to_owned(),
                detail: "is or was another account's; make another customer at Stripe".to_owned(),
            }])
        }
        ControlError::Unfit(refused) => Problem::of(Kind::Invalid, refused.to_string()),
        ControlError::NoCatalog => {
            Problem::of(Kind::Unavailable, "there is no catalog yet").retry_after(5)
        }
        error if error.passes() => {
            tracing::warn!(error = chain(&error), "failed to write a decision in time");
            let detail = "it is not known whether the change is in force; look before trying again";
            Problem::of(Kind::Unavailable, detail).retry_after(1)
        }
        error => {
            tracing::error!(error = chain(&error), "failed to write a decision");
            Problem::new(Kind::Internal)
        }
    }
}

/// What a caller has seen: the `If-Match` header, else the body's `head`, else that there is
/// nothing yet.
///
/// # Errors
/// 400 for a header that is no entity tag of ours.
pub(crate) fn expected(headers: &HeaderMap, head: Option<Offset>) -> Result<Expected, Problem> {
    let Some(tag) = headers.get(header::IF_MATCH) else {
        return Ok(Expected::Head(head));
    };
    let digits = tag.to_str().ok().map(|tag| tag.trim_matches('"'));
    match digits.map(|digits| (digits, digits.parse())) {
        Some(("*", _)) => Ok(Expected::Any),
        Some((_, Ok(head))) => Ok(Expected::Head(Some(head))),
        _ => Err(Problem::of(
            Kind::BadRequest,
            "If-Match is not a tag of ours",
        )),
    }
}

/// The entity tag of a head.
pub(crate) fn tag(head: Offset) -> String {
    format!("\"{head}\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn what_was_seen_is_a_tag_or_a_head_or_nothing() {
        let check = |tag: Option<&'static str>, head, expected_head: Option<Expected>| {
            let mut headers = HeaderMap::new();
            if let Some(tag) = tag {
                headers.insert(header::IF_MATCH, HeaderValue::from_static(tag));
            }
            assert_eq!(
                expected(&headers, head).ok(),
                expected_head,
                "{tag:?} {head:?}"
            );
        };
        check(None, None, Some(Expected::Head(None)));
        check(None, Some(3), Some(Expected::Head(Some(3))));
        check(Some("\"7\""), Some(3), Some(Expected::Head(Some(7))));
        check(Some("*"), None, Some(Expected::Any));
        check(Some("\"x\""), None, None);
        assert_eq!(tag(7), "\"7\"");
    }
}
