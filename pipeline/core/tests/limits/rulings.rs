//! What the log of alerts takes, and the ids of what is told of it.

use crate::walks::{Walk, two_plans};
use crate::world::{ALERT_PARTITIONS, DAY, START, q};
use meterline_core::alert::{AlertKey, AlertState, Transition};
use meterline_core::chain::Ruling;
use meterline_core::hash::partition_of;
use meterline_core::limits::notification_id;
use meterline_core::time::{EventTime, LogTime};
use std::collections::BTreeSet;

#[test]
fn what_does_not_follow_from_the_head_is_ignored() {
    let mut walk = Walk::new(two_plans());
    walk.uses("calls", 80, START);
    walk.uses("calls", 5, START);
    let alerts = walk.instance.engine.alerts();
    let (place, head) = alerts.open_of("acme").next().expect("one is open");
    let good = Transition {
        write_id: 1,
        head: Some(head.offset),
        key: place.key("acme"),
        state: AlertState::Resolved,
        episode: 1,
        severity: head.severity,
        kind: head.kind.clone(),
        period_end: head.period_end,
        used: head.used,
        limit: head.limit,
        plan: head.plan.clone(),
        judged: head.judged.clone(),
        instance: String::new(),
    };
    let mut behind = good.judged.clone();
    behind.usage.clear();
    let cases = [
        (
            Transition {
                judged: behind,
                ..good.clone()
            },
            false,
        ),
        (
            Transition {
                episode: 2,
                ..good.clone()
            },
            false,
        ),
        (
            Transition {
                state: AlertState::Opened,
                episode: 2,
                ..good.clone()
            },
            false,
        ),
        (
            Transition {
                state: AlertState::Opened,
                episode: 2,
                limit: q("7"),
                ..good.clone()
            },
            true,
        ),
        (
            Transition {
                head: None,
                ..good.clone()
            },
            false,
        ),
        (good.clone(), true),
    ];
    let partition = partition_of(b"acme", ALERT_PARTITIONS);
    for (transition, expected) in cases {
        let mut alerts = alerts.clone();
        let at = alerts.position(partition).expect("it exists");
        let ruling = alerts
            .apply(partition, at, LogTime(START), &transition)
            .expect("in order");
        assert_eq!(ruling == Ruling::InForce, expected, "{transition:?}");
        assert_eq!(alerts.position(partition), Some(at + 1));
    }
    // A foreign partition, and a chain that is forgotten.
    let mut foreign = alerts.clone();
    let elsewhere = 1 - partition;
    let at = foreign.position(elsewhere).expect("it exists");
    let opens = Transition {
        head: None,
        state: AlertState::Opened,
        ..good.clone()
    };
    assert_ne!(
        foreign.apply(elsewhere, at, LogTime(START), &opens),
        Ok(Ruling::InForce)
    );
    let mut old = alerts.clone();
    let at = old.position(partition).expect("it exists");
    let late = LogTime(START + 165 * DAY);
    assert_eq!(
        old.apply(partition, at, late, &good),
        Ok(Ruling::Ignored { head: None })
    );
    assert_eq!(old.head(&good.key), None);
}

#[test]
fn ids_of_notifications_differ_by_key_episode_and_state_and_never_change() {
    let key = AlertKey {
        tenant: "acme".to_owned(),
        meter: "calls".to_owned(),
        period_start: EventTime(START * 1_000),
        threshold: "80".to_owned(),
    };
    let id = notification_id(&key, 1, AlertState::Opened);
    assert_eq!(format!("{id:032x}"), "e3316379a68e907f5da4c85cd315019b");
    let other = |f: &dyn Fn(&mut AlertKey)| {
        let mut key = key.clone();
        f(&mut key);
        notification_id(&key, 1, AlertState::Opened)
    };
    let ids = [
        id,
        notification_id(&key, 2, AlertState::Opened),
        notification_id(&key, 1, AlertState::Resolved),
        other(&|key| key.tenant.push('c')),
        other(&|key| key.meter = "texts".to_owned()),
        other(&|key| key.threshold = ">100".to_owned()),
        other(&|key| key.period_start.0 += 1),
    ];
    let distinct: BTreeSet<_> = ids.into_iter().collect();
    assert_eq!(distinct.len(), ids.len());
}
