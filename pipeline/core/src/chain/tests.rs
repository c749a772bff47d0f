//! INV-CHAIN: every reader that has read a decision log up to the same position has the same head
//! for every chain, however it got there.

use super::*;
use proptest::prelude::*;

/// Chain `k` is forgotten once log time reaches `1_000 · (k + 1)`.
fn forgets(key: &u8, log_time: LogTime) -> bool {
    log_time.0 >= 1_000 * (i64::from(*key) + 1)
}

/// One record of a made-up log.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: u8,
    names: Option<Offset>,
    at: Offset,
    append_time: LogTime,
}

/// How a made-up writer chooses the head that it names.
#[derive(Clone, Debug)]
enum Names {
    /// As a writer that has read the log up to this many records ago.
    HeadBefore(usize),
    /// The record this many places back, in force or not.
    Record(usize),
    /// No head.
    Nothing,
    /// A copy of the record this many places back: a retry.
    CopyOf(usize),
}

fn names() -> impl Strategy<Value = Names> {
    prop_oneof![
        5 => (0usize..4).prop_map(Names::HeadBefore),
        1 => (0usize..6).prop_map(Names::Record),
        1 => Just(Names::Nothing),
        2 => (0usize..4).prop_map(Names::CopyOf),
    ]
}

/// A log of up to 60 records in three chains, with holes between offsets.
fn log() -> impl Strategy<Value = Vec<Entry>> {
    let record = (0u8..3, names(), 1u64..4, -20i64..120);
    prop::collection::vec(record, 0..60).prop_map(|records| {
        let mut log: Vec<Entry> = Vec::new();
        let (mut at, mut time) = (0, 0);
        for (key, names, step, elapsed) in records {
            at += step;
            time += elapsed;
            let back = |n: usize| log.len().checked_sub(n + 1).map(|i| log[i]);
            let (key, names) = match names {
                Names::HeadBefore(n) => {
                    let seen = log.len().saturating_sub(n);
                    (key, read(&log[..seen]).0.head(&key))
                }
                Names::Record(n) => (key, back(n).map(|entry| entry.at)),
                Names::Nothing => (key, None),
                Names::CopyOf(n) => back(n).map_or((key, None), |e| (e.key, e.names)),
            };
            let append_time = LogTime(time);
            log.push(Entry {
                key,
                names,
                at,
                append_time,
            });
        }
        log
    })
}

/// Reads a log in one go: the chains at its end, and the ruling on each record.
fn read(log: &[Entry]) -> (Chains<u8>, Vec<Ruling>) {
    let mut chains = Chains::new(forgets);
    let rulings = log.iter().map(|entry| offer(&mut chains, entry)).collect();
    (chains, rulings)
}

fn offer(chains: &mut Chains<u8>, entry: &Entry) -> Ruling {
    chains
        .offer(entry.key, entry.names, entry.at, entry.append_time)
        .expect("offsets rise")
}

proptest! {
    /// INV-CHAIN: snapshots, restarts and sweeps at any positions change no ruling and no head.
    #[test]
    fn any_split_into_snapshots_gives_the_same_heads(
        log in log(),
        stops in prop::collection::vec((any::<bool>(), any::<bool>()), 60),
    ) {
        let (whole, expected) = read(&log);
        let mut chains = Chains::new(forgets);
        let mut rulings = Vec::new();
        for (entry, (restart, sweep)) in log.iter().zip(stops) {
            if restart {
                let text = serde_json::to_string(&chains.snapshot()).expect("plain data");
                let snapshot = serde_json::from_str(&text).expect("its own text");
                chains = Chains::restore(snapshot, forgets).expect("its own format");
            }
            if sweep {
                chains.sweep();
            }
            rulings.push(offer(&mut chains, entry));
        }
        prop_assert_eq!(rulings, expected);
        prop_assert_eq!(chains.snapshot(), whole.snapshot());
    }

    /// INV-CHAIN: of all records that name one head, at most one is in force; the records in force
    /// of a chain follow each other from "none" to its head; ignored ones are never followed.
    #[test]
    fn records_in_force_form_one_line_per_chain(log in log()) {
        let (chains, rulings) = read(&log);
        for key in 0..3 {
            let mut head = None;
            let mut time = LogTime(i64::MIN);
            for (entry, ruling) in log.iter().zip(&rulings) {
                time = time.max(entry.append_time);
                if entry.key != key {
                    continue;
                }
                let in_force = !forgets(&key, time) && entry.names == head;
                prop_assert_eq!(*ruling == Ruling::InForce, in_force);
                if in_force {
                    head = Some(entry.at);
                }
            }
            let expected = head.filter(|_| !forgets(&key, chains.log_time()));
            prop_assert_eq!(chains.head(&key), expected);
        }
    }

    /// INV-CHAIN: two readers agree at every position that both have been at.
    #[test]
    fn readers_agree_at_every_position(log in log(), ahead in 0usize..60) {
        let mut first = Chains::new(forgets);
        let (mut second, _) = read(&log[..ahead.min(log.len())]);
        for entry in &log {
            offer(&mut first, entry);
            if entry.at >= second.position() {
                offer(&mut second, entry);
            }
            if first.position() == second.position() {
                prop_assert_eq!(first.snapshot(), second.snapshot());
            }
        }
    }

    /// A copy under the same write id names a head that is no longer one: never in force twice.
    #[test]
    fn copies_of_a_record_are_in_force_at_most_once(log in log()) {
        let (_, rulings) = read(&log);
        let in_force = log.iter().zip(&rulings).filter(|(_, r)| **r == Ruling::InForce);
        let mut heads: Vec<_> = in_force.map(|(entry, _)| (entry.key, entry.names)).collect();
        let count = heads.len();
        heads.sort_unstable();
        heads.dedup();
        prop_assert_eq!(heads.len(), count);
    }
}

#[test]
fn a_record_at_or_below_the_position_is_an_error_and_changes_nothing() {
    let mut chains: Chains<u8> = Chains::default();
    let time = LogTime(1);
    assert_eq!(chains.offer(1, None, 5, time), Ok(Ruling::InForce));
    let before = chains.snapshot();
    for at in [0, 5] {
        let order = Halt::Order {
            offset: at,
            position: 6,
        };
        assert_eq!(chains.offer(1, Some(5), at, time), Err(order.clone()));
        assert_eq!(chains.pass(at, time), Err(order));
    }
    assert_eq!(chains.snapshot(), before);
}

#[test]
fn a_rejected_change_that_comes_last_does_not_win() {
    let mut chains: Chains<u8> = Chains::default();
    let time = LogTime(1);
    assert_eq!(chains.offer(1, None, 0, time), Ok(Ruling::InForce));
    assert_eq!(chains.offer(1, Some(0), 1, time), Ok(Ruling::InForce));
    let ignored = Ok(Ruling::Ignored { head: Some(1) });
    assert_eq!(chains.offer(1, Some(0), 2, time), ignored);
    // Naming the ignored record does not fork the chain either.
    assert_eq!(chains.offer(1, Some(2), 3, time), ignored);
    assert_eq!(chains.head(&1), Some(1));
}

#[test]
fn a_record_for_a_forgotten_chain_is_ignored_for_ever() {
    let mut chains = Chains::new(forgets);
    assert_eq!(chains.offer(0, None, 0, LogTime(1)), Ok(Ruling::InForce));
    // Log time is a maximum: the older append time does not bring the chain back.
    chains.pass(1, LogTime(1_000)).expect("rises");
    let forgotten = Ok(Ruling::Ignored { head: None });
    assert_eq!(chains.offer(0, Some(0), 2, LogTime(5)), forgotten);
    assert_eq!(chains.offer(0, None, 3, LogTime(6)), forgotten);
    assert_eq!(chains.head(&0), None);
    assert!(chains.snapshot().heads.is_empty());
}

#[test]
fn a_snapshot_of_another_format_or_that_contradicts_itself_is_refused() {
    let good = Snapshot {
        format: SNAPSHOT_FORMAT,
        position: 10,
        log_time: LogTime(0),
        heads: vec![(1u8, 3), (2, 9)],
    };
    let check = |snapshot: Snapshot<u8>, taken: bool| {
        let result = Chains::restore(snapshot.clone(), forgets);
        assert_eq!(result.is_ok(), taken, "{snapshot:?}");
        if let Err(halt) = result {
            assert_eq!(halt.name(), "unknown_format");
        }
    };
    check(good.clone(), true);
    let format = SNAPSHOT_FORMAT + 1;
    check(
        Snapshot {
            format,
            ..good.clone()
        },
        false,
    );
    let heads = vec![(2, 9), (1, 3)];
    check(
        Snapshot {
            heads,
            ..good.clone()
        },
        false,
    );
    let heads = vec![(1, 10)];
    check(Snapshot { heads, ..good }, false);
}
