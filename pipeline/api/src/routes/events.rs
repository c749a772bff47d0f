//! `POST /v1/events`: usage in.
//!
//! Answered only after the brokers have acknowledged every event that was accepted. The same call
//! again is harmless: an event has an id, and is counted once. So where anything is not
//! acknowledged the whole call is answered 503, to be made again.

use crate::body::{Json, media_type, read};
use crate::caller::Caller;
use crate::ingest::{Accepted, Form, HEADERS, Judge, Refused, SplitError, split};
use crate::problem::{Kind, Problem, ProblemBody};
use crate::state::{Shared, now};
use crate::turns::Full;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use meterline_core::account::Role;
use meterline_core::causes::chain;
use meterline_kafka::{Next, Outgoing};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Longest `Idempotency-Key`: ids made of it fit the default bound of 256 bytes.
const IDEMPOTENCY_KEY_CHARS: usize = 200;

/// A CloudEvent in JSON. It is read by the core's decoder, and never made here; other attributes
/// are let through.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it is only described")]
pub(super) struct CloudEvent {
    /// `1.0`.
    specversion: String,
    /// Its id, the same where it is sent again; default one made of the `Idempotency-Key`.
    id: Option<String>,
    /// Who tells it, such as `//gateway`.
    source: String,
    /// What happened: the catalog says which meters count it.
    r#type: String,
    /// The tenant.
    subject: String,
    /// When it happened, RFC 3339.
    time: String,
    /// `quantity`, a number or a string, and the properties that the catalog's meters read.
    #[schema(value_type = Option<Object>)]
    data: Option<serde_json::Value>,
}

/// What became of the events of a call.
#[derive(Serialize, ToSchema)]
pub(super) struct EventsAnswer {
    /// Events that are in the log now.
    accepted: usize,
    /// Events that are not, and will not be by sending them again as they are.
    rejected: usize,
    /// Each event, in the order of the body.
    results: Vec<EventResult>,
}

/// What became of one event.
#[derive(Serialize, ToSchema)]
pub(super) struct EventResult {
    /// Its place in the body, from 0.
    index: usize,
    /// `accepted` or `rejected`.
    status: &'static str,
    /// Its id, where it was accepted: its own, or the one made of the `Idempotency-Key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// Why it was rejected: a reason of dead letters such as `too_late`, or `unknown_tenant`.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    /// What exactly was wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Publishes usage events.
///
/// One CloudEvent (`application/cloudevents+json`), a JSON array of them
/// (`application/cloudevents-batch+json`), or one per line (`application/x-ndjson`). The `subject`
/// is the tenant; `data.quantity` is a number or a string. The answer comes after the brokers'
/// acknowledgement. An event without an `id` takes the `Idempotency-Key` (of a batch: key, `-`,
/// index). Making the same call again is harmless.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", operation_id = "publish_events",
    params(("Idempotency-Key" = Option<String>, Header, description = "Ids for events without one")),
    request_body(
        content(
            (CloudEvent = "application/cloudevents+json"),
            (Vec<CloudEvent> = "application/cloudevents-batch+json"),
            (String = "application/x-ndjson"),
        )
    ),
    responses(
        (status = 202, description = "All are in the log", body = EventsAnswer),
        (status = 207, description = "Some are in the log, the others were rejected", body = EventsAnswer),
        (status = 400, description = "The body cannot be split into events", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "Too many bytes or events", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "All were rejected", body = EventsAnswer),
        (status = 429, description = "Above the key's rate, or its ingest calls at once", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "Not acknowledged: make the same call again", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub(super) async fn publish(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    request: Request,
) -> Result<Response, Problem> {
    caller.must(Role::Ingest)?;
    let form = form(request.headers())?;
    let key = idempotency_key(request.headers())?;
    let _turn = shared.ingests.take(caller.key_id()).map_err(|full| {
        let (cause, kind, detail) = match full {
            Full::All => ("busy", Kind::Unavailable, "too many ingest calls at once"),
            Full::Key => (
                "rate_limited",
                Kind::RateLimited,
                "too many ingest calls of this key at once",
            ),
        };
        shared.metrics.turned_away(cause);
        Problem::of(kind, detail).retry_after(1)
    })?;
    let body = read(request.into_body(), shared.settings.body_bytes).await?;
    let texts = split(form, &body, shared.settings.batch_events).map_err(|error| {
        let most = shared.settings.batch_events;
        match error {
            SplitError::TooMany => Problem::of(Kind::TooLarge, format!("more than {most} events")),
            SplitError::Empty => Problem::of(Kind::BadRequest, "there are no events"),
            SplitError::NotAnArray(why) => {
                Problem::of(Kind::BadRequest, format!("the batch cannot be read: {why}"))
            }
        }
    })?;
    let catalog = shared.catalog()?;
    let judge = Judge {
        catalog: &catalog.compiled,
        scope: caller.tenants(),
        idempotency_key: key.as_deref(),
        form,
        now: now(),
    };
    let judged = texts.into_iter().enumerate();
    let judged: Vec<_> = judged
        .map(|(index, text)| judge.judge(index, text))
        .collect();
    send(&shared, &judged).await?;
    Ok(answer(&shared, judged))
}

fn form(headers: &HeaderMap) -> Result<Form, Problem> {
    Form::of(&media_type(headers)).ok_or_else(|| {
        let detail = "send application/cloudevents+json, application/cloudevents-batch+json or \
                      application/x-ndjson";
        Problem::of(Kind::UnsupportedMediaType, detail)
    })
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    // The draft of the header makes its value a quoted string; most callers send it bare.
    let text = value.to_str().map(|text| text.trim().trim_matches('"'));
    match text {
        Ok(text) if (1..=IDEMPOTENCY_KEY_CHARS).contains(&text.len()) => Ok(Some(text.to_owned())),
        _ => {
            let detail = format!(
                "an Idempotency-Key is 1 to {IDEMPOTENCY_KEY_CHARS} printable ASCII characters"
            );
            Err(Problem::of(Kind::BadRequest, detail))
        }
    }
}

/// Publishes what was accepted, keyed by tenant, and waits for all acknowledgements.
async fn send(shared: &Shared, judged: &[Result<Accepted<'_>, Refused>]) -> Result<(), Problem> {
    let topic = shared.topics.usage_events();
    // A plain loop: the future of an equivalent iterator could not be given to a task.
    let mut records = Vec::with_capacity(judged.len());
    for event in judged.iter().flatten() {
        records.push(Outgoing {
            topic: &topic,
            key: Some(event.tenant.as_bytes()),
            payload: Some(&event.payload),
            headers: &HEADERS,
            ..Outgoing::default()
        });
    }
    let count = records.len();
    let Err(error) = shared.producer.send_all(records).await else {
        return Ok(());
    };
    shared.metrics.events("unacknowledged", count);
    tracing::warn!(
        error = chain(&error),
        events = count,
        "failed to publish events"
    );
    if error.next() == Next::Retry {
        let detail = "not all events were acknowledged; make the same call again";
        return Err(Problem::of(Kind::Unavailable, detail).retry_after(1));
    }
    Err(Problem::new(Kind::Internal))
}

fn answer(shared: &Shared, judged: Vec<Result<Accepted<'_>, Refused>>) -> Response {
    let total = judged.len();
    let results = judged.into_iter().enumerate();
    let results: Vec<_> = results.map(|(index, one)| result(index, one)).collect();
    let accepted = results.iter().filter(|result| result.id.is_some()).count();
    let rejected = total - accepted;
    shared.metrics.events("accepted", accepted);
    shared.metrics.events("rejected", rejected);
    let status = match (accepted, rejected) {
        (_, 0) => StatusCode::ACCEPTED,
        (0, _) => StatusCode::UNPROCESSABLE_ENTITY,
        _ => StatusCode::MULTI_STATUS,
    };
    let answer = EventsAnswer {
        accepted,
        rejected,
        results,
    };
    (status, Json(answer)).into_response()
}

fn result(index: usize, judged: Result<Accepted<'_>, Refused>) -> EventResult {
    match judged {
        Ok(accepted) => EventResult {
            index,
            status: "accepted",
            id: Some(accepted.id),
            reason: None,
            detail: None,
        },
        Err(refused) => EventResult {
            index,
            status: "rejected",
            id: None,
            reason: Some(refused.reason),
            detail: Some(refused.detail),
        },
    }
}
