//! What the billing stage shows of itself beside its reading: windows, and a key that is refused.

use crate::engine::Counts;
use meterline_follow::UsagePartition;
use meterline_stripe::{Failure, Next};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The stage's public name.
pub(crate) const STAGE: &str = "stripe";

/// The stage, as `GET /status` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct BillingStatus {
    /// The stage's public name.
    pub stage: String,
    /// Why the stage is not ready; empty where it is.
    pub problems: Vec<String>,
    /// Whether nothing is called that changes something.
    pub shadow: bool,
    /// Hour windows with a value.
    pub windows: u64,
    /// Windows that are to be looked at, now or later.
    pub open: u64,
    /// Windows that wait for their account's customer.
    pub unlinked: u64,
    /// Windows that Stripe would not take.
    pub impossible: u64,
    /// The log partitions of usage.
    pub partitions: Vec<UsagePartition>,
}

/// The stage's knowledge of itself.
#[derive(Debug)]
pub struct Health {
    pub(crate) reading: Arc<meterline_follow::Health>,
    shadow: bool,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    counts: Counts,
    /// What the key is refused for, and Stripe's words.
    refused: BTreeMap<&'static str, String>,
}

impl Health {
    /// A stage that has just started.
    pub(crate) fn new(progress_timeout: Duration, shadow: bool, now: Instant) -> Self {
        let reading = meterline_follow::Health::new(STAGE, progress_timeout, now);
        Self {
            reading: Arc::new(reading),
            shadow,
            inner: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every write leaves it whole, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn counts(&self, counts: Counts) {
        self.lock().counts = counts;
    }

    /// Notes what a call says of the key. The engine makes one call a minute while it is refused,
    /// so a mended one is noticed.
    pub(crate) fn judges_key(&self, what: &'static str, failure: Option<&Failure>) {
        match failure {
            Some(failure) if failure.next() == Next::Halt => {
                let error = failure.to_string();
                let before = self.lock().refused.insert(what, error.clone());
                if before.is_none() {
                    tracing::error!(stage = STAGE, what, error, "Stripe refuses the key");
                }
            }
            // Whoever is told that the call is wrong, or was made before, was let in.
            None | Some(Failure::Refused { .. } | Failure::InWork(_)) => {
                if self.lock().refused.remove(what).is_some() {
                    tracing::info!(stage = STAGE, what, "Stripe takes the key again");
                }
            }
            Some(_) => {}
        }
    }

    /// Whether a call was refused for its key, and none of its kind was let in since.
    pub(crate) fn is_refused(&self) -> bool {
        !self.lock().refused.is_empty()
    }

    /// What the stage needs and does not get, and for how long.
    #[must_use]
    pub fn failing(&self, now: Instant) -> Vec<(&'static str, Duration)> {
        self.reading.failing(now)
    }

    /// Whether the deciding thread lives.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        self.reading.is_live(now)
    }

    /// Why the stage is not ready; empty where it is. `clock` is this machine's, with which log
    /// times are compared.
    #[must_use]
    pub fn problems(&self, now: Instant, clock: SystemTime) -> Vec<String> {
        let inner = self.lock();
        let refused = inner.refused.iter();
        let refused = refused.map(|(what, why)| format!("{STAGE}: key refused for {what}: {why}"));
        let mut problems: Vec<_> = refused.collect();
        problems.extend(self.reading.problems(now, clock));
        problems
    }

    /// The stage, as `/status` shows it.
    #[must_use]
    pub fn status(&self, now: Instant, clock: SystemTime) -> BillingStatus {
        let problems = self.problems(now, clock);
        let counts = self.lock().counts;
        BillingStatus {
            stage: STAGE.to_owned(),
            problems,
            shadow: self.shadow,
            windows: counts.windows,
            open: counts.open,
            unlinked: counts.unlinked,
            impossible: counts.impossible,
            partitions: self.reading.partitions(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_key_is_a_problem_until_a_call_of_its_kind_is_let_in() {
        let start = Instant::now();
        let health = Health::new(Duration::from_secs(90), false, start);
        health.reading.phase(None);
        let problems = |health: &Health| health.problems(start, SystemTime::now());
        assert!(problems(&health).is_empty());
        health.judges_key("meter events", Some(&Failure::Unauthorized));
        let expected = "stripe: key refused for meter events: Stripe does not know the key; check \
                        stripe.api_key";
        assert_eq!(problems(&health), [expected]);
        // A call of another kind says nothing of this one, nor does one that got no answer.
        health.judges_key("invoices", None);
        health.judges_key("meter events", Some(&Failure::DeadlinePassed));
        assert!(health.is_refused());
        health.judges_key("meter events", None);
        assert!(!health.is_refused() && problems(&health).is_empty());
    }
}
