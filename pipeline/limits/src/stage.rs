//! The stage's phases: what it waits for, and what it reads before it judges.

use crate::beside::Beside;
use crate::error::LimitsError;
use crate::judge::{Behind, Judge, TopicNames};
use crate::log::{Ends, ends_of};
use crate::tables::{self, FromTables};
use crate::transitions::{IN_FLIGHT_MAX, InFlight, Writer};
use crate::{Limits, clock};
use meterline_clickhouse::{ClickHouse, Next};
use meterline_control::ControlEvent;
use meterline_core::accounts::Accounts;
use meterline_core::causes::chain;
use meterline_core::control::CatalogDecision;
use meterline_core::limits::{Alerts, Engine};
use meterline_kafka::{Admin, Backoff, Error, TopicDescription};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the thread sleeps between two looks at whether it should stop.
const LOOK: Duration = Duration::from_millis(50);

/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(5);

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

/// The stage is to stop.
struct Stopped;

impl Limits {
    /// Runs the stage on this thread until it is told to stop.
    pub(crate) fn block(
        mut self,
        runtime: &tokio::runtime::Handle,
        stop: &Arc<AtomicBool>,
    ) -> Result<(), LimitsError> {
        let clickhouse = ClickHouse::connect(self.connections.clickhouse.clone())?;
        let admin = Admin::connect(&self.connections.kafka)?;
        match self.prepare(&clickhouse, &admin, runtime, stop)? {
            Ok(prepared) => self.judge(prepared, clickhouse, admin, runtime, stop),
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
        stop: &AtomicBool,
    ) -> Result<Result<Prepared, Stopped>, LimitsError> {
        self.health.phase(Some("waiting for ClickHouse"));
        let check = || runtime.block_on(clickhouse.check_schema());
        if self.until_clickhouse(check, stop)?.is_err() {
            return Ok(Err(Stopped));
        }
        self.health.phase(Some("waiting for Kafka"));
        let Ok(topics) = self.until_kafka(|| self.topics(admin), stop) else {
            return Ok(Err(Stopped));
        };
        self.health
            .phase(Some("waiting for a catalog: `meterline catalog apply`"));
        let Ok((catalog, early)) = self.until_catalog(stop) else {
            return Ok(Err(Stopped));
        };
        self.health.phase(Some("reading ClickHouse"));
        let read = || {
            // From nothing each time: an answer that broke off leaves no trace.
            let mut engine = self.engine(&topics);
            let usage = topics.usage.topic_id;
            let catalog = &catalog.compiled.catalog;
            let read = tables::read(clickhouse, &mut engine, catalog, usage, clock());
            let from = runtime.block_on(read)?;
            Ok((engine, from))
        };
        let Ok((engine, from)) = self.until_clickhouse(read, stop)? else {
            return Ok(Err(Stopped));
        };
        let Ok(ends) = self.until_kafka(|| self.ends(admin, &topics), stop) else {
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
        let describe = |name: String| {
            let described = admin.describe_topic(&name, ANSWER)?;
            described.ok_or(Missing::Topic(name))
        };
        Ok(Topics {
            usage: describe(names.usage_events())?,
            totals: describe(names.totals())?,
            alerts: describe(names.alerts())?,
            standing: describe(names.standing())?,
            control: describe(names.control())?,
        })
    }

    fn ends(&self, admin: &Admin, topics: &Topics) -> Result<LogEnds, Missing> {
        let of = |topic: &TopicDescription| ends_of(admin, &topic.name, topic.partition_count());
        let control = of(&topics.control)?;
        Ok(LogEnds {
            totals: of(&topics.totals)?,
            alerts: of(&topics.alerts)?,
            control: control.get(&0).copied().unwrap_or_default(),
        })
    }

    /// Makes attempts until one succeeds, or waiting cannot help.
    fn until_clickhouse<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, meterline_clickhouse::Error>,
        stop: &AtomicBool,
    ) -> Result<Result<T, Stopped>, LimitsError> {
        let mut backoff = Backoff::new();
        loop {
            match attempt() {
                Ok(value) => {
                    self.health.works("clickhouse");
                    return Ok(Ok(value));
                }
                Err(error) if error.next() == Next::Retry => {
                    let waited = self.waits("clickhouse", &chain(&error), backoff.pause(), stop);
                    if waited.is_err() {
                        return Ok(Err(Stopped));
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn until_kafka<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Missing>,
        stop: &AtomicBool,
    ) -> Result<T, Stopped> {
        let mut backoff = Backoff::new();
        loop {
            match attempt() {
                Ok(value) => {
                    self.health.works("kafka");
                    return Ok(value);
                }
                Err(error) => self.waits("kafka", &chain(&error), backoff.pause(), stop)?,
            }
        }
    }

    /// Waits for the first catalog, by which it is known which hours are to be read.
    ///
    /// What comes before it is kept, or the log would not be read on to it: little, since accounts
    /// name plans of a catalog.
    fn until_catalog(
        &mut self,
        stop: &AtomicBool,
    ) -> Result<(Arc<CatalogDecision>, Vec<ControlEvent>), Stopped> {
        let mut early = Vec::new();
        loop {
            if let Some(catalog) = self.log.control().view().catalog() {
                return Ok((Arc::clone(catalog), early));
            }
            early.extend(std::iter::from_fn(|| self.feed.try_recv().ok()));
            if stop.load(Ordering::Acquire) {
                return Err(Stopped);
            }
            if let Some(halt) = self.log.control().halted() {
                let why = chain(&halt);
                self.health.fails("control log", &why, Instant::now());
            }
            self.health.beat(Instant::now());
            std::thread::sleep(LOOK);
        }
    }

    /// Says what is missing and waits a moment.
    fn waits(
        &self,
        need: &'static str,
        why: &str,
        pause: Duration,
        stop: &AtomicBool,
    ) -> Result<(), Stopped> {
        tracing::warn!(
            stage = "limits",
            need,
            error = why,
            "waiting before the first judgement"
        );
        self.metrics.failed(need);
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if stop.load(Ordering::Acquire) {
                return Err(Stopped);
            }
            self.health.beat(Instant::now());
            self.health.fails(need, why, Instant::now());
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Starts everything that runs beside the judge, judges until the end, and waits for what was
    /// sent.
    fn judge(
        self,
        prepared: Prepared,
        clickhouse: ClickHouse,
        admin: Admin,
        runtime: &tokio::runtime::Handle,
        stop: &Arc<AtomicBool>,
    ) -> Result<(), LimitsError> {
        self.expect(&prepared);
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
            health: &self.health,
            metrics: &self.metrics,
            stop,
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
                health: Arc::clone(&self.health),
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
            health: Arc::clone(&self.health),
            metrics: self.metrics.clone(),
            stop: Arc::clone(stop),
        };
        self.health.phase(Some("reading the logs"));
        let result = judge.run(early, &readers);
        stop.store(true, Ordering::Release);
        self.health.phase(Some("stopping"));
        self.producer.flush(self.settings.stop_timeout);
        lanes.finish(runtime, self.settings.stop_timeout);
        result
    }

    /// Tells health which partitions there are, and how far the tables judge them.
    fn expect(&self, prepared: &Prepared) {
        for partition in 0..prepared.topics.usage.partition_count() {
            self.health.expects(partition);
        }
        for (partition, (to, log_time)) in &prepared.from.reached {
            self.health.judges(*partition, *to, *log_time);
        }
    }
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
    from: FromTables,
    ends: LogEnds,
    /// What the control log said before its first catalog.
    early: Vec<ControlEvent>,
}

/// Something of Kafka is not there yet.
#[derive(Debug, thiserror::Error)]
enum Missing {
    /// The brokers did not answer.
    #[error(transparent)]
    Kafka(#[from] Error),
    /// A topic was not made.
    #[error("there is no topic {0}: run `meterline init`")]
    Topic(String),
}
