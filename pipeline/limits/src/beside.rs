//! What runs beside the judge: readers, lanes, projections, the watch, the notifier.

use crate::error::LimitsError;
use crate::judge::Input;
use crate::metrics::Metrics;
use crate::projection::{AlertsProjection, AuditProjection};
use crate::records;
use crate::settings::{Connections, LimitsSettings};
use crate::stage::{LogEnds, Topics};
use crate::standings::{TableLane, TopicLane, Waiting};
use crossbeam_channel::Sender;
use futures::future::join_all;
use meterline_clickhouse::ClickHouse;
use meterline_control::ControlEvent;
use meterline_follow::{
    Appended, Follower, Link, Reached, Source, Watched, places, places_from_beginning, spawn,
    totals,
};
use meterline_kafka::{Admin, Producer};
use meterline_notify::Notifier;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// What all of them need.
pub(crate) struct Beside<'a> {
    pub(crate) connections: &'a Connections,
    pub(crate) settings: &'a LimitsSettings,
    pub(crate) topics: &'a Topics,
    pub(crate) ends: &'a LogEnds,
    pub(crate) metrics: &'a Metrics,
    pub(crate) follower: &'a Follower,
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
        from: &Reached,
    ) -> Result<Vec<JoinHandle<()>>, LimitsError> {
        let totals = Source {
            topic: self.topics.totals.name.clone(),
            forgets: true,
            gates: true,
            decode: totals,
        };
        let places = places(&self.ends.totals, |partition, ends| {
            let position = from.positions.get(&partition).copied().unwrap_or(ends.low);
            // A topic that was made again since: its predecessor's positions say nothing.
            if position > ends.end { 0 } else { position }
        });
        let (follower, link) = (self.follower, self.link());
        let totals = follower.reader(link, totals, places, inputs.clone(), Input::Totals)?;
        let alerts = follower.reader(
            link,
            self.alerts(true),
            places_from_beginning(&self.ends.alerts),
            inputs.clone(),
            Input::Alerts,
        )?;
        let control = follower.bridge(feed, inputs, Input::Control)?;
        Ok(vec![
            spawn("limits-totals", move || totals.run())?,
            spawn("limits-alerts", move || alerts.run())?,
            control,
        ])
    }

    fn alerts(&self, gates: bool) -> Source<Appended<records::AlertRecord>> {
        Source {
            topic: self.topics.alerts.name.clone(),
            forgets: false,
            gates,
            decode: records::alerts,
        }
    }

    fn link(&self) -> Link<'_> {
        Link {
            kafka: &self.connections.kafka,
            instance: &self.connections.instance,
        }
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
            health: Arc::clone(&self.follower.health),
            metrics: self.metrics.clone(),
        };
        let table = TableLane {
            clickhouse: clickhouse.clone(),
            interval: self.settings.table_interval,
            waiting: for_table,
            positions,
            health: Arc::clone(&self.follower.health),
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
        let (follower, link) = (self.follower, self.link());
        let interval = self.settings.table_interval;
        let topic = &self.topics.alerts;
        let (id, metrics) = (topic.topic_id, self.metrics.clone());
        let alerts = AlertsProjection::new(id, topic.partition_count(), metrics);
        let alerts = follower.projector(alerts, id, interval, clickhouse, runtime);
        let places = places_from_beginning(&self.ends.alerts);
        let alerts = follower.project(link, alerts, self.alerts(false), places)?;
        let topic = &self.topics.control;
        let audit = AuditProjection::new(topic.topic_id, self.metrics.clone());
        let audit = follower.projector(audit, topic.topic_id, interval, clickhouse, runtime);
        let source = Source {
            topic: topic.name.clone(),
            forgets: false,
            gates: false,
            decode: records::control,
        };
        let ends = BTreeMap::from([(0, self.ends.control)]);
        let audit = follower.project(link, audit, source, places_from_beginning(&ends))?;
        Ok(alerts.into_iter().chain(audit).collect())
    }

    /// Starts the watch over the topics.
    pub(crate) fn watch(&self, admin: Admin) -> Result<(), LimitsError> {
        let topics = vec![
            Watched::totals(&self.topics.totals),
            Watched::new(&self.topics.alerts),
            Watched::new(&self.topics.control),
            Watched::new(&self.topics.usage),
            Watched::new(&self.topics.standing),
        ];
        Ok(self.follower.watch(admin, topics)?)
    }
}

async fn notifier_stopped(mut stopped: watch::Receiver<bool>) {
    // The sender outlives the notifier, so that an error only says that all is over.
    let _ = stopped.wait_for(|is_told| *is_told).await;
}
