//! Reads a message without trusting its header names.
//!
//! The client library's own accessor panics on a header name that is not UTF-8, and a producer
//! could stop a partition with one. Such a name is none of ours, so it is left out, for every
//! reader alike. The raw accessors are the only way to see that, which is why this small module
//! may use unsafe code; in this crate only [`super::queue`] may as well.
#![allow(
    unsafe_code,
    reason = "librdkafka's header accessors have no checked wrapper"
)]

use crate::partition::{Headers, RawRecord};
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use rdkafka::bindings::{
    self, rd_kafka_message_t as Native, rd_kafka_timestamp_type_t as TimeKind,
};
use std::ffi::{CStr, c_void};
use std::ptr;

/// The message as a record that borrows from it; it must be one without an error.
pub(super) fn read(message: &Native) -> RawRecord<'_> {
    RawRecord {
        offset: Offset::try_from(message.offset).expect("a delivered record has an offset"),
        append_time: append_time(message),
        leader_epoch: leader_epoch(message),
        headers: headers(message),
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

fn headers(message: &Native) -> Headers<'_> {
    let mut found = Headers::new();
    let mut list = ptr::null_mut();
    // SAFETY: the message is alive while it is borrowed; librdkafka keeps ownership of the list,
    // which lives as long as the message.
    let error = unsafe { bindings::rd_kafka_message_headers(message, &raw mut list) };
    if error != bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
        return found;
    }
    for index in 0.. {
        let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the list is the message's own, and the three places outlive the call.
        let error = unsafe {
            bindings::rd_kafka_header_get_all(
                list,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut length,
            )
        };
        if error != bindings::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            break;
        }
        // SAFETY: librdkafka terminates names with a zero byte and keeps them with the message.
        let name: &CStr = unsafe { CStr::from_ptr(name) };
        // SAFETY: a value that is there has `length` bytes, kept with the message.
        let value: Option<&[u8]> = (!value.is_null())
            .then(|| unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) });
        if let Ok(name) = name.to_str() {
            found.push((name, value));
        }
    }
    found
}
