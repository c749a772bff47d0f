//! Adoption, by workers and by admins.

use crate::support::*;
use meterline_control::{AdoptStart, ControlError, ControlLog};
use meterline_core::position::LogPartition;
use meterline_kafka::{Admin, Outgoing, Producer, Settings, TopicDescription};
use std::collections::BTreeMap;
use std::thread;

#[test]
fn workers_that_race_end_with_one_adoption() {
    let (settings, report, first) = deployment(2);
    publish(&first, &["a"]);
    let second = ControlLog::connect(&settings).expect("a client");
    let adopted = thread::scope(|scope| {
        let workers = [(&first, "one"), (&second, "two")].map(|(log, worker)| {
            let (topic, author) = (&report.usage, author(worker));
            scope.spawn(move || {
                [0, 1].map(|p| {
                    log.adopt_created(topic, p, &author, TIMEOUT)
                        .expect("adopted")
                })
            })
        });
        workers.map(|worker| worker.join().expect("no panic"))
    });
    assert_eq!(adopted[0], adopted[1]);
    let view = first.read_to_end(TIMEOUT).expect("readable");
    for (partition, adoption) in (0u32..).zip(&adopted[0]) {
        let log_partition = LogPartition {
            topic_id: report.usage.topic_id,
            partition,
        };
        assert_eq!(adoption.log_partition, log_partition);
        assert_eq!(view.adoption(&log_partition), Some(adoption));
        let (first, version) = (adoption.first_offset, adoption.catalog_version);
        assert_eq!((first, version, adoption.partitions), (0, 1, 2));
    }
}

#[test]
fn nothing_is_adopted_before_there_is_a_catalog() {
    let (settings, report, log) = deployment(1);
    let end = end_of(&settings);
    let author = author("worker");
    let by_worker = log.adopt_created(&report.usage, 0, &author, TIMEOUT);
    assert!(matches!(by_worker, Err(ControlError::NoCatalog)));
    let by_admin = log.adopt(&report.usage, &AdoptStart::End, &author, TIMEOUT);
    assert!(matches!(by_admin, Err(ControlError::NoCatalog)));
    assert_eq!(end_of(&settings), end);
}

/// A deployment over a usage topic that already held three records.
fn deployment_over_old_topic() -> (Settings, TopicDescription, ControlLog) {
    let settings = crate::stack::settings();
    let topic = settings.topics().usage_events();
    make_topic(
        &settings,
        &topic,
        &[("message.timestamp.type", "LogAppendTime")],
    );
    let producer = Producer::connect(&settings).expect("a client");
    for _ in 0..3 {
        let record = Outgoing {
            topic: &topic,
            payload: Some(b"not a usage event"),
            ..Outgoing::default()
        };
        producer.send_blocking(record).expect("acknowledged");
    }
    let report = init(&settings, 4);
    assert!(!report.adopts_itself);
    assert!(!report.created.contains(&topic));
    let log = ControlLog::connect(&settings).expect("a client");
    publish(&log, &["a"]);
    (settings, report.usage, log)
}

#[test]
fn a_topic_that_held_other_records_is_adopted_by_an_admin_only() {
    let (_, usage, log) = deployment_over_old_topic();
    let author = author("admin");
    let by_worker = log.adopt_created(&usage, 0, &author, TIMEOUT);
    assert!(matches!(
        by_worker,
        Err(ControlError::NotCreatedByInit { .. })
    ));
    let adopted = log.adopt(&usage, &AdoptStart::End, &author, TIMEOUT);
    let adopted = adopted.expect("adopted");
    let firsts: Vec<_> = adopted.iter().map(|a| a.first_offset).collect();
    assert_eq!(firsts, [3]);
    // From here on workers find it, and a second adoption changes nothing.
    let by_worker = log.adopt_created(&usage, 0, &author, TIMEOUT);
    assert_eq!(by_worker.expect("adopted"), adopted[0]);
    let start = AdoptStart::At(BTreeMap::from([(0, 1)]));
    let again = log.adopt(&usage, &start, &author, TIMEOUT);
    assert_eq!(again.expect("adopted"), adopted);
}

#[test]
fn an_adoption_names_every_partition_and_offsets_that_are_there() {
    let (settings, usage, log) = deployment_over_old_topic();
    let end = end_of(&settings);
    let adopt = |offsets: &[(u32, u64)]| {
        let start = AdoptStart::At(offsets.iter().copied().collect());
        log.adopt(&usage, &start, &author("admin"), TIMEOUT)
    };
    for offsets in [&[][..], &[(1, 0)], &[(0, 0), (1, 0)], &[(0, 4)]] {
        let refused = adopt(offsets);
        let is_refused = matches!(refused, Err(ControlError::Adoption { .. }));
        assert!(is_refused, "{offsets:?}: {refused:?}");
    }
    assert_eq!(end_of(&settings), end);
    let adopted = adopt(&[(0, 2)]).expect("adopted");
    assert_eq!(adopted[0].first_offset, 2);
}

#[test]
fn a_usage_topic_made_again_is_not_adopted_under_its_old_id() {
    let (settings, report, log) = deployment(1);
    publish(&log, &["a"]);
    let mut other = report.usage.clone();
    other.topic_id.0 ^= 1;
    let adopted = log.adopt_created(&other, 0, &author("worker"), TIMEOUT);
    assert!(matches!(
        adopted,
        Err(ControlError::NotCreatedByInit { .. })
    ));
    let mut grown = report.usage;
    grown.partitions.push(grown.partitions[0].clone());
    let adopted = log.adopt_created(&grown, 0, &author("worker"), TIMEOUT);
    let error = adopted.expect_err("more partitions than it was created with");
    assert!(error.to_string().contains("partitions_changed"), "{error}");
    let admin = Admin::connect(&settings).expect("a client");
    assert_eq!(admin.brokers(TIMEOUT).expect("an answer"), 1);
}
