//! Transitions, deliveries and standings survive their encodings; what is out of range is refused.

use super::{LOG_PARTITION, by_schema, check_survives, encoded};
use crate::records::{Record, RecordError, decode};
use meterline_core::alert::{AlertKey, AlertState, Delivery, DeliveryOutcome, Judged, Transition};
use meterline_core::catalog::plans::{Cap, Severity};
use meterline_core::position::{LogPartition, MAX_OFFSET, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::standing::{Health, Standing, StandingProgress};
use meterline_core::time::{EventTime, LogTime};

/// 2026-01-01 00:00 UTC.
const PERIOD: EventTime = EventTime(1_767_225_600_000_000);

fn quantity(raw: i128) -> Quantity {
    Quantity::from_raw(raw).expect("in range")
}

/// Numbers at the edges of their encodings.
fn quantities() -> impl Iterator<Item = Quantity> {
    let edge = 10i128.pow(38) - 1;
    [0, 1, 127, 128, 255, -1, -128, -129, 1 << 64, edge, -edge]
        .into_iter()
        .map(quantity)
}

/// A change in each of the first partitions of a topic.
pub(super) fn changes(partitions: u32) -> Vec<(LogPartition, Stamp)> {
    let change = |partition| {
        let log_partition = LogPartition {
            topic_id: LOG_PARTITION.topic_id,
            partition,
        };
        let stamp = Stamp {
            epoch: u16::MAX,
            offset: MAX_OFFSET - u64::from(partition),
        };
        (log_partition, stamp)
    };
    (0..partitions).map(change).collect()
}

fn judged(partitions: u32) -> Judged {
    Judged {
        usage: changes(partitions),
        catalog: 1 << 40,
        account: (partitions > 0).then_some(1 << 41),
        effective: (partitions > 1).then_some(7),
    }
}

fn transitions() -> Vec<Transition> {
    let mut found = Vec::new();
    for (n, used) in (0..).zip(quantities()) {
        let severities = Severity::ALL;
        found.push(Transition {
            write_id: u128::MAX / 7,
            head: (n > 0).then_some(1 << 47),
            key: AlertKey {
                tenant: "ümlaut".to_owned(),
                meter: "tokens".to_owned(),
                period_start: PERIOD,
                threshold: ">100".to_owned(),
            },
            state: [AlertState::Opened, AlertState::Resolved][n % 2],
            episode: u32::MAX,
            severity: severities[n % severities.len()],
            kind: "usage.threshold".to_owned(),
            period_end: EventTime(-1),
            used,
            limit: quantity(-used.raw()),
            plan: String::new(),
            judged: judged(u32::try_from(n).expect("few")),
            instance: "limits-0".to_owned(),
        });
    }
    found
}

fn standings() -> Vec<Standing> {
    let caps = [Cap::None, Cap::Soft, Cap::Hard];
    let healths = [
        Health::Healthy,
        Health::Caution,
        Health::Warning,
        Health::Critical,
    ];
    let mut found = Vec::new();
    for (n, used) in (0..).zip(quantities()) {
        found.push(Standing {
            tenant: "acme".to_owned(),
            meter: "tokens".to_owned(),
            period_start: PERIOD,
            period_end: EventTime(PERIOD.0 + 1),
            used,
            included: (n % 2 == 0).then_some(used),
            limit: (n % 3 == 0).then_some(used),
            cap: caps[n % caps.len()],
            health: healths[n % healths.len()],
            crossed_at: (n % 4 == 0).then_some(LogTime(-5)),
            plan: "pro".to_owned(),
            judged: judged(u32::try_from(n).expect("few")),
        });
    }
    found
}

#[test]
fn transitions_survive_their_encoding() {
    for transition in transitions() {
        check_survives(Record::Transition(Box::new(transition)));
    }
}

#[test]
fn transitions_have_the_bytes_that_their_schema_asks_for() {
    for transition in transitions() {
        let mut expected = Vec::new();
        by_schema::encode_transition(&transition, &mut expected);
        assert_eq!(encoded(&Record::Transition(Box::new(transition))), expected);
    }
}

#[test]
fn standings_survive_their_encoding() {
    for standing in standings() {
        check_survives(Record::Standing(Box::new(standing)));
    }
}

#[test]
fn standings_have_the_bytes_that_their_schema_asks_for() {
    for standing in standings() {
        let mut expected = Vec::new();
        by_schema::encode_standing(&standing, &mut expected);
        assert_eq!(encoded(&Record::Standing(Box::new(standing))), expected);
    }
}

#[test]
fn progress_of_standings_survives_its_encoding() {
    for standing_position in [None, Some(0), Some(MAX_OFFSET)] {
        check_survives(Record::StandingProgress(StandingProgress {
            log_partition: LOG_PARTITION,
            to: Stamp {
                epoch: u16::MAX,
                offset: MAX_OFFSET,
            },
            log_time: LogTime(1_764_547_200_123),
            control: 9,
            standing_position,
        }));
    }
}

#[test]
fn deliveries_survive_their_encoding() {
    for outcome in [
        DeliveryOutcome::Delivered,
        DeliveryOutcome::Failed,
        DeliveryOutcome::Parked,
        DeliveryOutcome::Requested,
    ] {
        check_survives(Record::Delivery(Box::new(Delivery {
            notification: u128::MAX - 1,
            tenant: "acme".to_owned(),
            route: "ops".to_owned(),
            outcome,
            attempt: u32::MAX,
            at: LogTime(1_764_547_200_123),
            instance: String::new(),
            detail: "503: \u{fffd}".to_owned(),
        })));
    }
}

fn check_refused(record: Record, part: &str) {
    match decode(&encoded(&record)) {
        Err(RecordError::Malformed { reason, .. }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?} for what should say {part}"),
    }
}

#[test]
fn what_was_judged_by_has_each_log_partition_once_and_in_order() {
    let mut transition = transitions().remove(2);
    transition.judged.usage.reverse();
    check_refused(Record::Transition(Box::new(transition)), "ascending");
    let mut standing = standings().remove(2);
    standing.judged.usage[1] = standing.judged.usage[0];
    check_refused(Record::Standing(Box::new(standing)), "ascending");
}

#[test]
fn numbers_out_of_range_are_refused() {
    let log_partition = LogPartition {
        topic_id: TopicId(0),
        partition: 0,
    };
    let too_far = Stamp {
        epoch: 0,
        offset: MAX_OFFSET + 1,
    };
    let mut standing = standings().remove(1);
    standing.judged.usage = vec![(log_partition, too_far)];
    check_refused(Record::Standing(Box::new(standing)), "out of range");
    let progress = StandingProgress {
        log_partition,
        to: too_far,
        log_time: LogTime(0),
        control: 0,
        standing_position: None,
    };
    check_refused(Record::StandingProgress(progress), "out of range");

    // An episode of 2³², written as the five bytes of the zigzag number in the place of 2³² − 1.
    let bytes = encoded(&Record::Transition(Box::new(transitions().remove(0))));
    let largest = [0xfe, 0xff, 0xff, 0xff, 0x1f];
    let at = bytes.windows(5).position(|part| part == largest);
    let at = at.expect("the episode is in the record");
    let mut forged = bytes;
    forged[at..at + 5].copy_from_slice(&[0x80, 0x80, 0x80, 0x80, 0x20]);
    let refused = decode(&forged).map_err(|error| error.to_string());
    assert!(refused.is_err_and(|text| text.contains("episode 4294967296 is out of range")));
}
