//! Answers that are still good, and what was allowed on their strength since.
//!
//! An answer tells what a tenant had used when it was seen, and the pipeline takes seconds to see
//! more. So what this process allowed since then is held back from the room that the answer left
//! ([`Entry`]). Refuses to grow beyond its bound: a tenant that finds no place is asked for each
//! time, and nothing is held back of it. Refuses to keep what does not add up: of a peak the room
//! is how high it may be, however often.

use super::entry::{Entry, Hold};
use meterline_core::quantity::Quantity;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks that share the entries, so that threads seldom meet at one.
const SHARDS: usize = 64;

/// What an answer of the service says for as long as it is good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    /// Whether the quantity that was asked for is allowed.
    pub(super) allowed: bool,
    /// Whether use is beyond a soft cap.
    pub(super) soft: bool,
    /// What is left before any cap refuses; `None`: none would, and `allowed` holds for every
    /// quantity.
    pub(super) room: Option<Quantity>,
    /// Why it is refused, or would be beyond the room.
    pub(super) reason: super::Reason,
    /// When asking again may help.
    pub(super) retry_after: Option<Duration>,
    /// How old what the service knew was, when it answered.
    pub(super) age: Duration,
    /// Whether uses add up; a peak's do not, and its answers are good for one question.
    pub(super) adds_up: bool,
}

/// What the cache says of a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Nothing that is still good.
    Nothing,
    /// This; `refresh`: the caller should ask again in the background, and nobody else will.
    Answer {
        /// Whether it is allowed, with what is held back taken off.
        allowed: bool,
        /// The answer that it rests on.
        answer: Answer,
        /// How long ago it was asked for, beside the age of what the service knew.
        held: Duration,
        /// Whether the caller is the one to ask again.
        refresh: bool,
    },
}

/// Entries by tenant and meter.
#[derive(Debug)]
pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// How long an answer is good without being asked for again.
    fresh: Duration,
    /// How long it is good at all.
    good: Duration,
    /// For how long what was allowed is held back.
    hold: Hold,
    /// Most entries of a shard.
    most: usize,
}

type Shard = HashMap<Box<str>, HashMap<Box<str>, Entry>>;

impl Cache {
    /// Holds at most `tenant_meters` answers, each fresh and good that long.
    pub(super) fn new(tenant_meters: usize, fresh: Duration, good: Duration, hold: Hold) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            fresh,
            good,
            hold,
            most: tenant_meters.div_ceil(SHARDS),
        }
    }

    fn shard(&self, tenant: &str) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(tenant);
        let place = usize::try_from(hash % SHARDS as u64).expect("fewer than 2³² shards");
        // A thread that panicked here left an entry as it was or as it should be.
        let shard = self.shards[place].lock();
        shard.unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known, at `now`; an allowed quantity is held back from what is left.
    pub(super) fn take(
        &self,
        tenant: &str,
        meter: &str,
        quantity: Quantity,
        now: Instant,
    ) -> Found {
        let mut shard = self.shard(tenant);
        let entry = shard.get_mut(tenant).and_then(|m| m.get_mut(meter));
        let Some(entry) = entry else {
            return Found::Nothing;
        };
        let held = now.saturating_duration_since(entry.asked);
        if held > self.good {
            return Found::Nothing;
        }
        let refresh = held > self.fresh && !entry.is_refreshing;
        entry.is_refreshing |= refresh;
        Found::Answer {
            allowed: entry.take(quantity, now, self.hold),
            answer: entry.answer,
            held,
            refresh,
        }
    }

    /// Keeps the answer to a question that was sent at `asked` and answered at `now`. Whether
    /// `quantity` is allowed, by the answer that is kept now, which is another where a later
    /// question was answered first; an allowed quantity is held back.
    pub(super) fn keep(
        &self,
        (tenant, meter): (&str, &str),
        answer: Answer,
        quantity: Quantity,
        asked: Instant,
        now: Instant,
    ) -> (bool, Answer) {
        let mut shard = self.shard(tenant);
        if !answer.adds_up {
            // Kept from when the meter was no peak.
            shard.get_mut(tenant).map(|meters| meters.remove(meter));
            return (answer.allowed, answer);
        }
        let known = shard.get_mut(tenant).and_then(|m| m.get_mut(meter));
        if let Some(entry) = known {
            entry.renew(answer, asked, self.hold);
            return (entry.take(quantity, now, self.hold), entry.answer);
        }
        let mut entry = Entry::new(answer, asked, self.hold);
        let allowed = entry.take(quantity, now, self.hold);
        if shard.values().map(HashMap::len).sum::<usize>() >= self.most {
            shard.retain(|_, meters| {
                meters.retain(|_, e| now.saturating_duration_since(e.asked) <= self.good);
                !meters.is_empty()
            });
        }
        if shard.values().map(HashMap::len).sum::<usize>() < self.most {
            let meters = shard.entry(tenant.into()).or_default();
            meters.insert(meter.into(), entry);
        }
        (allowed, answer)
    }

    /// The question in the background got no answer: the next caller asks again.
    pub(super) fn release(&self, tenant: &str, meter: &str) {
        let mut shard = self.shard(tenant);
        if let Some(entry) = shard.get_mut(tenant).and_then(|m| m.get_mut(meter)) {
            entry.is_refreshing = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn whole(number: i128) -> Quantity {
        Quantity::from_unscaled(number, 0).expect("a quantity")
    }

    fn answer(room: Option<i128>, age: Duration) -> Answer {
        Answer {
            allowed: true,
            soft: false,
            room: room.map(whole),
            reason: Reason::Allowed,
            retry_after: None,
            age,
            adds_up: true,
        }
    }

    fn cache(most: usize) -> Cache {
        Cache::new(most, SECOND, 10 * SECOND, Hold::new(Duration::ZERO))
    }

    fn keep(cache: &Cache, tenant: &str, answer: Answer, quantity: i128, at: Instant) -> bool {
        let kept = cache.keep((tenant, "calls"), answer, whole(quantity), at, at);
        kept.0
    }

    fn allowed(found: Found) -> Option<bool> {
        match found {
            Found::Nothing => None,
            Found::Answer { allowed, .. } => Some(allowed),
        }
    }

    #[test]
    fn what_was_allowed_since_is_taken_off_the_room() {
        let (cache, now) = (cache(1_000), Instant::now());
        assert!(keep(&cache, "acme", answer(Some(10), SECOND), 4, now));
        let take = |quantity| allowed(cache.take("acme", "calls", whole(quantity), now));
        assert_eq!(take(6), Some(true), "the last of the room");
        assert_eq!(take(1), Some(false), "beyond it");
        assert_eq!(take(0), Some(true), "nothing more");
    }

    #[test]
    fn what_does_not_add_up_is_not_kept() {
        let (cache, now) = (cache(1_000), Instant::now());
        keep(&cache, "acme", answer(Some(100), SECOND), 1, now);
        let peak = Answer {
            adds_up: false,
            ..answer(Some(100), SECOND)
        };
        for _ in 0..2 {
            assert!(keep(&cache, "acme", peak, 60, now));
            let kept = cache.take("acme", "calls", whole(60), now);
            assert_eq!(kept, Found::Nothing);
        }
    }

    #[test]
    fn one_caller_asks_again_and_too_old_is_nothing() {
        let (cache, start) = (cache(1_000), Instant::now());
        keep(&cache, "acme", answer(None, SECOND), 1, start);
        let refresh = |after: Duration| match cache.take("acme", "calls", whole(1), start + after) {
            Found::Answer { refresh, .. } => Some(refresh),
            Found::Nothing => None,
        };
        assert_eq!(refresh(SECOND), Some(false));
        assert_eq!(refresh(SECOND * 2), Some(true));
        assert_eq!(refresh(SECOND * 2), Some(false), "somebody asks already");
        cache.release("acme", "calls");
        assert_eq!(refresh(SECOND * 3), Some(true));
        assert_eq!(refresh(SECOND * 11), None);
    }

    #[test]
    fn entries_are_bounded() {
        let (cache, now) = (cache(SHARDS), Instant::now());
        for tenant in 0..10 * SHARDS {
            keep(&cache, &tenant.to_string(), answer(None, SECOND), 1, now);
        }
        let held: usize = cache
            .shards
            .iter()
            .map(|s| s.lock().expect("a lock").len())
            .sum();
        assert!(held <= SHARDS, "{held}");
    }
}
