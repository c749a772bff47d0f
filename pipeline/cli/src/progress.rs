//! Progress of long work on standard error: a bar on a terminal, otherwise a line now and then.

use crate::output::{grouped, length, note};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Progress of one piece of work with a known number of steps.
#[derive(Debug)]
pub(crate) struct Progress {
    shown: Shown,
    what: &'static str,
    total: u64,
    start: Instant,
}

#[derive(Debug)]
enum Shown {
    Bar(ProgressBar),
    Lines { next: Instant },
}

impl Progress {
    /// Begins; `what` names the steps in the plural.
    pub(crate) fn start(what: &'static str, total: u64) -> Self {
        let start = Instant::now();
        let shown = if std::io::stderr().is_terminal() {
            let style = ProgressStyle::with_template(
                "{bar:30} {human_pos} of {human_len} {msg}, {rate}, {eta} left",
            )
            .expect("the template is a constant that indicatif takes")
            .with_key(
                "rate",
                |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                    // A bar that cannot be drawn is no failure.
                    let _ = write!(out, "{:.0}/s", state.per_sec());
                },
            );
            Shown::Bar(ProgressBar::new(total).with_style(style).with_message(what))
        } else {
            Shown::Lines {
                next: start + LINE_EVERY,
            }
        };
        Self {
            shown,
            what,
            total,
            start,
        }
    }

    /// Says how many steps are done; cheap enough for every step.
    pub(crate) fn done(&mut self, done: u64) {
        match &mut self.shown {
            Shown::Bar(bar) => bar.set_position(done),
            Shown::Lines { next } => {
                let now = Instant::now();
                if now >= *next {
                    *next = now + LINE_EVERY;
                    note(&line(self.what, done, self.total, now - self.start));
                }
            }
        }
    }

    /// Ends; the bar goes away and leaves room for the summary.
    pub(crate) fn finish(self) {
        if let Shown::Bar(bar) = self.shown {
            bar.finish_and_clear();
        }
    }
}

fn line(what: &str, done: u64, total: u64, elapsed: Duration) -> String {
    let millis = elapsed.as_millis().max(1);
    let rate = u64::try_from(u128::from(done) * 1_000 / millis).unwrap_or(u64::MAX);
    let left = total.saturating_sub(done).checked_div(rate);
    let left = left.map_or_else(|| "unknown time".to_owned(), length);
    format!(
        "{} of {} {what}, {}/s, {left} left",
        grouped(done),
        grouped(total),
        grouped(rate)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_rate_and_time_left() {
        assert_eq!(
            line("records", 20_000, 100_000, Duration::from_secs(2)),
            "20,000 of 100,000 records, 10,000/s, 8s left"
        );
        assert_eq!(
            line("records", 0, 5, Duration::from_secs(9)),
            "0 of 5 records, 0/s, unknown time left"
        );
    }
}
