//! What runs beside the judge: readers, lanes, projections, the watch, the notifier.

use crate::error::LimitsError;
use crate::health::Health;
use crate::judge::Input;
use crate::log::{Ends, GROUP, Place, Read, Reader, Source};
use crate::metrics::Metrics;
use crate::projection::{AlertsProjection, AuditProjection, Project, Projector};
use crate::records;
use crate::settings::{Connections, LimitsSettings};
use crate::stage::{LogEnds, Topics};
use crate::standings::{TableLane, TopicLane, Waiting};
use crate::tables::FromTables;
use crate::watch::{Watch, Watched};
use crossbeam_channel::Sender;
use futures::future::join_all;
use meterline_clickhouse::ClickHouse;
use meterline_control::ControlEvent;
use meterline_core::position::{Offset, TopicId};
use meterline_kafka::{Admin, Producer, TopicDescription};
use meterline_notify::Notifier;
use rdkafka::consumer::BaseConsumer;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Batches that wait for a projection.
const PROJECTED_MAX: usize = 4;

/// Bytes that a client may read ahead: some answers of a broker, not its usual 64 MiB.
const AHEAD_KIB: &str = "16384";

/// What all of them need.
pub(crate) struct Beside<'a> {
    pub(crate) connections: &'a Connections,
    pub(crate) settings: &'a LimitsSettings,
    pub(crate) topics: &'a Topics,
    pub(crate) ends: &'a LogEnds,
    pub(crate) health: &'a Arc<Health>,
    pub(crate) metrics: &'a Metrics,
    pub(crate) stop: &'a Arc<AtomicBool>,
}

/// Tasks and threads that write.
pub(crate) struct Lanes {
    pub(crate) standings: Arc<Waiting>,
    topic: tokio::task::JoinHandle<()>,
    table: tokio::task::JoinHandle<()>,
    others: Vec<tokio::task::JoinHandle<()>>,
    projections: Vec<JoinHandle<()>>,
    topic_stop: watch::Sender<bool>,
    table_stop: watch::Sender<bool>,
}

impl Lanes {
    /// Has every lane write what waits, the topic's before the table's, and waits for them.
    pub(crate) fn finish(self, runtime: &tokio::runtime::Handle, timeout: Duration) {
        let is_done = runtime.block_on(tokio::time::timeout(timeout, async {
            self.topic_stop.send_replace(true);
            // A lane that panicked has said so.
            let _ = self.topic.await;
            self.table_stop.send_replace(true);
            let _ = self.table.await;
            join_all(self.others).await;
        }));
        if is_done.is_err() {
            tracing::warn!(stage = "limits", "not everything was written in time");
        }
        for projection in self.projections {
            let _ = projection.join();
        }
    }
}

impl Beside<'_> {
    /// Starts the readers that feed the judge.
    pub(crate) fn readers(
        &self,
        inputs: Sender<Input>,
        feed: mpsc::Receiver<ControlEvent>,
        from: &FromTables,
    ) -> Result<Vec<JoinHandle<()>>, LimitsError> {
        let totals = Source {
            topic: self.topics.totals.name.clone(),
            forgets: true,
            gates: true,
            decode: records::totals,
        };
        let places = places(&self.ends.totals, |partition, ends| {
            let position = from.positions.get(&partition).copied().unwrap_or(ends.low);
            // A topic that was made again since: its predecessor's positions say nothing.
            if position > ends.end { 0 } else { position }
        });
        let totals = self.reader(totals, places, inputs.clone(), Input::Totals)?;
        let alerts = self.reader(
            self.alerts(true),
            places_from_beginning(&self.ends.alerts),
            inputs.clone(),
            Input::Alerts,
        )?;
        let control = spawn("limits-control", move || bridge(feed, &inputs))?;
        Ok(vec![
            spawn("limits-totals", move || totals.run())?,
            spawn("limits-alerts", move || alerts.run())?,
            control,
        ])
    }

    fn alerts(&self, gates: bool) -> Source<records::Appended<records::AlertRecord>> {
        Source {
            topic: self.topics.alerts.name.clone(),
            forgets: false,
            gates,
            decode: records::alerts,
        }
    }

    fn reader<R, I>(
        &self,
        source: Source<R>,
        places: BTreeMap<u32, Place>,
        out: Sender<I>,
        wrap: fn(Read<R>) -> I,
    ) -> Result<Reader<R, I>, LimitsError> {
        let mut config = self.connections.kafka.consumer_config(GROUP);
        config
            .set("client.id", &self.connections.instance)
            .set("queued.max.messages.kbytes", AHEAD_KIB)
            // A crossing must not wait for more bytes to come.
            .set("fetch.wait.max.ms", "100");
        let consumer: BaseConsumer = config.create().map_err(|source| LimitsError::Consumer {
            source: Box::new(source),
        })?;
        Ok(Reader {
            source,
            consumer,
            places,
            out,
            wrap,
            health: Arc::clone(self.health),
            stop: Arc::clone(self.stop),
            is_lost: false,
        })
    }

    /// Starts everything that writes.
    pub(crate) fn lanes(
        &self,
        clickhouse: ClickHouse,
        notifier: &Arc<Notifier>,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Lanes, LimitsError> {
        let standings = Arc::new(Waiting::default());
        let for_table = Arc::new(Waiting::default());
        let positions = Arc::default();
        let (topic_stop, topic_stopped) = watch::channel(false);
        let (table_stop, table_stopped) = watch::channel(false);
        let (usage, standing) = (&self.topics.usage, &self.topics.standing);
        let topic = TopicLane {
            producer: Producer::connect_for_decisions(&self.connections.kafka)?,
            topic: standing.name.clone(),
            partitions: standing.partition_count(),
            is_aligned: standing.partition_count() == usage.partition_count(),
            interval: self.settings.standing_interval,
            waiting: Arc::clone(&standings),
            table: Arc::clone(&for_table),
            positions: Arc::clone(&positions),
            health: Arc::clone(self.health),
            metrics: self.metrics.clone(),
        };
        let table = TableLane {
            clickhouse: clickhouse.clone(),
            interval: self.settings.table_interval,
            waiting: for_table,
            positions,
            health: Arc::clone(self.health),
            metrics: self.metrics.clone(),
        };
        let told = notifier_stopped(topic_stopped.clone());
        let notifier = Arc::clone(notifier);
        Ok(Lanes {
            standings,
            topic: runtime.spawn(topic.run(topic_stopped)),
            table: runtime.spawn(table.run(table_stopped)),
            others: vec![runtime.spawn(async move { notifier.run(told).await })],
            projections: self.projections(&clickhouse, runtime)?,
            topic_stop,
            table_stop,
        })
    }

    fn projections(
        &self,
        clickhouse: &ClickHouse,
        runtime: &tokio::runtime::Handle,
    ) -> Result<Vec<JoinHandle<()>>, LimitsError> {
        let topic = &self.topics.alerts;
        let alerts = AlertsProjection::new(topic.topic_id, topic.partition_count());
        let alerts = self.projector(alerts, topic.topic_id, clickhouse, runtime);
        let places = places_from_beginning(&self.ends.alerts);
        let mut threads = self.project(alerts, self.alerts(false), places)?;
        let topic = &self.topics.control;
        let audit = AuditProjection::new(topic.topic_id);
        let audit = self.projector(audit, topic.topic_id, clickhouse, runtime);
        let source = Source {
            topic: topic.name.clone(),
            forgets: false,
            gates: false,
            decode: records::control,
        };
        let ends = BTreeMap::from([(0, self.ends.control)]);
        threads.extend(self.project(audit, source, places_from_beginning(&ends))?);
        Ok(threads)
    }

    fn projector<P: Project>(
        &self,
        project: P,
        topic_id: TopicId,
        clickhouse: &ClickHouse,
        runtime: &tokio::runtime::Handle,
    ) -> Projector<P> {
        Projector {
            project,
            topic_id,
            interval: self.settings.table_interval,
            clickhouse: clickhouse.clone(),
            runtime: runtime.clone(),
            health: Arc::clone(self.health),
            metrics: self.metrics.clone(),
            stop: Arc::clone(self.stop),
        }
    }

    fn project<P: Project + Send + 'static>(
        &self,
        projector: Projector<P>,
        source: Source<P::Record>,
        places: BTreeMap<u32, Place>,
    ) -> Result<Vec<JoinHandle<()>>, LimitsError> {
        let (out, records) = crossbeam_channel::bounded(PROJECTED_MAX);
        let reader = self.reader(source, places, out, |read| read)?;
        Ok(vec![
            spawn("limits-log", move || reader.run())?,
            spawn("limits-rows", move || projector.run(&records))?,
        ])
    }

    /// Starts the watch over the topics.
    pub(crate) fn watch(&self, admin: Admin) -> Result<(), LimitsError> {
        let watched = |topic: &TopicDescription, is_totals| Watched {
            topic: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic.partition_count(),
            is_totals,
        };
        let watch = Watch {
            admin,
            topics: vec![
                watched(&self.topics.totals, true),
                watched(&self.topics.alerts, false),
                watched(&self.topics.control, false),
                watched(&self.topics.usage, false),
                watched(&self.topics.standing, false),
            ],
            health: Arc::clone(self.health),
            metrics: self.metrics.clone(),
            stop: Arc::clone(self.stop),
        };
        spawn("limits-watch", move || watch.run()).map(|_| ())
    }
}

async fn notifier_stopped(mut stopped: watch::Receiver<bool>) {
    // The sender outlives the notifier, so that an error only says that all is over.
    let _ = stopped.wait_for(|is_told| *is_told).await;
}

/// Hands the control log's events to the judge; ends with either of them.
fn bridge(mut feed: mpsc::Receiver<ControlEvent>, inputs: &Sender<Input>) {
    while let Some(event) = feed.blocking_recv() {
        if inputs.send(Input::Control(event)).is_err() {
            return;
        }
    }
}

fn places(
    ends: &BTreeMap<u32, Ends>,
    position: impl Fn(u32, Ends) -> Offset,
) -> BTreeMap<u32, Place> {
    let all = ends.iter();
    all.map(|(partition, ends)| (*partition, Place::new(position(*partition, *ends), *ends)))
        .collect()
}

fn places_from_beginning(ends: &BTreeMap<u32, Ends>) -> BTreeMap<u32, Place> {
    places(ends, |_, _| 0)
}

fn spawn(
    name: &'static str,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, LimitsError> {
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread
        .spawn(run)
        .map_err(|source| LimitsError::Spawn { name, source })
}
