//! Snapshots of what the control log's readers know, under `control/<topic id>/<position>`.
//!
//! A snapshot is a short cut, never a source: the log is read from its beginning where none can be
//! used. So a damaged one is passed over with its reason, and nothing halts here. What is in one
//! is the writer's; the store adds a checksum. Two writers at one position write the same bytes,
//! because what readers know is a function of the log before it.

use super::Store;
use super::manifests::failed;
use crate::error::StoreError;
use bytes::Bytes;
use meterline_core::position::{Offset, TopicId};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStoreExt, PutPayload};
use std::cmp::Reverse;

/// Snapshots of a log that stay: the newest, and two to fall back to.
const SNAPSHOTS_KEPT: usize = 3;
/// First bytes of a snapshot.
const MAGIC: [u8; 8] = *b"MLSNAP01";
/// Bytes of the checksum behind them: BLAKE3 of the content.
const CHECKSUM_BYTES: usize = blake3::OUT_LEN;

impl Store {
    /// Stores a snapshot of the log up to `position`, durably, and deletes those behind the newest
    /// three of that log.
    ///
    /// # Errors
    /// When the store fails; a snapshot is there whole or not at all.
    pub async fn put_snapshot(
        &self,
        topic: TopicId,
        position: Offset,
        content: Vec<u8>,
    ) -> Result<(), StoreError> {
        let path = object(topic, position);
        let mut head = MAGIC.to_vec();
        head.extend_from_slice(blake3::hash(&content).as_bytes());
        let payload: PutPayload = [Bytes::from(head), Bytes::from(content)]
            .into_iter()
            .collect();
        let put = self.0.objects.put(&path, payload).await;
        put.map_err(|source| failed("store", &path, source))?;
        for old in self.snapshots(topic).await?.iter().skip(SNAPSHOTS_KEPT) {
            self.delete(&object(topic, *old)).await?;
        }
        Ok(())
    }

    /// Positions of the snapshots of a log, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn snapshots(&self, topic: TopicId) -> Result<Vec<Offset>, StoreError> {
        let folder = ObjectPath::from(format!("control/{topic}"));
        let mut positions = Vec::new();
        for path in self.list(&folder).await? {
            match path.filename().and_then(|name| name.parse().ok()) {
                Some(position) => positions.push(position),
                None => tracing::warn!(object = %path, "skipped: not named as snapshots are"),
            }
        }
        positions.sort_unstable_by_key(|position| Reverse(*position));
        Ok(positions)
    }

    /// The content of a snapshot; `None`, with the reason logged, where it is gone or damaged.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn snapshot(
        &self,
        topic: TopicId,
        position: Offset,
    ) -> Result<Option<Bytes>, StoreError> {
        let path = object(topic, position);
        let Some(bytes) = self.read(&path).await? else {
            tracing::warn!(object = %path, "skipped a snapshot that was deleted meanwhile");
            return Ok(None);
        };
        let content = checked(&bytes);
        if content.is_none() {
            tracing::warn!(object = %path, "skipped a damaged snapshot");
        }
        Ok(content)
    }
}

fn object(topic: TopicId, position: Offset) -> ObjectPath {
    // As many digits as the largest offset has, so that listings by name are by position.
    ObjectPath::from(format!("control/{topic}/{position:020}"))
}

/// The content, where it fits its checksum.
fn checked(bytes: &Bytes) -> Option<Bytes> {
    let content = MAGIC.len() + CHECKSUM_BYTES;
    let (head, rest) = bytes.split_at_checked(content)?;
    let (magic, checksum) = head.split_at(MAGIC.len());
    let fits = magic == MAGIC && checksum == blake3::hash(rest).as_bytes();
    fits.then(|| bytes.slice(content..))
}
