//! Answers that are still good, and what was allowed on their strength since.
//!
//! An answer tells what a tenant had used when it was seen, and the pipeline takes seconds to see
//! more. So what this process allowed since then is taken off the room that the answer left: a
//! gateway that alone serves a tenant stops at the cap itself. Refuses to grow beyond its bound;
//! a tenant that finds no place is asked for each time.

use meterline_core::quantity::Quantity;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Locks that share the entries, so that threads seldom meet at one.
const SHARDS: usize = 64;
/// Sums of what was allowed are kept per this long.
const STEP: Duration = Duration::from_millis(250);
/// Most sums of one entry: older ones are added up, which only makes it stricter.
const STEPS_MAX: usize = 256;

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
    /// How old what the service knew was.
    pub(super) age: Duration,
}

/// What the cache says of a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// Nothing that is still good.
    Nothing,
    /// This; `refresh`: the caller should ask again in the background, and nobody else will.
    Answer {
        /// Whether it is allowed, with what was allowed since taken off.
        allowed: bool,
        /// The answer that it rests on.
        answer: Answer,
        /// Age of the answer, beside that of what the service knew.
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
    /// Most entries of a shard.
    most: usize,
}

type Shard = HashMap<Box<str>, HashMap<Box<str>, Entry>>;

#[derive(Debug)]
struct Entry {
    answer: Answer,
    fetched: Instant,
    is_refreshing: bool,
    allowed_since: VecDeque<(Instant, Quantity)>,
}

impl Cache {
    /// Holds at most `tenant_meters` answers, each fresh and good that long.
    pub(super) fn new(tenant_meters: usize, fresh: Duration, good: Duration) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            fresh,
            good,
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

    /// What is known, at `now`; an allowed quantity is taken off what is left.
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
        let held = now.saturating_duration_since(entry.fetched);
        if held > self.good {
            return Found::Nothing;
        }
        let refresh = held > self.fresh && !entry.is_refreshing;
        entry.is_refreshing |= refresh;
        Found::Answer {
            allowed: entry.take(quantity, now),
            answer: entry.answer,
            held,
            refresh,
        }
    }

    /// Keeps an answer that came at `now`; whether `asked` was allowed by it is counted as use.
    pub(super) fn keep(
        &self,
        tenant: &str,
        meter: &str,
        answer: Answer,
        asked: Quantity,
        now: Instant,
    ) -> bool {
        let mut shard = self.shard(tenant);
        let known = shard.get_mut(tenant).and_then(|m| m.get_mut(meter));
        if let Some(entry) = known {
            entry.renew(answer, now);
            return entry.take(asked, now);
        }
        let mut entry = Entry {
            answer,
            fetched: now,
            is_refreshing: false,
            allowed_since: VecDeque::new(),
        };
        let allowed = entry.take(asked, now);
        if shard.values().map(HashMap::len).sum::<usize>() >= self.most {
            shard.retain(|_, meters| {
                meters.retain(|_, e| now.saturating_duration_since(e.fetched) <= self.good);
                !meters.is_empty()
            });
        }
        if shard.values().map(HashMap::len).sum::<usize>() < self.most {
            let meters = shard.entry(tenant.into()).or_default();
            meters.insert(meter.into(), entry);
        }
        allowed
    }

    /// The question in the background got no answer: the next caller asks again.
    pub(super) fn release(&self, tenant: &str, meter: &str) {
        let mut shard = self.shard(tenant);
        if let Some(entry) = shard.get_mut(tenant).and_then(|m| m.get_mut(meter)) {
            entry.is_refreshing = false;
        }
    }
}

impl Entry {
    /// Whether the quantity is allowed; then it counts as used.
    fn take(&mut self, quantity: Quantity, now: Instant) -> bool {
        let Some(room) = self.answer.room else {
            return self.answer.allowed;
        };
        let used = self.allowed_since.iter().map(|(_, q)| *q);
        let used = used.fold(quantity.raw(), |sum, q| sum.saturating_add(q.raw()));
        let allowed = used <= room.raw();
        if allowed {
            self.add(quantity, now);
        }
        allowed
    }

    fn add(&mut self, quantity: Quantity, now: Instant) {
        if let Some((since, sum)) = self.allowed_since.back_mut()
            && now.saturating_duration_since(*since) < STEP
            && let Ok(more) = sum.plus(quantity)
        {
            *sum = more;
            return;
        }
        if self.allowed_since.len() >= STEPS_MAX
            && let Some((_, oldest)) = self.allowed_since.pop_front()
            && let Some((_, next)) = self.allowed_since.front_mut()
            && let Ok(sum) = next.plus(oldest)
        {
            *next = sum;
        }
        self.allowed_since.push_back((now, quantity));
    }

    /// Takes a newer answer; what was allowed before it was seen is in it.
    fn renew(&mut self, answer: Answer, now: Instant) {
        self.answer = answer;
        self.fetched = now;
        self.is_refreshing = false;
        let Some(seen) = now.checked_sub(answer.age) else {
            return;
        };
        // A sum holds what was allowed for as long as a step after its time: all of it was before.
        while let Some((since, _)) = self.allowed_since.front()
            && *since + STEP <= seen
        {
            self.allowed_since.pop_front();
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
        }
    }

    fn cache(most: usize) -> Cache {
        Cache::new(most, SECOND, 10 * SECOND)
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
        assert!(cache.keep("acme", "calls", answer(Some(10), SECOND), whole(4), now));
        let take = |quantity| allowed(cache.take("acme", "calls", whole(quantity), now));
        assert_eq!(take(6), Some(true), "the last of the room");
        assert_eq!(take(1), Some(false), "beyond it");
        assert_eq!(take(0), Some(true), "nothing more");
    }

    #[test]
    fn a_newer_answer_frees_only_what_it_has_seen() {
        let (cache, start) = (cache(1_000), Instant::now());
        let first = answer(Some(100), Duration::ZERO);
        assert!(cache.keep("acme", "calls", first, whole(40), start));
        let later = start + 5 * SECOND;
        assert_eq!(
            allowed(cache.take("acme", "calls", whole(30), later)),
            Some(true)
        );
        // Seen two seconds before: the 40 are in it, the 30 are not.
        let second = answer(Some(60), SECOND * 2);
        assert!(cache.keep("acme", "calls", second, whole(30), later + SECOND));
        assert_eq!(
            allowed(cache.take("acme", "calls", whole(1), later + SECOND)),
            Some(false)
        );
    }

    #[test]
    fn one_caller_asks_again_and_too_old_is_nothing() {
        let (cache, start) = (cache(1_000), Instant::now());
        cache.keep("acme", "calls", answer(None, SECOND), whole(1), start);
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
            cache.keep(
                &tenant.to_string(),
                "calls",
                answer(None, SECOND),
                whole(1),
                now,
            );
        }
        let held: usize = cache
            .shards
            .iter()
            .map(|s| s.lock().expect("a lock").len())
            .sum();
        assert!(held <= SHARDS, "{held}");
    }

    #[test]
    fn sums_are_bounded_and_only_get_stricter() {
        let (cache, start) = (cache(1_000), Instant::now());
        let room = i128::try_from(STEPS_MAX).expect("it fits") + 50;
        cache.keep("acme", "calls", answer(Some(room), SECOND), whole(0), start);
        let mut taken = 0;
        for step in 0..1_000u32 {
            let now = start + STEP * step / 30;
            taken += i128::from(allowed(cache.take("acme", "calls", whole(1), now)) == Some(true));
        }
        assert_eq!(taken, room);
    }
}
