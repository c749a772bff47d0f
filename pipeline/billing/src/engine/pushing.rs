//! Pushing: intents, their calls, and what became of them.
//!
//! An intent is called when it was read back in force, by the instance that wrote it, until its
//! deadline, which was set before the intent was begun. What was sent and is not read back is given
//! up after a while: if it lies in the log after all, nobody calls it, and a summary decides.

use super::Engine;
use super::action::{Action, Append, Call, Called, Now, Weather};
use super::pairs::{Counts, PairId};
use meterline_core::position::Offset;
use meterline_core::push::{Intent, Outcome, PushKey, PushRecord, Step};
use meterline_core::pushes::State;
use meterline_core::time::{Hour, Millis};
use rand::Rng;
use std::collections::HashMap;
use std::sync::Arc;

/// What was sent and is not read back, and calls in flight, by write id.
#[derive(Debug, Default)]
pub(super) struct Writes(HashMap<u128, Written>);

#[derive(Debug)]
struct Written {
    pair: PairId,
    hour: Hour,
    stage: Stage,
    /// On the steady clock: when it is given up, or must not be called any more.
    until: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// The intent is on its way to the log.
    Intent,
    /// It is called.
    Call,
    /// A step that nobody waits for.
    Other,
}

impl Engine {
    /// How many windows are in which state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.pairs.counts()
    }

    /// Whether Stripe has not answered for a while.
    #[must_use]
    pub const fn is_away(&self) -> bool {
        self.breaker.is_away()
    }

    pub(super) fn write_intent(
        &mut self,
        id: PairId,
        hour: Hour,
        intent: Intent,
        head: Option<Offset>,
        now: Now,
    ) {
        let call_within = u64::from(intent.call_within.0);
        let step = Step::Intent(intent);
        let write_id = self.write(
            id,
            hour,
            head,
            step,
            Stage::Intent,
            now.steady + call_within,
        );
        let pair = self.pairs.at(id);
        pair.is_busy = true;
        // Looked at again when it is read back; this is for when it never is.
        pair.postpone(hour, now.wall.after(self.settings.append_timeout));
        pair.impossible.remove(&hour);
        pair.lost.remove(&hour);
        pair.doubted.remove(&hour);
        self.calls += 1;
        debug_assert!(self.writes.0.contains_key(&write_id));
    }

    /// Appends a step that nobody waits for.
    pub(super) fn write_step(
        &mut self,
        id: PairId,
        hour: Hour,
        head: Offset,
        step: Step,
        now: Now,
    ) {
        let until = now.steady + u64::from(self.settings.append_timeout.0);
        self.write(id, hour, Some(head), step, Stage::Other, until);
    }

    fn write(
        &mut self,
        pair: PairId,
        hour: Hour,
        head: Option<Offset>,
        step: Step,
        stage: Stage,
        until: u64,
    ) -> u128 {
        let write_id = self.random.random();
        let written = Written {
            pair,
            hour,
            stage,
            until,
        };
        self.writes.0.insert(write_id, written);
        let record = PushRecord {
            write_id,
            head,
            key: self.key(pair, hour),
            step,
            instance: self.instance.clone(),
        };
        self.out
            .push(Action::Append(Append::Push(Box::new(record))));
        write_id
    }

    /// A record was read: whoever wrote it, its window is looked at again, and an intent of our own
    /// that is in force is called.
    pub(super) fn read_back(
        &mut self,
        record: &PushRecord,
        is_in_force: bool,
        offset: Offset,
        now: Now,
    ) {
        if is_in_force
            && matches!(record.step, Step::Intent(_))
            && let Some(id) = self.pairs.find(&record.key.tenant, &record.key.meter)
        {
            // A window counts for the lines of its chain's customer from its first intent on.
            let tenant = Arc::clone(&self.pairs.at(id).tenant);
            self.unequal_again(&tenant, id, record.key.window.hour(), now);
        }
        let own = self.writes.0.get(&record.write_id);
        if own.is_some_and(|own| own.stage == Stage::Call) {
            return; // A copy: its call ends by itself.
        }
        if let Some(own) = own
            && own.stage == Stage::Intent
            && is_in_force
            && now.steady < own.until
            && let Step::Intent(intent) = &record.step
        {
            self.call(record, intent.clone(), offset, now);
            return;
        }
        let own = self.writes.0.remove(&record.write_id);
        if own.is_some_and(|own| own.stage == Stage::Intent) {
            self.free(&record.key);
        }
        self.look_again(&record.key, is_in_force, now);
    }

    fn call(&mut self, record: &PushRecord, intent: Intent, offset: Offset, now: Now) {
        let written = self
            .writes
            .0
            .get_mut(&record.write_id)
            .expect("it is our own");
        if self.settings.shadow {
            let detail = "shadow mode: not called".to_owned();
            let (pair, hour) = (written.pair, written.hour);
            self.writes.0.remove(&record.write_id);
            self.free(&record.key);
            let step = Step::Outcome(Outcome::NotTaken { detail });
            self.write_step(pair, hour, offset, step, now);
            return;
        }
        written.stage = Stage::Call;
        let call = Call {
            write_id: record.write_id,
            key: record.key.clone(),
            intent,
            deadline: written.until,
        };
        self.out.push(Action::Call(Box::new(call)));
    }

    /// Tells what became of a call.
    pub fn called(&mut self, called: Called, now: Now) {
        let Some(written) = self.writes.0.remove(&called.write_id) else {
            return;
        };
        let (id, hour) = (written.pair, written.hour);
        self.weather(called.weather, now);
        let key = self.key(id, hour);
        self.free(&key);
        let head = self.pushes.head(&key);
        let head = head.filter(|head| head.write_id == called.write_id);
        let is_unknown = matches!(called.outcome, Outcome::Unknown { .. });
        let is_taken = matches!(called.outcome, Outcome::Received);
        if let Some(offset) = head.map(|head| head.offset) {
            self.write_step(id, hour, offset, Step::Outcome(called.outcome), now);
        }
        let pause = self.pause(id, hour, is_taken);
        let pair = self.pairs.at(id);
        if is_unknown {
            let left = written.until.saturating_sub(now.steady);
            let left = Millis(u32::try_from(left).unwrap_or(u32::MAX));
            pair.blocked_until = now.wall.after(left);
        }
        // The outcome that is read back has it looked at again, unless it must wait.
        pair.postpone(hour, now.wall.after(pause));
        self.queue(id, now.wall);
    }

    /// How long a window waits after a call: longer each time that Stripe takes nothing.
    fn pause(&mut self, id: PairId, hour: Hour, is_taken: bool) -> Millis {
        let pair = self.pairs.at(id);
        if is_taken {
            pair.tries.remove(&hour);
            return Millis(1_000);
        }
        let tries = pair.tries.entry(hour).or_default();
        *tries = tries.saturating_add(1);
        let most = 1_000_u32 << (*tries).min(8);
        Millis(self.random.random_range(most / 2..=most))
    }

    pub(super) fn weather(&mut self, weather: Weather, now: Now) {
        match weather {
            Weather::Fine => self.breaker.answered(),
            Weather::TooMany => {
                self.breaker.answered();
                self.bucket.slow(now.steady);
            }
            Weather::Away => self.breaker.failed(now.wall),
            Weather::Denied => self.breaker.denied(now.wall),
        }
    }

    fn free(&mut self, key: &PushKey) {
        self.calls = self.calls.saturating_sub(1);
        if let Some(id) = self.pairs.find(&key.tenant, &key.meter) {
            self.pairs.at(id).is_busy = false;
        }
    }

    fn look_again(&mut self, key: &PushKey, is_in_force: bool, now: Now) {
        let Some(id) = self.pairs.find(&key.tenant, &key.meter) else {
            return;
        };
        let hour = key.window.hour();
        let head = self.pushes.head(key);
        let state = head.map(|head| head.state);
        let customer = head.map(|head| Arc::from(head.intent.customer.as_str()));
        if let Some(customer) = customer
            && !self.owners.contains_key(&customer)
        {
            let tenant = Arc::clone(&self.pairs.get(id).tenant);
            self.own(customer, &tenant);
        }
        let jitter = Millis(self.random.random_range(2_000..10_000));
        let pair = self.pairs.at(id);
        if !self.started {
            return;
        }
        match (is_in_force, state == Some(State::NotTaken)) {
            // Its pause was set when it was called; another instance's is unknown.
            (true, true) if pair.todo.contains_key(&hour) => {}
            (true, false) => pair.postpone(hour, now.wall),
            // Another instance is at it.
            _ => pair.postpone(hour, now.wall.after(jitter)),
        }
        let due = pair.due().unwrap_or(now.wall);
        self.queue(id, due.max(now.wall));
    }

    /// A record could not be appended, as far as is known.
    pub fn not_appended(&mut self, write_id: u128, now: Now) {
        let known = self.writes.0.get(&write_id);
        // It is in the log all the same where it is being called.
        if known.is_some_and(|written| written.stage != Stage::Call)
            && let Some(written) = self.writes.0.remove(&write_id)
        {
            self.give_up(&written, now);
        }
        self.carry_not_appended(write_id);
    }

    fn give_up(&mut self, written: &Written, now: Now) {
        let (id, hour) = (written.pair, written.hour);
        if written.stage != Stage::Other {
            let key = self.key(id, hour);
            self.free(&key);
        }
        let at = now
            .wall
            .after(Millis(self.random.random_range(1_000..5_000)));
        self.pairs.at(id).postpone(hour, at);
        self.queue(id, at);
    }

    /// Gives up what was sent long ago and is not read back. Calls end by themselves.
    pub(super) fn give_up_writes(&mut self, now: Now) {
        let overdue = self
            .writes
            .0
            .extract_if(|_, written| written.stage != Stage::Call && written.until <= now.steady);
        let overdue: Vec<_> = overdue.map(|(_, written)| written).collect();
        for written in overdue {
            self.give_up(&written, now);
        }
    }
}
