//! Which chain a control record belongs to.

use super::Decision;
use crate::position::{LogPartition, Offset};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Key of a chain on the control log.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainKey {
    /// The one chain of catalog versions.
    Catalog,
    /// What `init` created under a topic's name.
    Topic(String),
    /// The beginning of a usage partition.
    Adoption(LogPartition),
    /// The exits of halts at one offset of a usage partition.
    Verdict(LogPartition, Offset),
    /// An account, by its id.
    Account(String),
    /// An API key, by its id.
    ApiKey(String),
    /// A notification route, by its id.
    Route(String),
    /// What became of an event after it was counted, by its identity.
    Void(Box<EventKey>),
}

/// An event's identity, as producers write it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct EventKey {
    /// Its tenant.
    pub tenant: String,
    /// Its source.
    pub source: String,
    /// Its id.
    pub id: String,
}

impl ChainKey {
    /// The chain that a decision belongs to.
    #[must_use]
    pub fn of(decision: &Decision) -> Self {
        match decision {
            Decision::Catalog(_) => Self::Catalog,
            Decision::Topic(created) => Self::Topic(created.topic.clone()),
            Decision::Adoption(adoption) => Self::Adoption(adoption.log_partition),
            Decision::Verdict(verdict) => Self::Verdict(verdict.log_partition, verdict.offset),
            Decision::Account(change) => Self::Account(change.account.clone()),
            Decision::ApiKey(key) => Self::ApiKey(key.id.clone()),
            Decision::Route(route) => Self::Route(route.id.clone()),
            Decision::Void(void) => Self::Void(Box::new(EventKey {
                tenant: void.tenant.clone(),
                source: void.source.clone(),
                id: void.id.clone(),
            })),
        }
    }

    /// Whether its decisions are about accounts: [`Decision::is_of_accounts`].
    #[must_use]
    pub const fn is_of_accounts(&self) -> bool {
        matches!(self, Self::Account(_) | Self::ApiKey(_) | Self::Route(_))
    }
}

impl fmt::Display for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Catalog => write!(f, "catalog"),
            Self::Topic(topic) => write!(f, "topic {topic}"),
            Self::Adoption(partition) => write!(f, "adoption of {partition}"),
            Self::Verdict(partition, offset) => write!(f, "verdict on {partition} at {offset}"),
            Self::Account(id) => write!(f, "account {id}"),
            Self::ApiKey(id) => write!(f, "API key {id}"),
            Self::Route(id) => write!(f, "notification route {id}"),
            Self::Void(event) => {
                let EventKey { tenant, source, id } = event.as_ref();
                write!(f, "void of event {id} of source {source}, tenant {tenant}")
            }
        }
    }
}
