//! Reading the newest snapshot at the start, and writing one every so many records.
//!
//! The thread that applies records makes a snapshot's bytes, so that no reader of the accounts
//! waits for it; the store takes them in the background, one at a time. One that cannot be written
//! is said and made up for by the next: nothing depends on it but the time of a start.

use crate::folds::Folds;
use crate::snapshot::{Kept, Opened, Restored, encode};
use meterline_checkpoint::{Store, StoreError};
use meterline_core::control::View;
use meterline_core::position::{Offset, TopicId};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// Default of [`Snapshots::every`]: reading so many records takes a start about a second.
pub const SNAPSHOT_EVERY: u64 = 100_000;

/// Where snapshots lie, and how often one is written.
#[derive(Clone, Debug)]
pub struct Snapshots {
    /// The store.
    pub store: Store,
    /// The runtime that asks the store.
    pub runtime: Handle,
    /// Write one after so many records; `None`: only read.
    pub every: Option<u64>,
}

/// Keeps count of the records since the last snapshot.
pub(crate) struct SnapshotWriter {
    snapshots: Snapshots,
    topic_id: Option<TopicId>,
    /// None is written before this position: the end of the log when reading began, so that a
    /// long first reading is not held up by snapshots of half of it.
    not_before: Offset,
    since: u64,
    writing: Option<JoinHandle<()>>,
}

impl SnapshotWriter {
    pub(crate) fn new(snapshots: Snapshots) -> Self {
        Self {
            snapshots,
            topic_id: None,
            not_before: 0,
            since: 0,
            writing: None,
        }
    }

    /// The newest snapshot of a log that this binary can read, and what it holds; `end` is where
    /// the log ends now.
    pub(crate) fn newest(
        &mut self,
        topic: TopicId,
        end: Offset,
    ) -> Option<(Opened, View, Restored)> {
        self.topic_id = Some(topic);
        self.not_before = end;
        let positions = self.ask(self.snapshots.store.snapshots(topic))?;
        positions.into_iter().find_map(|at| self.open(topic, at))
    }

    fn open(&self, topic: TopicId, at: Offset) -> Option<(Opened, View, Restored)> {
        let began = Instant::now();
        let bytes = self.ask(self.snapshots.store.snapshot(topic, at))??;
        let opened = Opened::read(at, &bytes);
        match opened.and_then(|opened| opened.folds().map(|(view, all)| (opened, view, all))) {
            Ok(found) => {
                let took = began.elapsed();
                tracing::info!(
                    position = at,
                    bytes = bytes.len(),
                    ?took,
                    "took a snapshot of the control log"
                );
                Some(found)
            }
            Err(reason) => {
                tracing::warn!(position = at, %reason, "skipped a snapshot of the control log");
                None
            }
        }
    }

    /// Waits for the store; a failure is only said, since the log has everything.
    fn ask<T>(&self, asked: impl Future<Output = Result<T, StoreError>>) -> Option<T> {
        match self.snapshots.runtime.block_on(asked) {
            Ok(answer) => Some(answer),
            Err(error) => {
                let reason = error.chain();
                tracing::warn!(
                    reason,
                    "cannot read snapshots, reading the control log from its beginning"
                );
                None
            }
        }
    }

    /// Counts records, and writes a snapshot where one is due and none is on its way.
    pub(crate) fn advance(&mut self, count: usize, folds: &Folds, kept: &[Kept]) {
        self.since = self
            .since
            .saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
        let due = self
            .snapshots
            .every
            .is_some_and(|every| self.since >= every);
        let busy = self
            .writing
            .as_ref()
            .is_some_and(|task| !task.is_finished());
        let (true, false, Some(topic)) = (due, busy, self.topic_id) else {
            return;
        };
        let Some(accounts) = folds.accounts() else {
            return;
        };
        let (position, log_time) = (accounts.position(), accounts.log_time());
        if position < self.not_before {
            return;
        }
        let bytes = encode(position, log_time, kept, &accounts.snapshot());
        drop(accounts);
        self.since = 0;
        let store = self.snapshots.store.clone();
        let write = async move { write(&store, topic, position, bytes).await };
        self.writing = Some(self.snapshots.runtime.spawn(write));
    }
}

async fn write(store: &Store, topic: TopicId, position: Offset, bytes: Vec<u8>) {
    let length = bytes.len();
    match store.put_snapshot(topic, position, bytes).await {
        Ok(()) => tracing::info!(
            position,
            bytes = length,
            "wrote a snapshot of the control log"
        ),
        Err(error) => {
            let reason = error.chain();
            tracing::warn!(
                position,
                reason,
                "cannot write a snapshot of the control log"
            );
        }
    }
}
