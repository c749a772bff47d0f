//! What a producing command says at its end.

use super::publisher::Counts;
use super::sender::Sent;
use crate::output::grouped;
use std::path::Path;
use std::time::Duration;

/// What was published, for people.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    /// The topic.
    pub topic: &'a str,
    /// What was sent, by kind.
    pub counts: Counts,
    /// What became of it.
    pub sent: Sent,
    /// How long it took.
    pub elapsed: Duration,
    /// The recording, where one was written.
    pub recording: Option<&'a Path>,
    /// Whether somebody stopped the command before its end.
    pub stopped: bool,
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
