//! Our records survive their encodings, and their fingerprints never change.

use super::*;
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::{Aggregation, Catalog};
use meterline_core::control::{
    Adoption, CatalogContent, Decision, TopicCreated, Verdict, VerdictAction,
};
use meterline_core::counters::Counters;
use meterline_core::hash::content_hash;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::reason::{Reason, Rejection};
use meterline_core::time::{EventTime, Level, LogTime, Window};
use std::collections::BTreeMap;
use std::sync::Arc;

mod accounts;
mod alerts;
mod by_schema;
mod carries;
mod pushes;
mod voids;

const LOG_PARTITION: LogPartition = LogPartition {
    topic_id: TopicId(u128::MAX - 5),
    partition: 3,
};

fn catalog() -> Catalog {
    Catalog {
        ignored_types: vec!["ping".to_owned()],
        ..Catalog::new("demo", Vec::new())
    }
}

fn control(head: Option<u64>, decision: Decision) -> ControlRecord {
    ControlRecord {
        write_id: u128::MAX / 3,
        actor: "admin@example.com".to_owned(),
        note: "première".to_owned(),
        head,
        decision,
    }
}

fn publish() -> Decision {
    Decision::Catalog(CatalogContent {
        catalog: catalog(),
        source: "name: demo\n".to_owned(),
    })
}

fn verdict(action: VerdictAction) -> Decision {
    Decision::Verdict(Verdict {
        log_partition: LOG_PARTITION,
        offset: 77,
        action,
    })
}

fn encoded(record: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    match record {
        Record::Control(record) => encode_control(record, &mut out),
        Record::Total(total) => encode_total(total.log_partition, &total.row, &mut out),
        Record::Progress(progress) => encode_progress(progress, &mut out),
        Record::DeadLetter(letter) => encode_dead_letter(letter, &mut out),
        Record::Replay(replay) => encode_replay(replay, &mut out),
        Record::Transition(transition) => encode_transition(transition, &mut out),
        Record::Delivery(delivery) => encode_delivery(delivery, &mut out),
        Record::Standing(standing) => encode_standing(standing, &mut out),
        Record::StandingProgress(progress) => encode_standing_progress(progress, &mut out),
        Record::Push(push) => encode_push(push, &mut out),
        Record::Carry(carry) => encode_carry(carry, &mut out),
    }
    out
}

fn check_survives(record: Record) {
    let bytes = encoded(&record);
    assert_eq!(decode(&bytes).as_ref(), Ok(&record));
    for cut in [0, 1, 2, 9, 10, bytes.len() / 2, bytes.len() - 1] {
        assert!(decode(&bytes[..cut]).is_err(), "cut at {cut} of {record:?}");
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(decode(&longer).is_err(), "a byte follows {record:?}");
}

#[test]
fn control_records_survive_their_encoding() {
    for decision in [
        publish(),
        Decision::Topic(TopicCreated {
            topic: "usage.events".to_owned(),
            topic_id: LOG_PARTITION.topic_id,
            partitions: 12,
        }),
        Decision::Adoption(Adoption {
            topic: "usage.events".to_owned(),
            log_partition: LOG_PARTITION,
            partitions: 12,
            first_offset: 1 << 40,
            catalog_version: 2,
        }),
        verdict(VerdictAction::ContinueAt(80)),
        verdict(VerdictAction::LogTime(LogTime(1_700_000_000_000))),
        verdict(VerdictAction::Partitions(6)),
    ] {
        check_survives(Record::Control(Box::new(control(None, decision.clone()))));
        check_survives(Record::Control(Box::new(control(Some(0), decision))));
    }
}

#[test]
fn equal_control_records_have_equal_bytes_and_others_do_not() {
    let record = control(Some(4), publish());
    let bytes = |record: &ControlRecord| encoded(&Record::Control(Box::new(record.clone())));
    assert_eq!(bytes(&record), bytes(&record.clone()));
    let mut copy = record.clone();
    copy.write_id += 1;
    assert_ne!(bytes(&record), bytes(&copy));
}

/// A control record with its kind and body replaced by text.
fn forged(kind: &str, body: &str) -> Vec<u8> {
    let schema = apache_avro::Schema::parse_str(include_str!("../../avro/control_record.avsc"));
    let schema = schema.expect("our schema");
    let mut record = apache_avro::types::Record::new(&schema).expect("a record schema");
    record.put(
        "write_id",
        apache_avro::types::Value::Fixed(16, vec![1; 16]),
    );
    record.put("actor", "someone");
    record.put("note", "");
    record.put("head", None::<i64>);
    record.put("kind", kind);
    record.put("body", body);
    let mut out = control::CODEC.frame().to_vec();
    out.extend(apache_avro::to_avro_datum(&schema, record).expect("fits the schema"));
    out
}

#[test]
fn control_records_that_cannot_be_read_halt_by_name() {
    let good = serde_json::to_string(&publish()).expect("plain data");
    let later = good.replace("\"fold\":1", "\"fold\":9,\"new_field\":true");
    let strange = good.replace("\"fold\":1", "\"fold\":1,\"new_field\":true");
    assert!(later != good && strange != good);
    let mut total = Vec::new();
    encode_total(
        LOG_PARTITION,
        &row(Kind::Only, Aggregation::Sum),
        &mut total,
    );
    for (bytes, expected) in [
        (forged("catalog", &good), Ok(())),
        (forged("invoice", "{}"), Err("unknown_kind")),
        (forged("topic", &good), Err("unknown_format")),
        (forged("catalog", "{}"), Err("unknown_format")),
        (forged("catalog", &strange), Err("unknown_format")),
        (forged("catalog", &later), Err("unknown_fold")),
        (
            vec![0xc3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8, 9],
            Err("unknown_format"),
        ),
        (b"{\"kind\":\"catalog\"}".to_vec(), Err("unknown_format")),
        (Vec::new(), Err("unknown_format")),
        (total, Err("unknown_format")),
    ] {
        let result = decode_control(&bytes)
            .map(|_| ())
            .map_err(|halt| halt.name());
        assert_eq!(result, expected, "{}", String::from_utf8_lossy(&bytes));
    }
}

fn row(kind: Kind, aggregation: Aggregation) -> BucketRow {
    BucketRow {
        series: Arc::new(Series {
            tenant: "acme".into(),
            meter: "tokens".into(),
            kind,
            aggregation,
            dimensions: Box::default(),
            dimensions_hash: 0,
        }),
        window: Window {
            level: Level::Month,
            start: 1_764_547_200,
        },
        bucket: Bucket::default(),
    }
}

/// Totals with every aggregation, level and kind, and numbers at the edges of their encodings.
fn totals() -> Vec<Total> {
    let raws = [
        0,
        1,
        -1,
        63,
        64,
        127,
        128,
        -128,
        -129,
        255,
        256,
        10i128.pow(38) - 1,
    ]
    .into_iter()
    .chain([
        1 - 10i128.pow(38),
        1 << 64,
        -(1 << 64),
        i128::from(i64::MIN),
    ]);
    let aggregations = [
        Aggregation::Count,
        Aggregation::Sum,
        Aggregation::Min,
        Aggregation::Max,
        Aggregation::Avg,
        Aggregation::Latest,
        Aggregation::UniqueCount,
    ];
    let mut totals = Vec::new();
    for (n, raw) in raws.enumerate() {
        let kind = [Kind::Only, Kind::Whole][n % 2];
        let mut row = row(kind, aggregations[n % aggregations.len()]);
        row.window.level = Level::ALL[n % 3];
        if n % 2 == 1 {
            row.window.start -= 5_000_000_000; // Before 1970.
        }
        let quantity = Quantity::from_raw(raw).expect("in range");
        let stamp = Stamp {
            epoch: u16::MAX,
            offset: (1 << 48) - 1,
        };
        row.bucket = Bucket {
            events: u64::from(u32::MAX) << n,
            sum: quantity,
            min: quantity,
            max: Quantity::from_raw(-raw).expect("in range"),
            latest: quantity,
            latest_time: EventTime(-1),
            latest_stamp: stamp,
            revision: u32::MAX,
            changed: stamp,
            updated_at: LogTime(1_764_547_200_123),
            parts: 0,
        };
        let log_partition = LOG_PARTITION;
        totals.push(Total { log_partition, row });
    }
    totals
}

#[test]
fn totals_survive_their_encoding() {
    for total in totals() {
        check_survives(Record::Total(total));
    }
}

#[test]
fn totals_have_the_bytes_that_their_schema_asks_for() {
    for total in totals() {
        let mut expected = Vec::new();
        by_schema::encode_total(&total, &mut expected);
        assert_eq!(encoded(&Record::Total(total)), expected);
    }
}

#[test]
fn progress_survives_its_encoding() {
    let counters = Counters {
        delivered: 10,
        accepted: 3,
        duplicate: 2,
        ignored: 1,
        unmatched: 1,
        control: 1,
        rejected: BTreeMap::from([(Reason::BadPointer, 1), (Reason::Overflow, 1)]),
        late: 1,
        matched: BTreeMap::from([("calls".to_owned(), 3), ("tokens".to_owned(), 1)]),
        voided: BTreeMap::new(),
    };
    assert!(counters.is_conserved());
    for totals_position in [None, Some(0), Some(1 << 47)] {
        check_survives(Record::Progress(Box::new(Progress {
            log_partition: LOG_PARTITION,
            epoch: 2,
            to: 11,
            levels_to: 7,
            log_time: LogTime(1_764_547_200_123),
            sealed_to: EventTime(1_764_547_200_000_000),
            levels_sealed_to: EventTime(1_764_543_600_000_000),
            catalog_version: 4,
            counters: counters.clone(),
            totals_position,
        })));
    }
}

fn letter(original: Original) -> DeadLetter {
    let rejection = Rejection::new(Reason::TooLarge, "9 MiB of 1").of_tenant("acme");
    let stamp = Stamp {
        epoch: 1,
        offset: 42,
    };
    let log_time = LogTime(1_764_547_200_123);
    DeadLetter::new(
        "usage.events",
        LOG_PARTITION,
        stamp,
        rejection,
        log_time,
        original,
    )
}

#[test]
fn dead_letters_survive_their_encoding() {
    let headers: [(&str, Option<&[u8]>); 3] =
        [("ce_id", Some(b"1")), ("empty", Some(b"")), ("none", None)];
    for original in [
        Original::of(Some(b"acme"), &headers, Some(b"{\xff")),
        Original::of(None, &[], None),
        Original::of(Some(b""), &[], Some(b"")),
    ] {
        assert!(!original.truncated);
        check_survives(Record::DeadLetter(Box::new(letter(original))));
    }
}

#[test]
fn dead_letters_are_bounded_however_large_the_record() {
    let large = vec![7; 8 << 20];
    let headers: [(&str, Option<&[u8]>); 2] = [("small", Some(b"1")), ("large", Some(&large))];
    let empty = vec![("", None); 1_000_000];
    for (original, kept_headers) in [
        (Original::of(None, &empty, None), 64),
        (Original::of(Some(&large), &headers, Some(&large)), 1),
        (Original::of(None, &headers, None), 1),
        (Original::of(None, &[], Some(&large)), 0),
        (Original::of(Some(&large), &[], None), 0),
    ] {
        assert!(original.truncated);
        assert_eq!(original.headers.len(), kept_headers);
        let letter = letter(original);
        let bytes = encoded(&Record::DeadLetter(Box::new(letter.clone())));
        assert!(bytes.len() < 90 << 10, "{} bytes", bytes.len());
        assert_eq!(decode(&bytes), Ok(Record::DeadLetter(Box::new(letter))));
    }
    let whole = Original::of(None, &[], Some(&large));
    assert_eq!((whole.length, whole.hash), (8 << 20, content_hash(&large)));
    let fits = Original::of(None, &[], Some(&large[..64 << 10]));
    assert!(!fits.truncated);
}

#[test]
fn fingerprints_never_change() {
    // A changed schema is another record: give it another name here and keep reading this one.
    // The numbers are those of fastavro, which knows nothing of this code.
    let fingerprints = [
        ("control", control::CODEC.fingerprint()),
        ("total", total::CODEC.fingerprint()),
        ("progress", progress::CODEC.fingerprint()),
        ("dead letter", dead_letter::CODEC.fingerprint()),
        ("replay", replay::CODEC.fingerprint()),
        ("transition", transition::CODEC.fingerprint()),
        ("delivery", delivery::CODEC.fingerprint()),
        ("standing", standing::CODEC.fingerprint()),
        ("standing progress", standing::PROGRESS.fingerprint()),
        ("push", push::CODEC.fingerprint()),
    ];
    let hex = fingerprints.map(|(name, fingerprint)| (name, format!("{fingerprint:016x}")));
    let hex = hex.each_ref().map(|(name, text)| (*name, text.as_str()));
    assert_eq!(
        hex,
        [
            ("control", "6f7576eff16614f5"),
            ("total", "856a810e77811140"),
            ("progress", "59f1818b4ce6782c"),
            ("dead letter", "96813c10ed6e2972"),
            ("replay", "b432c677ca2b5ea6"),
            ("transition", "c046954953a0ff14"),
            ("delivery", "fdd3d0fb8a7220ed"),
            ("standing", "a05ab917a7e76568"),
            ("standing progress", "cc99bc38f8a23aa2"),
            ("push", "061711f6d41dea8a"),
        ]
    );
}
