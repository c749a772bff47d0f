//! One request while it is under way, and the event that it becomes.

use crate::client::Client;
use crate::usage::Usage;
use http::request::Parts;
use http::{Method, StatusCode};
use meterline_core::quantity::Quantity;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How a service says that it did not let a request through.
const REFUSALS: [StatusCode; 3] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::TOO_MANY_REQUESTS,
];

/// Which requests are emitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Counts {
    /// All of them: also those whose service failed, or that were cancelled.
    Every,
    /// Those with a whole response, whatever its status.
    #[default]
    Completed,
    /// Those with a whole response that were not refused: any status but 401, 403 and 429.
    LetThrough,
    /// Those with a whole response that is no error (status below 400).
    Successful,
}

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ending {
    /// The whole response was sent.
    Completed,
    /// The service, or the response's body, gave an error.
    Failed,
    /// Whoever asked has gone.
    Cancelled,
}

/// Reads something from a request's head.
pub(super) type Extract = Box<dyn Fn(&Parts) -> Option<String> + Send + Sync>;

/// What a layer is made with.
pub(super) struct Settings {
    pub(super) client: Client,
    pub(super) event_type: String,
    pub(super) counts: Counts,
    pub(super) tenant: Extract,
    pub(super) endpoint: Option<Extract>,
    pub(super) request_id: Option<Extract>,
    pub(super) unattributed: AtomicU64,
}

/// A request of a known tenant that is not over yet; dropping it is its end.
pub(super) struct Recording {
    settings: Arc<Settings>,
    tenant: String,
    method: Method,
    endpoint: Option<String>,
    request_id: Option<String>,
    started: Instant,
    request_bytes: Arc<AtomicU64>,
    pub(super) response_bytes: u64,
    pub(super) status: Option<StatusCode>,
    pub(super) ending: Ending,
}

impl Ending {
    const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Counts {
    fn includes(self, ending: Ending, status: Option<StatusCode>) -> bool {
        let is_success = status.is_some_and(|s| s.as_u16() < 400);
        let is_refusal = status.is_some_and(|s| REFUSALS.contains(&s));
        match self {
            Self::Every => true,
            Self::Completed => ending == Ending::Completed,
            Self::LetThrough => ending == Ending::Completed && !is_refusal,
            Self::Successful => ending == Ending::Completed && is_success,
        }
    }
}

impl Recording {
    /// Begins the recording of a request; there is none where its tenant is not known.
    pub(super) fn begin(
        settings: &Arc<Settings>,
        request: &Parts,
        request_bytes: &Arc<AtomicU64>,
    ) -> Option<Self> {
        let Some(tenant) = (settings.tenant)(request) else {
            settings.unattributed.fetch_add(1, Ordering::Relaxed);
            return None;
        };
        let read = |extract: &Option<Extract>| extract.as_ref().and_then(|read| read(request));
        Some(Self {
            tenant,
            method: request.method.clone(),
            endpoint: read(&settings.endpoint),
            request_id: read(&settings.request_id),
            started: Instant::now(),
            request_bytes: Arc::clone(request_bytes),
            response_bytes: 0,
            status: None,
            // Until something else is known: then it is dropped because nobody waits any more.
            ending: Ending::Cancelled,
            settings: Arc::clone(settings),
        })
    }

    /// Whether a response to this request has no body, whatever its headers say.
    pub(super) fn has_no_body(&self) -> bool {
        self.method == Method::HEAD
    }

    fn usage(&self) -> Usage<'_> {
        let usage = Usage::new(self.settings.event_type.as_str(), self.tenant.as_str())
            .quantity(1)
            .property("method", self.method.as_str())
            .property("outcome", self.ending.name())
            .amount("request_bytes", self.request_bytes.load(Ordering::Relaxed))
            .amount("response_bytes", self.response_bytes)
            .amount("response_ms", milliseconds(self.started.elapsed()));
        let status = self.status.as_ref().map(StatusCode::as_str);
        let texts = [("status", status), ("endpoint", self.endpoint.as_deref())];
        let known = texts.into_iter().filter_map(|(k, v)| Some((k, v?)));
        let usage = known.fold(usage, |usage, (key, value)| usage.property(key, value));
        match &self.request_id {
            Some(id) => usage.request_id(id.as_str()),
            None => usage,
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.settings.counts.includes(self.ending, self.status) {
            return;
        }
        if let Err(error) = self.settings.client.try_emit(self.usage())
            && !error.is_drop()
        {
            // Dropped events are counted and reported by the client; a refused one has a cause
            // that somebody can mend.
            tracing::debug!(%error, "a request is not metered");
        }
    }
}

/// Milliseconds with three decimals: exact microseconds.
fn milliseconds(time: Duration) -> Quantity {
    let micros = i128::try_from(time.as_micros()).expect("a duration has 85 bits of microseconds");
    Quantity::from_unscaled(micros, 3).expect("2⁶⁴ seconds have 20 digits, a quantity holds 29")
}
