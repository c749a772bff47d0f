//! Which exit a stopped partition has: facts in, one finding out.
//!
//! Every halt and stall has one exit (INV-HALT). What can be seen from outside (the topic, the
//! log's bounds, the checkpoint store, the control log) is judged again here and goes before what
//! a worker said when it stopped, because the world may have changed since. One finding at a time:
//! the exit of the first may end the next.
//!
//! What is refused: a verdict before an earlier one, a partition count that fell, and any exit that
//! would let a rebuilt state replace rows that are right.

mod log;
mod store;

use crate::control::{Adoption, Verdict, VerdictAction};
use crate::position::{LogPartition, Offset, Stamp};
use crate::time::LogTime;
use crate::verdicts;
use std::ops::Range;

/// What is known of one partition of the usage topic as it is now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// The partition, of the topic's present id.
    pub log_partition: LogPartition,
    /// How it begins; `None` where it is not adopted.
    pub adoption: Option<Adoption>,
    /// Whether any partition of the topic's present id is adopted.
    pub is_topic_adopted: bool,
    /// Whether a topic of this name was adopted under another id.
    pub was_adopted_before: bool,
    /// Verdicts in force on it.
    pub verdicts: Vec<(Offset, Verdict)>,
    /// Partitions that the topic has.
    pub partitions: u32,
    /// Whether the topic is set to the broker's append times.
    pub is_log_append_time: bool,
    /// First offset that the log still has.
    pub low: Offset,
    /// The offset after the log's last record.
    pub high: Offset,
    /// What the checkpoint store has of it.
    pub stored: Stored,
    /// Epoch and `to` of its newest progress.
    pub progress: Option<Stamp>,
    /// What a worker says that stopped it.
    pub stopped: Option<Stopped>,
    /// The first records from the position on whose append times cannot be used.
    pub mistimed: Option<Mistimed>,
    /// Rows and dead letters of a history that was given up.
    pub abandoned: u64,
}

/// What the checkpoint store has of a partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    /// Manifests that are complete, undisputed and on the way that the verdicts describe, newest
    /// first.
    pub usable: Vec<Stamp>,
    /// Those of them whose last record the log holds no more as it was folded, or where nobody can
    /// tell; only asked for where a worker says that records were replaced, or the log is shorter
    /// than what was folded.
    pub replaced: Vec<Stamp>,
    /// Manifests that are damaged, incomplete or disputed, each with the reason.
    pub unusable: Vec<(String, String)>,
    /// Two histories disagree, and what on.
    pub dispute: Option<String>,
    /// A manifest in a format that this binary does not read.
    pub unknown_format: Option<String>,
    /// The manifest that is loaded next is sound, and was made beside something else.
    pub foreign: Option<Foreign>,
}

/// What a sound manifest was made with and does not find here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Foreign {
    /// What is missing.
    pub lacks: Lack,
    /// Which manifest, and what it names.
    pub what: String,
}

/// What must be brought back before a manifest can be loaded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lack {
    /// The control log: this one has another topic id.
    ControlLog,
    /// Decisions: the control log ends before them, or has others in their place.
    Decisions,
    /// The key that ids are hashed with.
    IdentityKey,
}

/// What a worker says of a partition that it cannot go on with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// The name of the halt or stall.
    pub name: String,
    /// The whole reason.
    pub reason: String,
    /// The next record that it would have folded.
    pub position: Offset,
}

/// Records without an append time that can be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistimed {
    /// Their offsets, without a good one between.
    pub range: Range<Offset>,
    /// Whether they have none of the broker (`timestamp_type`) or one that is ahead of the clock
    /// (`log_time_ahead`).
    pub has_none: bool,
    /// The log time to use for them.
    pub log_time: LogTime,
    /// Log time of the partition before them, as far as it is known.
    pub before: LogTime,
}

/// A reason to stop, and the way out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Name of the halt or stall; `abandoned` for rows that wait to be restated.
    pub name: String,
    /// What is the matter, and what the exit loses.
    pub what: String,
    /// What to do.
    pub exit: Exit,
}

/// What ends a halt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// A verdict; these manifests are set aside before it is written.
    Verdict {
        /// Where it acts.
        offset: Offset,
        /// What it says.
        action: VerdictAction,
        /// Paths of manifests that nobody may load any more.
        set_aside: Vec<String>,
    },
    /// The partition is adopted from this offset, with the newest catalog.
    Adopt {
        /// First offset that is counted.
        first_offset: Offset,
    },
    /// What a given up history wrote is restated.
    Restate,
    /// A person must do something else first; this says what.
    Outside(String),
}

/// The first reason why the partition does not go on, with its exit; `None` where nothing is found.
#[must_use]
pub fn judge(facts: &Facts) -> Option<Finding> {
    // What is known by a control log that is not the partition's own is worth nothing.
    if let Some(foreign) = &facts.stored.foreign {
        return Some(store::judge_foreign(foreign));
    }
    let Some(adoption) = &facts.adoption else {
        return judge_unadopted(facts);
    };
    let start = Stamp {
        epoch: 0,
        offset: adoption.first_offset,
    };
    let from = facts.stored.usable.first().copied().unwrap_or(start);
    judge_partitions(facts, adoption)
        .or_else(|| store::judge_order(facts))
        .or_else(|| store::judge_store(facts, adoption, from))
        .or_else(|| log::judge_topic(facts))
        .or_else(|| log::judge_gap(facts, from))
        .or_else(|| log::judge_end(facts, start, from))
        .or_else(|| log::judge_times(facts))
        .or_else(|| judge_stopped(facts, from))
        .or_else(|| judge_abandoned(facts))
        .map(|finding| check_order(finding, &facts.verdicts))
}

fn finding(name: &str, what: String, exit: Exit) -> Finding {
    Finding {
        name: name.to_owned(),
        what,
        exit,
    }
}

/// A verdict before an earlier one is met by no reader: it is refused.
fn check_order(finding: Finding, verdicts: &[(Offset, Verdict)]) -> Finding {
    let last = verdicts.last().map_or(0, |(_, verdict)| verdict.offset);
    match finding.exit {
        Exit::Verdict { offset, .. } if offset < last => Finding {
            exit: Exit::Outside(format!(
                "the exit would be a verdict on offset {offset}, before the last one on {last}, \
                 which no reader can meet; bring the log or a checkpoint at or behind {last} back"
            )),
            ..finding
        },
        _ => finding,
    }
}

/// Whether a partition that nobody has adopted is one that somebody should.
fn judge_unadopted(facts: &Facts) -> Option<Finding> {
    let number = facts.log_partition.partition;
    let first_offset = facts.low;
    let exit = Exit::Adopt { first_offset };
    if facts.is_topic_adopted {
        let what = format!(
            "partition {number} was not there when the topic was adopted; it counts from offset \
             {first_offset}. Tenants that moved to it are counted without the ids of their old \
             partition: a repeat of an event from before counts again"
        );
        return Some(finding("partitions_changed", what, exit));
    }
    facts.was_adopted_before.then(|| {
        let what = format!(
            "the topic was made again; partition {number} counts from offset {first_offset}. Rows \
             of the old topic stay; its records that were not folded are gone, and a repeat of one \
             of its events counts again. Start the workers again afterwards"
        );
        finding("topic_changed", what, exit)
    })
}

fn judge_partitions(facts: &Facts, adoption: &Adoption) -> Option<Finding> {
    let known = verdicts::partitions(&facts.verdicts, adoption.partitions);
    let now = facts.partitions;
    if now == known {
        return None;
    }
    if now < known {
        let what = format!("the topic has {now} partitions and had {known}");
        let exit = "Kafka never takes partitions away: this is another cluster or another topic";
        let exit = Exit::Outside(exit.to_owned());
        return Some(finding("partitions_changed", what, exit));
    }
    let offset = furthest(facts);
    let what = format!(
        "the topic has {now} partitions and had {known}; from offset {offset} on tenants are \
         expected where {now} put them, and events elsewhere are dead letters `wrong_partition`"
    );
    let action = VerdictAction::Partitions(now);
    Some(finding("partitions_changed", what, verdict(offset, action)))
}

/// A worker stopped for a reason that is not there any more, or that only it can see.
fn judge_stopped(facts: &Facts, from: Stamp) -> Option<Finding> {
    let stopped = facts.stopped.as_ref()?;
    let outside = |text: &str| {
        let exit = Exit::Outside(text.to_owned());
        Some(finding(&stopped.name, stopped.reason.clone(), exit))
    };
    match stopped.name.as_str() {
        "unknown_kind" | "unknown_fold" => outside(
            "run the release that wrote it or a later one; the partition goes on by itself then",
        ),
        // What its manifests name as their format is fine: it is in one of their files.
        "unknown_format" => outside(
            "start a worker of the release that wrote it or of a later one; where what it says is \
             not in the checkpoint store any more, start the same one again",
        ),
        "topic_changed" => outside("start the worker again: it still reads the old topic"),
        "lookup" => outside(
            "look at the files with `meterline checkpoint list --read`, and bring the damaged one \
             back; once one is found, this command goes back to a checkpoint without it",
        ),
        // The log's bounds are fine, and the checkpoint's records are still there.
        "truncated" => {
            let (back_to, position) = (from.offset, stopped.position);
            let what = format!(
                "records between the checkpoint at {back_to} and {position} were replaced by \
                 others: what came from them is taken back, and what the log holds there now is \
                 folded"
            );
            let exit = verdict(back_to, VerdictAction::ContinueAt(back_to));
            Some(finding(&stopped.name, what, exit))
        }
        "log_time_ahead" => outside("it ends by itself once this machine's clock is there"),
        _ => {
            let offset = furthest(facts).min(facts.high).max(from.offset);
            let what = format!(
                "{}; nothing of that is seen from here now: a new epoch begins at {offset}",
                stopped.reason
            );
            let exit = verdict(offset, VerdictAction::ContinueAt(offset));
            Some(finding(&stopped.name, what, exit))
        }
    }
}

fn judge_abandoned(facts: &Facts) -> Option<Finding> {
    (facts.abandoned > 0).then(|| {
        let what = format!(
            "{} rows and dead letters of a history that was given up are still shown",
            facts.abandoned
        );
        finding("abandoned", what, Exit::Restate)
    })
}

fn verdict(offset: Offset, action: VerdictAction) -> Exit {
    Exit::Verdict {
        offset,
        action,
        set_aside: Vec::new(),
    }
}

/// The furthest position that anything says the partition has reached in its present epoch.
fn furthest(facts: &Facts) -> Offset {
    let epoch = facts.verdicts.len();
    let of_epoch = |stamp: Option<Stamp>| stamp.filter(|s| usize::from(s.epoch) == epoch);
    let last = facts.verdicts.last().map(|(_, verdict)| verdict.offset);
    let first = facts.adoption.as_ref().map(|a| a.first_offset);
    let known = [
        last,
        first,
        of_epoch(facts.stored.usable.first().copied()).map(|s| s.offset),
        of_epoch(facts.progress).map(|s| s.offset),
        facts.stopped.as_ref().map(|s| s.position),
    ];
    known.into_iter().flatten().max().unwrap_or(facts.low)
}

#[cfg(test)]
mod tests;
