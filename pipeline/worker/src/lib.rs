//! A worker process: the rollup stage, and the other stages beside it.
//!
//! The rollup owns some partitions of the usage log and folds each on a thread of its own
//! ([`meterline_core::fold::Partition`]), publishes absolute values, and takes checkpoints. It
//! needs no lock and no fence: two workers on one partition write the same values, so ownership
//! is a performance hint. What it refuses: to guess a position, to take a lookup that failed for
//! "absent", to go past a record that it cannot judge.

mod consumer;
mod health;
mod http;
mod metrics;
mod partition;
mod rollup;
mod settings;
mod shared;
mod side;
mod stage;
mod stages;

pub use consumer::ConsumerError;
pub use health::{PartitionState, PartitionStatus, StatusReport};
pub use http::ListenError;
pub use meterline_billing::BillingSettings;
pub use meterline_limits::LimitsSettings;
pub use meterline_relay::StageSettings;
pub use rollup::RollupError;
pub use settings::{MIN_DEAD_LETTERS_BYTES, MIN_TICK_INTERVAL};
pub use settings::{RollupSettings, Settings, SettingsError};
pub use stage::{Stage, StageError};

use health::Board;
use metrics::Metrics;
use shared::Shared;
use std::sync::Arc;
use std::time::Instant;

/// A worker process cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting that cannot be run with.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Health and metrics cannot be served.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No stage was named.
    #[error("no stage is named")]
    NoStage,
    /// The rollup stage cannot run.
    #[error(transparent)]
    Rollup(Box<RollupError>),
    /// A stage without state cannot run.
    #[error(transparent)]
    Relay(#[from] meterline_relay::RelayError),
    /// The limits stage cannot run.
    #[error(transparent)]
    Limits(#[from] meterline_limits::LimitsError),
    /// The billing stage cannot run.
    #[error(transparent)]
    Billing(#[from] meterline_billing::BillingError),
    /// The store that snapshots of the control log are kept in cannot be opened.
    #[error(transparent)]
    Store(#[from] meterline_checkpoint::StoreError),
    /// The API stage cannot run.
    #[error(transparent)]
    Api(#[from] meterline_api::ApiError),
}

impl From<RollupError> for RunError {
    fn from(error: RollupError) -> Self {
        Self::Rollup(Box::new(error))
    }
}

/// Runs the stages until `shutdown` is ready, then drains and returns.
///
/// What may pass (Kafka, ClickHouse or the catalog not there yet) is waited for, and said on
/// `/health/ready`. Needs a multi-threaded tokio runtime.
///
/// # Errors
/// [`RunError`], where waiting cannot help.
pub async fn run(
    settings: Settings,
    stages: &[Stage],
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    settings.rollup.check()?;
    if stages.is_empty() {
        return Err(RunError::NoStage);
    }
    let (jobs, sides) = stages::prepare(&settings, stages)?;
    let rolls_up = stages.contains(&Stage::Rollup);
    let shared = Arc::new(Shared {
        rolls_up,
        sides,
        topic: settings.kafka.topics().usage_events(),
        board: Board::new(settings.rollup.progress_timeout, Instant::now()),
        metrics: Metrics::new(rolls_up),
        settings,
    });
    let server = match shared.settings.http_listen {
        Some(address) => Some(http::serve(address, Arc::clone(&shared)).await?),
        None => None,
    };
    let result = stages::run(shared, jobs, shutdown).await;
    if let Some(server) = server {
        server.abort();
    }
    result
}
