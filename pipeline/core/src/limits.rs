//! The pure decider of limits: what should be open against what is open, and who may do more.
//!
//! [`Engine`] folds totals, progress, decisions and transitions, and says which transitions and
//! standings follow. It is level-triggered: it compares the state that should be with the heads of
//! the chains, so nothing depends on having seen each step. It judges a tenant only by an exact
//! prefix of its usage, and never where a head was judged by more than it knows. [`check()`] answers
//! from standings, without an engine. There is no clock in here: the moment is an argument.

pub mod alerts;
pub mod check;
pub mod engine;
pub mod exact;
pub mod health;
pub mod measure;
pub mod source;
pub mod terms;
pub mod usage;

pub use alerts::{Alerts, Counts, Head};
pub use check::{Held, Limit, Percentage, Reason, Tenant, Verdict, check, weight};
pub use engine::{Engine, Judgement};
pub use exact::Exact;
pub use health::{fires, health, thresholds};
pub use measure::Measure;
pub use source::TermsSource;
pub use usage::Usage;

use crate::alert::{AlertKey, AlertState};
use crate::hash::Parts;

/// The id of what is told of a transition: the same for everyone who tells it, and another for the
/// next episode.
///
/// The first 128 bits of BLAKE3 over the tenant, the meter, the period's start (microseconds since
/// 1970, decimal), the threshold's name, the episode (decimal) and the state's name, each after
/// its length in 8 bytes, little-endian.
#[must_use]
pub fn notification_id(key: &AlertKey, episode: u32, state: AlertState) -> u128 {
    let (period, episode) = (key.period_start.0.to_string(), episode.to_string());
    let parts = [
        key.tenant.as_str(),
        &key.meter,
        &period,
        &key.threshold,
        &episode,
        state.name(),
    ];
    let mut hashed = Parts::default();
    for part in parts {
        hashed.put(part.as_bytes());
    }
    hashed.hash()
}
