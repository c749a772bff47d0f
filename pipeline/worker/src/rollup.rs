//! The rollup stage: waits for what it needs, consumes, stops.
//!
//! Nothing is consumed before there is a catalog and every partition of the topic is adopted, so
//! that no partition can ever be assigned at a guessed offset; nor before ClickHouse has the tables of
//! this version, so that a missing `meterline init` is said at once.

use crate::consumer::{self, ConsumerError};
use crate::health::Need;
use crate::settings::Settings;
use crate::shared::{Edges, Shared};
use meterline_checkpoint::{Next, Store, StoreError, Writer};
use meterline_clickhouse::ClickHouse;
use meterline_control::{Author, ControlError, ControlLog};
use meterline_core::causes::chain;
use meterline_core::hash::IdentityKey;
use meterline_core::position::TopicId;
use meterline_kafka::{Admin, Backoff, Producer, TopicDescription};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long one question to Kafka may take while the process starts.
const ANSWER: Duration = Duration::from_secs(10);

/// How often what the process waits for is looked at: a person has just typed a command.
const WAIT: Duration = Duration::from_secs(1);

/// The rollup stage cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RollupError {
    /// A client of Kafka could not be made.
    #[error(transparent)]
    Kafka(#[from] meterline_kafka::Error),
    /// The control log cannot be read.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// ClickHouse's settings cannot be used, or its tables are not those of this version.
    #[error(transparent)]
    ClickHouse(#[from] meterline_clickhouse::Error),
    /// The checkpoint store cannot be used.
    #[error(transparent)]
    Checkpoints(#[from] StoreError),
    /// The consumer cannot go on.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// A task of the process panicked.
    #[error("a thread of the rollup stage ended without an answer")]
    Thread(#[source] tokio::task::JoinError),
}

/// The parts of [`Edges`] that are there before anything answers.
struct Clients {
    producer: Producer,
    clickhouse: ClickHouse,
    store: Store,
    control: ControlLog,
    admin: Admin,
}

/// Runs the stage until `shutdown` is ready, then drains.
///
/// # Errors
/// When something cannot be used at all; what may pass is waited for.
pub(crate) async fn run(
    shared: Arc<Shared>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RollupError> {
    let stop = Arc::new(AtomicBool::new(false));
    let clients = connect(&shared.settings)?;
    let runtime = tokio::runtime::Handle::current();
    let stage = {
        let stop = Arc::clone(&stop);
        // A plain thread of its own: the consumer blocks, and waits on async calls from callbacks.
        tokio::task::spawn_blocking(move || match prepare(shared, clients, runtime, &stop)? {
            Some(edges) => Ok(consumer::run(&Arc::new(edges), &stop)?),
            None => Ok(()),
        })
    };
    let mut stage = std::pin::pin!(stage);
    tokio::select! {
        ended = &mut stage => return ended.map_err(RollupError::Thread)?,
        () = shutdown => {}
    }
    tracing::info!("stopping: partitions write what they have");
    stop.store(true, Ordering::Release);
    stage.await.map_err(RollupError::Thread)?
}

fn connect(settings: &Settings) -> Result<Clients, RollupError> {
    settings.kafka.check_properties()?;
    Ok(Clients {
        producer: Producer::connect(&settings.kafka)?,
        clickhouse: ClickHouse::connect(settings.clickhouse.clone())?,
        store: Store::open(&settings.checkpoint)?,
        control: ControlLog::connect(&settings.kafka)?,
        admin: Admin::connect(&settings.kafka)?,
    })
}

/// Waits for store, database, control log, catalog and adoptions; `None` where the process stops first.
fn prepare(
    shared: Arc<Shared>,
    clients: Clients,
    runtime: tokio::runtime::Handle,
    stop: &AtomicBool,
) -> Result<Option<Edges>, RollupError> {
    let waiter = Waiter {
        shared: &shared,
        clients: &clients,
        stop,
    };
    let Some(key) = waiter.identity_key(&runtime)? else {
        return Ok(None);
    };
    if !waiter.schema(&runtime)? {
        return Ok(None);
    }
    let Some(topic_id) = waiter.adoption()? else {
        return Ok(None);
    };
    let control_topic_id = clients.control.topic_id();
    let topics = shared.settings.kafka.topics();
    Ok(Some(Edges {
        shared,
        runtime,
        producer: clients.producer,
        clickhouse: clients.clickhouse,
        store: clients.store,
        control: clients.control,
        admin: clients.admin,
        key,
        writer: Writer::random(),
        topic_id,
        control_topic_id: control_topic_id.expect("a log that was read has an id"),
        totals_topic: topics.totals(),
        dead_letter_topic: topics.dead_letter(),
    }))
}

struct Waiter<'a> {
    shared: &'a Shared,
    clients: &'a Clients,
    stop: &'a AtomicBool,
}

impl Waiter<'_> {
    /// Shows what is waited for and waits a moment; false where the process stops.
    fn wait(&self, phase: &str, pause: Duration) -> bool {
        self.shared.board.phase(Some(phase));
        let until = Instant::now() + pause;
        while !self.stop.load(Ordering::Acquire) && Instant::now() < until {
            self.shared.board.beat(Instant::now());
            std::thread::sleep(Duration::from_millis(50));
        }
        !self.stop.load(Ordering::Acquire)
    }

    fn identity_key(
        &self,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Option<IdentityKey>, RollupError> {
        let mut backoff = Backoff::new();
        loop {
            let error = match runtime.block_on(self.clients.store.identity_key()) {
                Ok(key) => return Ok(Some(key)),
                Err(error) if error.next() == Next::Retry => error,
                Err(error) => return Err(error.into()),
            };
            let text = error.chain();
            let board = &self.shared.board;
            board.fails(Need::Checkpoints, &text, Instant::now());
            tracing::warn!(error = text, "failed to reach the checkpoint store");
            if !self.wait("waiting for the checkpoint store", backoff.pause()) {
                return Ok(None);
            }
        }
    }

    /// Waits until ClickHouse answers that it has the tables of this version, which is an error
    /// where it does not; false where the process stops first.
    fn schema(&self, runtime: &tokio::runtime::Handle) -> Result<bool, RollupError> {
        let board = &self.shared.board;
        let mut backoff = Backoff::new();
        let mut said = String::new();
        loop {
            let error = match runtime.block_on(self.clients.clickhouse.check_schema()) {
                Ok(()) => {
                    board.works(Need::ClickHouse);
                    return Ok(true);
                }
                Err(error) if error.next() == meterline_clickhouse::Next::Retry => error,
                Err(error) => return Err(error.into()),
            };
            let text = chain(&error);
            board.fails(Need::ClickHouse, &text, Instant::now());
            if said != text {
                tracing::warn!(
                    error = text,
                    "failed to check the database, trying until it works"
                );
                said = text;
            }
            if !self.wait("waiting for ClickHouse", backoff.pause()) {
                return Ok(false);
            }
        }
    }

    /// Waits until every partition of the usage topic is adopted; the topic's id.
    fn adoption(&self) -> Result<Option<TopicId>, RollupError> {
        let mut phase = String::new();
        loop {
            match self.look() {
                Ok(Look::Adopted(topic_id)) => return Ok(Some(topic_id)),
                Ok(Look::Waiting(why)) => {
                    if phase != why {
                        tracing::info!(topic = self.shared.topic, why, "waiting");
                        phase = why;
                    }
                }
                Err(error @ ControlError::Halted { .. }) => return Err(error.into()),
                Err(error) => {
                    let text = chain(&error);
                    self.shared
                        .board
                        .fails(Need::Control, &text, Instant::now());
                    if phase != text {
                        tracing::warn!(error = text, "failed to prepare, trying until it works");
                        phase = text;
                    }
                }
            }
            if !self.wait(&phase, WAIT) {
                return Ok(None);
            }
        }
    }

    fn look(&self) -> Result<Look, ControlError> {
        let topic = &self.shared.topic;
        let described = self.clients.admin.describe_topic(topic, ANSWER)?;
        let Some(described) = described else {
            let why = format!("waiting for topic {topic}: run `meterline init`");
            return Ok(Look::Waiting(why));
        };
        let view = self.clients.control.read_to_end(ANSWER)?;
        self.shared.board.works(Need::Control);
        if view.catalog().is_none() {
            let why = "waiting for a catalog: run `meterline catalog apply`";
            return Ok(Look::Waiting(why.to_owned()));
        }
        self.adopt(&described)
    }

    /// Adopts what `init` created; partitions that came later halt on their own.
    fn adopt(&self, described: &TopicDescription) -> Result<Look, ControlError> {
        let author = Author {
            actor: self.shared.settings.instance.clone(),
            note: "adopted by a worker: the topic was created by init".to_owned(),
        };
        let control = &self.clients.control;
        let adopted = Look::Adopted(described.topic_id);
        for partition in 0..described.partition_count() {
            match control.adopt_created(described, partition, &author, ANSWER) {
                Ok(adoption) if partition + 1 >= adoption.partitions => return Ok(adopted),
                Ok(_) => {}
                Err(
                    error @ (ControlError::NotCreatedByInit { .. } | ControlError::Topic { .. }),
                ) => {
                    return Ok(Look::Waiting(error.to_string()));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(adopted)
    }
}

enum Look {
    Adopted(TopicId),
    Waiting(String),
}
