//! The partitions that this process owns, each with what it is doing about them.
//!
//! Owning is Kafka's word; reading is ours. A partition that cannot be placed yet, or that is
//! halted, stays owned and is not assigned in the client library, so nothing is fetched for it
//! and nobody else takes it. Both lists only ever change by increments.

use super::context::Context;
use super::gate::Gate;
use super::place::{NotPlaced, Start, place};
use super::queue::Queue;
use super::slot::{self, Ended, Opened, STEADY, Slot, State, spawn};
use crate::health::{Need, PartitionState};
use crate::partition::{Assignment, Exit, Wake};
use crate::shared::Edges;
use crossbeam_channel::{Receiver, Sender, unbounded};
use futures::future::join_all;
use meterline_core::halt::Halt;
use meterline_kafka::{Backoff, set_leader_epoch};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::topic_partition_list::{Offset as KafkaOffset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long finding manifests may hold up a rebalance; what is not found by then is tried again
/// outside of it.
const PLACE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a partition that was taken away may write what it has. Its new owner does not wait.
const REVOKE_GRACE: Duration = Duration::from_secs(10);

/// What a process waits for until the group has told it what it owns, if only nothing: one that
/// may not join at all is never told.
pub(super) const JOINING: &str = "joining the group";

/// What this process does about the partitions that it owns.
pub(crate) struct Assigner {
    edges: Arc<Edges>,
    consumer: Weak<BaseConsumer<Context>>,
    slots: BTreeMap<u32, Slot>,
    threads: Vec<JoinHandle<()>>,
    end: Sender<Ended>,
    ends: Receiver<Ended>,
    /// Nothing new is begun.
    is_stopping: bool,
}

impl Assigner {
    pub(super) fn new(edges: Arc<Edges>, consumer: Weak<BaseConsumer<Context>>) -> Self {
        let (end, ends) = unbounded();
        Self {
            edges,
            consumer,
            slots: BTreeMap::new(),
            threads: Vec::new(),
            end,
            ends,
            is_stopping: false,
        }
    }

    /// Kafka gave these partitions to this process.
    pub(super) fn assigned(&mut self, consumer: &BaseConsumer<Context>, partitions: &[u32]) {
        tracing::info!(
            topic = self.edges.shared.topic,
            ?partitions,
            "partitions assigned"
        );
        let now = Instant::now();
        for partition in partitions {
            let ticket = self.edges.shared.board.enter(*partition, now);
            let slot = Slot {
                ticket,
                backoff: Backoff::new(),
                state: State::Waiting(now),
            };
            if let Some(old) = self.slots.insert(*partition, slot) {
                tracing::error!(partition, "a partition was assigned twice");
                self.close(consumer, vec![(*partition, old)]);
            }
        }
        if !self.is_stopping {
            self.edges.shared.board.phase(None);
        }
        // The client library waits for this call, even for an empty list.
        self.place_due(consumer, now, true);
    }

    /// Kafka took these partitions from this process.
    pub(super) fn revoked(&mut self, consumer: &BaseConsumer<Context>, partitions: &[u32]) {
        tracing::info!(
            topic = self.edges.shared.topic,
            ?partitions,
            "partitions revoked"
        );
        if !self.is_stopping && consumer.assignment_lost() {
            self.edges.shared.board.phase(Some(JOINING));
        }
        let slots = partitions.iter();
        let slots = slots.filter_map(|p| self.slots.remove(p).map(|slot| (*p, slot)));
        let slots = slots.collect();
        self.close(consumer, slots);
    }

    /// Stops reading at once; the threads write what they have on their own.
    fn close(&mut self, consumer: &BaseConsumer<Context>, slots: Vec<(u32, Slot)>) {
        let mut list = TopicPartitionList::new();
        for (partition, slot) in &slots {
            match &slot.state {
                State::Running { gate, .. } => {
                    gate.announce(REVOKE_GRACE);
                    self.add(&mut list, *partition, KafkaOffset::Invalid);
                }
                State::Waiting(_) | State::Halted { .. } => self.leave(*partition, slot.ticket),
            }
        }
        for (_, slot) in &slots {
            if let State::Running { gate, .. } = &slot.state {
                gate.close();
            }
        }
        if let Err(error) = consumer.incremental_unassign(&list) {
            tracing::error!(%error, "failed to give partitions back to the client library");
        }
    }

    fn add(&self, list: &mut TopicPartitionList, partition: u32, offset: KafkaOffset) {
        let number = i32::try_from(partition).expect("Kafka's partition numbers are 31 bits");
        list.add_partition_offset(&self.edges.shared.topic, number, offset)
            .expect("offsets of a log are 63 bits");
    }

    /// Names the leader that appended the record before the position, where the manifest does.
    fn name_leader(&self, list: &mut TopicPartitionList, partition: u32, open: &Opened) {
        let manifest = open.start.manifest.as_ref();
        let Some(manifest) = manifest.filter(|m| m.header.position == open.start.offset) else {
            return;
        };
        if let Ok(number) = i32::try_from(partition) {
            set_leader_epoch(
                list,
                &self.edges.shared.topic,
                number,
                manifest.leader_epoch,
            );
        }
    }

    fn leave(&self, partition: u32, ticket: u64) {
        let shared = &self.edges.shared;
        if shared.board.leave(partition, ticket) {
            shared.metrics.leave(partition);
        }
    }

    /// What is due between callbacks: threads that ended, partitions to place, new verdicts.
    pub(super) fn tend(&mut self, consumer: &BaseConsumer<Context>, now: Instant) {
        while let Ok(ended) = self.ends.try_recv() {
            self.ended(consumer, ended, now);
        }
        self.threads.retain(|thread| !thread.is_finished());
        self.look_for_decisions(now);
        self.place_due(consumer, now, false);
    }

    fn ended(&mut self, consumer: &BaseConsumer<Context>, ended: Ended, now: Instant) {
        let Ended {
            partition,
            ticket,
            exit,
        } = ended;
        let slot = self.slots.get_mut(&partition);
        let Some(slot) = slot.filter(|slot| slot.ticket == ticket) else {
            self.leave(partition, ticket);
            return;
        };
        let State::Running { gate, since, .. } = &slot.state else {
            return;
        };
        gate.announce(Duration::ZERO);
        gate.close();
        if now.saturating_duration_since(*since) >= STEADY {
            slot.backoff.reset();
        }
        slot.state = State::Waiting(now);
        let mut list = TopicPartitionList::new();
        self.add(&mut list, partition, KafkaOffset::Invalid);
        if let Err(error) = consumer.incremental_unassign(&list) {
            tracing::error!(partition, %error, "failed to stop fetching a partition");
        }
        match exit {
            Exit::Closed => {}
            Exit::Halted(halt) => self.halt(partition, &halt, now),
            Exit::Again(why) => self.wait(partition, &why, now),
        }
    }

    fn halt(&mut self, partition: u32, halt: &Halt, now: Instant) {
        let log_partition = self.edges.log_partition(partition);
        let decisions = slot::decisions(&self.edges.control.view(), &log_partition);
        let Some(slot) = self.slots.get_mut(&partition) else {
            return;
        };
        let name = halt.name();
        slot.state = State::Halted { name, decisions };
        let shared = &self.edges.shared;
        tracing::error!(
            topic = shared.topic,
            partition,
            halt = name,
            %halt,
            "partition halted; meterline resolve says what to do"
        );
        shared.metrics.partitions().stopped(partition, name, true);
        shared.board.report(partition, slot.ticket, now, |status| {
            status.state = PartitionState::Halted;
            status.reason = Some(halt.to_string());
        });
    }

    fn wait(&mut self, partition: u32, why: &str, now: Instant) {
        let Some(slot) = self.slots.get_mut(&partition) else {
            return;
        };
        slot.state = State::Waiting(now + slot.backoff.pause());
        let shared = &self.edges.shared;
        tracing::warn!(
            topic = shared.topic,
            partition,
            why,
            "partition is loaded again"
        );
        shared.board.report(partition, slot.ticket, now, |status| {
            status.state = PartitionState::Loading;
            status.reason = Some(why.to_owned());
        });
    }

    fn look_for_decisions(&mut self, now: Instant) {
        let view = self.edges.control.view();
        for (partition, slot) in &mut self.slots {
            let State::Halted { name, decisions } = slot.state else {
                continue;
            };
            let log_partition = self.edges.log_partition(*partition);
            if slot::decisions(&view, &log_partition) > decisions {
                let metrics = self.edges.shared.metrics.partitions();
                metrics.stopped(*partition, name, false);
                slot.state = State::Waiting(now);
            }
        }
    }

    /// Places the partitions that are due, assigns them, and starts their threads.
    fn place_due(&mut self, consumer: &BaseConsumer<Context>, now: Instant, must_assign: bool) {
        let is_due = |slot: &Slot| matches!(slot.state, State::Waiting(at) if at <= now);
        let due = self.slots.iter().filter(|(_, slot)| is_due(slot));
        let mut due: Vec<u32> = due.map(|(partition, _)| *partition).collect();
        if self.is_stopping {
            due.clear();
        }
        if due.is_empty() && !must_assign {
            return;
        }
        let mut list = TopicPartitionList::new();
        let mut opened = Vec::new();
        for (partition, placed) in self.find(&due) {
            match placed.and_then(|start| self.open(partition, start)) {
                Ok(open) => {
                    let offset = i64::try_from(open.start.offset);
                    let offset = offset.expect("offsets of a log are 63 bits");
                    self.add(&mut list, partition, KafkaOffset::Offset(offset));
                    self.name_leader(&mut list, partition, &open);
                    opened.push(open);
                }
                Err(NotPlaced::Halted(halt)) => self.halt(partition, &halt, now),
                Err(NotPlaced::Later(why)) => self.wait(partition, &why, now),
            }
        }
        if opened.is_empty() && !must_assign {
            return;
        }
        match consumer.incremental_assign(&list) {
            Ok(()) => opened.into_iter().for_each(|open| self.start(open, now)),
            Err(error) => {
                tracing::error!(%error, "failed to assign partitions");
                for open in opened {
                    self.wait(open.partition, &format!("failed to assign: {error}"), now);
                }
                // A rebalance only ends once its assignment is answered.
                if must_assign {
                    let answered = consumer.incremental_assign(&TopicPartitionList::new());
                    answered.unwrap_or_else(|error| tracing::error!(%error, "no answer taken"));
                }
            }
        }
    }

    fn find(&self, partitions: &[u32]) -> Vec<(u32, Result<Start, NotPlaced>)> {
        let view = self.edges.control.view();
        let searches = partitions.iter().map(|partition| {
            let log_partition = self.edges.log_partition(*partition);
            let search = place(&self.edges, &view, log_partition);
            async move {
                let found = tokio::time::timeout(PLACE_TIMEOUT, search).await;
                let late = |_| Err(NotPlaced::Later("the checkpoint store is slow".to_owned()));
                (*partition, found.unwrap_or_else(late))
            }
        });
        let found = self
            .edges
            .runtime
            .block_on(async { join_all(searches).await });
        for (_, result) in &found {
            let board = &self.edges.shared.board;
            match result {
                Err(NotPlaced::Later(why)) => board.fails(Need::Checkpoints, why, Instant::now()),
                Ok(_) | Err(NotPlaced::Halted(_)) => board.works(Need::Checkpoints),
            }
        }
        found
    }

    /// Takes the partition's queue, before it is assigned.
    fn open(&self, partition: u32, start: Start) -> Result<Opened, NotPlaced> {
        let later = || NotPlaced::Later("the client library gave no queue".to_owned());
        let number = i32::try_from(partition).map_err(|_| later())?;
        let consumer = self.consumer.upgrade().ok_or_else(later)?;
        let queue = Queue::split(consumer, &self.edges.shared.topic, number);
        let gate = Arc::new(Gate::new(queue.ok_or_else(later)?));
        Ok(Opened {
            partition,
            gate,
            start,
        })
    }

    fn start(&mut self, open: Opened, now: Instant) {
        let Some(slot) = self.slots.get_mut(&open.partition) else {
            return;
        };
        let (wake, wakes) = unbounded();
        slot.state = State::Running {
            gate: Arc::clone(&open.gate),
            wake: wake.clone(),
            since: now,
        };
        let assignment = Assignment {
            edges: Arc::clone(&self.edges),
            consumer: Weak::clone(&self.consumer),
            log_partition: self.edges.log_partition(open.partition),
            ticket: slot.ticket,
            gate: open.gate,
            wake,
            wakes,
            adoption: open.start.adoption,
            manifest: open.start.manifest,
        };
        self.threads.extend(spawn(assignment, &self.end));
    }

    /// Ways to the threads that run.
    pub(super) fn wakes(&self) -> Vec<Sender<Wake>> {
        let running = self.slots.values().filter_map(|slot| match &slot.state {
            State::Running { wake, .. } => Some(wake.clone()),
            State::Waiting(_) | State::Halted { .. } => None,
        });
        running.collect()
    }

    /// Tells every thread that what it has read may not be all.
    pub(super) fn reload_all(&self, why: &'static str) {
        for wake in self.wakes() {
            // A thread that has just ended is loaded again anyway.
            let _ = wake.send(Wake::Reload(why));
        }
    }

    /// Tells every thread to write what it has within `grace` and end.
    pub(super) fn stop(&mut self, grace: Duration) {
        self.is_stopping = true;
        let gates = || {
            self.slots.values().filter_map(|slot| match &slot.state {
                State::Running { gate, .. } => Some(gate),
                State::Waiting(_) | State::Halted { .. } => None,
            })
        };
        gates().for_each(|gate| gate.announce(grace));
        gates().for_each(|gate| gate.close());
    }

    /// Whether a thread still works.
    pub(super) fn is_busy(&mut self) -> bool {
        self.threads.retain(|thread| !thread.is_finished());
        !self.threads.is_empty()
    }
}
