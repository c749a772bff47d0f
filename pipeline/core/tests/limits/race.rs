//! Two engines race: whatever they read when, all end with what the oracle says.

use crate::oracle::{Oracle, Versions};
use crate::usage_log::{Event, PARTITIONS, Total, UsageLog};
use crate::world::{
    ALERT_PARTITIONS, DAY, HOUR, METERS, START, TENANTS, Wish, catalog_decision, catalog_record,
    catalogs,
};
use meterline_core::account::{AccountStatus, RunningPeriod};
use meterline_core::accounts::Accounts;
use meterline_core::alert::{AlertKey, AlertState, Transition};
use meterline_core::control::{CatalogDecision, ControlRecord};
use meterline_core::hash::partition_of;
use meterline_core::limits::{Alerts, Engine, Head};
use meterline_core::position::Offset;
use meterline_core::quantity::Quantity;
use meterline_core::standing::Standing;
use meterline_core::time::{EventTime, LogTime};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

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

/// The logs that everybody reads, and the clock.
struct Logs {
    now: i64,
    usage: UsageLog,
    control: Vec<(LogTime, ControlRecord, Option<Arc<CatalogDecision>>)>,
    heads: BTreeMap<&'static str, Offset>,
    catalog_head: Option<Offset>,
    catalog: usize,
    versions: Versions,
    alerts: [Vec<(LogTime, Transition)>; ALERT_PARTITIONS as usize],
}

impl Logs {
    fn new() -> Self {
        let mut logs = Self {
            now: START,
            usage: UsageLog::default(),
            control: Vec::new(),
            heads: BTreeMap::new(),
            catalog_head: None,
            catalog: 0,
            versions: Versions::new(),
            alerts: Default::default(),
        };
        logs.decide_catalog(0);
        logs
    }

    fn decide_catalog(&mut self, which: usize) {
        let offset = self.control.len() as Offset;
        let catalog = catalogs().swap_remove(which);
        let record = catalog_record(self.catalog_head, catalog.clone());
        let decision = catalog_decision(offset, catalog);
        self.control
            .push((LogTime(self.now), record, Some(decision)));
        self.catalog_head = Some(offset);
        self.catalog = which;
    }

    fn decide_account(&mut self, wish: Wish, delay: Option<i64>) {
        let effective = delay.map(|delay| LogTime(self.now + delay));
        let wish = Wish { effective, ..wish };
        let offset = self.control.len() as Offset;
        let head = self.heads.insert(wish.tenant, offset);
        self.control
            .push((LogTime(self.now), wish.record(head), None));
        let from = effective.map_or(self.now, |at| at.0.max(self.now));
        let versions = self.versions.entry(wish.tenant).or_default();
        versions.retain(|(other, _)| *other < from);
        versions.push((from, wish));
    }

    fn write(&mut self, transition: Transition) {
        let partition = partition_of(transition.key.tenant.as_bytes(), ALERT_PARTITIONS);
        self.alerts[partition as usize].push((LogTime(self.now), transition));
    }
}

/// An engine, how far it has read, and what it wants written.
struct Instance {
    engine: Engine,
    totals: [usize; PARTITIONS as usize],
    control: usize,
    alerts: [usize; ALERT_PARTITIONS as usize],
    outbox: Vec<Transition>,
    ids: u128,
}

impl Instance {
    fn new(number: u128) -> Self {
        let alerts = Alerts::new(ALERT_PARTITIONS);
        Self {
            engine: Engine::new(format!("i{number}"), alerts, Accounts::default()),
            totals: [0; 2],
            control: 0,
            alerts: [0; 2],
            outbox: Vec::new(),
            ids: number << 64,
        }
    }

    /// Reads some records of one of five logs.
    fn read(&mut self, logs: &Logs, log: usize, count: usize) {
        for _ in 0..count {
            match log {
                0 | 1 => self.read_total(&logs.usage.totals[log], log),
                2 => self.read_control(logs),
                log => self.read_alert(&logs.alerts[log - 3], log - 3),
            }
        }
    }

    fn read_total(&mut self, topic: &[Total], partition: usize) {
        let Some(total) = topic.get(self.totals[partition]) else {
            return;
        };
        self.totals[partition] += 1;
        match total {
            Total::Row(id, row) => self.engine.total(*id, row),
            Total::Progress(id, to, log_time) => self.engine.progress(*id, *to, *log_time),
        }
    }

    fn read_control(&mut self, logs: &Logs) {
        let Some((at, record, catalog)) = logs.control.get(self.control) else {
            return;
        };
        let offset = self.control as Offset;
        self.control += 1;
        self.engine.decision(offset, *at, record).expect("in order");
        if let Some(catalog) = catalog {
            self.engine.catalog(Arc::clone(catalog));
        }
    }

    fn read_alert(&mut self, topic: &[(LogTime, Transition)], partition: usize) {
        let Some((at, transition)) = topic.get(self.alerts[partition]) else {
            return;
        };
        let offset = self.alerts[partition] as Offset;
        self.alerts[partition] += 1;
        let number = u32::try_from(partition).expect("few");
        self.engine
            .transition(number, offset, *at, transition)
            .expect("in order");
    }

    fn read_all(&mut self, logs: &Logs) {
        for log in 0..5 {
            self.read(logs, log, 100_000);
        }
    }

    fn judge(&mut self, now: i64, at_most: usize, published: &mut Published) -> bool {
        let ids = &mut self.ids;
        let mut draw = || {
            *ids += 1;
            *ids
        };
        let judgement = self.engine.judge(LogTime(now), at_most, &mut draw);
        self.outbox.extend(judgement.transitions);
        judgement
            .standings
            .into_iter()
            .for_each(|standing| published.take(standing));
        judgement.more
    }

    fn heads(&self) -> BTreeMap<AlertKey, Head> {
        let alerts = self.engine.alerts();
        let of = |tenant| {
            alerts
                .of_tenant(tenant)
                .map(move |(p, h)| (p.key(tenant), h.clone()))
        };
        TENANTS.into_iter().flat_map(of).collect()
    }

    fn open(&self) -> BTreeMap<AlertKey, Quantity> {
        let mut heads = self.heads();
        heads.retain(|_, head| head.state == AlertState::Opened);
        heads
            .into_iter()
            .map(|(key, head)| (key, head.limit))
            .collect()
    }
}

/// The table of standings: the highest version is kept, and equal versions are equal rows.
#[derive(Default)]
struct Published(BTreeMap<(String, String), Standing>);

impl Published {
    fn take(&mut self, standing: Standing) {
        let key = (standing.tenant.clone(), standing.meter.clone());
        let Some(known) = self.0.get_mut(&key) else {
            self.0.insert(key, standing);
            return;
        };
        if known.version() == standing.version() {
            assert_eq!(*known, standing, "INV-STAMP");
        } else if known.version() < standing.version() {
            *known = standing;
        }
    }
}

fn run(steps: Vec<Step>) {
    let mut logs = Logs::new();
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
            Step::Catalog(which) => logs.decide_catalog(which),
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
    let catalog = &catalogs()[logs.catalog];
    let oracle = Oracle {
        usage: &logs.usage,
        versions: &logs.versions,
        catalog,
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
