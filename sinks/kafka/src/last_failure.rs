//! What the client library last said about a connection that failed.
//!
//! A request that nobody answers ends in a timeout, which says nothing about a certificate that is
//! not trusted or a password that is refused: the library only logs those, into a queue that the
//! safe wrapper of an admin client never reads. This reads it when a request failed, so that the
//! error can show the last line. The lines name hosts, mechanisms and settings, never their values.

#![allow(unsafe_code)] // The calls into librdkafka; each block says why it is sound.

use rdkafka_sys as sys;
use std::ffi::{CStr, c_char};
use std::sync::{Mutex, PoisonError};

/// Longest line that is kept: certificates' names can be long, an error should not be.
const LINE_BYTES_MAX: usize = 512;
/// Lines that are read at once: far more than gather between two requests.
const LINES_MAX: usize = 1_000;
/// Syslog's level of an error; higher numbers are less.
const LEVEL_ERROR: i32 = 3;

/// The last failure of one client.
#[derive(Debug, Default)]
pub(crate) struct LastFailure(Mutex<Option<String>>);

impl LastFailure {
    /// Reads what the client has logged since the last call; the last failure ever, if any.
    ///
    /// # Safety
    /// `client` must be a live librdkafka handle for the whole call.
    pub(crate) unsafe fn read(&self, client: *mut sys::RDKafka) -> Option<String> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the contract of this function.
        if let Some(line) = unsafe { last_line(client) } {
            *kept = Some(shortened(&line).to_owned());
        }
        kept.clone()
    }
}

/// The last error in the client's log; empties it.
///
/// # Safety
/// `client` must be a live librdkafka handle for the whole call.
unsafe fn last_line(client: *mut sys::RDKafka) -> Option<String> {
    let mut last = None;
    // SAFETY: the handle is live; the queue is ours until it is destroyed at the end, which leaves
    // the client's own reference alone; each event is destroyed once, after its last use.
    unsafe {
        let queue = sys::rd_kafka_queue_get_main(client);
        for _ in 0..LINES_MAX {
            let event = sys::rd_kafka_queue_poll(queue, 0);
            if event.is_null() {
                break;
            }
            last = error_line(event).filter(|line| says_why(line)).or(last);
            sys::rd_kafka_event_destroy(event);
        }
        sys::rd_kafka_queue_destroy(queue);
    }
    last
}

/// The text of a log event that tells of an error.
///
/// # Safety
/// `event` is a live event.
unsafe fn error_line(event: *mut sys::rd_kafka_event_t) -> Option<String> {
    let mut facility: *const c_char = std::ptr::null();
    let mut text: *const c_char = std::ptr::null();
    let mut level = 0;
    // SAFETY: the event is live; of one that is no log line the call says so and sets nothing; a
    // line's text ends with a zero byte and lives as long as the event.
    unsafe {
        let other =
            sys::rd_kafka_event_log(event, &raw mut facility, &raw mut text, &raw mut level);
        let is_line = other == 0 && !text.is_null() && level <= LEVEL_ERROR;
        is_line.then(|| CStr::from_ptr(text).to_string_lossy().into_owned())
    }
}

/// Whether a line says more than that nobody can be reached, which follows every failure.
fn says_why(line: &str) -> bool {
    !line.ends_with("brokers are down")
}

/// A line without the thread and the broker that it begins with, and not too long.
fn shortened(line: &str) -> &str {
    let text = line.split_once("]: ").map_or(line, |(_, text)| text).trim();
    let end = (0..=LINE_BYTES_MAX.min(text.len())).rev();
    let end = { end }.find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_that_follows_every_failure_is_left_out() {
        assert!(!says_why("[thrd:x]: 1/1 brokers are down"));
        assert!(says_why("[thrd:x]: SASL authentication error"));
    }

    #[test]
    fn a_line_is_shown_without_its_thread_and_within_bounds() {
        assert_eq!(
            shortened("[thrd:ssl://a:1/bootstrap]: refused \n"),
            "refused"
        );
        assert_eq!(shortened("refused"), "refused");
        assert_eq!(shortened(&"ä".repeat(LINE_BYTES_MAX)).len(), LINE_BYTES_MAX);
    }
}
