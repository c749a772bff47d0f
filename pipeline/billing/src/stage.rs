//! The stage's phases: what it waits for, what it reads before it decides, and reading again.

use crate::Billing;
use crate::biller::{Behind, Biller, Ending, Input, TopicNames, meters};
use crate::clock::Clock;
use crate::engine::{Append, Engine, Topics as EngineTopics};
use crate::error::BillingError;
use crate::projection::PushesProjection;
use crate::reconcile::Hourly;
use crate::records;
use crate::stripe::{Pace, Stripe};
use crate::tables;
use crate::tasks::{Outside, Tasks};
use crossbeam_channel::Sender;
use meterline_clickhouse::ClickHouse;
use meterline_control::{AccountLog, AccountsOptions, ControlEvent, ControlLog};
use meterline_core::control::CatalogDecision;
use meterline_follow::{
    Appended, Ends, Follower, Health, Link, Missing, Reached, Source, Stopped, Watched, described,
    ends_of, places, places_from_beginning, spawn, totals,
};
use meterline_kafka::{Admin, Producer, TopicDescription};
use meterline_stripe::Client;
use rand::Rng;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Inputs that wait for the deciding thread: each is a batch of records.
const INPUTS_MAX: usize = 16;

/// Control records that wait for it: a moment's worth.
const FEED_MAX: usize = 1_024;

/// The topics, as they are at the start.
struct Topics {
    usage: TopicDescription,
    totals: TopicDescription,
    pushes: TopicDescription,
    control: TopicDescription,
}

/// Where the logs begin and end at the start.
struct LogEnds {
    totals: BTreeMap<u32, Ends>,
    pushes: BTreeMap<u32, Ends>,
    control: Ends,
}

/// What was there before deciding.
struct Prepared {
    topics: Topics,
    engine: Engine,
    catalog: Arc<CatalogDecision>,
    from: Reached,
    ends: LogEnds,
    /// What the control log said before its first catalog.
    early: Vec<ControlEvent>,
}

/// What one reading of everything has.
struct Round<'a> {
    stage: &'a Billing,
    clickhouse: &'a ClickHouse,
    client: &'a Client,
    clock: &'a Arc<Clock>,
    runtime: &'a tokio::runtime::Handle,
    /// The stage's own.
    stop: &'a AtomicBool,
    /// Its flag ends what this round has started.
    follower: Follower,
}

impl Billing {
    /// Runs the stage on this thread until it is told to stop.
    pub(crate) fn block(
        self,
        runtime: &tokio::runtime::Handle,
        stop: &Arc<AtomicBool>,
    ) -> Result<(), BillingError> {
        let clickhouse = ClickHouse::connect(self.connections.clickhouse.clone())?;
        let clock = Arc::new(Clock::new());
        loop {
            let follower = |stop: Arc<AtomicBool>| Follower {
                health: Arc::clone(&self.health.reading),
                metrics: self.metrics.reading.clone(),
                stop,
            };
            let round = Round {
                stage: &self,
                clickhouse: &clickhouse,
                client: &self.client,
                clock: &clock,
                runtime,
                stop,
                follower: follower(Arc::default()),
            };
            if round.run(&follower(Arc::clone(stop)))? == Ending::Stopped {
                return Ok(());
            }
        }
    }
}

impl Round<'_> {
    /// Reads everything and decides until the end; `waiting` ends with the stage.
    fn run(&self, waiting: &Follower) -> Result<Ending, BillingError> {
        let kafka = &self.stage.connections.kafka;
        let admin = Admin::connect(kafka)?;
        let (feed_in, mut feed) = mpsc::channel(FEED_MAX);
        let options = AccountsOptions {
            // Every account's customer is told as its record is read.
            snapshots: None,
            feed: Some(feed_in),
        };
        let log = ControlLog::connect_with_accounts(kafka, options)?;
        match self.prepare(&admin, &log, &mut feed, waiting)? {
            Ok(prepared) => self.decide(prepared, admin, log, feed),
            Err(Stopped) => Ok(Ending::Stopped),
        }
    }

    /// Waits for all that must be there, and reads the tables.
    #[allow(clippy::type_complexity)] // A pair that is taken apart at once.
    fn prepare(
        &self,
        admin: &Admin,
        log: &AccountLog,
        feed: &mut mpsc::Receiver<ControlEvent>,
        waiting: &Follower,
    ) -> Result<Result<Prepared, Stopped>, BillingError> {
        let health = &waiting.health;
        health.phase(Some("waiting for ClickHouse"));
        let check = || self.runtime.block_on(self.clickhouse.check_schema());
        if waiting.until_clickhouse(check)?.is_err() {
            return Ok(Err(Stopped));
        }
        health.phase(Some("waiting for Kafka"));
        let Ok(topics) = waiting.until_kafka(|| self.topics(admin)) else {
            return Ok(Err(Stopped));
        };
        health.phase(Some("waiting for a catalog: `meterline catalog apply`"));
        let Ok(control) = waiting.until_kafka(|| control_ends(admin, &topics)) else {
            return Ok(Err(Stopped));
        };
        // The mapping of now decides what is read, so the log is read to its end first.
        let Ok((catalog, early)) = waiting.until_catalog(log, feed, control.end) else {
            return Ok(Err(Stopped));
        };
        health.phase(Some("reading ClickHouse"));
        let read = || {
            // From nothing each time: an answer that broke off leaves no trace.
            let mut engine = self.engine(&topics);
            engine.map_meters(meters(&catalog.compiled.catalog.stripe));
            let (usage, now) = (topics.usage.topic_id, self.clock.now());
            let read = tables::read(self.clickhouse, &mut engine, usage, now);
            let from = self.runtime.block_on(read)?;
            Ok((engine, from))
        };
        let Ok((engine, from)) = waiting.until_clickhouse(read)? else {
            return Ok(Err(Stopped));
        };
        let Ok(ends) = waiting.until_kafka(|| ends(admin, &topics)) else {
            return Ok(Err(Stopped));
        };
        Ok(Ok(Prepared {
            topics,
            engine,
            catalog,
            from,
            ends,
            early,
        }))
    }

    fn engine(&self, topics: &Topics) -> Engine {
        let of = EngineTopics {
            usage: topics.usage.topic_id,
            usage_partitions: topics.usage.partition_count(),
            pushes: topics.pushes.topic_id,
            pushes_partitions: topics.pushes.partition_count(),
        };
        let settings = self.stage.settings.engine();
        let instance = self.stage.connections.instance.clone();
        Engine::new(settings, of, instance, rand::rng().random())
    }

    fn topics(&self, admin: &Admin) -> Result<Topics, Missing> {
        let names = self.stage.connections.kafka.topics();
        Ok(Topics {
            usage: described(admin, names.usage_events())?,
            totals: described(admin, names.totals())?,
            pushes: described(admin, names.pushes())?,
            control: described(admin, names.control())?,
        })
    }

    /// Starts everything that runs beside the deciding thread, decides until the end, and waits for
    /// what was begun.
    fn decide(
        &self,
        prepared: Prepared,
        admin: Admin,
        log: AccountLog,
        feed: mpsc::Receiver<ControlEvent>,
    ) -> Result<Ending, BillingError> {
        let (follower, stage) = (&self.follower, self.stage);
        expect(&follower.health, &prepared);
        let (inputs_in, inputs) = crossbeam_channel::bounded(INPUTS_MAX);
        let readers = self.readers(inputs_in, feed, &prepared)?;
        let projection = self.project(&prepared.topics.pushes, &prepared.ends.pushes)?;
        let watched = prepared.topics.watched();
        follower.watch(admin, watched)?;
        let customer_key = &prepared.catalog.compiled.catalog.stripe.customer_key;
        let outside = self.outside(&prepared.topics.pushes, customer_key)?;
        let hourly = Hourly::new(
            (stage.settings.reconcile_interval, stage.settings.shadow),
            self.clickhouse.clone(),
            Arc::clone(&outside.stripe),
            self.runtime.clone(),
            stage.metrics.clone(),
        );
        let mut biller = Biller {
            engine: prepared.engine,
            topics: prepared.topics.names(),
            inputs,
            tasks: Tasks::new(outside, self.runtime.clone()),
            hourly,
            log,
            customer_key: customer_key.clone(),
            behind: Behind {
                totals: true,
                pushes: true,
                control: prepared.ends.control.end,
            },
            is_started: false,
            must_read_again: false,
            later: BTreeMap::new(),
            clock: Arc::clone(self.clock),
            shown: Arc::clone(&stage.health),
            follower: follower.clone(),
            metrics: stage.metrics.clone(),
            stop_timeout: stage.settings.stop_timeout,
        };
        follower.health.phase(Some("reading the logs"));
        let result = biller.run(prepared.early, &readers, self.stop);
        follower.stop.store(true, Ordering::Release);
        follower.health.phase(Some("stopping"));
        biller.finish();
        drop(biller);
        for thread in readers.into_iter().chain(projection) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
        result
    }

    fn outside(
        &self,
        pushes: &TopicDescription,
        customer_key: &str,
    ) -> Result<Outside, BillingError> {
        let stage = self.stage;
        let pace = Pace::new(stage.settings.requests_per_second);
        let stripe = Stripe::new(self.client.clone(), customer_key.to_owned(), pace);
        let stripe = Arc::new(stripe);
        Ok(Outside {
            stripe,
            producer: Producer::connect_for_decisions(&stage.connections.kafka)?,
            topic: pushes.name.clone(),
            partitions: pushes.partition_count(),
            clock: Arc::clone(self.clock),
            health: Arc::clone(&stage.health),
            metrics: stage.metrics.clone(),
        })
    }

    fn link(&self) -> Link<'_> {
        Link {
            kafka: &self.stage.connections.kafka,
            instance: &self.stage.connections.instance,
        }
    }

    /// Starts the projection into tables.
    fn project(
        &self,
        topic: &TopicDescription,
        ends: &BTreeMap<u32, Ends>,
    ) -> Result<[JoinHandle<()>; 2], BillingError> {
        let (follower, id) = (&self.follower, topic.topic_id);
        let projection = PushesProjection::new(id, topic.partition_count());
        let interval = self.stage.settings.table_interval;
        let projector = follower.projector(projection, id, interval, self.clickhouse, self.runtime);
        let (source, at) = (source_of_pushes(topic, false), places_from_beginning(ends));
        Ok(follower.project(self.link(), projector, source, at)?)
    }

    /// Starts the readers that feed the deciding thread.
    fn readers(
        &self,
        inputs: Sender<Input>,
        feed: mpsc::Receiver<ControlEvent>,
        prepared: &Prepared,
    ) -> Result<Vec<JoinHandle<()>>, BillingError> {
        let Prepared {
            topics, from, ends, ..
        } = prepared;
        let link = self.link();
        let source = Source {
            topic: topics.totals.name.clone(),
            forgets: true,
            gates: true,
            decode: totals,
        };
        let at = places(&ends.totals, |partition, ends| {
            let position = from.positions.get(&partition).copied().unwrap_or(ends.low);
            // A topic that was made again since: its predecessor's positions say nothing.
            if position > ends.end { 0 } else { position }
        });
        let follower = &self.follower;
        let totals = follower.reader(link, source, at, inputs.clone(), Input::Totals)?;
        let source = source_of_pushes(&topics.pushes, true);
        let at = places_from_beginning(&ends.pushes);
        let pushes = follower.reader(link, source, at, inputs.clone(), Input::Pushes)?;
        Ok(vec![
            spawn("stripe-totals", move || totals.run())?,
            spawn("stripe-pushes", move || pushes.run())?,
            follower.bridge(feed, inputs, Input::Control)?,
        ])
    }
}

fn source_of_pushes(topic: &TopicDescription, gates: bool) -> Source<Appended<Append>> {
    Source {
        topic: topic.name.clone(),
        forgets: false,
        gates,
        decode: records::pushes,
    }
}

impl Topics {
    fn names(&self) -> TopicNames {
        TopicNames {
            totals: self.totals.name.clone(),
            pushes: self.pushes.name.clone(),
            control: self.control.name.clone(),
            usage: self.usage.topic_id,
        }
    }

    fn watched(&self) -> Vec<Watched> {
        vec![
            Watched::totals(&self.totals),
            Watched::new(&self.pushes),
            Watched::new(&self.control),
            Watched::new(&self.usage),
        ]
    }
}

/// Tells health which partitions there are, and how far the tables know them.
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
    Ok(LogEnds {
        totals: of(&topics.totals)?,
        pushes: of(&topics.pushes)?,
        control: control_ends(admin, topics)?,
    })
}

/// The control log has one partition.
fn control_ends(admin: &Admin, topics: &Topics) -> Result<Ends, Missing> {
    let control = ends_of(admin, &topics.control.name, 1)?;
    Ok(control.get(&0).copied().unwrap_or_default())
}
