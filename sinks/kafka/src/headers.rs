//! The headers of a message, without trusting their names.
//!
//! The client library's own accessor panics on a header name that is not UTF-8, and a producer
//! could stop a partition, or every replay, with one. Such a name is none of ours, so it is left
//! out, for every reader alike. The raw accessors are the only way to see that.
#![allow(
    unsafe_code,
    reason = "librdkafka's header accessors have no checked wrapper"
)]

use rdkafka::bindings::{
    self, rd_kafka_headers_t as List, rd_kafka_message_t as Native, rd_kafka_resp_err_t as Code,
};
use rdkafka::message::BorrowedMessage;
use std::ffi::CStr;
use std::marker::PhantomData;
use std::ptr;

/// The headers of a message in written order; a value may be absent. Made by [`headers`] and
/// [`native_headers`].
#[derive(Debug)]
pub struct Headers<'m> {
    /// Null where the message has no headers.
    list: *const List,
    next: usize,
    message: PhantomData<&'m Native>,
}

/// The headers of a message whose names are UTF-8.
pub fn headers<'m>(message: &'m BorrowedMessage<'_>) -> Headers<'m> {
    // SAFETY: a borrowed message points to a native one that lives at least as long as it.
    native_headers(unsafe { &*message.ptr() })
}

/// The headers of a native message whose names are UTF-8.
#[must_use]
pub fn native_headers(message: &Native) -> Headers<'_> {
    let mut list = ptr::null_mut();
    // SAFETY: the message is alive while it is borrowed; librdkafka keeps ownership of the list,
    // which lives as long as the message.
    let code = unsafe { bindings::rd_kafka_message_headers(message, &raw mut list) };
    Headers {
        list: if code == Code::RD_KAFKA_RESP_ERR_NO_ERROR {
            list
        } else {
            ptr::null()
        },
        next: 0,
        message: PhantomData,
    }
}

impl<'m> Iterator for Headers<'m> {
    type Item = (&'m str, Option<&'m [u8]>);

    fn next(&mut self) -> Option<Self::Item> {
        while !self.list.is_null() {
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the list is the message's own, and the three places outlive the call.
            let code = unsafe {
                bindings::rd_kafka_header_get_all(
                    self.list,
                    self.next,
                    &raw mut name,
                    &raw mut value,
                    &raw mut length,
                )
            };
            if code != Code::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            self.next += 1;
            // SAFETY: librdkafka ends names with a zero byte and keeps them with the message.
            let name: &'m CStr = unsafe { CStr::from_ptr(name) };
            // SAFETY: a value that is there has `length` bytes, kept with the message.
            let value: Option<&'m [u8]> = (!value.is_null())
                .then(|| unsafe { std::slice::from_raw_parts(value.cast::<u8>(), length) });
            if let Ok(name) = name.to_str() {
                return Some((name, value));
            }
        }
        None
    }
}
