//! `unknown_kind` and `unknown_fold`: a newer release wrote to the control log.

use super::resolve;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

/// Bytes of the frame in front of an Avro single object: mark and fingerprint.
const FRAME: usize = 10;

/// Appends a record to the control log as a release would that knows this kind.
fn append(site: &Site, kind: &str, body: &str) {
    let topic = site.topic("meterline.control");
    let known = site.kafka().read_from(&topic, 0, 0);
    let mut bytes = known[0].value[..FRAME].to_vec();
    bytes.extend_from_slice(&[7; 16]);
    for text in ["newer", ""] {
        put_text(&mut bytes, text);
    }
    // No head: the first of its chain.
    bytes.push(0);
    for text in [kind, body] {
        put_text(&mut bytes, text);
    }
    let producer: BaseProducer = site.kafka().config().create().expect("a producer");
    let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&topic).partition(0).payload(&bytes);
    producer
        .send(record)
        .map_err(|(error, _)| error)
        .expect("it is taken");
    producer.flush(SOON).expect("it is written");
}

/// A string of the Avro binary encoding: zigzag length, then bytes.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let mut length = u64::try_from(text.len()).expect("a length") << 1;
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).expect("seven bits") | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).expect("seven bits"));
    bytes.extend_from_slice(text.as_bytes());
}

fn check(name: &str, kind: &str, body: &str, halt: &str) {
    let site = Site::new(name);
    site.init(1, "load");
    let mut worker = site.worker("older", &[]);
    worker.wait_partition(0, "running", "");
    append(&site, kind, body);
    worker.wait_partition(0, "halted", halt);
    resolve(&site, &worker, &[])
        .ok()
        .says(&[halt, "a later one"]);
    until("the worker to be alive", SOON, || {
        let seen = worker.status_of("/health/live");
        (seen == Some(200))
            .then_some(())
            .ok_or_else(|| format!("{seen:?}"))
    });
}

#[test]
fn decisions_of_a_newer_release_wait_for_it() {
    let _turn = Turn::light();
    let fold = r#"{"kind":"catalog","catalog":{"fold":99},"source":""}"#;
    check("resolve_kind", "tariff", "{}", "unknown_kind");
    check("resolve_fold", "catalog", fold, "unknown_fold");
}
