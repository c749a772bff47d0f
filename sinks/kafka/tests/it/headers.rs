//! Headers that no careful producer writes, and any other may.
#![allow(
    unsafe_code,
    reason = "only librdkafka itself writes a header name that is not UTF-8"
)]

use crate::{TIMEOUT, topic};
use meterline_kafka::{ReadRecord, Reader, Settings};
use rdkafka::bindings::{rd_kafka_header_add, rd_kafka_headers_t};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::ptr;

/// Headers of which the second has a name that is not UTF-8.
fn hostile() -> OwnedHeaders {
    let headers = OwnedHeaders::new().insert(Header {
        key: "first",
        value: Some("1"),
    });
    let list = ptr::from_ref(headers.as_borrowed())
        .cast_mut()
        .cast::<rd_kafka_headers_t>();
    let (name, value) = (b"n\xff", b"2");
    // SAFETY: the list is alive and nobody else has it; the bytes are copied.
    unsafe { rd_kafka_header_add(list, name.as_ptr().cast(), 2, value.as_ptr().cast(), 1) };
    headers.insert(Header {
        key: "absent",
        value: None::<&str>,
    })
}

fn send(settings: &Settings, topic: &str, headers: &[OwnedHeaders]) {
    let producer: BaseProducer = settings.producer_config().create().expect("a client");
    for headers in headers {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic)
            .partition(0)
            .payload(b"{}".as_slice())
            .headers(headers.clone());
        assert!(producer.send(record).is_ok());
    }
    producer.flush(TIMEOUT).expect("acknowledged");
}

#[test]
fn a_header_name_that_is_not_utf_8_stops_no_reader_and_is_left_out() {
    let (settings, _, spec) = topic(1);
    let tame = OwnedHeaders::new();
    send(&settings, &spec.name, &[hostile(), hostile(), tame]);
    let mut reader = Reader::connect(&settings, "test").expect("a client");
    let kept = [
        ("first".to_owned(), Some(b"1".to_vec())),
        ("absent".to_owned(), None),
    ];
    let named = reader.read_at(&spec.name, 0, 0, TIMEOUT).expect("read");
    assert_eq!(named.expect("it is there").headers, kept);
    // Read past on the way to the next.
    let behind = reader.read_at(&spec.name, 0, 2, TIMEOUT).expect("read");
    assert_eq!(behind.expect("it is there").headers, []);
    let mut all: Vec<ReadRecord> = Vec::new();
    let taken = reader.read_to_end(&spec.name, 0, 0, TIMEOUT, |record| {
        all.push(record);
        Ok::<_, meterline_kafka::ReadError>(())
    });
    assert_eq!(taken.expect("read"), 3);
    assert_eq!(all.len(), 3);
    assert_eq!(all[1].headers, kept);
}
