//! What the limits stage shows of itself beside its reading: alerts and tenants.

use meterline_follow::UsagePartition;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The stage, as `GET /status` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LimitsStatus {
    /// The stage's public name.
    pub stage: String,
    /// Why the stage is not ready; empty where it is.
    pub problems: Vec<String>,
    /// Alerts that are open.
    pub open_alerts: u64,
    /// Tenants that it knows use of.
    pub tenants: u64,
    /// The log partitions of usage.
    pub partitions: Vec<UsagePartition>,
}

/// The stage's knowledge of itself.
#[derive(Debug)]
pub struct Health {
    pub(crate) reading: Arc<meterline_follow::Health>,
    open_alerts: AtomicU64,
    tenants: AtomicU64,
}

impl Health {
    /// A stage that has just started.
    pub(crate) fn new(progress_timeout: Duration, now: Instant) -> Self {
        let reading = meterline_follow::Health::new("limits", progress_timeout, now);
        Self {
            reading: Arc::new(reading),
            open_alerts: AtomicU64::new(0),
            tenants: AtomicU64::new(0),
        }
    }

    /// How many alerts are open, and of how many tenants there is use.
    pub(crate) fn counts(&self, open_alerts: usize, tenants: usize) {
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        self.open_alerts
            .store(count(open_alerts), Ordering::Relaxed);
        self.tenants.store(count(tenants), Ordering::Relaxed);
    }

    /// What the stage needs and does not get, and for how long.
    #[must_use]
    pub fn failing(&self, now: Instant) -> Vec<(&'static str, Duration)> {
        self.reading.failing(now)
    }

    /// Whether the judging thread lives.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        self.reading.is_live(now)
    }

    /// Why the stage is not ready; empty where it is. `clock` is this machine's, with which log
    /// times are compared.
    #[must_use]
    pub fn problems(&self, now: Instant, clock: SystemTime) -> Vec<String> {
        self.reading.problems(now, clock)
    }

    /// The stage, as `/status` shows it.
    #[must_use]
    pub fn status(&self, now: Instant, clock: SystemTime) -> LimitsStatus {
        LimitsStatus {
            stage: self.reading.stage().to_owned(),
            problems: self.problems(now, clock),
            open_alerts: self.open_alerts.load(Ordering::Relaxed),
            tenants: self.tenants.load(Ordering::Relaxed),
            partitions: self.reading.partitions(),
        }
    }
}
