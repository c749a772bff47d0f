//! What every part of a stage that reads logs is given, and how its parts are started.

use crate::error::{FollowError, LogHalt};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::projection::{Project, Projector};
use crate::read::{Place, Read, Reader, Source};
use crate::watch::{Watch, Watched};
use crossbeam_channel::Sender;
use meterline_clickhouse::ClickHouse;
use meterline_control::ControlEvent;
use meterline_core::causes::chain;
use meterline_core::position::TopicId;
use meterline_kafka::Admin;
use rdkafka::consumer::BaseConsumer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::mpsc;

/// Batches that wait for a projection.
const PROJECTED_MAX: usize = 4;

/// Bytes that a client may read ahead: some answers of a broker, not its usual 64 MiB.
const AHEAD_KIB: &str = "16384";

/// What all parts of one stage share; clones share it too.
#[derive(Clone, Debug)]
pub struct Follower {
    /// What the stage knows of itself, its name included.
    pub health: Arc<Health>,
    /// What it counts.
    pub metrics: Metrics,
    /// Set once, when the stage is to stop.
    pub stop: Arc<AtomicBool>,
}

/// How a reader reaches Kafka.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// How to reach the brokers.
    pub kafka: &'a meterline_kafka::Settings,
    /// Name of this process, as Kafka's client id.
    pub instance: &'a str,
}

impl Follower {
    /// The stage's name, as logs, health and threads have it.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        self.health.stage()
    }

    /// A log cannot be read on: health keeps it, and it is said once.
    pub fn halts(&self, halt: &LogHalt) {
        if self.health.halts(halt) {
            let (stage, error) = (self.stage(), chain(halt));
            tracing::error!(stage, error, "a log cannot be read on");
        }
    }

    /// A reader of one topic, from `places` on; what it reads goes to `out`, as `wrap` makes it.
    ///
    /// # Errors
    /// [`FollowError::Consumer`] where the client library refuses the settings.
    pub fn reader<R, I>(
        &self,
        link: Link<'_>,
        source: Source<R>,
        places: BTreeMap<u32, Place>,
        out: Sender<I>,
        wrap: fn(Read<R>) -> I,
    ) -> Result<Reader<R, I>, FollowError> {
        let stage = self.stage();
        // Named for the brokers' logs; the group is never joined.
        let group = format!("meterline-{stage}-reader");
        let mut config = link.kafka.consumer_config(&group);
        config
            .set("client.id", link.instance)
            .set("queued.max.messages.kbytes", AHEAD_KIB)
            // A judgement must not wait for more bytes to come.
            .set("fetch.wait.max.ms", "100");
        let consumer: BaseConsumer = config.create().map_err(|source| FollowError::Consumer {
            stage,
            source: Box::new(source),
        })?;
        Ok(Reader {
            source,
            consumer,
            places,
            out,
            wrap,
            follower: self.clone(),
            is_lost: false,
        })
    }

    /// A projection that is to be started.
    #[must_use]
    pub fn projector<P: Project>(
        &self,
        project: P,
        topic_id: TopicId,
        interval: Duration,
        clickhouse: &ClickHouse,
        runtime: &tokio::runtime::Handle,
    ) -> Projector<P> {
        Projector {
            project,
            topic_id,
            interval,
            clickhouse: clickhouse.clone(),
            runtime: runtime.clone(),
            follower: self.clone(),
        }
    }

    /// Starts a projection with a reader of its own.
    ///
    /// # Errors
    /// [`FollowError`] where its client or threads cannot be made.
    pub fn project<P: Project + Send + 'static>(
        &self,
        link: Link<'_>,
        projector: Projector<P>,
        source: Source<P::Record>,
        places: BTreeMap<u32, Place>,
    ) -> Result<[JoinHandle<()>; 2], FollowError> {
        let (out, records) = crossbeam_channel::bounded(PROJECTED_MAX);
        let reader = self.reader(link, source, places, out, |read| read)?;
        let stage = self.stage();
        Ok([
            spawn(&format!("{stage}-log"), move || reader.run())?,
            spawn(&format!("{stage}-rows"), move || projector.run(&records))?,
        ])
    }

    /// Starts the watch over topics, which ends with the stage.
    ///
    /// # Errors
    /// [`FollowError::Spawn`].
    pub fn watch(&self, admin: Admin, topics: Vec<Watched>) -> Result<(), FollowError> {
        let watch = Watch {
            admin,
            topics,
            follower: self.clone(),
        };
        let name = format!("{}-watch", self.stage());
        spawn(&name, move || watch.run()).map(|_| ())
    }

    /// Starts a thread that hands the control log's events on, as `wrap` makes them; it ends with
    /// either side.
    ///
    /// # Errors
    /// [`FollowError::Spawn`].
    pub fn bridge<I: Send + 'static>(
        &self,
        mut feed: mpsc::Receiver<ControlEvent>,
        out: Sender<I>,
        wrap: fn(ControlEvent) -> I,
    ) -> Result<JoinHandle<()>, FollowError> {
        let name = format!("{}-control", self.stage());
        spawn(&name, move || {
            while let Some(event) = feed.blocking_recv() {
                if out.send(wrap(event)).is_err() {
                    return;
                }
            }
        })
    }
}

/// Starts a thread.
///
/// # Errors
/// [`FollowError::Spawn`] where the system has none left.
pub fn spawn(
    name: &str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, FollowError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(run).map_err(|source| FollowError::Spawn {
        name: name.to_owned(),
        source,
    })
}
