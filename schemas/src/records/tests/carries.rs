//! Carries survive their encoding, and have the bytes of their schema.

use super::alerts::changes;
use super::{by_schema, check_survives, encoded};
use crate::records::{Record, RecordError, decode, encode_carry};
use meterline_core::carry::{CARRIED_WINDOWS_MAX, CarriedWindow, Carry, CarryKey, CarryRecord};
use meterline_core::push::Stamps;
use meterline_core::quantity::Quantity;
use meterline_core::time::EventTime;

fn quantity(raw: i128) -> Quantity {
    Quantity::from_raw(raw).expect("in range")
}

fn window(n: usize) -> CarriedWindow {
    CarriedWindow {
        window: EventTime(i64::try_from(n).expect("small") * 3_600_000_000),
        before: quantity(-127),
        after: quantity(10i128.pow(38) - 1),
        stamps: Stamps::new(changes(2)),
    }
}

/// A carry of so many windows, judged by so many log partitions.
fn record(windows: usize, partitions: u32) -> CarryRecord {
    CarryRecord {
        write_id: u128::MAX / 7,
        head: (windows > 0).then_some(1 << 47),
        key: CarryKey {
            tenant: "ümlaut".to_owned(),
            meter: "calls".to_owned(),
            source: "in_1".to_owned(),
        },
        carry: Carry {
            customer: "cus_1".to_owned(),
            event_name: "api_calls".to_owned(),
            window: EventTime(-1),
            quantity: quantity(-1),
            wanted: quantity(0),
            billed: quantity(1 - 10i128.pow(38)),
            stamps: Stamps::new(changes(partitions)),
            windows: (0..windows).map(window).collect(),
        },
        instance: "stripe-0".to_owned(),
    }
}

#[test]
fn carries_survive_their_encoding() {
    for (windows, partitions) in [(0, 0), (1, 3), (CARRIED_WINDOWS_MAX, 1)] {
        check_survives(Record::Carry(Box::new(record(windows, partitions))));
    }
}

#[test]
fn carries_have_the_bytes_that_their_schema_asks_for() {
    for (windows, partitions) in [(0, 0), (1, 3), (CARRIED_WINDOWS_MAX, 1)] {
        let record = record(windows, partitions);
        let mut expected = Vec::new();
        by_schema::encode_carry(&record, &mut expected);
        assert_eq!(encoded(&Record::Carry(Box::new(record))), expected);
    }
}

#[test]
fn more_windows_than_a_carry_names_are_refused() {
    let record = record(CARRIED_WINDOWS_MAX + 1, 1);
    let mut bytes = Vec::new();
    by_schema::encode_carry(&record, &mut bytes);
    let Err(RecordError::Malformed { reason, .. }) = decode(&bytes) else {
        panic!("65 windows are read");
    };
    assert_eq!(reason, "it names 65 windows, more than 64");
    let written = std::panic::catch_unwind(|| encode_carry(&record, &mut Vec::new()));
    assert!(written.is_err(), "what nobody reads is not written");
}
