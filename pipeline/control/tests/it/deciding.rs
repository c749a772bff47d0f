//! Writers that race, die and retry; placements.

use crate::support::*;
use meterline_control::{CatalogApplied, ControlError, ControlLog, Decided, propose};
use meterline_core::control::{CatalogContent, ChainKey, ControlRecord, Decision, Pointer, View};
use meterline_core::record::{CONTROL_HEADER, Placement};
use meterline_kafka::Settings;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset, TopicPartitionList};
use std::thread;
use std::time::Duration;

fn proposal(view: &View, types: &[&str], actor: &str) -> ControlRecord {
    let catalog = catalog(types);
    let source = String::new();
    let decision = Decision::Catalog(CatalogContent { catalog, source });
    propose(view, decision, &author(actor))
}

#[test]
fn of_two_applies_that_race_one_is_in_force_and_the_other_is_told_who_won() {
    let (settings, _, first) = deployment(1);
    let second = ControlLog::connect(&settings).expect("a client");
    let view = first.read_to_end(TIMEOUT).expect("readable");
    let records = [
        proposal(&view, &["a"], "alice"),
        proposal(&view, &["b"], "bob"),
    ];
    let decided: Vec<Decided> = thread::scope(|scope| {
        let writers = [(&first, &records[0]), (&second, &records[1])]
            .map(|(log, record)| scope.spawn(move || log.decide(record, TIMEOUT)));
        writers
            .map(|writer| writer.join().expect("no panic").expect("an answer"))
            .into()
    });
    let (winner, at) = match (&decided[0], &decided[1]) {
        (
            Decided::InForce { offset, .. },
            Decided::Lost {
                offset: by, actor, ..
            },
        ) => {
            assert_eq!((offset, actor.as_str()), (by, "alice"));
            (0, *offset)
        }
        (
            Decided::Lost {
                offset: by, actor, ..
            },
            Decided::InForce { offset, .. },
        ) => {
            assert_eq!((offset, actor.as_str()), (by, "bob"));
            (1, *offset)
        }
        other => panic!("{other:?}"),
    };
    let view = second.read_to_end(TIMEOUT).expect("readable");
    assert_eq!(view.catalogs().len(), 1);
    assert_eq!(view.written(records[winner].write_id), Some(at));
    assert_eq!(view.written(records[1 - winner].write_id), None);
    assert_eq!(view.head_of(&ChainKey::Catalog), Some(at));
}

#[test]
fn a_retry_of_a_writer_that_died_after_writing_is_recognised() {
    let (settings, _, log) = deployment(1);
    let view = log.read_to_end(TIMEOUT).expect("readable");
    let record = proposal(&view, &["a"], "alice");
    let first = write_raw(&settings, Some(&encoded(&record)));
    // The client library wrote it once more, then the writer died before it read back.
    write_raw(&settings, Some(&encoded(&record)));
    let end = end_of(&settings);

    let again = ControlLog::connect(&settings).expect("a client");
    let decided = again.decide(&record, TIMEOUT).expect("an answer");
    let Decided::InForce { offset, view } = decided else {
        panic!("{decided:?}");
    };
    assert_eq!((offset, view.catalogs().len()), (first.offset, 1));
    assert_eq!(end_of(&settings), end, "nothing more was written");
}

#[test]
fn a_writer_that_died_before_writing_leaves_nothing() {
    let (settings, _, log) = deployment(1);
    let view = log.read_to_end(TIMEOUT).expect("readable");
    let record = proposal(&view, &["a"], "alice");
    let end = end_of(&settings);
    let decided = log.decide(&record, TIMEOUT).expect("an answer");
    assert!(matches!(decided, Decided::InForce { offset, .. } if offset == end));
}

#[test]
fn a_retry_after_another_decision_took_the_place_is_told_so() {
    let (settings, _, log) = deployment(1);
    let view = log.read_to_end(TIMEOUT).expect("readable");
    let record = proposal(&view, &["a"], "alice");
    publish(&log, &["b"]);
    let winner = log.view().head_of(&ChainKey::Catalog).expect("published");
    publish(&log, &["b", "c"]);
    // Its first copy came after the winner: ignored, as every later copy.
    write_raw(&settings, Some(&encoded(&record)));
    let end = end_of(&settings);
    let decided = log.decide(&record, TIMEOUT).expect("an answer");
    let Decided::Lost {
        offset,
        actor,
        view,
    } = decided
    else {
        panic!("{decided:?}");
    };
    assert_eq!((offset, actor.as_str()), (winner, "admin"));
    assert_eq!(view.catalogs().len(), 2);
    assert_eq!(end_of(&settings), end, "nothing more was written");
}

#[test]
fn a_decision_on_a_head_that_never_was_is_refused() {
    let (settings, _, log) = deployment(1);
    let view = log.read_to_end(TIMEOUT).expect("readable");
    let mut record = proposal(&view, &["a"], "alice");
    record.head = Some(12_345);
    let end = end_of(&settings);
    let error = log.decide(&record, TIMEOUT).expect_err("no such head");
    assert!(matches!(
        error,
        ControlError::NoSuchHead { head: 12_345, .. }
    ));
    assert_eq!(end_of(&settings), end);
}

#[test]
fn a_reader_from_the_beginning_sees_what_a_follower_saw() {
    let (settings, report, log) = deployment(2);
    publish(&log, &["a"]);
    publish(&log, &["a", "b"]);
    for partition in 0..2 {
        log.adopt_created(&report.usage, partition, &author("worker"), TIMEOUT)
            .expect("adopted");
    }
    let followed = log.read_to_end(TIMEOUT).expect("readable");
    let other = ControlLog::connect(&settings).expect("a client");
    let read = other.read_to_end(TIMEOUT).expect("readable");
    assert_eq!(summary(&read), summary(&followed));
    assert_eq!(read.catalogs().len(), 2);
    assert_eq!(other.topic_id(), log.topic_id());
    assert!(other.topic_id().is_some());
}

#[test]
fn an_unchanged_catalog_writes_nothing_and_a_contradictory_one_is_refused() {
    let (settings, _, log) = deployment(1);
    let first = publish(&log, &["a"]);
    let end = end_of(&settings);
    let apply = |catalog| log.apply_catalog(catalog, "", &author("admin"), TIMEOUT);
    match apply(catalog(&["a"])) {
        Ok(CatalogApplied::Unchanged(decision)) => assert_eq!(decision.version, first.version),
        other => panic!("{other:?}"),
    }
    let mut contradictory = catalog(&["a"]);
    contradictory.meters[0].event_type = "b".to_owned();
    let error = apply(contradictory).expect_err("a changed meter under its old name");
    assert!(matches!(error, ControlError::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("meters[0]"), "{error}");
    assert_eq!(end_of(&settings), end);
}

/// The only record of each partition of the usage topic.
fn first_records(settings: &Settings, partitions: i32, check: impl Fn(&[u8])) {
    let topic = settings.topics().usage_events();
    for partition in 0..partitions {
        let consumer: BaseConsumer = settings.consumer_config("test").create().expect("a client");
        let mut start = TopicPartitionList::new();
        start
            .add_partition_offset(&topic, partition, Offset::Offset(0))
            .and_then(|()| consumer.assign(&start))
            .expect("assigned");
        let message = consumer.poll(TIMEOUT).expect("in time").expect("a record");
        assert_eq!((message.key(), message.payload()), (None, None));
        let headers = message.headers().expect("headers");
        assert_eq!((headers.count(), headers.get(0).key), (1, CONTROL_HEADER));
        check(headers.get(0).value.expect("a value"));
    }
}

#[test]
fn placements_reach_every_partition_and_resolve_to_their_version() {
    let (settings, _, log) = deployment(3);
    let version = publish(&log, &["a"]);
    assert_eq!(log.place(&version, TIMEOUT).expect("acknowledged"), 3);
    let other = ControlLog::connect(&settings).expect("a client");
    first_records(&settings, 3, |header| {
        match other.placement(header, TIMEOUT).expect("readable") {
            Placement::Catalog(found) => assert_eq!(
                (found.version, found.offset, found.hash),
                (version.version, version.offset, version.hash)
            ),
            placement => panic!("{placement:?}"),
        }
    });
}

#[test]
fn forged_pointers_are_bad_now_and_later() {
    let (_, report, log) = deployment(1);
    let version = publish(&log, &["a"]);
    let to_come = log.view().position();
    let (offset, hash) = (version.offset, version.hash);
    let pointer = |offset, hash| Pointer::Record { offset, hash }.to_string();
    let forged = [
        pointer(offset, hash + 1),
        pointer(to_come, hash),
        pointer(0, hash),
        "account:1".to_owned(),
    ];
    let check = || {
        for header in &forged {
            let placement = log.placement(header.as_bytes(), TIMEOUT);
            let placement = placement.expect("readable");
            assert!(matches!(placement, Placement::Bad(_)), "{header}");
        }
    };
    check();
    log.adopt_created(&report.usage, 0, &author("worker"), TIMEOUT)
        .expect("adopted");
    publish(&log, &["a", "b"]);
    assert!(log.view().position() > to_come);
    check();
    let tick = log
        .placement(b"tick", Duration::ZERO)
        .expect("no need to read");
    assert!(matches!(tick, Placement::Tick));
}
