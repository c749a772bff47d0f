//! The consumer's own thread: polls for callbacks and errors, tends the partitions, stops.

use super::assign::{Assigner, JOINING};
use super::context::Context;
use super::watch::Watch;
use crate::health::Need;
use crate::metrics::STATISTICS_INTERVAL;
use crate::settings::Settings;
use crate::shared::Edges;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the client library fetches nothing for a partition whose queue is full. Its default of
/// a second is longer than a queue lasts in a backlog: the fold stood still for want of records.
const FETCH_BACKOFF: &str = "fetch.queue.backoff.ms";
const FETCH_BACKOFF_MS: &str = "20";

/// How long one poll waits for a callback: what noticing a shutdown may have to wait for.
const POLL: Duration = Duration::from_millis(100);

/// What a draining thread may take beyond its grace: one request that cannot be interrupted.
const MARGIN: Duration = Duration::from_secs(5);

/// The consumer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ConsumerError {
    /// The client library refused its settings, or failed for good.
    #[error("the kafka consumer of group {group} failed for good")]
    Kafka {
        /// The consumer group.
        group: String,
        /// Why.
        source: KafkaError,
    },
    /// No thread can be had.
    #[error("failed to start a thread for {what}")]
    Thread {
        /// What it was for.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}

/// Consumes until `stop` is set, then drains. Blocks its thread.
///
/// # Errors
/// When the client library cannot go on; partitions were drained then too.
pub(crate) fn run(edges: &Arc<Edges>, stop: &AtomicBool) -> Result<(), ConsumerError> {
    let shared = &edges.shared;
    let failed = |source| ConsumerError::Kafka {
        group: shared.settings.group.clone(),
        source,
    };
    let context = Context::new(Arc::clone(shared));
    let consumer: BaseConsumer<Context> = config(&shared.settings)
        .create_with_context(context)
        .map_err(failed)?;
    let consumer = Arc::new(consumer);
    let assigner = Assigner::new(Arc::clone(edges), Arc::downgrade(&consumer));
    *consumer.context().assigner() = Some(assigner);
    consumer.subscribe(&[&shared.topic]).map_err(failed)?;
    shared.board.phase(Some(JOINING));
    let watch = Watch::start(edges, &consumer).map_err(|source| ConsumerError::Thread {
        what: "watching the topic",
        source,
    })?;
    let mut result = Ok(());
    while result.is_ok() && !stop.load(Ordering::Acquire) {
        result = turn(&consumer, edges).map_err(failed);
    }
    shared.board.phase(Some("stopping"));
    drop(watch);
    drain(&consumer, edges);
    result
}

fn config(settings: &Settings) -> ClientConfig {
    let rollup = &settings.rollup;
    let session = rollup.session_timeout.as_millis();
    let statistics = STATISTICS_INTERVAL;
    let mut config = settings.kafka.consumer_config(&settings.group);
    config
        .set("client.id", &settings.instance)
        .set("session.timeout.ms", session.to_string())
        .set("heartbeat.interval.ms", (session / 10).max(100).to_string())
        .set(
            "queued.max.messages.kbytes",
            rollup.fetch_ahead_kib.to_string(),
        )
        .set("statistics.interval.ms", statistics.as_millis().to_string())
        // Every message is handled before the next is taken, so this only bounds a stuck process.
        .set("max.poll.interval.ms", session.max(300_000).to_string());
    if config.get(FETCH_BACKOFF).is_none() {
        config.set(FETCH_BACKOFF, FETCH_BACKOFF_MS);
    }
    config
}

fn turn(consumer: &Arc<BaseConsumer<Context>>, edges: &Edges) -> KafkaResult<()> {
    let polled = consumer.poll(POLL);
    let now = Instant::now();
    edges.shared.board.beat(now);
    let mut assigner = consumer.context().assigner();
    let assigner = assigner.as_mut().expect("it was set before the first poll");
    match polled {
        None => {}
        Some(Ok(message)) => stray(&message, assigner),
        Some(Err(error @ KafkaError::MessageConsumptionFatal(_))) => return Err(error),
        Some(Err(error)) => tracing::info!(%error, "kafka consumer"),
    }
    assigner.tend(consumer, now);
    Ok(())
}

/// A record outside of its partition's queue: its thread would never see it.
fn stray(message: &BorrowedMessage<'_>, assigner: &mut Assigner) {
    let (partition, offset) = (message.partition(), message.offset());
    tracing::error!(
        partition,
        offset,
        "a record came past its partition's queue"
    );
    assigner.reload_all("a record came past its partition's queue");
}

/// Lets every partition write what it has, then leaves the group.
fn drain(consumer: &Arc<BaseConsumer<Context>>, edges: &Edges) {
    let grace = edges.shared.settings.rollup.stop_timeout;
    if let Some(assigner) = consumer.context().assigner().as_mut() {
        assigner.stop(grace);
    }
    let deadline = Instant::now() + grace + MARGIN;
    loop {
        // Heartbeats go on, and so does a rebalance that others wait for.
        let _ = consumer.poll(POLL);
        edges.shared.board.beat(Instant::now());
        let mut assigner = consumer.context().assigner();
        let is_busy = assigner.as_mut().is_some_and(Assigner::is_busy);
        if !is_busy || Instant::now() >= deadline {
            if is_busy {
                tracing::error!("stopping while partitions still write; the log has it all");
            }
            break;
        }
    }
    consumer.unsubscribe();
    edges.shared.board.works(Need::Kafka);
}
