//! Exits for what the topic and its log show: settings, bounds, replaced records, append times.

use super::{Exit, Facts, Finding, finding, furthest, verdict};
use crate::control::VerdictAction;
use crate::position::Stamp;
use crate::verdicts;
use std::ops::Range;

pub(super) fn judge_topic(facts: &Facts) -> Option<Finding> {
    (!facts.is_log_append_time).then(|| {
        let what = "the topic does not carry the broker's append times".to_owned();
        let exit = "set message.timestamp.type=LogAppendTime on the topic, then run this again";
        finding("timestamp_type", what, Exit::Outside(exit.to_owned()))
    })
}

pub(super) fn judge_gap(facts: &Facts, from: Stamp) -> Option<Finding> {
    let position = verdicts::first_record(&facts.verdicts, from);
    let low = facts.low;
    (position < low).then(|| {
        let counted = taken_back(facts, from);
        let what = format!(
            "the log begins at {low}: {} offsets from {position} on are lost{counted}",
            low - position
        );
        let exit = verdict(position, VerdictAction::ContinueAt(low));
        finding("log_gap", what, exit)
    })
}

/// Whether records that were folded are not in the log any more, or others are in their place.
pub(super) fn judge_end(facts: &Facts, start: Stamp, from: Stamp) -> Option<Finding> {
    let stored = &facts.stored;
    let position = verdicts::first_record(&facts.verdicts, from);
    let high = facts.high;
    let furthest = furthest(facts).max(position);
    let is_replaced = stored.replaced.contains(&from);
    if furthest <= high && !is_replaced {
        return None;
    }
    let holds = |stamp: &&Stamp| stamp.offset <= high && !stored.replaced.contains(stamp);
    let back_from = stored.usable.iter().find(holds).copied();
    // Not to the end of a shorter log: what lies before it may have been replaced too, from where
    // nobody can tell.
    let back_to = back_from.unwrap_or(start).offset;
    let why = if is_replaced {
        format!("records before {} were replaced by others", from.offset)
    } else {
        format!("the log ends at {high} and had been folded to {furthest}")
    };
    let what = format!(
        "{why}: what came from records at or behind {back_to} is taken back, and what the log \
         holds there now is folded"
    );
    if back_from.is_none() && facts.low > start.offset {
        let low = facts.low;
        let exit = format!(
            "no checkpoint is left whose records the log still holds, and it begins at {low}: bring \
             an older one back"
        );
        return Some(finding("truncated", what, Exit::Outside(exit)));
    }
    let exit = verdict(back_to, VerdictAction::ContinueAt(back_to));
    Some(finding("truncated", what, exit))
}

/// What of lost records had been counted already and no state holds.
fn taken_back(facts: &Facts, from: Stamp) -> String {
    let progress = facts.progress.filter(|to| to.epoch == from.epoch);
    let counted = progress.map_or(0, |to| to.offset.saturating_sub(from.offset));
    if counted == 0 {
        return String::new();
    }
    format!(
        "; rows hold {counted} of them and more, no checkpoint does: they are taken back to the \
         checkpoint at {}",
        from.offset
    )
}

pub(super) fn judge_times(facts: &Facts) -> Option<Finding> {
    let mistimed = facts.mistimed.as_ref()?;
    let Range { start, end } = mistimed.range;
    let name = if mistimed.has_none {
        "timestamp_type"
    } else {
        "log_time_ahead"
    };
    // Log time never falls; a verdict that says otherwise would only mislead whoever reads it.
    let log_time = mistimed.log_time.max(mistimed.before);
    let what = format!(
        "{} records from offset {start} to {end} have {}; log time {} is used for them",
        end - start,
        if mistimed.has_none {
            "no append time of the broker"
        } else {
            "append times ahead of this machine's clock"
        },
        log_time
    );
    let action = VerdictAction::LogTimeUntil {
        until: end,
        log_time,
    };
    Some(finding(name, what, verdict(start, action)))
}
