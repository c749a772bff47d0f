//! The pace of calls that are no meter events: 25 a second for each endpoint, 100 for all.
//!
//! "API endpoints have a default limit of 25 requests per second"
//! (<https://docs.stripe.com/rate-limits>). Whoever calls waits for its turn; turns are given in the
//! order in which they are asked for.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Turns of calls.
#[derive(Debug)]
pub struct Pace {
    /// Between two calls of one endpoint, and of all; `None`: nobody waits.
    gaps: Option<(Duration, Duration)>,
    next: Mutex<BTreeMap<&'static str, Instant>>,
}

/// The name under which all endpoints are counted together.
const ALL: &str = "";

impl Pace {
    /// So many calls a second of one endpoint, and four times as many of all.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        let gap = Duration::from_secs(1) / per_second.max(1);
        Self {
            gaps: Some((gap, gap / 4)),
            next: Mutex::default(),
        }
    }

    /// Nobody waits: against a Stripe without limits.
    #[must_use]
    pub fn unlimited() -> Self {
        Self {
            gaps: None,
            next: Mutex::default(),
        }
    }

    /// Waits for the turn of a call.
    pub(super) async fn turn(&self, endpoint: &'static str) {
        let Some((gap, gap_of_all)) = self.gaps else {
            return;
        };
        let at = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let free = |name| next.get(name).copied().unwrap_or(now).max(now);
            let at = free(endpoint).max(free(ALL));
            next.insert(endpoint, at + gap);
            next.insert(ALL, at + gap_of_all);
            at
        };
        tokio::time::sleep_until(at).await;
    }

    /// Waits before a call is tried again, longer each time.
    pub(super) async fn pause(&self, attempt: u32) {
        if self.gaps.is_some() {
            tokio::time::sleep(Duration::from_millis(250) * (1 << attempt.min(5))).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_has_its_calls_a_second_and_all_have_four_times_as_many() {
        let pace = Pace::new(25);
        let begin = Instant::now();
        for _ in 0..51 {
            pace.turn("invoices").await;
        }
        assert_eq!(begin.elapsed().as_secs(), 2);
        for _ in 0..30 {
            for endpoint in ["a", "b", "c", "d"] {
                pace.turn(endpoint).await;
            }
        }
        let took = begin.elapsed().as_millis();
        assert!((3_100..3_300).contains(&took), "{took}");
    }
}
