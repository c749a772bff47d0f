//! Steps of pushes survive their encoding; what contradicts itself is refused.

use super::alerts::changes;
use super::{by_schema, check_survives, encoded};
use crate::records::{Record, RecordError, decode};
use meterline_core::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Millis};

fn steps() -> Vec<Step> {
    let detail = || "429, «later»".to_owned();
    let intent = |raw, partitions| {
        Step::Intent(Intent {
            customer: "cus_1".to_owned(),
            event_name: "api_calls".to_owned(),
            quantity: Quantity::from_raw(raw).expect("in range"),
            stamps: Stamps::new(changes(partitions)),
            attempt: u32::MAX,
            call_within: Millis(u32::MAX),
        })
    };
    vec![
        intent(0, 0),
        intent(-(10i128.pow(38) - 1), 1),
        intent(127, 3),
        Step::Outcome(Outcome::Received),
        Step::Outcome(Outcome::NotTaken { detail: detail() }),
        Step::Outcome(Outcome::Unknown { detail: detail() }),
        Step::Outcome(Outcome::Refused { detail: detail() }),
        Step::Confirmed,
    ]
}

fn records() -> impl Iterator<Item = PushRecord> {
    (0..).zip(steps()).map(|(n, step)| PushRecord {
        write_id: u128::MAX / 7,
        head: (n > 0).then_some(1 << 47),
        key: PushKey {
            tenant: "ümlaut".to_owned(),
            meter: "calls".to_owned(),
            window: EventTime(-1),
        },
        step,
        instance: "stripe-0".to_owned(),
    })
}

#[test]
fn steps_survive_their_encoding() {
    for record in records() {
        check_survives(Record::Push(Box::new(record)));
    }
}

#[test]
fn steps_have_the_bytes_that_their_schema_asks_for() {
    for record in records() {
        let mut expected = Vec::new();
        by_schema::encode_push(&record, &mut expected);
        assert_eq!(encoded(&Record::Push(Box::new(record))), expected);
    }
}

#[test]
fn a_step_that_contradicts_its_intent_is_refused() {
    let all: Vec<PushRecord> = records().collect();
    let (intent, confirmed) = (&all[1], &all[7]);
    let swapped = |record: &PushRecord, from: u8, to: u8| {
        let mut bytes = encoded(&Record::Push(Box::new(record.clone())));
        // The symbol follows the window, -1, whose zigzag is 1.
        let window = bytes.windows(2).position(|pair| pair == [1, from]);
        bytes[window.expect("the symbol is there") + 1] = to;
        decode(&bytes)
    };
    for (record, from, to, reason) in [
        (intent, 0, 10, "an intent where the step is another"),
        (confirmed, 10, 0, "an intent says nothing"),
        (confirmed, 10, 12, "step has no symbol 6"),
    ] {
        let told = swapped(record, from, to);
        let Err(RecordError::Malformed { reason: told, .. }) = told else {
            panic!("{told:?}");
        };
        assert_eq!(told, reason);
    }
}
