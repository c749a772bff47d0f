//! The control log cannot be read on: `unknown_kind` and `unknown_fold` of a newer release, and
//! `log_gap`.
//!
//! What ends these is not staged: there is no newer release yet, and only the brokers' disks bring
//! records of the control log back. So these tests end where the halt still stands, with what was
//! counted before it unchanged, and with an exit that is refused. `verify` reads the control log, and
//! has nothing to say here.

use super::{assert_rows, resolve};
use crate::support::load::{Mix, Mixer};
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::SOON;
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
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new(name, 1), rand::random());
    publisher.send_many(&mut mixer, 1_000);
    let mut worker = site.worker("older", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    append(&site, kind, body);
    worker.wait_partition(0, "halted", halt);
    resolve(&site, &worker, &[])
        .ok()
        .says(&[halt, "none here", "a later one"]);
    resolve(&site, &worker, &["--yes"])
        .with_code(1)
        .says(&[halt, "the control log needs something else first"]);
    worker.assert_running();
    assert_rows(&site, &publisher);
}

#[test]
fn decisions_of_a_newer_release_wait_for_it() {
    let _turn = Turn::light();
    let fold = r#"{"kind":"catalog","catalog":{"fold":99},"source":""}"#;
    check("resolve_kind", "tariff", "{}", "unknown_kind");
    check("resolve_fold", "catalog", fold, "unknown_fold");
}

#[test]
fn a_control_log_that_was_cut_off_must_be_brought_back() {
    let _turn = Turn::light();
    let site = Site::new("resolve_cut_off");
    site.init(1, "load");
    let control = site.topic("meterline.control");
    site.kafka().delete_records(&control, 0, 1);
    site.meterline(&["resolve"])
        .ok()
        .says(&["log_gap", "bring the control log back whole"]);
    site.meterline(&["resolve", "--without-workers", "--yes"])
        .with_code(1)
        .says(&["log_gap", "the control log needs something else first"]);
}
