//! A thread that asks the brokers what the topic and its log's ends are now.
//!
//! It decides nothing: ends are for lag and readiness, and the topic's description goes to the
//! partitions, which compare it with their adoption.

use super::context::Context;
use crate::health::Need;
use crate::partition::Wake;
use crate::shared::Edges;
use meterline_core::causes::chain;
use meterline_kafka::TopicDescription;
use rdkafka::consumer::{BaseConsumer, Consumer};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often the logs' ends are asked for.
const ENDS_INTERVAL: Duration = Duration::from_secs(2);

/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(5);

/// How often a topic must be missing in a row to count as gone: a broker that has just started
/// does not know all topics yet.
const MISSING_MAX: u32 = 3;

/// How long one wait is: bounds how long the thread's end takes.
const TICK: Duration = Duration::from_millis(100);

/// The thread; it ends when this is dropped.
pub(super) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    pub(super) fn start(
        edges: &Arc<Edges>,
        consumer: &Arc<BaseConsumer<Context>>,
    ) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let watcher = Watcher {
            edges: Arc::clone(edges),
            consumer: Arc::downgrade(consumer),
            stop: Arc::clone(&stop),
            missing: 0,
        };
        let thread = std::thread::Builder::new().name("watch".to_owned());
        let thread = thread.spawn(move || watcher.run())?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

struct Watcher {
    edges: Arc<Edges>,
    consumer: Weak<BaseConsumer<Context>>,
    stop: Arc<AtomicBool>,
    missing: u32,
}

impl Watcher {
    fn run(mut self) {
        let interval = self.edges.shared.settings.rollup.progress_timeout;
        let mut ends_at = Instant::now();
        let mut topic_at = Instant::now() + interval;
        while !self.stop.load(Ordering::Acquire) {
            let now = Instant::now();
            if now >= ends_at {
                ends_at = now + ENDS_INTERVAL;
                self.ask_for_ends();
            }
            if now >= topic_at {
                topic_at = now + interval;
                self.ask_for_topic();
            }
            std::thread::sleep(TICK);
        }
    }

    fn ask_for_ends(&self) {
        let shared = &self.edges.shared;
        let mut tickets = shared.board.tickets();
        if tickets.is_empty() {
            // Nothing is owned; whether the brokers answer is asked all the same.
            tickets.push((0, 0));
        }
        for (partition, ticket) in tickets {
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            match self
                .edges
                .admin
                .watermarks(&shared.topic, partition, ANSWER)
            {
                Ok((_, end)) => {
                    let now = Instant::now();
                    shared.board.works(Need::Kafka);
                    shared.board.log_ends(partition, ticket, now, end);
                }
                Err(error) => {
                    shared
                        .board
                        .fails(Need::Kafka, &chain(&error), Instant::now());
                }
            }
        }
    }

    fn ask_for_topic(&mut self) {
        let shared = &self.edges.shared;
        match self.edges.admin.describe_topic(&shared.topic, ANSWER) {
            Ok(described) => {
                let described = described.map(Arc::new);
                self.missing = if described.is_none() {
                    self.missing + 1
                } else {
                    0
                };
                if described.is_some() || self.missing >= MISSING_MAX {
                    self.tell(described.as_ref());
                }
            }
            Err(error) => {
                shared
                    .board
                    .fails(Need::Kafka, &chain(&error), Instant::now());
            }
        }
    }

    fn tell(&self, described: Option<&Arc<TopicDescription>>) {
        let Some(consumer) = self.consumer.upgrade() else {
            return;
        };
        let wakes = consumer.context().assigner().as_ref().map(|a| a.wakes());
        for wake in wakes.unwrap_or_default() {
            // A thread that has just ended needs no news.
            let _ = wake.send(Wake::Topic(described.cloned()));
        }
    }
}
