//! What the client library last said about a connection that failed.
//!
//! A request that nobody answers ends in a timeout, which says nothing about a certificate that is
//! not trusted or a password that is refused: the library only logs those. This context keeps the
//! last such line, so that the error of the request can show it. The lines name hosts, mechanisms
//! and settings, never their values.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use std::sync::{Arc, Mutex, PoisonError};

/// Longest line that is kept: certificates' names can be long, an error should not be.
const LINE_BYTES_MAX: usize = 512;

/// Keeps the last failure; clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastFailure(Arc<Mutex<Option<String>>>);

impl LastFailure {
    /// The last failure; `None` while there was none.
    pub(crate) fn get(&self) -> Option<String> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.clone()
    }

    fn keep(&self, line: &str) {
        // A line begins with the thread and the broker: `[thrd:ssl://host:1/bootstrap]: …`.
        let text = line.split_once("]: ").map_or(line, |(_, text)| text);
        let end = text.floor_char_boundary(LINE_BYTES_MAX);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text[..end].to_owned());
    }
}

impl ClientContext for LastFailure {
    fn log(&self, level: RDKafkaLogLevel, _facility: &str, line: &str) {
        match level {
            RDKafkaLogLevel::Emerg
            | RDKafkaLogLevel::Alert
            | RDKafkaLogLevel::Critical
            | RDKafkaLogLevel::Error => self.keep(line),
            RDKafkaLogLevel::Warning
            | RDKafkaLogLevel::Notice
            | RDKafkaLogLevel::Info
            | RDKafkaLogLevel::Debug => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_is_kept_without_its_thread_and_within_bounds() {
        let failure = LastFailure::default();
        failure.log(RDKafkaLogLevel::Info, "FAIL", "[thrd:x]: not an error");
        assert_eq!(failure.get(), None);
        failure.log(RDKafkaLogLevel::Error, "FAIL", "[thrd:x]: refused");
        assert_eq!(failure.get().as_deref(), Some("refused"));
        failure.log(RDKafkaLogLevel::Error, "FAIL", &"ä".repeat(LINE_BYTES_MAX));
        assert_eq!(failure.get().map(|text| text.len()), Some(LINE_BYTES_MAX));
    }
}
