//! Reads a message that librdkafka gave without an event, which rust-rdkafka does not wrap.
//!
//! The raw fields are the only way to it, which is why this small module may use unsafe code; in this
//! crate only [`super::queue`] may as well.
#![allow(
    unsafe_code,
    reason = "rust-rdkafka has no message over librdkafka's calls without events"
)]

use crate::partition::RawRecord;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use rdkafka::bindings::{
    self, rd_kafka_message_t as Native, rd_kafka_timestamp_type_t as TimeKind,
};
use std::ffi::c_void;

/// The message as a record that borrows from it; it must be one without an error.
pub(super) fn read(message: &Native) -> RawRecord<'_> {
    RawRecord {
        offset: Offset::try_from(message.offset).expect("a delivered record has an offset"),
        append_time: append_time(message),
        leader_epoch: leader_epoch(message),
        headers: meterline_kafka::native_headers(message).collect(),
        key: bytes(message, message.key, message.key_len),
        payload: bytes(message, message.payload, message.len),
    }
}

/// The bytes that a message points to; `None` where it points nowhere.
fn bytes(_message: &Native, start: *const c_void, length: usize) -> Option<&[u8]> {
    // SAFETY: key and value have the lengths that the message says, and live as long as it does.
    (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), length) })
}

fn append_time(message: &Native) -> Option<LogTime> {
    let mut kind = TimeKind::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is alive while it is borrowed, and the place outlives the call.
    let millis = unsafe { bindings::rd_kafka_message_timestamp(message, &raw mut kind) };
    (kind == TimeKind::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME).then_some(LogTime(millis))
}

fn leader_epoch(message: &Native) -> i32 {
    // SAFETY: the message is alive while it is borrowed.
    unsafe { bindings::rd_kafka_message_leader_epoch(message) }
}
