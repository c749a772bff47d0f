//! An alert as it is told: what is kept of a transition until everybody knows of it.

use crate::contract::InForce;
use meterline_core::alert::AlertState;
use meterline_core::catalog::plans::Severity;
use meterline_core::limits::notification_id;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};
use std::sync::Arc;

/// One alert to tell; see [`meterline_core::alert::Transition`] for the fields.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Alert {
    /// Id of its notification.
    pub id: u128,
    pub tenant: Arc<str>,
    pub meter: String,
    pub period_start: EventTime,
    pub period_end: EventTime,
    pub threshold: String,
    pub state: AlertState,
    pub episode: u32,
    pub severity: Severity,
    pub kind: String,
    pub used: Quantity,
    pub limit: Quantity,
    pub plan: String,
    /// The process that decided it: its turn to tell comes first.
    pub writer: Arc<str>,
    /// When it was decided.
    pub appended: LogTime,
}

impl From<InForce> for Alert {
    fn from(seen: InForce) -> Self {
        let transition = seen.transition;
        let (key, episode, state) = (&transition.key, transition.episode, transition.state);
        Self {
            id: notification_id(key, episode, state),
            tenant: transition.key.tenant.into(),
            meter: transition.key.meter,
            period_start: transition.key.period_start,
            period_end: transition.period_end,
            threshold: transition.key.threshold,
            state: transition.state,
            episode: transition.episode,
            severity: transition.severity,
            kind: transition.kind,
            used: transition.used,
            limit: transition.limit,
            plan: transition.plan,
            writer: transition.instance.into(),
            appended: seen.appended,
        }
    }
}
