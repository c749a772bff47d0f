//! Decisions on the control log, as the stages fold them.
//!
//! The wire form (an Avro envelope with a kind and a JSON body) is `meterline-schemas`'; here are
//! the decisions themselves and the view that a reader of the log has of them. Every reader that
//! has read the log up to the same position has the same view (INV-CHAIN). A kind that is not
//! known here is a halt, never skipped.

use crate::account::{AccountChange, ApiKey, Route};
use crate::catalog::{Catalog, CompiledCatalog};
use crate::position::{LogPartition, Offset, TopicId};
use crate::time::LogTime;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

mod chain_key;
mod pointer;
mod view;
mod void;

pub use chain_key::{ChainKey, EventKey};
pub use pointer::Pointer;
pub use view::{Applied, Link, View};
pub use void::{Bytes, EventRecord, VOID_RECORD_BYTES_MAX, Void, VoidDecision};

/// A record of the control log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControlRecord {
    /// Chosen at random by the writer, the same in every retry.
    pub write_id: u128,
    /// The principal that wrote it, for the audit trail.
    pub actor: String,
    /// Why, in the actor's words; may be empty.
    pub note: String,
    /// Offset of the record it follows in its chain; `None` where the chain is empty.
    pub head: Option<Offset>,
    /// What was decided.
    pub decision: Decision,
}

/// What a control record decides. The tag and the field names are the wire form of the body.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "a catalog is the largest and the rarest; those that there are a million of are boxed"
)]
pub enum Decision {
    /// A new catalog version.
    Catalog(CatalogContent),
    /// `init` created this topic: workers may adopt its partitions by themselves.
    Topic(TopicCreated),
    /// A usage partition begins.
    Adoption(Adoption),
    /// The exit of a halt.
    Verdict(Verdict),
    /// A new version of an account.
    Account(Box<AccountChange>),
    /// A new version of an API key.
    ApiKey(Box<ApiKey>),
    /// A new version of a notification route.
    Route(Box<Route>),
    /// An event is taken back, or another is put in its place.
    Void(Box<Void>),
}

impl Decision {
    /// Names of all kinds, as envelopes and bodies carry them.
    pub const KINDS: [&'static str; 8] = [
        "catalog", "topic", "adoption", "verdict", "account", "api_key", "route", "void",
    ];

    /// Whether it is about accounts, and folded by [`crate::accounts::Accounts`]; all others are
    /// folded by [`View`].
    #[must_use]
    pub const fn is_of_accounts(&self) -> bool {
        matches!(self, Self::Account(_) | Self::ApiKey(_) | Self::Route(_))
    }

    /// [`Decision::is_of_accounts`], by the kind's name.
    #[must_use]
    pub fn kind_is_of_accounts(kind: &str) -> bool {
        matches!(kind, "account" | "api_key" | "route")
    }

    /// The name of this decision's kind.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Catalog(_) => "catalog",
            Self::Topic(_) => "topic",
            Self::Adoption(_) => "adoption",
            Self::Verdict(_) => "verdict",
            Self::Account(_) => "account",
            Self::ApiKey(_) => "api_key",
            Self::Route(_) => "route",
            Self::Void(_) => "void",
        }
    }
}

/// Content of a catalog decision.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CatalogContent {
    /// The catalog that takes effect where it is placed.
    pub catalog: Catalog,
    /// The file it was read from, as written, for people.
    pub source: String,
}

/// `init` created a topic.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TopicCreated {
    /// Its name.
    pub topic: String,
    /// Its id.
    pub topic_id: TopicId,
    /// Its partition count.
    pub partitions: u32,
}

/// A usage partition begins: from this offset, under this catalog version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Adoption {
    /// The topic's name, for people.
    pub topic: String,
    /// The partition.
    #[serde(flatten)]
    pub log_partition: LogPartition,
    /// Partition count that `wrong_partition` is judged by.
    pub partitions: u32,
    /// First offset that is counted.
    pub first_offset: Offset,
    /// Catalog version in force from there.
    pub catalog_version: u32,
}

/// The exit of a halt or stall at one position of one partition.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verdict {
    /// The partition.
    #[serde(flatten)]
    pub log_partition: LogPartition,
    /// Offset that the partition stopped at.
    pub offset: Offset,
    /// What to do there.
    pub action: VerdictAction,
}

impl Verdict {
    /// The offset after the last record that it says something of.
    #[must_use]
    pub fn speaks_until(&self) -> Offset {
        match self.action {
            VerdictAction::LogTimeUntil { until, .. } => until,
            _ => self.offset + 1,
        }
    }
}

/// What a verdict says to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictAction {
    /// Go on at this offset; what lies between is known to be lost or meant to be skipped.
    ContinueAt(Offset),
    /// Use this log time for the record instead of its append time.
    LogTime(LogTime),
    /// Use this log time for every record from the verdict's offset to before `until` instead of
    /// its append time: a topic that was set to `CreateTime` for an hour has thousands of them.
    LogTimeUntil {
        /// The first record that has its own append time again.
        until: Offset,
        /// The log time of all of them.
        log_time: LogTime,
    },
    /// Accept the partition count of now.
    Partitions(u32),
}

/// A catalog version in force.
#[derive(Debug)]
pub struct CatalogDecision {
    /// 1 for the first in force, then counting up; what placements compare.
    pub version: u32,
    /// Its offset in the control log.
    pub offset: Offset,
    /// [`crate::hash::content_hash`] of the record's bytes: what pointers name.
    pub hash: u128,
    /// The catalog, ready for the fold.
    pub compiled: Arc<CompiledCatalog>,
}
