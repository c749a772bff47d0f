//! One way out for every name, and none that would make things worse.

use super::*;
use crate::position::TopicId;
use crate::time::LogTime;

const LOG_PARTITION: LogPartition = LogPartition {
    topic_id: TopicId(1),
    partition: 0,
};

fn at(epoch: u16, offset: Offset) -> Stamp {
    Stamp { epoch, offset }
}

/// A partition that was adopted at 0, has a checkpoint at 50 and runs.
fn running() -> Facts {
    Facts {
        log_partition: LOG_PARTITION,
        adoption: Some(Adoption {
            topic: "usage.events".to_owned(),
            log_partition: LOG_PARTITION,
            partitions: 4,
            first_offset: 0,
            catalog_version: 1,
        }),
        is_topic_adopted: true,
        was_adopted_before: false,
        verdicts: Vec::new(),
        partitions: 4,
        is_log_append_time: true,
        low: 0,
        high: 90,
        stored: Stored {
            usable: vec![at(0, 50), at(0, 20)],
            ..Stored::default()
        },
        progress: Some(at(0, 70)),
        stopped: None,
        mistimed: None,
        abandoned: 0,
    }
}

fn stopped(name: &str) -> Option<Stopped> {
    Some(Stopped {
        name: name.to_owned(),
        reason: format!("{name}: somehow"),
        position: 80,
    })
}

fn before(offset: Offset) -> Vec<(Offset, Verdict)> {
    let verdict = Verdict {
        log_partition: LOG_PARTITION,
        offset,
        action: VerdictAction::ContinueAt(offset),
    };
    vec![(7, verdict)]
}

/// The exit in short: `name: verdict OFFSET ACTION`, `adopt OFFSET`, `restate`, `outside`.
fn check(change: impl FnOnce(&mut Facts), expected: &str) {
    let mut facts = running();
    change(&mut facts);
    let found = judge(&facts).map_or_else(String::new, |found| {
        let exit = match &found.exit {
            Exit::Verdict {
                offset,
                action,
                set_aside,
            } => {
                let aside = if set_aside.is_empty() { "" } else { " aside" };
                format!("verdict {offset} {action:?}{aside}")
            }
            Exit::Adopt { first_offset } => format!("adopt {first_offset}"),
            Exit::Restate => "restate".to_owned(),
            Exit::Outside(_) => "outside".to_owned(),
        };
        format!("{}: {exit}", found.name)
    });
    assert_eq!(found, expected, "{facts:?}");
}

#[test]
fn a_partition_that_runs_has_no_finding() {
    check(|_| {}, "");
    check(|facts| facts.stored.usable.clear(), "");
    check(
        |facts| {
            facts
                .stored
                .unusable
                .push(("m".to_owned(), "damaged".to_owned()))
        },
        "",
    );
}

#[test]
fn a_partition_that_nobody_adopted_is_adopted_where_its_topic_was() {
    let unadopted = |facts: &mut Facts| {
        facts.adoption = None;
        facts.low = 3;
    };
    check(unadopted, "partitions_changed: adopt 3");
    let made_again = |facts: &mut Facts| {
        unadopted(facts);
        facts.is_topic_adopted = false;
        facts.was_adopted_before = true;
    };
    check(made_again, "topic_changed: adopt 3");
    let foreign = |facts: &mut Facts| {
        made_again(facts);
        facts.was_adopted_before = false;
    };
    check(foreign, "");
}

#[test]
fn a_grown_topic_is_accepted_where_the_partition_is_and_a_shrunk_one_never() {
    check(
        |facts| facts.partitions = 6,
        "partitions_changed: verdict 70 Partitions(6)",
    );
    check(|facts| facts.partitions = 3, "partitions_changed: outside");
    let accepted = |facts: &mut Facts| {
        facts.partitions = 6;
        facts.verdicts = before(70);
        facts.verdicts[0].1.action = VerdictAction::Partitions(6);
    };
    check(accepted, "");
}

#[test]
fn records_that_are_gone_are_skipped_or_taken_back() {
    check(|facts| facts.low = 60, "log_gap: verdict 50 ContinueAt(60)");
    let short = |facts: &mut Facts| facts.high = 40;
    check(short, "truncated: verdict 20 ContinueAt(20)");
    check(
        |facts| facts.high = 60,
        "truncated: verdict 50 ContinueAt(50)",
    );
    let replaced = |facts: &mut Facts| facts.stored.replaced = vec![at(0, 50)];
    check(replaced, "truncated: verdict 20 ContinueAt(20)");
    let short_and_replaced = |facts: &mut Facts| {
        facts.high = 60;
        facts.stored.usable = vec![at(0, 80), at(0, 50), at(0, 20)];
        facts.stored.replaced = vec![at(0, 50)];
    };
    check(short_and_replaced, "truncated: verdict 20 ContinueAt(20)");
    let all_replaced = |facts: &mut Facts| facts.stored.replaced = facts.stored.usable.clone();
    check(all_replaced, "truncated: verdict 0 ContinueAt(0)");
    let nothing_left = |facts: &mut Facts| {
        facts.low = 10;
        facts.high = 15;
    };
    check(nothing_left, "truncated: outside");
}

#[test]
fn no_verdict_lies_before_an_earlier_one() {
    let earlier = |facts: &mut Facts| {
        facts.verdicts = before(45);
        facts.stored.usable = vec![at(1, 50)];
        facts.progress = Some(at(1, 70));
        facts.high = 40;
    };
    check(earlier, "truncated: outside");
    let later = |facts: &mut Facts| {
        earlier(facts);
        facts.high = 46;
    };
    check(later, "truncated: outside");
    let later_with_a_checkpoint = |facts: &mut Facts| {
        later(facts);
        facts.stored.usable.push(at(1, 45));
    };
    check(
        later_with_a_checkpoint,
        "truncated: verdict 45 ContinueAt(45)",
    );
}

#[test]
fn a_verdict_that_was_given_is_not_given_again() {
    let given = |facts: &mut Facts| {
        facts.high = 40;
        facts.verdicts = before(40);
        facts.stored.usable = vec![at(0, 20)];
    };
    check(given, "");
    let skipped = |facts: &mut Facts| {
        facts.low = 60;
        facts.verdicts = before(50);
        facts.verdicts[0].1.action = VerdictAction::ContinueAt(60);
    };
    check(skipped, "");
    let again = |facts: &mut Facts| {
        skipped(facts);
        facts.low = 65;
    };
    check(again, "log_gap: verdict 60 ContinueAt(65)");
}

#[test]
fn records_without_a_usable_time_are_given_one_that_does_not_fall() {
    let mistimed = |has_none, log_time| Mistimed {
        range: 71..75,
        has_none,
        log_time: LogTime(log_time),
        before: LogTime(500),
    };
    let with = |has_none, log_time| {
        move |facts: &mut Facts| facts.mistimed = Some(mistimed(has_none, log_time))
    };
    let text = |name: &str, log_time: i64| {
        let log_time = LogTime(log_time);
        format!("{name}: verdict 71 LogTimeUntil {{ until: 75, log_time: {log_time:?} }}")
    };
    check(with(true, 900), &text("timestamp_type", 900));
    check(with(false, 900), &text("log_time_ahead", 900));
    check(with(true, 400), &text("timestamp_type", 500));
    let wrong_topic = |facts: &mut Facts| facts.is_log_append_time = false;
    check(wrong_topic, "timestamp_type: outside");
}

#[test]
fn histories_that_disagree_are_folded_again_from_before() {
    let disputed = |facts: &mut Facts| {
        facts.stored.usable = vec![at(0, 20)];
        facts.stored.unusable = vec![("a".to_owned(), "x".to_owned())];
        facts.stored.dispute = Some("a and b disagree".to_owned());
    };
    check(disputed, "divergence: verdict 20 ContinueAt(20) aside");
    let gone = |facts: &mut Facts| {
        disputed(facts);
        facts.low = 30;
    };
    check(gone, "divergence: outside");
}

#[test]
fn a_damaged_run_is_given_up_for_an_older_checkpoint() {
    let stalled = |facts: &mut Facts| facts.stopped = stopped("lookup");
    check(stalled, "lookup: outside");
    let found = |facts: &mut Facts| {
        stalled(facts);
        facts.stored.usable = vec![at(0, 20)];
        facts.stored.unusable = vec![("a".to_owned(), "damaged".to_owned())];
    };
    check(found, "lookup: verdict 20 ContinueAt(20) aside");
}

#[test]
fn a_lost_store_never_begins_in_the_middle() {
    let lost = |facts: &mut Facts| {
        facts.stored.usable.clear();
        facts.low = 1;
    };
    check(lost, "no_checkpoint: outside");
}

#[test]
fn what_a_newer_release_wrote_needs_that_release() {
    let newer = |facts: &mut Facts| facts.stored.unknown_format = Some("format 9".to_owned());
    check(newer, "unknown_format: outside");
    for name in ["unknown_kind", "unknown_fold", "unknown_format"] {
        let expected = format!("{name}: outside");
        check(|facts| facts.stopped = stopped(name), &expected);
    }
}

#[test]
fn a_checkpoint_of_another_place_waits_for_what_it_was_made_with() {
    let texts = [
        (Lack::ControlLog, "topic_changed", "control log"),
        (Lack::Decisions, "divergence", "control log"),
        (Lack::IdentityKey, "divergence", "`identity-key`"),
    ];
    for (lacks, name, back) in texts {
        let foreign = |facts: &mut Facts| {
            let what = "manifests/m was made elsewhere".to_owned();
            facts.stored.foreign = Some(Foreign { lacks, what });
            // What the worker says, and what no verdict ends.
            facts.stopped = stopped(name);
        };
        check(foreign, &format!("{name}: outside"));
        let mut facts = running();
        foreign(&mut facts);
        let Some(Exit::Outside(text)) = judge(&facts).map(|found| found.exit) else {
            panic!("an exit that somebody else must take");
        };
        assert!(text.contains(back), "{text}");
        // Adoptions and verdicts of a foreign control log are not asked.
        let unadopted = |facts: &mut Facts| {
            foreign(facts);
            facts.adoption = None;
        };
        check(unadopted, &format!("{name}: outside"));
    }
}

#[test]
fn verdicts_that_nobody_can_meet_are_not_followed_by_another() {
    let crossed = |facts: &mut Facts| {
        facts.verdicts = [before(60), before(50)].concat();
        facts.stopped = stopped("divergence");
    };
    check(crossed, "divergence: outside");
}

#[test]
fn a_halt_whose_cause_is_gone_goes_on_in_a_new_epoch() {
    for name in ["order", "divergence", "no_checkpoint", "timestamp_type"] {
        let expected = format!("{name}: verdict 80 ContinueAt(80)");
        check(|facts| facts.stopped = stopped(name), &expected);
    }
    check(
        |facts| facts.stopped = stopped("topic_changed"),
        "topic_changed: outside",
    );
    check(
        |facts| facts.stopped = stopped("truncated"),
        "truncated: verdict 50 ContinueAt(50)",
    );
    check(
        |facts| facts.stopped = stopped("log_time_ahead"),
        "log_time_ahead: outside",
    );
}

#[test]
fn what_was_given_up_is_restated_last() {
    check(|facts| facts.abandoned = 2, "abandoned: restate");
    let both = |facts: &mut Facts| {
        facts.abandoned = 2;
        facts.low = 60;
    };
    check(both, "log_gap: verdict 50 ContinueAt(60)");
}
