//! What can go wrong with a checkpoint store, whose fault it is and what comes next.
//!
//! Whether to try again is decided here and nowhere else. A failure that trying again cannot end
//! is a halt where it concerns one partition's history, and a stop where it concerns the settings.

use meterline_core::halt::Halt;
use meterline_core::position::LogPartition;
use std::path::PathBuf;

/// A failed action on the checkpoint store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no store that this binary can use.
    #[error("`{url}` cannot be used as checkpoint store: {reason}")]
    Url {
        /// The URL as it was given, without credentials.
        url: String,
        /// Why not, and what to give instead.
        reason: &'static str,
    },
    /// An option that this kind of store does not take. Its value may be a secret.
    #[error("option `{key}` cannot be set: {reason}")]
    Option {
        /// The option.
        key: String,
        /// Why not.
        reason: &'static str,
    },
    /// An object store without a local folder for copies of its runs.
    #[error("`checkpoint.cache` must name a local folder for copies of the object store's runs")]
    NoCache,
    /// The store takes a second object under a name that was to be written once.
    #[error(
        "`{object}` was written twice: the store ignores put-if-absent (`If-None-Match: *`), \
         without which two workers can make two identity keys; use a store that has it"
    )]
    NoPutIfAbsent {
        /// The object's path in the store.
        object: String,
    },
    /// The store refused or failed an action on one object.
    #[error("failed to {action} `{object}` in the checkpoint store")]
    Object {
        /// What was tried.
        action: &'static str,
        /// The object's path in the store.
        object: String,
        /// The store's own error.
        source: object_store::Error,
    },
    /// The operating system failed an action on a local file.
    #[error("failed to {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The local file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// Bytes that do not fit their checksum or their format.
    #[error(
        "`{object}` is damaged at {place}: {reason}; restore the file, or remove it so that an \
         older checkpoint is taken"
    )]
    Damaged {
        /// The object's path in the store.
        object: String,
        /// Which part of it.
        place: String,
        /// What does not fit.
        reason: &'static str,
    },
    /// A file that a manifest names is not there in its full length.
    #[error(
        "run `{file}` should have {expected} bytes but has {}; take the newest complete checkpoint",
        found.map_or_else(|| "none".to_owned(), |length| length.to_string())
    )]
    Incomplete {
        /// The object's path in the store.
        file: String,
        /// Length that the manifest names, in bytes.
        expected: u64,
        /// Length that the store has; `None` where there is no such object.
        found: Option<u64>,
    },
    /// An object in a format that this binary does not read.
    #[error("`{object}` has format {found}, this binary reads {known}")]
    UnknownFormat {
        /// The object's path in the store.
        object: String,
        /// The format it says it has.
        found: u32,
        /// The format that this binary reads.
        known: u32,
    },
    /// Two manifests of one epoch that cannot both be right.
    #[error(
        "checkpoints of {partition} in epoch {epoch} disagree on what the records before offset \
         {offset} did: `{first}` and `{second}`"
    )]
    Divergence {
        /// The partition.
        partition: LogPartition,
        /// Its epoch.
        epoch: u16,
        /// The offset whose hash differs.
        offset: u64,
        /// Path of the one manifest.
        first: String,
        /// Path of the other.
        second: String,
    },
    /// The key that identities are hashed with is unreadable, or not the one that was used.
    #[error("`{object}`: {reason}; put the right `identity-key` back into the store")]
    IdentityKey {
        /// The key itself, or the manifest that was written with another.
        object: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// An entry that is longer than a run can hold.
    #[error("failed to write a run: {what} of {length} bytes, at most {limit} are possible")]
    TooLong {
        /// Which part of the entry.
        what: &'static str,
        /// Its length in bytes.
        length: usize,
        /// The most that a run holds.
        limit: usize,
    },
    /// The work was given up because the process is stopping, or it panicked.
    #[error("the task that was to {action} did not end")]
    Task {
        /// What it was to do.
        action: &'static str,
        /// The runtime's error.
        source: tokio::task::JoinError,
    },
}

/// Whose fault a failure is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// What the operator wrote or changed.
    Operator,
    /// The machine, the disk, the network or the store.
    External,
    /// A defect of Meterline.
    Ours,
}

/// What comes after a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Try the same again after a pause; for [`StoreError::Incomplete`] from the newest manifest.
    Retry,
    /// Halt the partition; see [`StoreError::halt`].
    Halt,
    /// Stop: settings or store must be changed first.
    Stop,
}

impl StoreError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(&self) -> Fault {
        match self {
            Self::Url { .. }
            | Self::Option { .. }
            | Self::NoCache
            | Self::NoPutIfAbsent { .. }
            | Self::IdentityKey { .. }
            | Self::UnknownFormat { .. } => Fault::Operator,
            Self::Object { .. }
            | Self::Io { .. }
            | Self::Damaged { .. }
            | Self::Incomplete { .. } => Fault::External,
            Self::Divergence { .. } | Self::TooLong { .. } | Self::Task { .. } => Fault::Ours,
        }
    }

    /// What to do next.
    #[must_use]
    pub const fn next(&self) -> Next {
        match self {
            Self::Divergence { .. } | Self::IdentityKey { .. } | Self::UnknownFormat { .. } => {
                Next::Halt
            }
            Self::Url { .. }
            | Self::Option { .. }
            | Self::NoCache
            | Self::NoPutIfAbsent { .. }
            | Self::TooLong { .. } => Next::Stop,
            // Damage is repaired from outside, and is looked for again until it is.
            Self::Object { .. }
            | Self::Io { .. }
            | Self::Damaged { .. }
            | Self::Incomplete { .. }
            | Self::Task { .. } => Next::Retry,
        }
    }

    /// The halt that this failure is for its partition; `None` where it is none.
    #[must_use]
    pub fn halt(&self) -> Option<Halt> {
        match self {
            Self::Divergence { .. } | Self::IdentityKey { .. } => {
                Some(Halt::Divergence(self.to_string()))
            }
            Self::UnknownFormat { .. } => Some(Halt::UnknownFormat(self.to_string())),
            _ => None,
        }
    }

    /// The failure with all its causes in one line, for places that can hold a text only.
    #[must_use]
    pub fn chain(&self) -> String {
        meterline_core::causes::chain(self)
    }
}
