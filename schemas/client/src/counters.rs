//! What became of the events of one client, as numbers.
//!
//! Invariant: every call of `emit` adds to exactly one of `emitted`, `refused` and the three
//! `dropped`; and `emitted = delivered + failed + pending`, so nothing is lost unseen.

use crate::error::EmitError;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of a client's counters. All but `pending` only rise.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// Events taken into the buffer.
    pub emitted: u64,
    /// Events that all in-sync replicas have.
    pub delivered: u64,
    /// Events not known to be in the log: given up after the delivery timeout, or refused by Kafka.
    pub failed: u64,
    /// Events taken and neither delivered nor failed yet.
    pub pending: u64,
    /// Events dropped because the buffer was full.
    pub dropped_full: u64,
    /// Events dropped because the buffer stayed full for the longest wait.
    pub dropped_still_full: u64,
    /// Events dropped because the client was closed.
    pub dropped_closed: u64,
    /// Events refused for what they are.
    pub refused: u64,
}

impl Counters {
    /// All events that came in and will not come out, whatever the cause.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.failed
            + self.dropped_full
            + self.dropped_still_full
            + self.dropped_closed
            + self.refused
    }

    /// The counters by the names to export them under: counters end in `_total`, the rest is a
    /// gauge.
    #[must_use]
    pub const fn metrics(&self) -> [(&'static str, u64); 8] {
        [
            ("meterline_client_emitted_total", self.emitted),
            ("meterline_client_delivered_total", self.delivered),
            ("meterline_client_failed_total", self.failed),
            ("meterline_client_pending", self.pending),
            ("meterline_client_dropped_full_total", self.dropped_full),
            (
                "meterline_client_dropped_still_full_total",
                self.dropped_still_full,
            ),
            ("meterline_client_dropped_closed_total", self.dropped_closed),
            ("meterline_client_refused_total", self.refused),
        ]
    }
}

impl fmt::Display for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            emitted,
            delivered,
            failed,
            pending,
            dropped_full,
            dropped_still_full,
            dropped_closed,
            refused,
        } = self;
        write!(
            f,
            "{emitted} emitted: {delivered} delivered, {failed} failed, {pending} pending; not \
             emitted: {refused} refused, {dropped_full} dropped with a full buffer, \
             {dropped_still_full} after waiting, {dropped_closed} after closing"
        )
    }
}

/// The counters themselves. `pending` is the buffer's.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) emitted: AtomicU64,
    pub(crate) delivered: AtomicU64,
    pub(crate) failed: AtomicU64,
    dropped_full: AtomicU64,
    dropped_still_full: AtomicU64,
    dropped_closed: AtomicU64,
    refused: AtomicU64,
}

impl Tally {
    /// Counts an event that is not emitted.
    pub(crate) fn not_emitted(&self, why: &EmitError) {
        let counter = match why {
            EmitError::Full => &self.dropped_full,
            EmitError::StillFull { .. } => &self.dropped_still_full,
            EmitError::Closed => &self.dropped_closed,
            _ => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// The counters of now.
    ///
    /// What was settled is read before what was emitted, so that no snapshot shows more delivered
    /// than emitted.
    pub(crate) fn snapshot(&self) -> Counters {
        let read = |counter: &AtomicU64| counter.load(Ordering::Acquire);
        let (delivered, failed) = (read(&self.delivered), read(&self.failed));
        let emitted = read(&self.emitted);
        Counters {
            emitted,
            delivered,
            failed,
            pending: emitted - delivered - failed,
            dropped_full: read(&self.dropped_full),
            dropped_still_full: read(&self.dropped_still_full),
            dropped_closed: read(&self.dropped_closed),
            refused: read(&self.refused),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_in_the_manual() {
        let manual = include_str!("../README.md");
        for (name, _) in Counters::default().metrics() {
            assert!(manual.contains(&format!("| `{name}`")), "{name}");
        }
    }
}
