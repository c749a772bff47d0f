//! What a reader cannot go past, and what it waits for.

use crate::support::*;
use meterline_control::{ControlError, ControlLog};
use meterline_core::control::{CatalogContent, ChainKey, ControlRecord, Decision};
use meterline_kafka::Settings;
use std::collections::BTreeMap;
use std::time::Duration;

/// Writes a value that no reader can go past, and checks that each stops there by name.
fn check_halts(value: impl Fn(&[u8]) -> Option<Vec<u8>>, name: &str) {
    let (settings, _, log) = deployment(1);
    publish(&log, &["a"]);
    let before = log.read_to_end(TIMEOUT).expect("readable");
    let record = ControlRecord {
        write_id: 1,
        actor: "someone".to_owned(),
        note: String::new(),
        head: before.head_of(&ChainKey::Catalog),
        decision: Decision::Catalog(CatalogContent {
            catalog: catalog(&["a", "b"]),
            source: String::new(),
        }),
    };
    let bad = write_raw(&settings, value(&encoded(&record)).as_deref());
    let fresh = ControlLog::connect(&settings).expect("a client");
    for log in [&log, &fresh] {
        let error = log.read_to_end(TIMEOUT).expect_err("stops");
        let ControlError::Halted {
            position, source, ..
        } = error
        else {
            panic!("{error:?}");
        };
        assert_eq!((source.name(), position), (name, bad.offset));
        assert_eq!(log.halted(), Some(source));
        assert_eq!(summary(&log.view()), summary(&before));
        // What was read stays usable: old pointers still resolve.
        let apply = log.apply_catalog(catalog(&["a"]), "", &author("admin"), TIMEOUT);
        assert!(matches!(apply, Err(ControlError::Halted { .. })));
    }
}

/// Replaces the one place where the envelope names its kind.
fn with_kind(bytes: &[u8], kind: &[u8; 7]) -> Vec<u8> {
    let at = bytes.windows(7).position(|w| w == b"catalog");
    let at = at.expect("the kind comes before the body");
    [&bytes[..at], kind, &bytes[at + 7..]].concat()
}

#[test]
fn an_unknown_kind_halts() {
    check_halts(|bytes| Some(with_kind(bytes, b"payment")), "unknown_kind");
}

#[test]
fn a_record_by_an_unknown_schema_halts() {
    let other = |bytes: &[u8]| [&bytes[..2], &[9; 8], &bytes[10..]].concat();
    check_halts(|bytes| Some(other(bytes)), "unknown_format");
}

#[test]
fn a_record_that_is_cut_off_halts() {
    check_halts(
        |bytes| Some(bytes[..bytes.len() - 1].to_vec()),
        "unknown_format",
    );
}

#[test]
fn a_record_without_a_value_halts() {
    check_halts(|_| None, "unknown_format");
}

#[test]
fn a_catalog_by_a_later_fold_halts() {
    let later = |bytes: &[u8]| {
        let text = b"\"fold\":1,";
        let at = bytes.windows(text.len()).position(|w| w == text);
        let at = at.expect("the catalog names its fold") + text.len() - 2;
        [&bytes[..at], b"9", &bytes[at + 1..]].concat()
    };
    check_halts(|bytes| Some(later(bytes)), "unknown_fold");
}

#[test]
fn a_control_log_without_append_times_halts() {
    let settings = crate::stack::settings();
    let topic = settings.topics().control();
    make_topic(
        &settings,
        &topic,
        &[("message.timestamp.type", "CreateTime")],
    );
    write_raw(&settings, Some(b"anything"));
    let log = ControlLog::connect(&settings).expect("a client");
    let error = log.read_to_end(TIMEOUT).expect_err("stops");
    let ControlError::Halted { source, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(source.name(), "timestamp_type");
}

#[test]
fn kafka_being_away_is_waited_for_and_named() {
    let settings = Settings {
        brokers: "127.0.0.1:1".to_owned(),
        properties: BTreeMap::new(),
        topic_prefix: String::new(),
    };
    let log = ControlLog::connect(&settings).expect("a client");
    let error = log.read_to_end(Duration::from_millis(300));
    let error = error.expect_err("nobody answers");
    assert!(matches!(error, ControlError::NoEnd { .. }), "{error:?}");
    assert!(error.passes());
    assert_eq!(log.view().position(), 0);
    assert_eq!(log.halted(), None);
}

#[tokio::test]
async fn async_callers_read_off_their_thread() {
    let (_, _, log) = tokio::task::spawn_blocking(|| deployment(1))
        .await
        .expect("no panic");
    let view = log.off_thread(|log| log.read_to_end(TIMEOUT)).await;
    assert_eq!(view.expect("readable").position(), 1);
}
