//! Two engines race: whatever they read when, all end with what the oracle says.

use crate::instances::{Instance, Logs, Published};
use crate::oracle::Oracle;
use crate::usage_log::Event;
use crate::world::{DAY, HOUR, METERS, TENANTS, Wish, catalogs};
use meterline_core::account::{AccountStatus, RunningPeriod};
use meterline_core::time::{EventTime, LogTime};
use proptest::prelude::*;

/// One step of a script; engines are 0 and 1.
#[derive(Clone, Debug)]
enum Step {
    Use {
        tenant: usize,
        meter: usize,
        age: i64,
        quantity: i64,
    },
    Flush {
        partition: usize,
        owner: usize,
        back: usize,
    },
    Account(Wish, Option<i64>),
    Catalog(usize),
    Pass(i64),
    Read {
        engine: usize,
        log: usize,
        count: usize,
    },
    Judge {
        engine: usize,
        skew: i64,
        at_most: usize,
    },
    Write {
        engine: usize,
        pick: usize,
        twice: bool,
    },
    Lose {
        engine: usize,
        pick: usize,
    },
}

fn a_wish() -> impl Strategy<Value = Step> {
    let status = prop_oneof![
        6 => Just(AccountStatus::Active),
        1 => Just(AccountStatus::Suspended),
        1 => Just(AccountStatus::Closed),
    ];
    let calls = prop_oneof![3 => Just(None), 1 => Just(Some(-1)), 2 => (0..150i64).prop_map(Some)];
    let delay = prop_oneof![2 => Just(None), 1 => (0..30 * HOUR).prop_map(Some)];
    (0..3usize, 0..2usize, status, calls, delay).prop_map(|(tenant, plan, status, calls, delay)| {
        let wish = Wish {
            tenant: TENANTS[tenant],
            plan: ["small", "large"][plan],
            status,
            calls,
            effective: None,
            running: RunningPeriod::Keep,
        };
        Step::Account(wish, delay)
    })
}

fn a_step() -> impl Strategy<Value = Step> {
    let age = prop_oneof![4 => 0..HOUR, 2 => 0..60 * HOUR];
    let used = (0..3usize, 0..METERS.len(), age, -25..45i64);
    prop_oneof![
        12 => used.prop_map(|(tenant, meter, age, quantity)| Step::Use { tenant, meter, age, quantity }),
        5 => (0..2usize, 0..2usize, 0..4usize)
            .prop_map(|(partition, owner, back)| Step::Flush { partition, owner, back }),
        2 => a_wish(),
        1 => (0..2usize).prop_map(Step::Catalog),
        3 => prop_oneof![3 => 0..2 * HOUR, 1 => 0..DAY].prop_map(Step::Pass),
        12 => (0..2usize, 0..5usize, 1..12usize)
            .prop_map(|(engine, log, count)| Step::Read { engine, log, count }),
        8 => (0..2usize, prop_oneof![Just(0i64), 0..3 * HOUR], 1..4usize)
            .prop_map(|(engine, skew, at_most)| Step::Judge { engine, skew, at_most }),
        8 => (0..2usize, 0..8usize, any::<bool>())
            .prop_map(|(engine, pick, twice)| Step::Write { engine, pick, twice }),
        1 => (0..2usize, 0..8usize).prop_map(|(engine, pick)| Step::Lose { engine, pick }),
    ]
}

fn run(steps: Vec<Step>) {
    let mut logs = Logs::new(catalogs().swap_remove(0));
    let mut published = Published::default();
    let mut instances = [Instance::new(1), Instance::new(2)];
    for step in steps {
        match step {
            Step::Use {
                tenant,
                meter,
                age,
                quantity,
            } => {
                let time = EventTime((logs.now - age) * 1_000);
                let log_time = LogTime(logs.now);
                logs.usage.append(Event {
                    tenant,
                    meter,
                    time,
                    quantity,
                    log_time,
                });
            }
            Step::Flush {
                partition,
                owner,
                back,
            } => {
                let to = logs.usage.events[partition].len().saturating_sub(back);
                logs.usage.flush(partition, owner, to);
            }
            Step::Account(wish, delay) => logs.decide_account(wish, delay),
            Step::Catalog(which) => logs.decide_catalog(catalogs().swap_remove(which)),
            Step::Pass(millis) => logs.now += millis,
            Step::Read { engine, log, count } => instances[engine].read(&logs, log, count),
            Step::Judge {
                engine,
                skew,
                at_most,
            } => {
                instances[engine].judge(logs.now - skew, at_most, &mut published);
            }
            Step::Write {
                engine,
                pick,
                twice,
            } => {
                let outbox = &mut instances[engine].outbox;
                if !outbox.is_empty() {
                    let transition = outbox.remove(pick % outbox.len());
                    if twice {
                        logs.write(transition.clone());
                    }
                    logs.write(transition);
                }
            }
            Step::Lose { engine, pick } => {
                let Instance { outbox, engine, .. } = &mut instances[engine];
                if !outbox.is_empty() {
                    let lost = outbox.remove(pick % outbox.len());
                    engine.abandon(&lost.key, lost.write_id);
                }
            }
        }
    }
    settle(&mut logs, &mut instances, &mut published);
    compare(&logs, &instances, &published);
}

/// Everything is flushed, read, judged and written until nothing more follows.
fn settle(logs: &mut Logs, instances: &mut [Instance; 2], published: &mut Published) {
    for partition in 0..2 {
        logs.usage.flush(partition, 0, usize::MAX);
    }
    for round in 0.. {
        assert!(round < 12, "the engines never rest");
        let mut wrote = false;
        for instance in &mut *instances {
            instance.read_all(logs);
            while instance.judge(logs.now, 2, published) {}
            for transition in instance.outbox.drain(..) {
                logs.write(transition);
                wrote = true;
            }
        }
        if !wrote {
            return;
        }
    }
}

fn compare(logs: &Logs, instances: &[Instance; 2], published: &Published) {
    let oracle = Oracle {
        usage: &logs.usage,
        versions: &logs.versions,
        catalog: &logs.catalog,
        now: logs.now,
    };
    assert_eq!(instances[0].heads(), instances[1].heads(), "INV-CHAIN");
    let (open, expected) = (instances[0].open(), oracle.open());
    let wrong: Vec<_> = open
        .iter()
        .filter(|(key, limit)| expected.get(key) != Some(limit))
        .collect();
    let missing: Vec<_> = expected
        .iter()
        .filter(|(key, _)| !open.contains_key(key))
        .collect();
    assert!(
        wrong.is_empty() && missing.is_empty(),
        "open: {wrong:?}, should be: {missing:?}"
    );

    // Who starts now and reads everything knows the same, and has nothing to say.
    let mut late = Instance::new(3);
    late.read_all(logs);
    while late.judge(logs.now, 2, &mut Published::default()) {}
    assert_eq!(late.outbox, []);
    assert_eq!(late.engine.pending(), (0, 0));

    for ((tenant, meter), standing) in &published.0 {
        let (start, end) = (
            standing.period_start.0 / 1_000,
            standing.period_end.0 / 1_000,
        );
        if start <= logs.now && logs.now < end && oracle.speaks_of(tenant, meter) {
            let used = oracle.used(tenant, meter, start, end) * 1_000_000_000 / 4;
            assert_eq!(standing.used.raw(), used, "{tenant} {meter}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn all_end_with_the_same_open_alerts(steps in prop::collection::vec(a_step(), 1..140)) {
        run(steps);
    }
}
