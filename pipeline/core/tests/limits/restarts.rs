//! What engines know that did not read all: after a start from the tables, or of topics that are
//! gone.

use crate::instances::Instance;
use crate::usage_log::{Event, Total, UsageLog};
use crate::walks::{Walk, two_plans};
use crate::world::{DAY, HOUR, START, Wish, q};
use meterline_core::account::RunningPeriod;
use meterline_core::catalog::Catalog;
use meterline_core::control::Adoption;
use meterline_core::limits::Engine;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::time::{EventTime, LogTime, Millis};

/// A usage topic that was deleted, with the tenant's partition of it.
const GONE: LogPartition = LogPartition {
    topic_id: TopicId(6),
    partition: 0,
};
/// The one that was made in its place.
const NEWEST: TopicId = TopicId(7);

fn adopts(engine: &mut Engine, topic_id: TopicId) {
    engine.adoption(&Adoption {
        topic: "usage.events".to_owned(),
        log_partition: LogPartition {
            topic_id,
            partition: 0,
        },
        partitions: 2,
        first_offset: 0,
        catalog_version: 1,
    });
}

/// Totals of calls in the topic that is gone, whose last progress was never written.
fn used_in_gone(engine: &mut Engine, quantity: i64) {
    let mut log = UsageLog::default();
    log.append(Event {
        tenant: 0,
        meter: 0,
        time: EventTime(START * 1_000),
        quantity,
        log_time: LogTime(START),
    });
    log.flush(0, 0, usize::MAX);
    for total in &log.totals[0] {
        if let Total::Row(_, row) = total {
            engine.total(GONE, row);
        }
    }
}

#[test]
fn a_topic_that_is_gone_is_complete_once_another_is_adopted() {
    let mut walk = Walk::new(two_plans());
    adopts(&mut walk.instance.engine, GONE.topic_id);
    used_in_gone(&mut walk.instance.engine, 50);
    assert_eq!(walk.uses("calls", 40, START), [""; 0]);
    assert_eq!(walk.instance.engine.pending(), (1, 0));
    adopts(&mut walk.instance.engine, NEWEST);
    assert_eq!(walk.follow(), ["+80 #1 90/100"]);
    // An adoption that comes late brings nothing back.
    adopts(&mut walk.instance.engine, GONE.topic_id);
    assert_eq!(walk.uses("calls", 10, START), ["+100 #1 100/100"]);
}

#[test]
fn who_no_longer_reads_what_was_judged_by_knows_it_all_the_same() {
    let mut walk = Walk::new(two_plans());
    for topic in [GONE.topic_id, NEWEST] {
        adopts(&mut walk.instance.engine, topic);
    }
    used_in_gone(&mut walk.instance.engine, 50);
    let now = START + 90 * DAY;
    walk.waits(now);
    assert_eq!(walk.uses("calls", 90, now), ["+80 #1 90/100"]);
    let before = walk.standing("calls").clone();
    assert!(before.judged.usage.iter().any(|(id, _)| *id == GONE));

    walk.instance = Instance::new(2);
    let first = Engine::first_hour(LogTime(now), &walk.logs.catalog);
    walk.instance.engine.reads_from(first);
    walk.instance.engine.known_standing(&before);
    for topic in [GONE.topic_id, NEWEST] {
        adopts(&mut walk.instance.engine, topic);
    }
    assert_eq!(walk.follow(), [""; 0]);
    assert_eq!(walk.uses("calls", -20, now), ["-80 #1 70/100"]);
    assert_eq!(walk.standing("calls").used, q("70"));
    assert!(walk.standing("calls").version() > before.version());
}

#[test]
fn a_head_judged_by_what_is_gone_is_followed_without_a_standing() {
    let mut walk = Walk::new(two_plans());
    for topic in [GONE.topic_id, NEWEST] {
        adopts(&mut walk.instance.engine, topic);
    }
    used_in_gone(&mut walk.instance.engine, 50);
    let now = START + 90 * DAY;
    walk.waits(now);
    assert_eq!(walk.uses("calls", 90, now), ["+80 #1 90/100"]);
    walk.instance = Instance::new(2);
    let first = Engine::first_hour(LogTime(now), &walk.logs.catalog);
    walk.instance.engine.reads_from(first);
    assert_eq!(walk.uses("calls", -20, now), [""; 0], "it may lack a topic");
    for topic in [GONE.topic_id, NEWEST] {
        adopts(&mut walk.instance.engine, topic);
    }
    assert_eq!(walk.uses("calls", -1, now), ["-80 #1 69/100"]);
}

#[test]
fn a_longer_acceptance_has_nobody_judge_what_was_never_read_or_is_dropped() {
    let accepting = |days: u32| Catalog {
        acceptance: Millis(days * 86_400_000),
        ..two_plans()
    };
    for restarts in [false, true] {
        let mut walk = Walk::new(accepting(5));
        assert_eq!(walk.uses("calls", 90, START), ["+80 #1 90/100"]);
        let now = START + 50 * DAY;
        walk.waits(now);
        if restarts {
            walk.instance = Instance::from_tables(2, &walk.logs);
        }
        assert_eq!(walk.uses("calls", 1, now), [""; 0]);
        walk.logs.decide_catalog(accepting(45));
        assert_eq!(walk.follow(), [""; 0], "restarts: {restarts}");
        assert_eq!(walk.instance.open().len(), 1);
        assert_eq!(walk.uses("calls", 79, now), ["+80 #1 80/100"]);
    }
}

#[test]
fn use_ahead_of_the_clock_is_judged_when_its_period_begins() {
    let mut walk = Walk::new(two_plans());
    walk.logs.now = START + DAY - 60_000;
    assert_eq!(walk.uses("calls", 90, START + DAY + 1), [""; 0]);
    let begins = LogTime(START + DAY);
    assert_eq!(walk.instance.engine.next_moment(), Some(begins));
    assert_eq!(walk.waits(begins.0 - 1), [""; 0]);
    assert_eq!(walk.waits(begins.0), ["+80 #1 90/100"]);
    assert_eq!(walk.standing("calls").used, q("90"));
}

#[test]
fn what_was_read_of_an_account_never_falls() {
    let mut walk = Walk::new(two_plans());
    walk.decides(Wish::of("acme", "small"));
    assert_eq!(walk.uses("calls", 40, START), [""; 0]);
    walk.logs.now = START + 3 * HOUR + 1;
    let lower = Wish {
        calls: Some(50),
        ..Wish::of("acme", "small")
    };
    assert_eq!(walk.decides(lower), ["+80 #1 40/50"]);
    // The period now ends before the lower limit took effect.
    walk.logs.now += HOUR / 2;
    let restart = Wish {
        running: RunningPeriod::Restart,
        ..Wish::of("acme", "small")
    };
    assert_eq!(walk.decides(restart), ["-80 #1 40/100"]);
}

#[test]
fn a_scheduled_restart_shortens_the_standings_period_at_once() {
    let mut walk = Walk::new(two_plans());
    walk.decides(Wish::of("acme", "small"));
    walk.uses("calls", 10, START);
    let end = |walk: &Walk| walk.standing("calls").period_end.0 / 1_000;
    assert_eq!(end(&walk), START + DAY);
    let restart = Wish {
        running: RunningPeriod::Restart,
        ..Wish::of("acme", "small")
    };
    walk.logs.decide_account(restart, Some(5 * HOUR));
    assert_eq!(walk.follow(), [""; 0]);
    assert_eq!(end(&walk), START + 5 * HOUR);
}
