//! Of two that carry the same difference one does, and nobody carries anything back.

use super::*;
use crate::carry::Carry;
use crate::position::{LogPartition, Stamp, TopicId};
use crate::time::EventTime;

const WINDOW: EventTime = EventTime(3_600_000_000);

fn quantity(units: i128) -> Quantity {
    Quantity::from_unscaled(units, 0).expect("small")
}

fn record(head: Option<Offset>, stamp: Offset, sum: [i128; 3]) -> CarryRecord {
    let [wanted, billed, carried] = sum.map(quantity);
    let log_partition = LogPartition {
        topic_id: TopicId(1),
        partition: 0,
    };
    let stamp = Stamp {
        epoch: 0,
        offset: stamp,
    };
    CarryRecord {
        write_id: 1,
        head,
        key: CarryKey {
            tenant: "acme".to_owned(),
            meter: "calls".to_owned(),
            source: "in_1".to_owned(),
        },
        carry: Carry {
            customer: "cus_1".to_owned(),
            event_name: "calls".to_owned(),
            window: WINDOW,
            quantity: carried,
            wanted,
            billed,
            stamps: Stamps::new(vec![(log_partition, stamp)]),
            windows: Vec::new(),
        },
        instance: "a".to_owned(),
    }
}

fn window() -> PushKey {
    PushKey {
        tenant: "acme".to_owned(),
        meter: "calls".to_owned(),
        window: WINDOW,
    }
}

#[track_caller]
fn check(records: &[(CarryRecord, bool)], sum: i128) {
    let mut carries = Carries::new(1);
    for (offset, (record, is_in_force)) in (0..).zip(records) {
        let ruling = carries.apply(0, offset, LogTime(5), record).expect("order");
        assert_eq!(ruling == Ruling::InForce, *is_in_force, "{record:?}");
    }
    let placed = carries.placed(&window());
    assert_eq!(placed.map_or(Quantity::ZERO, |p| p.quantity), quantity(sum));
    let carried = carries.carried(&records[0].0.key);
    assert_eq!(
        carried.map_or(Quantity::ZERO, |c| c.quantity),
        quantity(sum)
    );
}

#[test]
fn the_same_difference_is_carried_once() {
    let found = record(None, 7, [10, 8, 2]);
    check(&[(found.clone(), true), (found, false)], 2);
}

#[test]
fn a_later_change_carries_what_is_new_only() {
    check(
        &[
            (record(None, 7, [10, 8, 2]), true),
            (record(Some(0), 9, [5, 8, -5]), true),
        ],
        -3,
    );
}

#[test]
fn who_knows_less_than_the_head_carries_nothing_back() {
    check(
        &[
            (record(None, 7, [10, 8, 2]), true),
            (record(Some(0), 6, [8, 8, -2]), false),
        ],
        2,
    );
}

#[test]
fn a_sum_that_is_none_and_a_carry_of_nothing_are_ignored() {
    check(&[(record(None, 7, [10, 8, 3]), false)], 0);
    check(&[(record(None, 7, [8, 8, 0]), false)], 0);
    check(
        &[
            (record(None, 7, [10, 8, 2]), true),
            (record(Some(0), 8, [10, 8, 2]), false),
        ],
        2,
    );
}

#[test]
fn records_of_foreign_partitions_are_ignored() {
    let mut carries = Carries::new(2);
    let found = record(None, 7, [10, 8, 2]);
    let foreign = 1 - partition_of(b"acme", 2);
    let ruling = carries.apply(foreign, 0, LogTime(5), &found);
    assert_eq!(ruling, Ok(Ruling::Ignored { head: None }));
    assert!(carries.apply(2, 0, LogTime(5), &found).is_err());
}
