//! How fast Stripe is called: a bucket of tokens that gives way, and a breaker.
//!
//! Stripe takes 1,000 meter events a second and says 429 beyond, which counts nothing. The bucket
//! slows down then and comes back slowly, so that several instances share the rate without knowing
//! of each other. The breaker lets one call at a time through while Stripe is away, so that an
//! outage costs some records and not one for every window.

use meterline_core::time::{LogTime, Millis};

/// Slowest rate that 429 leads to, a second.
const SLOWEST: u64 = 20;

/// Thousandths of a token.
const TOKEN: u64 = 1_000;

/// A bucket of tokens, of one second's size.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    most: u64,
    rate: u64,
    tokens: u64,
    at: u64,
    slowed_at: u64,
}

impl Bucket {
    pub(super) fn new(per_second: u32) -> Self {
        let most = u64::from(per_second.max(1));
        Self {
            most,
            rate: most,
            tokens: 0,
            at: 0,
            slowed_at: 0,
        }
    }

    /// Takes a token, where there is one.
    pub(super) fn take(&mut self, steady: u64) -> bool {
        let passed = steady.saturating_sub(self.at);
        self.at = steady;
        // From the slowest back to the most in some seconds.
        self.rate = (self.rate + passed.saturating_mul(self.most) / 10_000).min(self.most);
        let more = passed.saturating_mul(self.rate);
        self.tokens = (self.tokens + more).min(self.rate * TOKEN);
        let Some(left) = self.tokens.checked_sub(TOKEN) else {
            return false;
        };
        self.tokens = left;
        true
    }

    /// There were too many calls. Answers to calls of one moment slow it once.
    pub(super) fn slow(&mut self, steady: u64) {
        if steady.saturating_sub(self.slowed_at) < 1_000 {
            return;
        }
        self.slowed_at = steady;
        self.rate = (self.rate * 7 / 10).max(SLOWEST.min(self.most));
        self.tokens = 0;
    }
}

/// Failures in a row after which Stripe is away.
const FAILURES: u32 = 20;

/// Longest time between two looks at whether Stripe is back.
const LONGEST: Millis = Millis(60_000);

/// Whether calls are worth writing intents for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    until: LogTime,
}

impl Breaker {
    /// Whether a call may be made; while Stripe is away, one for each pause.
    pub(super) fn lets_through(&mut self, now: LogTime) -> bool {
        if self.failures < FAILURES {
            return true;
        }
        if now < self.until {
            return false;
        }
        self.until = now.after(self.pause());
        true
    }

    pub(super) fn answered(&mut self) {
        self.failures = 0;
    }

    pub(super) fn failed(&mut self, now: LogTime) {
        self.failures = self.failures.saturating_add(1);
        if self.failures == FAILURES {
            self.until = now.after(self.pause());
        }
    }

    /// Nothing is taken until somebody mends the key.
    pub(super) fn denied(&mut self, now: LogTime) {
        self.failures = FAILURES + 6;
        self.until = now.after(self.pause());
    }

    pub(super) const fn is_away(&self) -> bool {
        self.failures >= FAILURES
    }

    fn pause(&self) -> Millis {
        let doublings = (self.failures - FAILURES.min(self.failures)).min(6);
        Millis((1_000 << doublings).min(LONGEST.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_as_many_tokens_as_the_rate() {
        let mut bucket = Bucket::new(100);
        let taken = (1..=10_000).filter(|ms| bucket.take(*ms)).count();
        assert!((990..=1_000).contains(&taken), "{taken}");
    }

    #[test]
    fn too_many_calls_slow_it_and_it_comes_back() {
        let mut bucket = Bucket::new(1_000);
        bucket.take(1_000);
        for _ in 0..50 {
            bucket.slow(2_000);
        }
        assert_eq!(bucket.rate, 700, "answers of one moment slow it once");
        let taken = (2_001..=22_000).filter(|ms| bucket.take(*ms)).count();
        assert!(taken > 15_000, "{taken}");
    }

    #[test]
    fn while_stripe_is_away_one_call_goes_through_at_a_time() {
        let mut breaker = Breaker::default();
        let mut through = 0;
        for minute in 0..60 {
            for second in 0..60 {
                let now = LogTime(1_000 * (60 * minute + second));
                for _ in 0..100 {
                    if breaker.lets_through(now) {
                        through += 1;
                        breaker.failed(now);
                    }
                }
            }
        }
        assert!((70..120).contains(&through), "{through}");
        breaker.answered();
        assert!(breaker.lets_through(LogTime(0)));
    }
}
