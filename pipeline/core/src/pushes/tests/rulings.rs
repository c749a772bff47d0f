//! Which records are in force, one rule a test.

use crate::chain::Ruling;
use crate::position::{LogPartition, Offset, Stamp, TopicId};
use crate::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step, identifier};
use crate::pushes::{
    CannotPush, FORGET_AFTER_MILLIS, Link, Next, Pushes, RECEIVED_SETTLES, State, UNKNOWN_SETTLES,
    Wanted, can_push, nearest_that_fits, next,
};
use crate::quantity::Quantity;
use crate::time::{EventTime, LogTime, Millis};

const START: i64 = 3_600_000;
const CALL_WITHIN: Millis = Millis(30_000);

struct Log {
    pushes: Pushes,
    next: Offset,
}

fn key() -> PushKey {
    PushKey {
        tenant: "acme".to_owned(),
        meter: "calls".to_owned(),
        window: EventTime(0),
    }
}

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect("a number")
}

fn stamps(offsets: &[(u32, Offset)]) -> Stamps {
    let change = |(partition, offset): &(u32, Offset)| {
        let log_partition = LogPartition {
            topic_id: TopicId(1),
            partition: *partition,
        };
        let (epoch, offset) = (0, *offset);
        (log_partition, Stamp { epoch, offset })
    };
    Stamps::new(offsets.iter().map(change).collect())
}

fn intent(version: Offset, attempt: u32, value: &str) -> Intent {
    Intent {
        customer: "cus_1".to_owned(),
        event_name: "calls".to_owned(),
        quantity: quantity(value),
        stamps: stamps(&[(0, version)]),
        attempt,
        call_within: CALL_WITHIN,
    }
}

impl Log {
    fn new() -> Self {
        Self {
            pushes: Pushes::new(1),
            next: 0,
        }
    }

    /// Whether a record that names the head is in force.
    fn takes(&mut self, at: i64, step: Step) -> bool {
        let head = self.pushes.head(&key()).map(|head| head.offset);
        self.takes_after(head, at, step)
    }

    fn takes_after(&mut self, head: Option<Offset>, at: i64, step: Step) -> bool {
        let record = PushRecord {
            write_id: u128::from(self.next),
            head,
            key: key(),
            step,
            instance: "i".to_owned(),
        };
        let ruling = self.pushes.apply(0, self.next, LogTime(at), &record);
        self.next += 1;
        ruling.expect("in order") == Ruling::InForce
    }

    fn state(&self) -> Option<State> {
        self.pushes.head(&key()).map(|head| head.state)
    }
}

const fn received() -> Step {
    Step::Outcome(Outcome::Received)
}

#[test]
fn a_chain_begins_with_a_first_attempt() {
    let mut log = Log::new();
    assert!(!log.takes(START, received()));
    assert!(!log.takes(START, Step::Confirmed));
    assert!(!log.takes(START, Step::Intent(intent(1, 2, "5"))));
    assert!(log.takes(START, Step::Intent(intent(1, 1, "5"))));
    assert_eq!(log.pushes.counts().unfit, 3);
}

#[test]
fn of_two_intents_after_one_head_the_first_counts() {
    let mut log = Log::new();
    assert!(log.takes_after(None, START, Step::Intent(intent(1, 1, "5"))));
    assert!(!log.takes_after(None, START, Step::Intent(intent(1, 1, "5"))));
    assert_eq!(log.pushes.counts().not_the_head, 1);
}

#[test]
fn nobody_takes_over_before_the_deadline_and_what_may_follow_it() {
    let mut log = Log::new();
    assert!(log.takes(START, Step::Intent(intent(1, 1, "5"))));
    let quiet = START + i64::from(CALL_WITHIN.0) + i64::from(UNKNOWN_SETTLES.0);
    assert!(!log.takes(quiet - 1, Step::Intent(intent(1, 2, "5"))));
    assert!(!log.takes(quiet - 1, Step::Confirmed));
    assert_eq!(log.pushes.counts().too_soon, 2);
    assert!(log.takes(quiet, Step::Intent(intent(1, 2, "5"))));
}

#[test]
fn a_receipt_confirms_nothing_and_a_summary_only_when_all_is_quiet() {
    let mut log = Log::new();
    assert!(log.takes(START, Step::Intent(intent(1, 1, "5"))));
    assert!(log.takes(START + 1, received()));
    assert_eq!(log.state(), Some(State::Received));
    let quiet = START + 1 + i64::from(RECEIVED_SETTLES.0);
    assert!(!log.takes(quiet - 1, Step::Confirmed));
    assert!(log.takes(quiet, Step::Confirmed));
    assert_eq!(log.state(), Some(State::Confirmed));
}

#[test]
fn what_was_not_taken_is_tried_again_at_once_under_another_identifier() {
    let mut log = Log::new();
    let first = intent(1, 1, "5");
    assert!(log.takes(START, Step::Intent(first.clone())));
    let detail = "429".to_owned();
    assert!(log.takes(START + 1, Step::Outcome(Outcome::NotTaken { detail })));
    assert!(!log.takes(START + 2, Step::Intent(first.clone())));
    let second = intent(1, 2, "5");
    assert!(log.takes(START + 2, Step::Intent(second.clone())));
    assert_ne!(
        identifier(&key(), &first.stamps, first.attempt),
        identifier(&key(), &second.stamps, second.attempt)
    );
}

#[test]
fn one_version_has_one_quantity_and_versions_only_rise() {
    let mut log = Log::new();
    assert!(log.takes(START, Step::Intent(intent(5, 1, "5"))));
    let detail = String::new();
    assert!(log.takes(START, Step::Outcome(Outcome::NotTaken { detail })));
    assert!(!log.takes(START, Step::Intent(intent(5, 2, "6"))));
    assert!(!log.takes(START, Step::Intent(intent(4, 1, "4"))));
    assert!(!log.takes(START, Step::Intent(intent(6, 2, "6"))));
    assert!(log.takes(START, Step::Intent(intent(6, 1, "6"))));
}

#[test]
fn a_version_that_lacks_a_change_of_another_partition_is_not_newer() {
    assert!(stamps(&[(0, 1), (1, 9)]).is_newer_than(&stamps(&[(0, 1)])));
    assert!(!stamps(&[(0, 2)]).is_newer_than(&stamps(&[(0, 1), (1, 9)])));
    assert!(!stamps(&[(0, 1)]).is_newer_than(&stamps(&[(0, 1)])));
    assert_eq!(stamps(&[(1, 9), (0, 3), (0, 1)]), stamps(&[(0, 3), (1, 9)]));
}

#[test]
fn a_windows_customer_stays_whatever_is_linked_later() {
    let mut log = Log::new();
    assert!(log.takes(START, Step::Intent(intent(1, 1, "5"))));
    assert!(log.takes(START, received()));
    let quiet = START + i64::from(RECEIVED_SETTLES.0);
    let other = Intent {
        customer: "cus_2".to_owned(),
        ..intent(2, 1, "6")
    };
    assert!(!log.takes(quiet, Step::Intent(other)));
    let (version, link) = (
        stamps(&[(0, 2)]),
        Link {
            customer: "cus_2",
            event_name: "calls",
        },
    );
    let wanted = Wanted {
        quantity: quantity("6"),
        stamps: &version,
        recheck: false,
    };
    let head = log.pushes.head(&key());
    let step = next(
        &key(),
        head,
        &wanted,
        Some(link),
        CALL_WITHIN,
        LogTime(quiet),
    );
    let Next::Push(intent) = step else {
        panic!("{step:?}");
    };
    assert_eq!(intent.customer, "cus_1");
    assert!(log.takes(quiet, Step::Intent(intent)));
}

#[test]
fn a_chain_is_forgotten_after_a_hundred_days() {
    let mut log = Log::new();
    assert!(log.takes(START, Step::Intent(intent(1, 1, "5"))));
    assert!(!log.takes_after(Some(0), FORGET_AFTER_MILLIS, received()));
    assert!(log.pushes.head(&key()).is_none());
    log.pushes.sweep();
    assert!(!log.takes_after(None, FORGET_AFTER_MILLIS, Step::Intent(intent(1, 1, "5"))));
}

#[test]
fn stripe_is_not_asked_for_what_it_refuses() {
    let day = 24 * 3_600_000;
    for (value, days, answer) in [
        ("123456789012345", 0, Ok(())),
        ("1234567890123456", 0, Err(CannotPush::TooManyDigits)),
        ("123456789.012345", 0, Ok(())),
        ("123456789.0123456", 0, Err(CannotPush::TooManyDigits)),
        ("-0.000000001", 34, Ok(())),
        ("5", 35, Err(CannotPush::TooOld)),
    ] {
        let told = can_push(EventTime(0), quantity(value), LogTime(days * day));
        assert_eq!(told, answer, "{value} after {days} days");
    }
}

#[test]
fn the_nearest_value_that_fits_is_towards_zero() {
    for (value, nearest) in [
        ("0", "0"),
        ("12.5", "12.5"),
        ("123456.123456789", "123456.123456789"),
        ("1234567.123456789", "1234567.12345678"),
        ("-1234567.123456789", "-1234567.12345678"),
        ("123456789012345.9", "123456789012345"),
        ("9000000000000000", "999999999999999"),
        ("-9000000000000000.5", "-999999999999999"),
    ] {
        let quantity = |text| Quantity::parse(text).expect("a quantity");
        let found = nearest_that_fits(quantity(value));
        assert_eq!(found, quantity(nearest), "{value}");
        assert_eq!(can_push(EventTime(0), found, LogTime(0)), Ok(()), "{value}");
    }
}

#[test]
fn an_identifier_is_short_and_names_every_part() {
    let one = identifier(&key(), &stamps(&[(0, 1)]), 1);
    assert!(one.len() <= 100 && one.starts_with("ml_"), "{one}");
    let other_tenant = PushKey {
        tenant: "acm".to_owned(),
        meter: "ecalls".to_owned(),
        ..key()
    };
    let others = [
        identifier(&other_tenant, &stamps(&[(0, 1)]), 1),
        identifier(&key(), &stamps(&[(0, 2)]), 1),
        identifier(&key(), &stamps(&[(1, 1)]), 1),
        identifier(&key(), &stamps(&[(0, 1)]), 2),
    ];
    assert!(others.iter().all(|other| *other != one));
}
