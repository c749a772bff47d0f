//! Leaves out warnings that repeat.
//!
//! Counted by the place in the code, so the state is bounded. Errors and notices are never left
//! out: an error needs a person, and notices do not repeat without something that changed.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::callsite::Identifier;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::{Format, Full, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Lines of one warning per window: enough to see every partition of a usual worker once.
pub(super) const LINES_PER_WINDOW: u64 = 20;

/// Length of a window.
const WINDOW: Duration = Duration::from_secs(60);

/// What one place in the code wrote in its running window.
#[derive(Clone, Copy, Debug)]
struct Seen {
    since: Instant,
    written: u64,
    left_out: u64,
}

impl Seen {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            written: 0,
            left_out: 0,
        }
    }

    /// Whether one more is written: with how many were left out before it.
    fn admit(&mut self, now: Instant) -> Option<u64> {
        if now.saturating_duration_since(self.since) >= WINDOW {
            (self.since, self.written) = (now, 0);
        }
        if self.written >= LINES_PER_WINDOW {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// Counts lines by the place in the code that they come from.
#[derive(Debug, Default)]
pub(super) struct Limit(Mutex<HashMap<Identifier, Seen>>);

impl Limit {
    /// Whether the line is written: with how many like it were left out before it.
    pub(super) fn admit(&self, line: &Metadata<'_>, now: Instant) -> Option<u64> {
        if !is_limited(*line.level(), line.target()) {
            return Some(0);
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = all.entry(line.callsite());
        seen.or_insert_with(|| Seen::new(now)).admit(now)
    }
}

/// A collector of traces that is away is no error of ours, however its client calls it.
fn is_limited(level: Level, target: &str) -> bool {
    level == Level::WARN || target.starts_with("opentelemetry")
}

/// Lines for people.
#[derive(Debug)]
pub(super) struct TextLines {
    limit: Limit,
    form: Format<Full>,
}

impl TextLines {
    pub(super) fn new(limit: Limit) -> Self {
        let form = Format::default();
        Self { limit, form }
    }
}

impl<S, N> FormatEvent<S, N> for TextLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        match self.limit.admit(event.metadata(), Instant::now()) {
            None => return Ok(()),
            Some(0) => {}
            Some(left_out) => writeln!(writer, "{left_out} lines like the next were left out")?,
        }
        self.form.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_warnings_are_left_out() {
        for (level, target, expected) in [
            (Level::WARN, "meterline_worker", true),
            (Level::ERROR, "meterline_worker", false),
            (Level::INFO, "meterline_worker", false),
            (Level::ERROR, "opentelemetry_sdk", true),
        ] {
            assert_eq!(is_limited(level, target), expected, "{level} {target}");
        }
    }

    #[test]
    fn the_next_window_says_how_many_were_left_out() {
        let start = Instant::now();
        let mut seen = Seen::new(start);
        for _ in 0..LINES_PER_WINDOW {
            assert_eq!(seen.admit(start), Some(0));
        }
        assert_eq!(seen.admit(start), None);
        assert_eq!(seen.admit(start + WINDOW / 2), None);
        assert_eq!(seen.admit(start + WINDOW), Some(2));
        assert_eq!(seen.admit(start + WINDOW), Some(0), "said once");
    }
}
