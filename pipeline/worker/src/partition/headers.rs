//! Reads a message without trusting its header names.
//!
//! The client library's own accessor panics on a header name that is not UTF-8, and a producer
//! could stop a partition with one. Such a name is none of ours, so it is left out, for every
//! reader alike. The raw accessors are the only way to see that, which is why this small module,
//! and no other, may use unsafe code.
#![allow(
    unsafe_code,
    reason = "librdkafka's header accessors have no checked wrapper"
)]

use super::record::{Headers, RawRecord};
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use rdkafka::bindings;
use rdkafka::message::{BorrowedMessage, Message, Timestamp};
use std::ffi::CStr;
use std::ptr;

/// The message as a record that borrows from it.
pub(crate) fn read<'m>(message: &'m BorrowedMessage<'_>) -> RawRecord<'m> {
    RawRecord {
        offset: Offset::try_from(message.offset()).expect("a delivered record has an offset"),
        append_time: match message.timestamp() {
            Timestamp::LogAppendTime(millis) => Some(LogTime(millis)),
            Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
        },
        leader_epoch: leader_epoch(message),
        headers: headers(message),
        key: message.key(),
        payload: message.payload(),
    }
}

fn leader_epoch(message: &BorrowedMessage<'_>) -> i32 {
    // SAFETY: the message is alive while it is borrowed.
    unsafe { bindings::rd_kafka_message_leader_epoch(message.ptr()) }
}

fn headers<'m>(message: &'m BorrowedMessage<'_>) -> Headers<'m> {
    let mut found = Headers::new();
    let mut list = ptr::null_mut();
    // SAFETY: the message is alive while it is borrowed; librdkafka keeps ownership of the list,
    // which lives as long as the message.
    let error = unsafe { bindings::rd_kafka_message_headers(message.ptr(), &raw mut list) };
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
        let name: &'m CStr = unsafe { CStr::from_ptr(name) };
        // SAFETY: a value that is there has `length` bytes, kept with the message.
        let value: Option<&'m [u8]> = (!value.is_null())
            .then(|| unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) });
        if let Ok(name) = name.to_str() {
            found.push((name, value));
        }
    }
    found
}
