//! Exits for what the checkpoint store shows: manifests of another place, damaged, disputed or gone.

use super::{Exit, Facts, Finding, Foreign, Lack, finding};
use crate::control::{Adoption, VerdictAction};
use crate::position::Stamp;
use crate::verdicts;

/// A manifest that any verdict would only have loaded, and refused, again.
pub(super) fn judge_foreign(foreign: &Foreign) -> Finding {
    let (name, exit) = match foreign.lacks {
        Lack::ControlLog => (
            "topic_changed",
            "bring back the control log that it names, by the brokers' disks, or set the Kafka and \
             topic prefix that it is in; then start the workers again",
        ),
        Lack::Decisions => (
            "divergence",
            "bring the control log back whole, by the brokers' disks; then start the workers again",
        ),
        Lack::IdentityKey => (
            "divergence",
            "bring back the `identity-key` that the checkpoint store had, from its backup; then \
             start the workers again",
        ),
    };
    finding(name, foreign.what.clone(), Exit::Outside(exit.to_owned()))
}

/// Verdicts that no reader can meet: one more cannot put them in order.
pub(super) fn judge_order(facts: &Facts) -> Option<Finding> {
    let halt = verdicts::check_order(&facts.verdicts).err()?;
    let exit = "decisions are never taken back: bring the control log back as it was before the \
                second of them, by the brokers' disks; then start the workers again";
    let exit = Exit::Outside(exit.to_owned());
    Some(finding(halt.name(), halt.to_string(), exit))
}

pub(super) fn judge_store(facts: &Facts, adoption: &Adoption, from: Stamp) -> Option<Finding> {
    let stored = &facts.stored;
    if let Some(what) = &stored.unknown_format {
        let exit = "run a release that reads this format; the partition goes on by itself then";
        let exit = Exit::Outside(exit.to_owned());
        return Some(finding("unknown_format", what.clone(), exit));
    }
    let first = adoption.first_offset;
    let is_lookup = facts.stopped.as_ref().is_some_and(|s| s.name == "lookup");
    let is_unusable = stored.dispute.is_some() || is_lookup && !stored.unusable.is_empty();
    if stored.usable.is_empty() && facts.low > first {
        let low = facts.low;
        let what = format!(
            "there is no checkpoint, and the log begins at {low}, not at the adoption's offset \
             {first}"
        );
        let exit = "bring the checkpoint store back. Where it is gone for good and the partition was \
                    stopped well, `meterline checkpoint repair --rebuild --partition N \
                    --without-ids --yes` makes one from the rows, then run this again; without one, \
                    rows that are right would be replaced by those of a part of the log";
        return Some(finding(
            "no_checkpoint",
            what,
            Exit::Outside(exit.to_owned()),
        ));
    }
    if !is_unusable {
        return None;
    }
    let set_aside: Vec<_> = stored
        .unusable
        .iter()
        .map(|(path, _)| path.clone())
        .collect();
    let name = if is_lookup { "lookup" } else { "divergence" };
    let why = stored.dispute.clone();
    let why = why.or_else(|| stored.unusable.first().map(|(_, why)| why.clone()));
    let what = format!(
        "{}; {} checkpoints are set aside and the log is folded again from offset {}",
        why.unwrap_or_default(),
        set_aside.len(),
        from.offset
    );
    if from.offset < facts.low {
        let low = facts.low;
        let exit = format!("the log begins at {low}: bring an older checkpoint back first");
        return Some(finding(name, what, Exit::Outside(exit)));
    }
    let exit = Exit::Verdict {
        offset: from.offset,
        action: VerdictAction::ContinueAt(from.offset),
        set_aside,
    };
    Some(finding(name, what, exit))
}
