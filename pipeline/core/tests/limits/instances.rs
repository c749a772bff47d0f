//! Logs, and engines that read them.

use crate::oracle::Versions;
use crate::usage_log::{PARTITIONS, Total, UsageLog, held};
use crate::world::{
    ALERT_PARTITIONS, START, TENANTS, Wish, catalog_decision, catalog_record, log_partition,
};
use meterline_core::accounts::Accounts;
use meterline_core::alert::{AlertKey, AlertState, Transition};
use meterline_core::catalog::Catalog;
use meterline_core::control::{CatalogDecision, ControlRecord};
use meterline_core::hash::partition_of;
use meterline_core::limits::{Alerts, Engine, Head};
use meterline_core::position::Offset;
use meterline_core::quantity::Quantity;
use meterline_core::standing::Standing;
use meterline_core::time::LogTime;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The logs that everybody reads, and the clock.
pub(crate) struct Logs {
    pub(crate) now: i64,
    pub(crate) usage: UsageLog,
    pub(crate) control: Vec<(LogTime, ControlRecord, Option<Arc<CatalogDecision>>)>,
    pub(crate) heads: BTreeMap<&'static str, Offset>,
    pub(crate) catalog_head: Option<Offset>,
    pub(crate) catalog: Catalog,
    pub(crate) versions: Versions,
    pub(crate) alerts: [Vec<(LogTime, Transition)>; ALERT_PARTITIONS as usize],
}

impl Logs {
    pub(crate) fn new(catalog: Catalog) -> Self {
        let mut logs = Self {
            now: START,
            usage: UsageLog::default(),
            control: Vec::new(),
            heads: BTreeMap::new(),
            catalog_head: None,
            catalog: catalog.clone(),
            versions: Versions::new(),
            alerts: Default::default(),
        };
        logs.decide_catalog(catalog);
        logs
    }

    pub(crate) fn decide_catalog(&mut self, catalog: Catalog) {
        let offset = self.control.len() as Offset;
        let record = catalog_record(self.catalog_head, catalog.clone());
        let decision = catalog_decision(offset, catalog.clone());
        self.control
            .push((LogTime(self.now), record, Some(decision)));
        self.catalog_head = Some(offset);
        self.catalog = catalog;
    }

    pub(crate) fn decide_account(&mut self, wish: Wish, delay: Option<i64>) {
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

    pub(crate) fn write(&mut self, transition: Transition) {
        let partition = partition_of(transition.key.tenant.as_bytes(), ALERT_PARTITIONS);
        self.alerts[partition as usize].push((LogTime(self.now), transition));
    }
}

/// An engine, how far it has read, and what it wants written.
pub(crate) struct Instance {
    pub(crate) engine: Engine,
    pub(crate) totals: [usize; PARTITIONS as usize],
    pub(crate) control: usize,
    pub(crate) alerts: [usize; ALERT_PARTITIONS as usize],
    pub(crate) outbox: Vec<Transition>,
    pub(crate) ids: u128,
}

impl Instance {
    pub(crate) fn new(number: u128) -> Self {
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

    /// One that starts from tables in which no hour is left, and reads topics from their end on.
    pub(crate) fn from_tables(number: u128, logs: &Logs) -> Self {
        let mut instance = Self::new(number);
        let before = Engine::first_hour(LogTime(logs.now), &logs.catalog);
        instance.engine.reads_from(before);
        for (partition, topic) in logs.usage.totals.iter().enumerate() {
            let id = log_partition(u32::try_from(partition).expect("few"));
            for row in held(&logs.usage.events[partition], before) {
                instance.engine.held_level(id, &row);
            }
            if let Some(Total::Progress(id, to, log_time)) = topic.last() {
                instance.engine.progress(*id, *to, *log_time);
            }
            instance.totals[partition] = topic.len();
        }
        instance
    }

    /// Reads some records of one of five logs.
    pub(crate) fn read(&mut self, logs: &Logs, log: usize, count: usize) {
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

    pub(crate) fn read_all(&mut self, logs: &Logs) {
        for log in 0..5 {
            self.read(logs, log, 100_000);
        }
    }

    pub(crate) fn judge(&mut self, now: i64, at_most: usize, published: &mut Published) -> bool {
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

    pub(crate) fn heads(&self) -> BTreeMap<AlertKey, Head> {
        let alerts = self.engine.alerts();
        let of = |tenant| {
            alerts
                .of_tenant(tenant)
                .map(move |(p, h)| (p.key(tenant), h.clone()))
        };
        TENANTS.into_iter().flat_map(of).collect()
    }

    pub(crate) fn open(&self) -> BTreeMap<AlertKey, Quantity> {
        let mut heads = self.heads();
        heads.retain(|_, head| head.state == AlertState::Opened);
        heads
            .into_iter()
            .map(|(key, head)| (key, head.limit))
            .collect()
    }
}

/// The table of standings: the highest version is kept, and equal versions by the same decisions
/// are equal rows.
#[derive(Default)]
pub(crate) struct Published(pub(crate) BTreeMap<(String, String), Standing>);

impl Published {
    pub(crate) fn take(&mut self, standing: Standing) {
        let key = (standing.tenant.clone(), standing.meter.clone());
        let Some(known) = self.0.get_mut(&key) else {
            self.0.insert(key, standing);
            return;
        };
        let decisions = |of: &Standing| (of.judged.catalog, of.judged.account);
        if known.version() == standing.version() && decisions(known) == decisions(&standing) {
            assert_eq!(*known, standing, "INV-STAMP");
        } else if known.version() < standing.version() {
            *known = standing;
        }
    }
}
