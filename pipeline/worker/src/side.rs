//! What a process shows of the stages beside its rollup: health and metrics, whatever the stage.

use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// What is shown of one stage.
#[derive(Debug)]
pub(crate) struct Side {
    /// What it knows of itself.
    pub(crate) health: StageHealth,
    /// Its metrics.
    pub(crate) registry: Registry,
}

/// A stage's knowledge of itself.
#[derive(Debug)]
pub(crate) enum StageHealth {
    /// Of a stage without state.
    Relay(Arc<meterline_relay::Health>),
    /// Of the limits stage.
    Limits(Arc<meterline_limits::Health>),
    /// Of the billing stage.
    Stripe(Arc<meterline_billing::Health>),
    /// Of the API stage.
    Api(Arc<meterline_api::Health>),
}

impl Side {
    /// Why the stage is not ready; empty where it is.
    pub(crate) fn problems(&self, now: Instant) -> Vec<String> {
        match &self.health {
            StageHealth::Relay(health) => health.problems(now),
            StageHealth::Limits(health) => health.problems(now, SystemTime::now()),
            StageHealth::Stripe(health) => health.problems(now, SystemTime::now()),
            StageHealth::Api(health) => health.problems(now),
        }
    }

    /// Whether the stage's thread lives.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        match &self.health {
            StageHealth::Relay(health) => health.is_live(now),
            StageHealth::Limits(health) => health.is_live(now),
            StageHealth::Stripe(health) => health.is_live(now),
            StageHealth::Api(health) => health.is_live(now),
        }
    }

    /// What the stage needs and does not get, and for how long.
    pub(crate) fn failing(&self, now: Instant) -> Vec<(&'static str, Duration)> {
        match &self.health {
            StageHealth::Relay(health) => health.failing(now),
            StageHealth::Limits(health) => health.failing(now),
            StageHealth::Stripe(health) => health.failing(now),
            StageHealth::Api(health) => health.failing(now),
        }
    }
}
