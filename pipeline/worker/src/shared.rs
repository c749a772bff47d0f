//! What all parts of one worker process share.
//!
//! [`Shared`] is there from the first moment, so that health answers while the process still
//! waits for a catalog; [`Edges`] come with the connections. Neither holds anything that a
//! result depends on.

use crate::health::Board;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::side::{Side, StageHealth};
use meterline_api::ApiStatus;
use meterline_billing::BillingStatus;
use meterline_checkpoint::{Store, Writer};
use meterline_clickhouse::ClickHouse;
use meterline_control::ControlLog;
use meterline_core::hash::IdentityKey;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::time::LogTime;
use meterline_kafka::{Admin, Producer};
use meterline_limits::LimitsStatus;
use meterline_relay::RelayStatus;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

/// Settings, health and metrics of a process.
pub(crate) struct Shared {
    /// What it runs with.
    pub(crate) settings: Settings,
    /// The usage topic.
    pub(crate) topic: String,
    /// What it knows of itself.
    pub(crate) board: Board,
    /// What Prometheus reads.
    pub(crate) metrics: Metrics,
    /// Whether the rollup stage is one of those that run here.
    pub(crate) rolls_up: bool,
    /// The other stages that run here.
    pub(crate) sides: Vec<Side>,
}

impl Shared {
    /// Why the process is not ready, by any of its stages; empty where it is.
    pub(crate) fn problems(&self, now: Instant) -> Vec<String> {
        let rollup = self.rolls_up.then(|| self.board.problems(now));
        let mut problems = rollup.unwrap_or_default();
        problems.extend(self.sides.iter().flat_map(|side| side.problems(now)));
        problems
    }

    /// Whether the threads of all its stages live.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        (!self.rolls_up || self.board.is_live(now))
            && self.sides.iter().all(|side| side.is_live(now))
    }

    /// The stages without state, as `/status` shows them.
    pub(crate) fn relays(&self, now: Instant) -> Vec<RelayStatus> {
        let relays = self.sides.iter().filter_map(|side| match &side.health {
            StageHealth::Relay(health) => Some(health.status(now)),
            _ => None,
        });
        relays.collect()
    }

    /// The limits stage, as `/status` shows it.
    pub(crate) fn limits(&self, now: Instant) -> Option<LimitsStatus> {
        self.sides.iter().find_map(|side| match &side.health {
            StageHealth::Limits(health) => Some(health.status(now, SystemTime::now())),
            _ => None,
        })
    }

    /// The billing stage, as `/status` shows it.
    pub(crate) fn stripe(&self, now: Instant) -> Option<BillingStatus> {
        self.sides.iter().find_map(|side| match &side.health {
            StageHealth::Stripe(health) => Some(health.status(now, SystemTime::now())),
            _ => None,
        })
    }

    /// The API stage, as `/status` shows it.
    pub(crate) fn api(&self, now: Instant) -> Option<ApiStatus> {
        self.sides.iter().find_map(|side| match &side.health {
            StageHealth::Api(health) => Some(health.status(now)),
            _ => None,
        })
    }
}

/// The process's connections to everything outside of it.
pub(crate) struct Edges {
    /// Settings, health and metrics.
    pub(crate) shared: Arc<Shared>,
    /// Where deliveries run.
    pub(crate) runtime: tokio::runtime::Handle,
    /// Writes totals, dead letters, ticks and pointers.
    pub(crate) producer: Producer,
    /// Takes rows.
    pub(crate) clickhouse: ClickHouse,
    /// Holds checkpoints.
    pub(crate) store: Store,
    /// Decisions.
    pub(crate) control: ControlLog,
    /// Describes topics.
    pub(crate) admin: Admin,
    /// The key that identities are hashed with.
    pub(crate) key: IdentityKey,
    /// Names this process in manifests.
    pub(crate) writer: Writer,
    /// The usage topic's incarnation that this process works on.
    pub(crate) topic_id: TopicId,
    /// The control log's incarnation, which manifests name.
    pub(crate) control_topic_id: TopicId,
    /// The topic of totals.
    pub(crate) totals_topic: String,
    /// The topic of dead letters.
    pub(crate) dead_letter_topic: String,
}

impl Edges {
    /// The log partition of that number.
    pub(crate) fn log_partition(&self, partition: u32) -> LogPartition {
        LogPartition {
            topic_id: self.topic_id,
            partition,
        }
    }
}

/// This machine's clock, as log time: only ever compared with append times, never stored.
pub(crate) fn clock() -> LogTime {
    SystemTime::now().into()
}
