//! What the API knows of its own state: for readiness, for `/status`, for people.
//!
//! Ready means caught up: everything that was known elsewhere when the API started is known here.
//! What is known growing old later is no reason to be taken out of service: answers say so.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long something that the API needs may fail before the API is not ready: longer than one
/// retry, shorter than anybody waits for an answer.
const FAILING: Duration = Duration::from_secs(5);

/// How long the thread that follows standings may be silent before the process counts as dead:
/// above the longest that it waits for one answer.
const BEAT: Duration = Duration::from_secs(120);

/// The API, as `GET /status` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ApiStatus {
    /// Where it listens.
    pub listen: String,
    /// Tenant-meters in view.
    pub standings: u64,
    /// Why the API is not ready; empty where it is.
    pub problems: Vec<String>,
}

#[derive(Debug)]
struct Inner {
    phase: Option<String>,
    failing: BTreeMap<&'static str, (Instant, String)>,
    beat: Instant,
    standings: u64,
}

/// The API's knowledge of itself.
#[derive(Debug)]
pub struct Health {
    listen: String,
    inner: Mutex<Inner>,
}

impl Health {
    /// An API that has just started.
    pub(crate) fn new(listen: String, now: Instant) -> Self {
        let inner = Inner {
            phase: Some("starting".to_owned()),
            failing: BTreeMap::new(),
            beat: now,
            standings: 0,
        };
        Self {
            listen,
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every write leaves it whole, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the API waits for; `None` once it runs.
    pub(crate) fn phase(&self, phase: Option<&str>) {
        self.lock().phase = phase.map(str::to_owned);
    }

    /// The thread that follows standings lives.
    pub(crate) fn beat(&self, standings: usize, now: Instant) {
        let mut inner = self.lock();
        inner.beat = now;
        inner.standings = standings as u64;
    }

    /// Something that the API needs answered.
    pub(crate) fn works(&self, need: &'static str) {
        self.lock().failing.remove(need);
    }

    /// Something that the API needs did not answer.
    pub(crate) fn fails(&self, need: &'static str, why: &str, now: Instant) {
        let mut inner = self.lock();
        let entry = inner.failing.entry(need);
        entry.or_insert_with(|| (now, String::new())).1 = why.to_owned();
    }

    /// What the API needs and does not get, and for how long.
    #[must_use]
    pub fn failing(&self, now: Instant) -> Vec<(&'static str, Duration)> {
        let inner = self.lock();
        let failing = inner.failing.iter();
        failing
            .map(|(need, (since, _))| (*need, now.saturating_duration_since(*since)))
            .collect()
    }

    /// Whether the API lives.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.lock().beat) < BEAT
    }

    /// Why the API is not ready; empty where it is.
    #[must_use]
    pub fn problems(&self, now: Instant) -> Vec<String> {
        let inner = self.lock();
        let phase = inner.phase.iter().map(|phase| format!("api: {phase}"));
        let failing = inner.failing.iter().filter_map(|(need, (since, why))| {
            let age = now.saturating_duration_since(*since);
            let seconds = age.as_secs();
            (age >= FAILING).then(|| format!("api: {need} failing for {seconds} s: {why}"))
        });
        phase.chain(failing).collect()
    }

    /// The API, as `/status` shows it.
    #[must_use]
    pub fn status(&self, now: Instant) -> ApiStatus {
        let problems = self.problems(now);
        ApiStatus {
            listen: self.listen.clone(),
            standings: self.lock().standings,
            problems,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_waited_for_is_said_and_what_fails_is_said_after_a_while() {
        let start = Instant::now();
        let health = Health::new("127.0.0.1:1".to_owned(), start);
        assert_eq!(health.problems(start), ["api: starting"]);
        health.phase(None);
        assert_eq!(health.problems(start), [""; 0]);
        health.fails("kafka", "down", start);
        health.fails("kafka", "still down", start + FAILING);
        assert_eq!(health.problems(start), [""; 0]);
        let later = start + FAILING;
        assert_eq!(
            health.problems(later),
            ["api: kafka failing for 5 s: still down"]
        );
        assert_eq!(health.failing(later), [("kafka", FAILING)]);
        health.works("kafka");
        assert_eq!(health.problems(later), [""; 0]);
        assert!(health.is_live(start) && !health.is_live(start + BEAT));
        health.beat(3, start + BEAT);
        assert!(health.is_live(start + BEAT));
        assert_eq!(health.status(start + BEAT).standings, 3);
    }
}
