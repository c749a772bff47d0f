//! The stage's phases: what it waits for, and what it reads before it judges.

use crate::Limits;
use crate::beside::Beside;
use crate::error::LimitsError;
use crate::judge::{Behind, Judge, TopicNames};
use crate::tables;
use crate::transitions::{IN_FLIGHT_MAX, InFlight, Writer};
use meterline_clickhouse::ClickHouse;
use meterline_control::ControlEvent;
use meterline_core::accounts::Accounts;
use meterline_core::limits::{Alerts, Engine};
use meterline_follow::{
    Ends, Follower, Health, Missing, Reached, Stopped, clock, described, ends_of,
};
use meterline_kafka::{Admin, TopicDescription};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Inputs that wait for the judge: each is a batch of records.
const INPUTS_MAX: usize = 16;

/// The topics, as they are at the start.
pub(crate) struct Topics {
    pub(crate) usage: TopicDescription,
    pub(crate) totals: TopicDescription,
    pub(crate) alerts: TopicDescription,
    pub(crate) standing: TopicDescription,
    pub(crate) control: TopicDescription,
}

/// Where the logs begin and end at the start.
pub(crate) struct LogEnds {
    pub(crate) totals: BTreeMap<u32, Ends>,
    pub(crate) alerts: BTreeMap<u32, Ends>,
    pub(crate) control: Ends,
}

impl Limits {
    /// Runs the stage on this thread until it is told to stop.
    pub(crate) fn block(
        mut self,
        runtime: &tokio::runtime::Handle,
        stop: &Arc<AtomicBool>,
    ) -> Result<(), LimitsError> {
        let clickhouse = ClickHouse::connect(self.connections.clickhouse.clone())?;
        let admin = Admin::connect(&self.connections.kafka)?;
        let follower = Follower {
            health: Arc::clone(&self.health.reading),
            metrics: self.metrics.reading.clone(),
            stop: Arc::clone(stop),
        };
        match self.prepare(&clickhouse, &admin, runtime, &follower)? {
            Ok(prepared) => self.judge(prepared, clickhouse, admin, runtime, &follower),
            Err(Stopped) => Ok(()),
        }
    }

    /// Waits for all that must be there, and reads the tables.
    #[allow(clippy::type_complexity)] // A pair that is taken apart at once.
    fn prepare(
        &mut self,
        clickhouse: &ClickHouse,
        admin: &Admin,
        runtime: &tokio::runtime::Handle,
        follower: &Follower,
    ) -> Result<Result<Prepared, Stopped>, LimitsError> {
        let health = &follower.health;
        health.phase(Some("waiting for ClickHouse"));
        let check = || runtime.block_on(clickhouse.check_schema());
        if follower.until_clickhouse(check)?.is_err() {
            return Ok(Err(Stopped));
        }
        health.phase(Some("waiting for Kafka"));
        let Ok(topics) = follower.until_kafka(|| self.topics(admin)) else {
            return Ok(Err(Stopped));
        };
        health.phase(Some("waiting for a catalog: `meterline catalog apply`"));
        let Ok((catalog, early)) = follower.until_catalog(&self.log, &mut self.feed, 0) else {
            return Ok(Err(Stopped));
        };
        health.phase(Some("reading ClickHouse"));
        let read = || {
            // From nothing each time: an answer that broke off leaves no trace.
            let mut engine = self.engine(&topics);
            let usage = topics.usage.topic_id;
            let catalog = &catalog.compiled.catalog;
            let read = tables::read(clickhouse, &mut engine, catalog, usage, clock());
            let from = runtime.block_on(read)?;
            Ok((engine, from))
        };
        let Ok((engine, from)) = follower.until_clickhouse(read)? else {
            return Ok(Err(Stopped));
        };
        let Ok(ends) = follower.until_kafka(|| ends(admin, &topics)) else {
            return Ok(Err(Stopped));
        };
        Ok(Ok(Prepared {
            topics,
            engine,
            from,
            ends,
            early,
        }))
    }

    fn engine(&self, topics: &Topics) -> Engine {
        let alerts = Alerts::new(topics.alerts.partition_count());
        Engine::new(
            self.connections.instance.clone(),
            alerts,
            Accounts::default(),
        )
    }

    fn topics(&self, admin: &Admin) -> Result<Topics, Missing> {
        let names = self.connections.kafka.topics();
        Ok(Topics {
            usage: described(admin, names.usage_events())?,
            totals: described(admin, names.totals())?,
            alerts: described(admin, names.alerts())?,
            standing: described(admin, names.standing())?,
            control: described(admin, names.control())?,
        })
    }

    /// Starts everything that runs beside the judge, judges until the end, and waits for what was
    /// sent.
    fn judge(
        self,
        prepared: Prepared,
        clickhouse: ClickHouse,
        admin: Admin,
        runtime: &tokio::runtime::Handle,
        follower: &Follower,
    ) -> Result<(), LimitsError> {
        let (health, stop) = (&follower.health, &follower.stop);
        expect(health, &prepared);
        let Prepared {
            topics,
            engine,
            from,
            ends,
            early,
        } = prepared;
        let (inputs_in, inputs) = crossbeam_channel::bounded(INPUTS_MAX);
        let (failed_in, failed) = crossbeam_channel::bounded(2 * IN_FLIGHT_MAX);
        let beside = Beside {
            connections: &self.connections,
            settings: &self.settings,
            topics: &topics,
            ends: &ends,
            metrics: &self.metrics,
            follower,
        };
        let readers = beside.readers(inputs_in, self.feed, &from)?;
        let lanes = beside.lanes(clickhouse, &self.notifier, runtime)?;
        beside.watch(admin)?;
        let mut judge = Judge {
            engine,
            topics: topics.names(),
            inputs,
            failed,
            writer: Writer {
                producer: self.producer.clone(),
                topic: topics.alerts.name.clone(),
                partitions: topics.alerts.partition_count(),
                runtime: runtime.clone(),
                failed: failed_in,
                health: Arc::clone(health),
                metrics: self.metrics.clone(),
            },
            standings: Arc::clone(&lanes.standings),
            log: self.log,
            directory: self.directory,
            notifier: self.notifier,
            behind: Behind::of_all(ends.control.end),
            in_flight: InFlight::default(),
            is_told: false,
            changed: std::collections::HashMap::new(),
            settings: self.settings.clone(),
            shown: self.health,
            follower: follower.clone(),
            metrics: self.metrics,
        };
        health.phase(Some("reading the logs"));
        let result = judge.run(early, &readers);
        stop.store(true, Ordering::Release);
        health.phase(Some("stopping"));
        self.producer.flush(self.settings.stop_timeout);
        lanes.finish(runtime, self.settings.stop_timeout);
        result
    }
}

/// Tells health which partitions there are, and how far the tables judge them.
fn expect(health: &Health, prepared: &Prepared) {
    for partition in 0..prepared.topics.usage.partition_count() {
        health.expects(partition);
    }
    for (partition, (to, log_time)) in &prepared.from.usage {
        health.judges(*partition, *to, *log_time);
    }
}

fn ends(admin: &Admin, topics: &Topics) -> Result<LogEnds, Missing> {
    let of = |topic: &TopicDescription| ends_of(admin, &topic.name, topic.partition_count());
    let control = of(&topics.control)?;
    Ok(LogEnds {
        totals: of(&topics.totals)?,
        alerts: of(&topics.alerts)?,
        control: control.get(&0).copied().unwrap_or_default(),
    })
}

impl Topics {
    fn names(&self) -> TopicNames {
        TopicNames {
            totals: self.totals.name.clone(),
            alerts: self.alerts.name.clone(),
            control: self.control.name.clone(),
            usage_id: self.usage.topic_id,
        }
    }
}

/// What was there before judging.
struct Prepared {
    topics: Topics,
    engine: Engine,
    from: Reached,
    ends: LogEnds,
    /// What the control log said before its first catalog.
    early: Vec<ControlEvent>,
}
