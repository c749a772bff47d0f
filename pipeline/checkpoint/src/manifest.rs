//! Manifests: the small JSON object that makes a checkpoint one.
//!
//! A manifest names the position, the small part of the state and every run, so that state and
//! position can only be taken together. It is written after its runs are durable and is never
//! changed. Its text carries its own checksum: a flipped digit in a counter must not go unseen.

use crate::error::StoreError;
use meterline_core::fold::Header;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use rand::TryRngCore;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;

/// The one format of manifests that this binary writes and reads.
pub const MANIFEST_FORMAT: u32 = 1;

/// A checkpoint of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The small part of the partition's state; `position` in it is the next record to read.
    pub header: Header,
    /// Topic id of the control log that `control_offset` belongs to.
    pub control_topic_id: TopicId,
    /// The control log had been read up to here (its next record).
    pub control_offset: Offset,
    /// Kafka's leader epoch of the last record before the position; −1 where it is not known.
    pub leader_epoch: i32,
    /// The process that wrote it.
    pub writer: Writer,
    /// When it was written, by the writer's clock: milliseconds since 1970-01-01 UTC. For people.
    pub written_at: i64,
    /// The runs, oldest first.
    pub files: Vec<FileRef>,
}

/// What a manifest says of one run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// The first 128 bits of the content's BLAKE3 hash, 32 hexadecimal digits.
    pub name: String,
    /// Length in bytes.
    pub length: u64,
    /// The whole BLAKE3 hash of the content, 64 hexadecimal digits.
    pub checksum: String,
    /// Number of ids in it.
    pub ids: u64,
    /// Number of buckets in it.
    pub buckets: u64,
    /// How often its content was merged; 0 as a checkpoint wrote it.
    pub tier: u8,
}

impl FileRef {
    /// Its path in the store: `files/<first 2 digits>/<name>.run`.
    pub(crate) fn path(&self) -> String {
        let shard = self.name.get(..2).unwrap_or("__");
        format!("files/{shard}/{}.run", self.name)
    }

    /// The failure that the store does not have it in its full length.
    pub(crate) fn incomplete(&self, found: Option<u64>) -> StoreError {
        StoreError::Incomplete {
            file: self.path(),
            expected: self.length,
            found,
        }
    }
}

/// A random name of a process, so that two writers of one position do not meet in one object.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Writer(String);

impl Writer {
    /// A new name: 64 bits from the operating system, 16 hexadecimal digits.
    ///
    /// # Panics
    /// When the operating system has no randomness.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; 8];
        rand::rngs::OsRng
            .try_fill_bytes(&mut bytes)
            .expect("the operating system gives random bytes");
        Self(format!("{:016x}", u64::from_be_bytes(bytes)))
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The outer object: what is read first, whatever the format.
#[derive(Deserialize)]
struct Outer {
    format: u32,
}

/// The object of format 1: the manifest's exact text, and the checksum of that text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed<'a> {
    #[serde(rename = "format")]
    _format: u32,
    checksum: String,
    #[serde(borrow)]
    manifest: &'a RawValue,
}

impl Manifest {
    /// Epoch and position: what manifests of one partition are ordered by.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp {
            epoch: self.header.epoch,
            offset: self.header.position,
        }
    }

    /// The partition it belongs to.
    #[must_use]
    pub fn log_partition(&self) -> LogPartition {
        self.header.log_partition
    }

    /// Its path in the store: `manifests/<topic id>/<partition>/<epoch>/<offset>-<writer>.json`.
    #[must_use]
    pub fn path(&self) -> String {
        let Stamp { epoch, offset } = self.stamp();
        let partition = self.log_partition();
        format!(
            "manifests/{partition}/{epoch:05}/{offset:015}-{}.json",
            self.writer
        )
    }

    /// The text that is stored: JSON for people and programs.
    #[must_use]
    pub fn encode(&self) -> String {
        let manifest = serde_json::to_string_pretty(self)
            .expect("a manifest has text keys and no value that JSON lacks");
        let checksum = blake3::hash(manifest.as_bytes()).to_hex();
        format!(
            "{{\n\"format\": {MANIFEST_FORMAT},\n\"checksum\": \"{checksum}\",\n\"manifest\": \
             {manifest}\n}}\n"
        )
    }

    /// Reads [`Manifest::encode`] back; `object` is where the text comes from.
    ///
    /// # Errors
    /// [`StoreError::UnknownFormat`] for another format, [`StoreError::Damaged`] for anything
    /// else that is not exactly what was written.
    pub fn decode(text: &[u8], object: &str) -> Result<Self, StoreError> {
        let damaged = |reason| StoreError::Damaged {
            object: object.to_owned(),
            place: "its JSON".to_owned(),
            reason,
        };
        let outer: Outer =
            serde_json::from_slice(text).map_err(|_| damaged("it is no manifest"))?;
        if outer.format != MANIFEST_FORMAT {
            return Err(StoreError::UnknownFormat {
                object: object.to_owned(),
                found: outer.format,
                known: MANIFEST_FORMAT,
            });
        }
        let sealed: Sealed<'_> =
            serde_json::from_slice(text).map_err(|_| damaged("fields are missing or unknown"))?;
        let manifest = sealed.manifest.get();
        if blake3::hash(manifest.as_bytes()).to_hex().as_str() != sealed.checksum {
            return Err(damaged("the checksum does not fit"));
        }
        let manifest: Self =
            serde_json::from_str(manifest).map_err(|_| damaged("fields are missing or unknown"))?;
        let is_at_home = manifest.path() == object;
        is_at_home
            .then_some(manifest)
            .ok_or_else(|| damaged("it belongs to another path"))
    }
}
