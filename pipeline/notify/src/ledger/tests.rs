//! The ledger alone: whose turn it is, what is over, what is forgotten. Time is an argument.

use super::*;
use crate::settings::Settings;
use crate::testing::{T0, alert};
use std::time::Duration;

const SECOND: i64 = 1_000;
const HOUR: i64 = 3_600 * SECOND;
/// Nothing is due.
const NONE: [u128; 0] = [];

fn settings() -> Settings {
    Settings {
        bundle_size: 10,
        bundle_window: Duration::from_secs(2),
        ..Settings::default()
    }
}

fn at(millis: i64) -> LogTime {
    LogTime(T0 + millis)
}

/// A ledger of a process with one webhook route `r` that is told of everything.
struct Process {
    ledger: Ledger,
}

impl Process {
    fn new(instance: &str) -> Self {
        let mut process = Self::behind(instance);
        process.ledger.caught_up();
        process
    }

    /// One that has not read the log to its end.
    fn behind(instance: &str) -> Self {
        let rules = Rules::new(&settings(), instance);
        Self {
            ledger: Ledger::new(rules),
        }
    }

    fn key() -> QueueKey {
        QueueKey {
            lane: Lane::Webhook,
            receiver: Receiver {
                route: "r".into(),
                tenant: None,
            },
        }
    }

    fn reads(&mut self, ids: std::ops::RangeInclusive<u128>, now: i64) {
        for id in ids {
            self.ledger.transition(alert("acme", id), at(now));
        }
        self.route(now);
    }

    fn route(&mut self, now: i64) {
        for asked in self.ledger.take_unrouted(usize::MAX) {
            let keys = vec![Self::key()];
            self.ledger.routed(asked.alert.id, keys, at(now));
        }
    }

    fn take(&mut self, now: i64) -> Option<Work> {
        self.ledger.take(Lane::Webhook, at(now))
    }

    fn takes(&mut self, now: i64) -> Vec<u128> {
        let work = self.take(now);
        work.map_or_else(Vec::new, |work| ids(&work.attempts))
    }

    fn hears(&mut self, outcome: Delivery, now: i64) {
        self.ledger.outcome(&outcome, at(now));
        self.route(now);
    }

    /// Ends a turn with the same outcome for all.
    fn ends(&mut self, work: &Work, outcome: DeliveryOutcome, now: i64) -> Vec<Delivery> {
        let instance = self.ledger.rules.instance.to_string();
        let outcomes = work.attempts.iter().map(|attempt| Delivery {
            attempt: attempt.before + 1,
            ..said(attempt.alert.id, outcome, &instance, now)
        });
        let outcomes: Vec<_> = outcomes.collect();
        self.ledger.finish(work, &outcomes, None, at(now));
        outcomes
    }

    fn pending(&self) -> usize {
        self.ledger.backlog().pending
    }
}

fn ids(attempts: &[Attempt]) -> Vec<u128> {
    attempts.iter().map(|attempt| attempt.alert.id).collect()
}

fn said(id: u128, outcome: DeliveryOutcome, instance: &str, now: i64) -> Delivery {
    Delivery {
        notification: id,
        tenant: "acme".to_owned(),
        route: "r".to_owned(),
        outcome,
        attempt: 1,
        at: at(now),
        instance: instance.to_owned(),
        detail: String::new(),
    }
}

#[test]
fn alerts_of_a_window_go_in_one_bundle() {
    let mut a = Process::new("a");
    a.reads(1..=1, 0);
    a.reads(2..=3, SECOND);
    assert_eq!(a.takes(1_999), NONE);
    assert_eq!(a.takes(2_000), [1, 2, 3]);
    assert_eq!(a.takes(9_000), NONE, "a receiver has one request at a time");
}

#[test]
fn a_whole_bundle_does_not_wait_and_no_bundle_is_larger() {
    let mut a = Process::new("a");
    a.reads(1..=25, 0);
    let work = a.take(0).expect("25 are more than a bundle");
    assert_eq!(ids(&work.attempts), (1..=10).collect::<Vec<_>>());
    a.ends(&work, DeliveryOutcome::Delivered, 100);
    let work = a.take(100).expect("15 are more than a bundle");
    a.ends(&work, DeliveryOutcome::Delivered, 200);
    assert_eq!(a.takes(200), NONE, "5 wait for others");
    assert_eq!(a.takes(2_200), (21..=25).collect::<Vec<_>>());
}

#[test]
fn nothing_is_sent_before_the_log_was_read_to_its_end() {
    let mut a = Process::behind("a");
    a.reads(1..=2, 0);
    a.hears(said(1, DeliveryOutcome::Delivered, "a", 10), 20);
    assert_eq!(a.takes(HOUR), NONE);
    a.ledger.caught_up();
    a.route(HOUR);
    assert_eq!(a.takes(HOUR), [2]);
}

#[test]
fn another_instance_waits_for_a_word_of_the_writer() {
    let mut b = Process::new("b");
    b.reads(1..=2, 0);
    let delay = i64::from(b.ledger.rules.takeover("r").0);
    b.hears(said(1, DeliveryOutcome::Delivered, "a", 6_000), 6_000);
    // The writer was heard of after 6 s: it lives, and the second is its turn.
    assert_eq!(b.takes(2_000 + delay), NONE);
    let work = b.take(6_000 + delay).expect("the writer fell silent");
    assert_eq!(ids(&work.attempts), [2]);
    assert!(work.attempts[0].is_takeover);
}

#[test]
fn after_a_failed_attempt_another_instance_waits_for_its_backoff_too() {
    let mut b = Process::new("b");
    b.reads(1..=1, 0);
    b.hears(said(1, DeliveryOutcome::Failed, "a", 3_000), 3_000);
    let rules = &b.ledger.rules;
    let backoff = i64::from(rules.backoff("r", 1).0);
    let due = 3_000 + backoff + i64::from(rules.takeover("r").0);
    assert_eq!(b.takes(due - 1), NONE);
    assert_eq!(b.takes(due), [1]);
}

#[test]
fn a_failing_receiver_rests_and_is_then_asked_with_less() {
    let mut a = Process::new("a");
    a.reads(1..=10, 0);
    let work = a.take(0).expect("a bundle");
    a.ends(&work, DeliveryOutcome::Failed, 100);
    a.reads(11..=30, 200);
    let backoff = i64::from(a.ledger.rules.backoff("r", 1).0);
    assert_eq!(a.takes(100 + backoff - 2_001), NONE, "it rests");
    let work = a
        .take(100 + backoff)
        .expect("it was asked for nothing since");
    assert_eq!(work.attempts.len(), 5, "half a bundle");
    a.ends(&work, DeliveryOutcome::Delivered, HOUR);
    let work = a.take(HOUR).expect("25 wait");
    assert_eq!(work.attempts.len(), 10, "it is well again");
}

#[test]
fn what_rested_goes_at_once_when_another_instance_got_through() {
    let mut a = Process::new("a");
    a.reads(1..=1, 0);
    for (now, round) in [(2_000, 1), (HOUR, 2), (3 * HOUR, 3), (5 * HOUR, 4)] {
        let work = a.take(now).expect("due again");
        assert_eq!(work.attempts[0].before, round - 1);
        a.ends(&work, DeliveryOutcome::Failed, now);
    }
    a.reads(2..=2, 5 * HOUR + 10);
    assert_eq!(a.takes(5 * HOUR + 5_000), NONE);
    a.hears(
        said(9, DeliveryOutcome::Delivered, "b", 5 * HOUR),
        5 * HOUR + 6_000,
    );
    assert_eq!(a.takes(5 * HOUR + 6_000), [2]);
}

#[test]
fn what_was_tried_for_long_enough_is_parked_and_can_be_asked_for() {
    let mut a = Process::new("a");
    a.reads(1..=1, 0);
    let work = a.take(2_000).expect("due");
    a.ends(&work, DeliveryOutcome::Failed, 2_000);
    let work = a.take(25 * HOUR).expect("due");
    assert!(work.attempts.is_empty());
    assert_eq!(ids(&work.expired), [1]);
    let parked = said(1, DeliveryOutcome::Parked, "a", 25 * HOUR);
    a.ledger.finish(&work, &[parked], None, at(25 * HOUR));
    let parked = Backlog {
        pending: 0,
        parked: 1,
    };
    assert_eq!(a.ledger.backlog(), parked);

    a.hears(
        said(1, DeliveryOutcome::Requested, "cli", 30 * HOUR),
        30 * HOUR,
    );
    assert_eq!(a.pending(), 1);
    assert_eq!(a.takes(30 * HOUR + 2_000), [1]);
    assert_eq!(a.ledger.backlog().parked, 0);
}

#[test]
fn a_request_reaches_the_writer_first_and_only_what_is_known() {
    let mut b = Process::new("b");
    b.reads(1..=1, 0);
    b.hears(said(1, DeliveryOutcome::Delivered, "a", 100), 100);
    b.hears(said(1, DeliveryOutcome::Requested, "cli", HOUR), HOUR);
    assert_eq!(
        b.takes(HOUR + 59_000 - 2_000),
        NONE,
        "it is the writer's turn"
    );
    assert_eq!(b.takes(HOUR + 100_000), [1]);
    b.hears(said(77, DeliveryOutcome::Requested, "cli", HOUR), HOUR);
    assert_eq!(b.ledger.unknown_requests(), 1);
}

#[test]
fn two_instances_that_read_the_same_are_left_with_the_same() {
    let (mut a, mut b) = (Process::new("a"), Process::new("b"));
    for process in [&mut a, &mut b] {
        process.reads(1..=3, 0);
    }
    let work = a.take(2_000).expect("the writer's turn");
    for outcome in a.ends(&work, DeliveryOutcome::Delivered, 2_100) {
        b.hears(outcome.clone(), 2_200);
        // What a process wrote it also reads.
        a.hears(outcome, 2_200);
    }
    assert_eq!((a.pending(), b.pending()), (0, 0));
    assert_eq!((a.takes(20 * HOUR), b.takes(20 * HOUR)), (vec![], vec![]));
}

#[test]
fn a_restart_goes_on_where_the_log_ends() {
    let mut a = Process::new("a");
    a.reads(1..=2, 0);
    let work = a.take(2_000).expect("due");
    let failed = a.ends(&work, DeliveryOutcome::Failed, 2_000);

    let mut again = Process::behind("a");
    again.reads(1..=2, 3_000);
    for outcome in failed {
        again.hears(outcome, 3_000);
    }
    again.hears(said(2, DeliveryOutcome::Delivered, "b", 2_500), 3_000);
    again.ledger.caught_up();
    again.route(3_000);
    let backoff = i64::from(again.ledger.rules.backoff("r", 1).0);
    assert_eq!(again.takes(2_000 + backoff - 2_001), NONE);
    let work = again.take(2_000 + backoff).expect("due");
    assert_eq!(ids(&work.attempts), [1]);
    assert_eq!(work.attempts[0].before, 1);
}

#[test]
fn a_receiver_that_is_none_any_more_keeps_nothing_waiting() {
    let mut a = Process::new("a");
    a.reads(1..=12, 0);
    let work = a.take(0).expect("a bundle");
    a.ledger.withdraw(&work, at(10));
    assert_eq!(a.pending(), 0);
    assert_eq!(a.takes(HOUR), NONE);
    assert_eq!(
        a.ledger.take_unrouted(100).len(),
        12,
        "routes are asked for again"
    );
    a.ledger.routes_changed(at(HOUR));
    a.route(HOUR);
    assert_eq!(a.takes(HOUR + 2_000).len(), 10);
}

#[test]
fn a_receiver_that_asks_for_a_pause_has_it() {
    let mut a = Process::new("a");
    a.reads(1..=1, 0);
    let work = a.take(2_000).expect("due");
    let failed = said(1, DeliveryOutcome::Failed, "a", 2_000);
    a.ledger.finish(&work, &[failed], Some(at(HOUR)), at(2_000));
    assert_eq!(a.takes(HOUR - 1), NONE);
    assert_eq!(a.takes(HOUR), [1]);
}

#[test]
fn the_oldest_of_what_is_over_is_forgotten_and_nothing_that_waits() {
    let mut a = Process::new("a");
    a.ledger.rules.remembered_max = 3;
    a.reads(1..=5, 0);
    for id in [1, 3, 4] {
        a.hears(said(id, DeliveryOutcome::Parked, "a", 10), 10);
    }
    a.ledger.forget(at(20));
    let left: Vec<_> = a.ledger.known.keys().copied().collect();
    assert_eq!(left, [2, 4, 5]);
    assert_eq!(a.ledger.backlog().parked, 1);
    a.ledger.forget(at(8 * 24 * HOUR));
    let left: Vec<_> = a.ledger.known.keys().copied().collect();
    assert_eq!(left, [2, 5], "what waits is parked first");
    a.ledger.transition(alert("acme", 6), at(8 * 24 * HOUR));
    assert_eq!(a.ledger.known.len(), 2, "too old to be told");
}
