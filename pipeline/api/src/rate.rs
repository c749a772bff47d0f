//! Requests a second of one key: a token bucket that holds one second's worth.
//!
//! Kept as the moment at which the bucket is full again (GCRA), so that nothing has to refill it.
//! Each instance counts for itself: behind a balancer a key has its rate once per instance. Only
//! keys that were taken have a bucket, so the control log bounds how many there are.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Locks, so that keys do not wait for each other.
const SHARDS: usize = 16;

/// The length of time that a full bucket is worth.
const WINDOW: Duration = Duration::from_secs(1);

/// All buckets.
#[derive(Debug)]
pub(crate) struct Rates {
    /// Per key, when its bucket is full again, since `start`.
    shards: [Mutex<HashMap<String, Duration>>; SHARDS],
    hasher: RandomState,
    start: Instant,
}

/// What a bucket says of one request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Allowance {
    /// Whether it may go on.
    pub(crate) allowed: bool,
    /// Requests a second.
    pub(crate) rate: u32,
    /// Requests that may come at once after this one.
    pub(crate) remaining: u32,
    /// Until the next request may come; zero where one may now.
    pub(crate) wait: Duration,
}

impl Rates {
    /// Full buckets.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            hasher: RandomState::new(),
            start: now,
        }
    }

    /// Takes one request of a key from its bucket.
    pub(crate) fn take(&self, key: &str, rate: u32, now: Instant) -> Allowance {
        let rate = rate.max(1);
        let now = now.saturating_duration_since(self.start);
        let each = WINDOW / rate;
        let hash = self.hasher.hash_one(key) % SHARDS as u64;
        let shard = &self.shards[usize::try_from(hash).expect("below 16")];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let full_at = shard.get(key).copied().unwrap_or(now).max(now);
        let after = full_at + each;
        let allowed = after <= now + WINDOW;
        if allowed {
            match shard.get_mut(key) {
                Some(known) => *known = after,
                None => drop(shard.insert(key.to_owned(), after)),
            }
        }
        let owed = if allowed { after } else { full_at } - now;
        let left = WINDOW.saturating_sub(owed);
        let remaining = left.as_nanos() / each.as_nanos().max(1);
        Allowance {
            allowed,
            rate,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            wait: (owed + each).saturating_sub(WINDOW),
        }
    }
}

impl Allowance {
    /// Whole seconds of `wait`, rounded up, at least one where it is not zero.
    pub(crate) fn wait_seconds(self) -> u64 {
        self.wait.as_secs() + u64::from(self.wait.subsec_nanos() > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_of_requests_may_come_at_once_and_then_one_at_a_time() {
        let start = Instant::now();
        let rates = Rates::new(start);
        for left in (0..10).rev() {
            let taken = rates.take("a", 10, start);
            assert!(taken.allowed && taken.remaining == left, "{taken:?}");
        }
        let refused = rates.take("a", 10, start);
        assert!(!refused.allowed);
        assert_eq!(refused.wait, Duration::from_millis(100));
        assert_eq!(refused.wait_seconds(), 1);
        assert!(rates.take("b", 10, start).allowed);
        let later = start + Duration::from_millis(100);
        assert!(rates.take("a", 10, later).allowed);
        assert!(!rates.take("a", 10, later).allowed);
        let much_later = start + Duration::from_secs(60);
        assert_eq!(rates.take("a", 10, much_later).remaining, 9);
    }

    #[test]
    fn refused_requests_cost_nothing() {
        let start = Instant::now();
        let rates = Rates::new(start);
        assert!(rates.take("a", 1, start).allowed);
        for _ in 0..1_000 {
            assert!(!rates.take("a", 1, start).allowed);
        }
        assert!(rates.take("a", 1, start + WINDOW).allowed);
    }
}
