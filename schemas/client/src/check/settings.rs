//! What a checker is made with.

use super::cache::Cache;
use super::entry::Hold;
use super::service::Service;
use super::{Checker, Inner};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Default length for which an answer is not asked for again.
const FRESH: Duration = Duration::from_secs(1);
/// Default length for which an answer is good while it cannot be renewed.
const GOOD: Duration = Duration::from_secs(30);
/// Default time that a caller waits for an answer.
const TIMEOUT: Duration = Duration::from_millis(250);
/// Default longest time from a check to its event: that of a long answer of a language model.
const EVENT_WITHIN: Duration = Duration::from_secs(30);
/// Default bound on kept answers: some 200 bytes each, and of a tenant in constant use 2 KiB more.
const TENANT_METERS: usize = 100_000;
/// Longest time for which an answer may be good: a day-old answer is no answer.
const GOOD_MAX: Duration = Duration::from_secs(3_600);

/// Longest time from a check to its event: a use that goes on is checked in parts.
const EVENT_WITHIN_MAX: Duration = Duration::from_secs(3_600);

/// What a verdict is where nothing can be known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Fail {
    /// Allow: what is used is counted anyway, and overshoot can be charged. Default.
    #[default]
    Open,
    /// Refuse.
    Closed,
}

/// A checker that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A setting with a value that cannot work.
    #[error("`{setting}` {problem}")]
    Setting {
        /// The setting.
        setting: &'static str,
        /// What is wrong with its value.
        problem: &'static str,
    },
    /// The HTTP client could not be made.
    #[error("failed to make an HTTP client for quota checks")]
    Http {
        /// Why.
        source: reqwest::Error,
    },
}

/// Makes a [`Checker`]; see [`Checker::builder`].
#[must_use = "a checker is made by `connect`"]
pub struct Builder {
    pub(super) url: String,
    pub(super) key: String,
    pub(super) timeout: Duration,
    pub(super) plain: bool,
    fresh: Duration,
    good: Duration,
    event_within: Duration,
    tenant_meters: usize,
    fail: Fail,
}

impl Builder {
    pub(super) fn new(url: String, key: String) -> Self {
        Self {
            url,
            key,
            timeout: TIMEOUT,
            plain: false,
            fresh: FRESH,
            good: GOOD,
            event_within: EVENT_WITHIN,
            tenant_meters: TENANT_METERS,
            fail: Fail::default(),
        }
    }

    /// How long an answer is not asked for again. Default 1 s.
    pub fn fresh(mut self, length: Duration) -> Self {
        self.fresh = length;
        self
    }

    /// How long an answer is good while it cannot be renewed; at least as long as it is fresh, an
    /// hour at most. Default 30 s.
    pub fn good(mut self, length: Duration) -> Self {
        self.good = length;
        self
    }

    /// The longest time from a check until the event of what it allowed is in the log: the use
    /// itself, and the event's way to the brokers. An hour at most. Default 30 s.
    ///
    /// For so long, and for the age of what the service knows, an allowed quantity is held back
    /// from what is left. Too short, and a cap can be passed by what was allowed and took longer.
    /// Longer than needed, and a tenant near its cap is refused early by what it used within that
    /// time, until the time is over: what the service has seen already is then counted twice.
    pub fn event_within(mut self, length: Duration) -> Self {
        self.event_within = length;
        self
    }

    /// How long a caller waits for an answer. Default 250 ms.
    pub fn timeout(mut self, length: Duration) -> Self {
        self.timeout = length;
        self
    }

    /// Most answers that are kept, each of a tenant and a meter. Default 100,000.
    pub fn tenant_meters(mut self, most: usize) -> Self {
        self.tenant_meters = most;
        self
    }

    /// What a verdict is where nothing can be known. Default [`Fail::Open`].
    pub fn fail(mut self, fail: Fail) -> Self {
        self.fail = fail;
        self
    }

    /// Allows `http://`: the key can then be read on the way. For a service on the same machine.
    pub fn without_tls(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Makes the checker. Connects nowhere yet.
    ///
    /// # Errors
    /// [`CheckError`].
    pub fn connect(self) -> Result<Checker, CheckError> {
        let refuse = |setting, problem| Err(CheckError::Setting { setting, problem });
        if self.good < self.fresh || self.good > GOOD_MAX {
            return refuse(
                "good",
                "must be as long as `fresh` at least and an hour at most",
            );
        }
        if self.event_within > EVENT_WITHIN_MAX {
            return refuse("event_within", "must be an hour at most");
        }
        if self.timeout.is_zero() {
            return refuse("timeout", "must be longer than nothing");
        }
        if self.tenant_meters == 0 {
            return refuse("tenant_meters", "must be 1 at least");
        }
        let service = Service::new(&self)?;
        let inner = Inner {
            service,
            cache: Cache::new(
                self.tenant_meters,
                self.fresh,
                self.good,
                Hold::new(self.event_within),
            ),
            fail: self.fail,
            unanswered: AtomicU64::new(0),
        };
        Ok(Checker {
            inner: Arc::new(inner),
        })
    }
}

impl std::fmt::Debug for Builder {
    /// Leaves out the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("url", &self.url)
            .field("timeout", &self.timeout)
            .field("fresh", &self.fresh)
            .field("good", &self.good)
            .field("event_within", &self.event_within)
            .field("tenant_meters", &self.tenant_meters)
            .field("fail", &self.fail)
            .finish_non_exhaustive()
    }
}
