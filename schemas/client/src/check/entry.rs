//! One kept answer, and what was allowed that it has not seen.
//!
//! The service knows the events that were in the log at some moment before it answered. What was
//! allowed is held back from the room until an answer has seen the moment by which its event was
//! in the log. Invariant: the room in use, less what is held back, is never more than what is
//! really left, as long as events follow their checks within the stated time. Where in doubt it
//! is less: time is kept in steps, and an answer that has seen less than one before it can only
//! take room away, because what that one has freed is not held back any more.

use super::cache::Answer;
use meterline_core::quantity::Quantity;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Shortest time that is kept as one sum.
const STEP_MIN: Duration = Duration::from_millis(250);
/// Sums that the time from a check to its event is kept in; as many again are left for the age.
const STEPS_OF_EVENT: u32 = 32;
/// Most sums of one entry, 32 bytes each: older ones are added up, which only makes it stricter.
pub(super) const STEPS_MAX: usize = 64;
/// The service rounds the age down to these.
const AGE_UNIT: Duration = Duration::from_millis(1);

/// For how long what was allowed is held back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hold {
    /// Longest time from a check to its event's append.
    event_within: Duration,
    /// What is allowed within this long is one sum.
    step: Duration,
}

impl Hold {
    pub(super) fn new(event_within: Duration) -> Self {
        Self {
            event_within,
            step: STEP_MIN.max(event_within / STEPS_OF_EVENT),
        }
    }
}

/// An answer, and what was allowed since it was seen.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) answer: Answer,
    /// When it was asked for: the service measured the age later.
    pub(super) asked: Instant,
    pub(super) is_refreshing: bool,
    /// What was left at `seen`, or less.
    room: Quantity,
    /// The latest moment up to which an answer with a room has seen everything.
    seen: Option<Instant>,
    /// What is held back, by the first moment of its step, without a scale.
    held: VecDeque<(Instant, i128)>,
    /// The sum of `held`; at most the largest room there was.
    held_sum: i128,
}

impl Entry {
    pub(super) fn new(answer: Answer, asked: Instant, hold: Hold) -> Self {
        let mut entry = Self {
            answer,
            asked,
            is_refreshing: false,
            room: Quantity::ZERO,
            seen: None,
            held: VecDeque::new(),
            held_sum: 0,
        };
        entry.renew(answer, asked, hold);
        entry
    }

    /// Whether the quantity is allowed; then it is held back.
    pub(super) fn take(&mut self, quantity: Quantity, now: Instant, hold: Hold) -> bool {
        if self.answer.room.is_none() {
            return self.answer.allowed;
        }
        let allowed = self.held_sum.saturating_add(quantity.raw()) <= self.room.raw();
        if allowed && quantity > Quantity::ZERO {
            self.hold_back(quantity.raw(), now, hold.step);
        }
        allowed
    }

    fn hold_back(&mut self, raw: i128, now: Instant, step: Duration) {
        self.held_sum += raw;
        if let Some((since, sum)) = self.held.back_mut()
            && now.saturating_duration_since(*since) < step
        {
            *sum += raw;
            return;
        }
        if self.held.len() >= STEPS_MAX
            && let Some((_, oldest)) = self.held.pop_front()
            && let Some((_, next)) = self.held.front_mut()
        {
            *next += oldest;
        }
        self.held.push_back((now, raw));
    }

    /// Takes the answer to a question that was sent at `asked`.
    pub(super) fn renew(&mut self, answer: Answer, asked: Instant, hold: Hold) {
        self.is_refreshing = false;
        if asked < self.asked {
            // A later question was answered first.
            return;
        }
        self.answer = answer;
        self.asked = asked;
        let Some(room) = answer.room else { return };
        let seen = asked.checked_sub(answer.age.saturating_add(AGE_UNIT));
        // Two answers of the same view differ by how long they were under way: within a step that
        // is no matter, because what is freed is a step older.
        if seen.map(|seen| seen + hold.step) < self.seen {
            self.room = self.room.min(room);
            return;
        }
        self.room = room;
        self.seen = self.seen.max(seen);
        self.free(hold);
    }

    /// Frees what was in the log, with all of its step and the step that answers may differ by, at
    /// the moment that was seen.
    fn free(&mut self, hold: Hold) {
        let Some(seen) = self.seen else { return };
        while let Some((since, sum)) = self.held.front()
            && *since + 2 * hold.step + hold.event_within <= seen
        {
            self.held_sum -= sum;
            self.held.pop_front();
        }
    }

    /// What is held back.
    #[cfg(test)]
    pub(super) fn steps(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests;
