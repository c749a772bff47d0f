//! What a producing command says at its end.

use super::pace::Pace;
use super::publisher::{Counts, Publisher};
use super::sender::{Sender, Sent};
use crate::failure::Failure;
use crate::output::{grouped, print};
use crate::stop::Stop;
use anyhow::Result;
use std::path::Path;
use std::time::Duration;

/// Ends a producing command: closes the recording, waits for all acknowledgements and prints the
/// summary, also where publishing failed half way.
pub(crate) fn conclude(
    publisher: Publisher<Sender>,
    published: Result<()>,
    topic: &str,
    pace: &Pace,
    recording: Option<&Path>,
    stop: &Stop,
) -> Result<(), Failure> {
    let (counts, sender) = publisher.finish()?;
    let (sent, delivered) = sender.finish();
    let (elapsed, stopped) = (pace.elapsed(), stop.is_requested());
    let summary = Summary {
        topic,
        counts,
        sent,
        elapsed,
        recording,
        stopped,
    };
    print(&summary.to_string())?;
    published?;
    Ok(delivered?)
}

/// What was published, for people.
#[derive(Debug)]
struct Summary<'a> {
    /// The topic.
    topic: &'a str,
    /// What was sent, by kind.
    counts: Counts,
    /// What became of it.
    sent: Sent,
    /// How long it took.
    elapsed: Duration,
    /// The recording, where one was written.
    recording: Option<&'a Path>,
    /// Whether somebody stopped the command before its end.
    stopped: bool,
}

impl std::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { counts, sent, .. } = self;
        let stopped = if self.stopped {
            " (stopped before its end)"
        } else {
            ""
        };
        let millis = self.elapsed.as_millis().max(1);
        let rate = u64::try_from(u128::from(sent.sent) * 1_000 / millis).unwrap_or(u64::MAX);
        writeln!(
            f,
            "{} records sent to {} in {}.{:03} s, {}/s{stopped}",
            grouped(sent.sent),
            self.topic,
            millis / 1_000,
            millis % 1_000,
            grouped(rate)
        )?;
        writeln!(f, "  acknowledged  {}", grouped(sent.acknowledged))?;
        writeln!(f, "  failed        {}", grouped(sent.failed))?;
        writeln!(f, "  events        {}", grouped(counts.events))?;
        for (name, count) in [
            ("late", counts.late),
            ("duplicates", counts.duplicates),
            ("broken", counts.broken),
        ] {
            if count > 0 {
                writeln!(f, "  {name:<13} {}", grouped(count))?;
            }
        }
        match counts.times {
            Some((first, last)) => writeln!(f, "  event times   {first} to {last}")?,
            None => writeln!(f, "  event times   none: nothing was sent")?,
        }
        match self.recording {
            Some(path) => writeln!(f, "  recording     {}", path.display()),
            None => Ok(()),
        }
    }
}
