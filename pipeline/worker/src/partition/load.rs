//! Loading a partition: state and position from one manifest, or the beginning of its adoption.
//!
//! Records wait in the queue meanwhile. What does not fit together halts by name; what may pass
//! is left to the supervisor, which places the partition again.

use super::checkpoint::Checkpointing;
use super::deliver::Courier;
use super::flush::Rhythm;
use super::idle::{Idle, judge_bounds, judge_topic, replaced};
use super::intake::Rulings;
use super::ledger::{Ledger, Mark};
use super::letters::Letters;
use super::thread::Thread;
use super::{Exit, Wake};
use crate::consumer::{Context, Gate};
use crate::health::Need;
use crate::shared::Edges;
use crossbeam_channel::{Receiver, Sender};
use meterline_checkpoint::{Manifest, RunSet, StoreError};
use meterline_control::ControlError;
use meterline_core::causes::chain;
use meterline_core::control::{Adoption, CatalogDecision, View};
use meterline_core::fold::{Header, Partition};
use meterline_core::halt::Halt;
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::time::{EventTime, Millis};
use meterline_core::verdicts;
use meterline_kafka::{AfterLeader, is_replaced};
use rdkafka::consumer::BaseConsumer;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long one question to the brokers may take.
const ANSWER: Duration = Duration::from_secs(5);

/// A partition that was assigned to this process.
pub(crate) struct Assignment {
    /// The process's connections.
    pub(crate) edges: Arc<Edges>,
    /// The consumer, for what is asked of it beside records.
    pub(crate) consumer: Weak<BaseConsumer<Context>>,
    /// The partition.
    pub(crate) log_partition: LogPartition,
    /// Marks what this assignment reports.
    pub(crate) ticket: u64,
    /// The way to its queue.
    pub(crate) gate: Arc<Gate>,
    /// Wakes the thread.
    pub(crate) wake: Sender<Wake>,
    /// What wakes it.
    pub(crate) wakes: Receiver<Wake>,
    /// How the partition begins.
    pub(crate) adoption: Adoption,
    /// What it goes on from; `None`: from its beginning.
    pub(crate) manifest: Option<Manifest>,
}

/// Loads the partition and folds until that ends.
pub(crate) fn run(assignment: Assignment) -> Exit {
    match load(assignment) {
        Ok(thread) => thread.run(),
        Err(exit) => exit,
    }
}

fn load(assignment: Assignment) -> Result<Thread, Exit> {
    let began = Instant::now();
    let partition = assignment.log_partition.partition;
    let _span = tracing::info_span!("load", partition).entered();
    let edges = Arc::clone(&assignment.edges);
    let view = read_decisions(&edges)?;
    let (mut partition, runs) = match &assignment.manifest {
        Some(manifest) => restore(&edges, &view, manifest)?,
        None => (
            begin(&edges, &view, &assignment.adoption)?,
            RunSet::default(),
        ),
    };
    let rulings = apply_verdicts(&mut partition, &view, assignment.log_partition)?;
    check_log(&assignment, &view, &partition)?;
    let leader_epoch = leader_epoch(&assignment, &partition)?;
    let header = assignment.manifest.map(|manifest| manifest.header);
    let now = Instant::now();
    let rollup = &edges.shared.settings.rollup;
    let levels_to = header.as_ref().map_or(partition.position(), levels_to);
    edges.shared.metrics.work().loaded(began.elapsed());
    let partitions = edges.shared.metrics.partitions();
    partitions.loaded(assignment.log_partition.partition);
    tracing::info!(
        topic = edges.shared.topic,
        partition = assignment.log_partition.partition,
        epoch = partition.position().epoch,
        offset = partition.position().offset,
        from_checkpoint = header.is_some(),
        "partition loaded"
    );
    let levels_sealed_to = header.as_ref().map_or(EventTime(0), |h| h.levels_sealed_to);
    let ledger = Ledger::new(Mark::new(partition.header()), levels_to, levels_sealed_to);
    let courier = Courier {
        edges: Arc::clone(&edges),
        log_partition: assignment.log_partition,
        wake: assignment.wake,
    };
    let tolerance = rollup.clock_tolerance.as_millis();
    Ok(Thread {
        rhythm: Rhythm::new(rollup, &ledger, now),
        ledger,
        checkpointing: Checkpointing::new(
            rollup,
            header.as_ref(),
            partition.position().offset,
            now,
        ),
        clock_tolerance: Millis(u32::try_from(tolerance).unwrap_or(u32::MAX)),
        reported: partition.counters(),
        log_partition: assignment.log_partition,
        ticket: assignment.ticket,
        gate: assignment.gate,
        consumer: assignment.consumer,
        wakes: assignment.wakes,
        courier,
        tasks: JoinSet::new(),
        partition,
        leader_epoch,
        runs,
        view,
        rulings,
        waiting: None,
        letters: Letters::default(),
        idle: Idle::new(now),
        is_paused: false,
        is_draining: false,
        report_at: now,
        edges,
    })
}

/// The control log to its end, so that a verdict that was given is known before anything is folded.
fn read_decisions(edges: &Edges) -> Result<Arc<View>, Exit> {
    let board = &edges.shared.board;
    match edges.control.read_to_end(ANSWER) {
        Ok(view) => {
            board.works(Need::Control);
            Ok(view)
        }
        Err(ControlError::Halted { source, .. }) => Err(Exit::Halted(source)),
        Err(error) => {
            let text = chain(&error);
            board.fails(Need::Control, &text, Instant::now());
            Err(Exit::Again(text))
        }
    }
}

fn levels_to(header: &Header) -> Stamp {
    Stamp {
        epoch: header.epoch,
        offset: header.levels_to,
    }
}

fn begin(edges: &Edges, view: &View, adoption: &Adoption) -> Result<Partition, Exit> {
    let version = adoption.catalog_version;
    let catalog = view.catalog_version(version).ok_or_else(|| {
        Exit::Again(format!(
            "catalog version {version} was not read from the control log yet"
        ))
    })?;
    Ok(Partition::begin(adoption, Arc::clone(catalog), edges.key))
}

fn restore(edges: &Edges, view: &View, manifest: &Manifest) -> Result<(Partition, RunSet), Exit> {
    let failed = |error: StoreError| {
        let text = error.chain();
        let board = &edges.shared.board;
        board.fails(Need::Checkpoints, &text, Instant::now());
        error.halt().map_or(Exit::Again(text), Exit::Halted)
    };
    let catalog = catalog_of(edges, view, manifest)?;
    let load = edges.store.load(manifest);
    let runs = edges.runtime.block_on(load).map_err(failed)?;
    let header = manifest.header.clone();
    let dirty_from = levels_to(&header).version();
    let levels = runs.levels_since(dirty_from).map_err(failed)?;
    edges.shared.board.works(Need::Checkpoints);
    Partition::restore(header, catalog, edges.key, levels.into_iter())
        .map(|partition| (partition, runs))
        .map_err(Exit::Halted)
}

/// The catalog version in force at the manifest, which must be the control log's own.
fn catalog_of(
    edges: &Edges,
    view: &View,
    manifest: &Manifest,
) -> Result<Arc<CatalogDecision>, Exit> {
    if manifest.control_topic_id != edges.control_topic_id {
        return Err(Exit::Halted(Halt::TopicChanged(format!(
            "the checkpoint {} was made beside control log {}, this one is {}; the control log \
             must never be deleted",
            manifest.path(),
            manifest.control_topic_id,
            edges.control_topic_id
        ))));
    }
    if manifest.control_offset > view.position() {
        let (needed, read) = (manifest.control_offset, view.position());
        let text = format!("the control log was read to {read}, the checkpoint needs {needed}");
        return Err(Exit::Again(text));
    }
    let divergence = |what: &str| {
        let path = manifest.path();
        Exit::Halted(Halt::Divergence(format!("the checkpoint {path} {what}")))
    };
    let place = manifest.header.catalogs.last();
    let place = place.ok_or_else(|| divergence("names no catalog version"))?;
    let catalog = view.catalog_version(place.version);
    let catalog = catalog.filter(|catalog| catalog.offset == place.control_offset);
    catalog
        .cloned()
        .ok_or_else(|| divergence("names a catalog version that the control log does not have"))
}

/// Applies the verdicts that act at the very position, so that the log is checked where it
/// goes on.
fn apply_verdicts(
    partition: &mut Partition,
    view: &View,
    log_partition: LogPartition,
) -> Result<Rulings, Exit> {
    let all = view.verdicts(&log_partition);
    verdicts::check_order(all).map_err(Exit::Halted)?;
    let mut rulings = Rulings::default();
    verdicts::unspent(all, partition.position()).for_each(|v| rulings.apply(v));
    while let Some(verdict) = verdicts::next(all, partition.position().epoch) {
        rulings.next = Some(verdict.offset);
        if verdict.offset != partition.position().offset {
            return Ok(rulings);
        }
        partition.apply_verdict(&verdict.action);
        rulings.apply(verdict);
    }
    rulings.next = None;
    Ok(rulings)
}

/// The leader that appended the record before the position, which must still be there.
///
/// A verdict that moved the position says nothing of who did.
fn leader_epoch(assignment: &Assignment, partition: &Partition) -> Result<i32, Exit> {
    let offset = partition.position().offset;
    let manifest = assignment.manifest.as_ref();
    let manifest = manifest.filter(|m| m.header.position == offset);
    let leader_epoch = manifest.map_or(-1, |m| m.leader_epoch);
    if leader_epoch < 0 {
        return Ok(leader_epoch);
    }
    let shared = &assignment.edges.shared;
    let place = AfterLeader {
        topic: &shared.topic,
        partition: assignment.log_partition.partition,
        offset,
        leader_epoch,
    };
    match is_replaced(&shared.settings.kafka, place, ANSWER) {
        Ok(false) => Ok(leader_epoch),
        Ok(true) => Err(Exit::Halted(replaced(offset, leader_epoch))),
        Err(error) => {
            let text = chain(&error);
            shared.board.fails(Need::Kafka, &text, Instant::now());
            Err(Exit::Again(text))
        }
    }
}

/// Checks the topic and the log's bounds, once the brokers answer.
fn check_log(assignment: &Assignment, view: &View, partition: &Partition) -> Result<(), Exit> {
    let edges = &assignment.edges;
    let shared = &edges.shared;
    let failed = |error: meterline_kafka::Error| {
        let text = chain(&error);
        shared.board.fails(Need::Kafka, &text, Instant::now());
        Exit::Again(text)
    };
    let described = edges.admin.describe_topic(&shared.topic, ANSWER);
    let described = described.map_err(failed)?;
    let verdicts = view.verdicts(&assignment.log_partition);
    let partitions = verdicts::partitions(verdicts, partition.header().partitions);
    // A broker that has just started does not know all topics yet; the watch tells of one that
    // stays missing.
    let unknown = || Exit::Again(format!("the brokers know no topic {}", shared.topic));
    let described = described.ok_or_else(unknown)?;
    judge_topic(Some(&described), edges.topic_id, partitions).map_err(Exit::Halted)?;
    let number = assignment.log_partition.partition;
    let bounds = edges.admin.watermarks(&shared.topic, number, ANSWER);
    let (low, high) = bounds.map_err(failed)?;
    shared.board.works(Need::Kafka);
    let position = partition.position().offset;
    if assignment.manifest.is_none() && position < low {
        return Err(Exit::Halted(Halt::NoCheckpoint(format!(
            "there is no checkpoint of partition {number}, and its log begins at {low}, not at \
             its adoption's offset {position}; bring the checkpoint store back, or see `meterline \
             checkpoint repair`"
        ))));
    }
    judge_bounds(position, low, high).map_err(Exit::Halted)
}
