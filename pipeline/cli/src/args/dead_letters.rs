//! Arguments of `dead-letters`: one set of filters for all of its commands.

use super::Output;
use super::output::ResultArgs;
use crate::units::parse_moment;
use clap::{Args, Subcommand};
use meterline_clickhouse::DeadLetterFilter;
use meterline_core::position::{Offset, TopicId};
use meterline_core::reason::Reason;
use meterline_core::time::{EventTime, LogTime};
use meterline_replay::LetterId;

/// Commands on dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLettersCommand {
    /// List the newest dead letters.
    List(ListArgs),
    /// Show one dead letter: its record, and whether it was replayed.
    Show(LetterArgs),
    /// Publish the original records again, each in its tenant's partition and at most once.
    Replay(ReplayArgs),
    /// Remove what dead letters hold of their records; that they were rejected stays.
    Purge(PurgeArgs),
}

/// Which dead letters are meant; every option narrows it further.
#[derive(Clone, Debug, Args)]
pub(crate) struct Which {
    /// One reason only.
    #[arg(long, value_parser = crate::units::parse_reason)]
    pub reason: Option<Reason>,
    /// One tenant only.
    #[arg(long)]
    pub tenant: Option<String>,
    /// One incarnation of a topic only.
    #[arg(long, value_name = "ID", value_parser = parse_topic_id)]
    pub topic_id: Option<TopicId>,
    /// One partition of the topic that the records came from.
    #[arg(long)]
    pub partition: Option<u32>,
    /// One offset of that partition.
    #[arg(long, requires = "partition")]
    pub offset: Option<Offset>,
    /// First log time, RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub since: Option<EventTime>,
    /// First log time no longer meant, RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub until: Option<EventTime>,
}

impl Which {
    /// The filter of the tables.
    pub(crate) fn filter(&self) -> DeadLetterFilter<'_> {
        DeadLetterFilter {
            reason: self.reason,
            tenant: self.tenant.as_deref(),
            topic_id: self.topic_id,
            partition: self.partition,
            offset: self.offset,
            since: self.since.map(first_millisecond),
            until: self.until.map(first_millisecond),
            replayed: None,
            purged: None,
        }
    }
}

/// The first millisecond at or after a moment: log times are whole milliseconds.
fn first_millisecond(moment: EventTime) -> LogTime {
    let part = i64::from(moment.0.rem_euclid(1_000) != 0);
    LogTime(moment.0.div_euclid(1_000) + part)
}

fn parse_topic_id(text: &str) -> Result<TopicId, String> {
    TopicId::try_from(text.to_owned())
}

/// Arguments of `dead-letters list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Which letters.
    #[command(flatten)]
    pub which: Which,
    /// Only those that were replayed.
    #[arg(long, conflicts_with = "unreplayed")]
    pub replayed: bool,
    /// Only those that were not replayed.
    #[arg(long)]
    pub unreplayed: bool,
    /// Only those that were purged; they are left out otherwise.
    #[arg(long)]
    pub purged: bool,
    /// Count the dead letters of each reason instead.
    #[arg(long)]
    pub by_reason: bool,
    /// Most rows to show.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Form and place of the output.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Arguments of `dead-letters show`.
#[derive(Debug, Args)]
pub(crate) struct LetterArgs {
    /// The letter, as `dead-letters list` shows it.
    #[arg(value_name = "TOPIC_ID/PARTITION/OFFSET")]
    pub letter: LetterId,
    /// Form of the output; CSV is refused.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Arguments of `dead-letters replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// One letter, as `dead-letters list` shows it.
    #[arg(value_name = "TOPIC_ID/PARTITION/OFFSET", conflicts_with_all = ["reason", "tenant", "topic_id", "partition", "offset", "since", "until", "all"])]
    pub letter: Option<LetterId>,
    /// Which letters.
    #[command(flatten)]
    pub which: Which,
    /// All letters, without any filter.
    #[arg(long)]
    pub all: bool,
    /// Most letters, oldest first; those that cannot be replayed count too.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask, however many there are.
    #[arg(long)]
    pub yes: bool,
    /// Who replays, for the records of replays; the login name if not given.
    #[arg(long)]
    pub actor: Option<String>,
    /// Why, for the records of replays.
    #[arg(long, default_value = "")]
    pub note: String,
    /// Form of the output.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Arguments of `dead-letters purge`.
#[derive(Debug, Args)]
pub(crate) struct PurgeArgs {
    /// Which letters; at least one option is needed.
    #[command(flatten)]
    pub which: Which,
    /// Also purge letters that were not replayed: their records cannot be replayed then.
    #[arg(long)]
    pub unreplayed: bool,
    /// Purge them; without it, only their number is said.
    #[arg(long)]
    pub yes: bool,
    /// Who purges, for the letters; the login name if not given.
    #[arg(long)]
    pub actor: Option<String>,
    /// Why, for the letters.
    #[arg(long, default_value = "")]
    pub note: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_times_are_rounded_up() {
        for (micros, millis) in [(0, 0), (1, 1), (999, 1), (1_000, 1), (1_001, 2), (-1, 0)] {
            assert_eq!(first_millisecond(EventTime(micros)), LogTime(millis));
        }
    }
}
