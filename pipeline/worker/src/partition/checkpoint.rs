//! Checkpoints: cut at a position, written beside the fold, published once everything before
//! that position has left the partition.
//!
//! One at a time. A checkpoint is a matter of recovery cost only: one that fails loses nothing,
//! the partition is loaded again from the one before.

use super::deliver::Failure;
use super::ledger::Lane;
use super::thread::Thread;
use super::{Exit, Wake};
use crate::health::Need;
use crate::settings::RollupSettings;
use crate::shared::clock;
use meterline_checkpoint::{Entries, Keep, Manifest, Merged, Next, RunFile, StoreError};
use meterline_core::fold::{CheckpointCut, Header};
use meterline_core::position::{Offset, Stamp};
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};
use tracing::{Instrument, Span};

/// How often a partition's old manifests and unnamed files are looked for.
const GARBAGE_INTERVAL: Duration = Duration::from_secs(3_600);

/// The first time comes this long after loading, and up to twice that, so that partitions which
/// were loaded together do not look together. Not an interval: a partition may never stay so long.
const FIRST_GARBAGE: Duration = Duration::from_secs(60);

/// This many times the records of a checkpoint may be folded since the last one was cut: enough
/// for a store that is slow for a while, and a bound of the ids in memory.
const LATE_FACTOR: u64 = 2;

/// Checkpoints of one partition.
#[derive(Debug)]
pub(super) struct Checkpointing {
    next: Instant,
    next_garbage: Instant,
    /// Where the newest checkpoint was cut, or where the partition began.
    cut_at: Offset,
    /// Position of the newest checkpoint, and when it was written or loaded.
    newest: Option<(Stamp, Instant)>,
    under_way: Option<UnderWay>,
    is_merging: bool,
    /// What merges must keep, by the newest published manifest.
    keep: Option<Keep>,
}

/// The checkpoint that is being written.
#[derive(Debug)]
struct UnderWay {
    started: Instant,
    at: Stamp,
    header: Header,
    control_offset: Offset,
    leader_epoch: i32,
    run: Option<RunFile>,
    is_publishing: bool,
    /// Its trace, which ends when this is dropped.
    span: Span,
}

impl Checkpointing {
    /// A partition that was loaded from a manifest with this header, or began.
    pub(super) fn new(
        rollup: &RollupSettings,
        loaded: Option<&Header>,
        position: Offset,
        now: Instant,
    ) -> Self {
        Self {
            next: now + rollup.checkpoint_interval,
            next_garbage: now + first_garbage(),
            cut_at: position,
            newest: loaded.map(|header| (position_of(header), now)),
            under_way: None,
            is_merging: false,
            keep: loaded.map(keep),
        }
    }

    /// Position that the lanes must reach for the checkpoint under way.
    pub(super) fn wants(&self) -> Option<Stamp> {
        self.under_way.as_ref().map(|under_way| under_way.at)
    }

    /// Offset of the newest checkpoint.
    pub(super) fn offset(&self) -> Option<Offset> {
        self.newest.map(|(at, _)| at.offset)
    }

    /// How old the newest checkpoint is.
    pub(super) fn age(&self, now: Instant) -> Option<Duration> {
        self.newest
            .map(|(_, written)| now.saturating_duration_since(written))
    }
}

fn first_garbage() -> Duration {
    // The standard library's hashers are seeded at random: enough to spread work.
    let random = RandomState::new().hash_one(());
    FIRST_GARBAGE + Duration::from_millis(random % 60_000)
}

fn position_of(header: &Header) -> Stamp {
    Stamp {
        epoch: header.epoch,
        offset: header.position,
    }
}

fn keep(header: &Header) -> Keep {
    Keep {
        answer_floor: header.answer_floor,
        levels_to: Stamp {
            epoch: header.epoch,
            offset: header.levels_to,
        },
    }
}

impl Thread {
    /// Begins a checkpoint where one is due, and publishes the one under way where it can be.
    pub(super) fn checkpoint_due(&mut self, now: Instant) {
        if self.checkpointing.under_way.is_some() {
            self.publish_if_complete();
        } else if self.is_checkpoint_due(now) {
            self.begin_checkpoint(now);
        }
        if now >= self.checkpointing.next_garbage && !self.is_draining {
            self.checkpointing.next_garbage = now + GARBAGE_INTERVAL;
            self.collect_garbage();
        }
    }

    fn is_checkpoint_due(&self, now: Instant) -> bool {
        let position = self.partition.position();
        let newest = self.checkpointing.newest.map(|(at, _)| at);
        if newest == Some(position) {
            return false;
        }
        // `levels_to` is an offset: it only means something beside a position of its epoch.
        if self.ledger.acked_to(Lane::Levels).epoch != position.epoch {
            return false;
        }
        let rollup = &self.edges.shared.settings.rollup;
        self.is_draining
            || now >= self.checkpointing.next
            || self.folded_since_cut() >= rollup.checkpoint_records
    }

    fn folded_since_cut(&self) -> u64 {
        let position = self.partition.position().offset;
        position.saturating_sub(self.checkpointing.cut_at)
    }

    /// Whether the ids that wait for the next checkpoint fill the memory: the one under way waits
    /// for rows that ClickHouse does not take, or for the store; or none can begin, because days
    /// and months of the epoch before are not acknowledged yet.
    pub(super) fn is_checkpoint_late(&self) -> bool {
        let records = self.edges.shared.settings.rollup.checkpoint_records;
        self.folded_since_cut() >= records.saturating_mul(LATE_FACTOR)
    }

    /// Whether nothing is left to make durable.
    pub(super) fn is_checkpointed(&self) -> bool {
        let newest = self.checkpointing.newest.map(|(at, _)| at);
        self.checkpointing.under_way.is_none() && newest == Some(self.partition.position())
    }

    fn begin_checkpoint(&mut self, now: Instant) {
        let rollup = &self.edges.shared.settings.rollup;
        self.checkpointing.next = now + rollup.checkpoint_interval;
        let levels_to = self.ledger.acked_to(Lane::Levels).offset;
        let levels = (levels_to, self.ledger.acked_sealed_to(Lane::Levels));
        let at = self.partition.position();
        let CheckpointCut {
            header,
            ids,
            buckets,
        } = self.partition.cut_checkpoint(levels);
        let took = now.elapsed();
        self.edges.shared.metrics.work().checkpoint_cut(took);
        self.checkpointing.cut_at = at.offset;
        let (partition, offset) = (self.log_partition.partition, at.offset);
        let span = tracing::info_span!(parent: None, "checkpoint", partition, offset);
        let writing = tracing::info_span!(parent: &span, "write_run");
        self.checkpointing.under_way = Some(UnderWay {
            started: now,
            at,
            header,
            control_offset: self.view.position(),
            leader_epoch: self.leader_epoch,
            run: None,
            is_publishing: false,
            span,
        });
        let courier = self.courier.clone();
        let write = async move {
            let written = write_run(&courier, &Entries::new(ids, buckets)).await;
            courier.tell(Wake::RunWritten(written));
        };
        self.tasks
            .spawn_on(write.instrument(writing), &self.edges.runtime);
    }

    /// The run of the checkpoint under way is durable, or is not.
    pub(super) fn run_written(&mut self, written: Result<RunFile, StoreError>) -> Result<(), Exit> {
        let run = written.map_err(|error| self.store_failed(Need::Runs, &error))?;
        let under_way = self.checkpointing.under_way.as_mut();
        under_way.expect("a run belongs to a checkpoint").run = Some(run);
        self.publish_if_complete();
        Ok(())
    }

    /// Publishes once hour rows, totals and dead letters before the position are acknowledged.
    fn publish_if_complete(&mut self) {
        let complete_to = self.ledger.complete_to();
        let Some(under_way) = &mut self.checkpointing.under_way else {
            return;
        };
        let Some(run) = &under_way.run else {
            return;
        };
        if under_way.is_publishing || complete_to < under_way.at {
            return;
        }
        under_way.is_publishing = true;
        let manifest = Manifest {
            header: under_way.header.clone(),
            control_topic_id: self.edges.control_topic_id,
            control_offset: under_way.control_offset,
            leader_epoch: under_way.leader_epoch,
            writer: self.edges.writer.clone(),
            written_at: clock().0,
            files: self.runs.with(run.clone()).files(),
        };
        let publishing = tracing::info_span!(parent: &under_way.span, "publish_manifest");
        let courier = self.courier.clone();
        let publish = async move {
            let result = publish(&courier, &manifest).await;
            courier.tell(Wake::Published(result));
        };
        self.tasks
            .spawn_on(publish.instrument(publishing), &self.edges.runtime);
    }

    /// The manifest of the checkpoint under way is durable, or cannot be.
    pub(super) fn published(&mut self, result: Result<(), StoreError>) -> Result<(), Exit> {
        result.map_err(|error| self.store_failed(Need::Manifests, &error))?;
        let under_way = self.checkpointing.under_way.take();
        let under_way = under_way.expect("a manifest belongs to a checkpoint");
        let run = under_way.run.expect("it was published with its run");
        let now = Instant::now();
        self.runs = self.runs.with(run);
        self.partition.settle_checkpoint();
        self.checkpointing.newest = Some((under_way.at, now));
        self.checkpointing.keep = Some(keep(&under_way.header));
        let took = now.saturating_duration_since(under_way.started);
        self.edges.shared.metrics.work().checkpointed(took);
        tracing::debug!(
            topic = self.edges.shared.topic,
            partition = self.log_partition.partition,
            epoch = under_way.at.epoch,
            offset = under_way.at.offset,
            "checkpoint published"
        );
        self.commit_for_lag_tools(under_way.at.offset);
        self.merge();
        Ok(())
    }

    /// Kafka's own offset is a courtesy to lag tools; it is never read back.
    fn commit_for_lag_tools(&self, offset: Offset) {
        if self.gate.is_closed() {
            return;
        }
        let number = i32::try_from(self.log_partition.partition);
        let (Ok(number), Ok(offset)) = (number, i64::try_from(offset)) else {
            return;
        };
        let mut list = TopicPartitionList::new();
        let topic = &self.edges.shared.topic;
        let added = list.add_partition_offset(topic, number, KafkaOffset::Offset(offset));
        let committed = added.and_then(|()| {
            self.consumer
                .upgrade()
                .map_or(Ok(()), |consumer| consumer.commit(&list, CommitMode::Async))
        });
        if let Err(error) = committed {
            let partition = self.log_partition.partition;
            tracing::debug!(partition, %error, "failed to commit an offset for lag tools");
        }
    }

    fn merge(&mut self) {
        let Some(keep) = self.checkpointing.keep else {
            return;
        };
        if self.checkpointing.is_merging || self.is_draining || self.runs.merge_plan(keep).is_none()
        {
            return;
        }
        self.checkpointing.is_merging = true;
        let (courier, runs) = (self.courier.clone(), self.runs.clone());
        let merge = async move {
            let merged = courier.edges.store.merge(&runs, keep).await;
            courier.tell(Wake::Merged(merged));
        };
        let partition = self.log_partition.partition;
        let span = tracing::info_span!(parent: None, "merge", partition);
        self.tasks
            .spawn_on(merge.instrument(span), &self.edges.runtime);
    }

    /// Runs were merged, or could not be; the next checkpoint tries again.
    pub(super) fn merged(&mut self, result: Result<Option<Merged>, StoreError>) {
        self.checkpointing.is_merging = false;
        match result {
            Ok(Some(merged)) => {
                if let Some(runs) = self.runs.replace(&merged) {
                    self.runs = runs;
                }
            }
            Ok(None) => {}
            Err(error) => {
                let partition = self.log_partition.partition;
                let error = error.chain();
                tracing::warn!(partition, error, "failed to merge runs, trying again later");
            }
        }
    }

    fn collect_garbage(&mut self) {
        let courier = self.courier.clone();
        let collect = move || {
            let partition = courier.log_partition;
            let edges = &courier.edges;
            let collected = edges.store.collect_garbage(partition, SystemTime::now());
            match edges.runtime.block_on(collected) {
                Ok(garbage) => tracing::debug!(%partition, ?garbage, "old checkpoints removed"),
                Err(error) => {
                    let error = error.chain();
                    tracing::warn!(%partition, error, "failed to remove old checkpoints");
                }
            }
        };
        self.tasks.spawn_blocking_on(collect, &self.edges.runtime);
    }

    fn store_failed(&self, need: Need, error: &StoreError) -> Exit {
        let text = error.chain();
        let board = &self.edges.shared.board;
        board.fails(need, &text, Instant::now());
        error.halt().map_or(Exit::Again(text), Exit::Halted)
    }
}

/// Writes the run of a checkpoint, and tries again while that may help: loading the partition
/// again would only come to the same store.
async fn write_run(
    courier: &super::deliver::Courier,
    entries: &Entries,
) -> Result<RunFile, StoreError> {
    courier
        .until_done("run", Need::Runs, || async {
            match courier.edges.store.write_run(entries).await {
                Ok(run) => Ok(Ok(run)),
                Err(error) if error.next() == Next::Retry => Err(Failure::from(error)),
                Err(error) => Ok(Err(error)),
            }
        })
        .await
}

/// Publishes, and tries again while that may help.
async fn publish(courier: &super::deliver::Courier, manifest: &Manifest) -> Result<(), StoreError> {
    courier
        .until_done("checkpoint", Need::Manifests, || async {
            match courier.edges.store.publish(manifest).await {
                Ok(()) => Ok(Ok(())),
                Err(error @ StoreError::Incomplete { .. }) => Ok(Err(error)),
                Err(error) if error.next() == Next::Retry => Err(Failure::from(error)),
                Err(error) => Ok(Err(error)),
            }
        })
        .await
}
