//! Which form a record is: headers first, then the first byte.

use super::{Headers, check};

const EVENT: &[u8] =
    br#"{"specversion":"1.0","id":"e1","source":"s","type":"t","subject":"acme","time":"2026-11-21T07:41:55Z"}"#;
const SHOWN: &str = "e1|s|t|acme|2026-11-21T07:41:55.000000Z|-|";

fn content_type(value: &[u8]) -> [(&'static str, Option<&[u8]>); 1] {
    [("content-type", Some(value))]
}

#[test]
fn an_object_is_structured_json_whitespace_around_it_included() {
    check(&[], Some(EVENT), SHOWN);
    let padded = [b" \t\r\n", EVENT, b"\n "].concat();
    check(&[], Some(&padded), SHOWN);
    check(
        &[("trace", Some(b"x")), ("empty", None)],
        Some(EVENT),
        SHOWN,
    );
}

#[test]
fn an_array_is_a_batch() {
    let batch = "batch: the value is a JSON array; publish one event per record";
    check(&[], Some(b"[]"), batch);
    check(&[], Some(b"\n [{}]"), batch);
    let headers = content_type(b"application/cloudevents+json");
    check(&headers, Some(b"[]"), batch);
    for kind in [
        &b"application/cloudevents-batch+json"[..],
        b"Application/CloudEvents-Batch+json; charset=UTF-8",
    ] {
        let batch = "batch: the content-type is a CloudEvents batch; publish one event per record";
        check(&content_type(kind), Some(EVENT), batch);
    }
}

#[test]
fn what_has_no_value_is_malformed() {
    let nothing = "malformed: the record has no value (a tombstone, or nothing but whitespace)";
    check(&[], None, nothing);
    check(&[], Some(b""), nothing);
    check(&[], Some(b" \n"), nothing);
}

#[test]
fn other_first_bytes_are_malformed() {
    for (value, byte) in [
        (&b"x"[..], "78"),
        (b"\"text\"", "22"),
        (b"\xEF\xBB\xBF{}", "EF"),
        (b"\xC3", "C3"),
        (b"\xC3\x02\0\0\0\0\0\0\0\0", "C3"),
        (b"Obj\x01", "4F"),
        (b"\x0B{}", "0B"),
    ] {
        let expected = format!("malformed: no record form begins with the byte {byte}");
        check(&[], Some(value), &expected);
    }
}

#[test]
fn a_structured_content_type_wins_over_copies_of_the_attributes() {
    let headers: Headers<'_> = &[
        (
            "content-type",
            Some(b"application/cloudevents+json; charset=utf-8"),
        ),
        ("ce_specversion", Some(b"1.0")),
        ("ce_id", Some(b"another")),
    ];
    check(headers, Some(EVENT), SHOWN);
    check(
        &content_type(b"application/cloudevents"),
        Some(EVENT),
        SHOWN,
    );
    check(
        &content_type(b"application/cloudevents+json"),
        Some(b"\x00\x00\x00\x00\x01"),
        "malformed: no record form begins with the byte 00",
    );
}

#[test]
fn other_cloudevents_formats_are_named() {
    check(
        &content_type(b"application/cloudevents+avro"),
        Some(EVENT),
        "malformed: the content-type `application/cloudevents+avro` is no CloudEvents format \
         that is read; use JSON",
    );
}

#[test]
fn other_content_types_leave_it_to_the_first_byte() {
    for kind in [&b"application/json"[..], b"text/plain", b"", b"\xFF"] {
        check(&content_type(kind), Some(EVENT), SHOWN);
    }
    check(&[("content-type", None)], Some(EVENT), SHOWN);
    check(
        &[("Content-Type", Some(b"application/cloudevents+avro"))],
        Some(EVENT),
        SHOWN,
    );
}

#[test]
fn two_content_types_are_malformed() {
    let headers: Headers<'_> = &[
        ("content-type", Some(b"application/json")),
        ("content-type", Some(b"application/json")),
    ];
    check(
        headers,
        Some(EVENT),
        "malformed: header content-type is there twice",
    );
}
