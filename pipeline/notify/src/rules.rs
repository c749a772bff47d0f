//! When whose turn it is: backoff, takeover and their jitter, as functions of what the log says.
//!
//! Jitter is a hash, not chance: all instances compute the same pauses from the same records, so
//! each knows when another one would have tried again.

use crate::settings::Settings;
use meterline_core::hash::content_hash;
use meterline_core::time::Millis;
use std::sync::Arc;
use std::time::Duration;

/// The settings that decide on times and portions, in the units of the log.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// This process.
    pub instance: Arc<str>,
    pub retry_for: Millis,
    pub backoff_min: Millis,
    pub backoff_max: Millis,
    pub takeover_delay: Millis,
    pub window: Millis,
    pub bundle_size: usize,
    pub remember_for: Millis,
    pub remembered_max: usize,
}

impl Rules {
    /// Rules of checked settings.
    pub(crate) fn new(settings: &Settings, instance: &str) -> Self {
        Self {
            instance: instance.into(),
            retry_for: millis(settings.retry_for),
            backoff_min: millis(settings.backoff_min),
            backoff_max: millis(settings.backoff_max),
            takeover_delay: millis(settings.takeover_delay),
            window: millis(settings.bundle_window),
            bundle_size: settings.bundle_size,
            remember_for: millis(settings.remember_for),
            remembered_max: settings.remembered_max,
        }
    }

    /// The pause after so many failed attempts in a row: between half and all of a pause that
    /// doubles with each.
    pub(crate) fn backoff(&self, route: &str, failures: u32) -> Millis {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = u64::from(self.backoff_min.0) << doublings;
        let whole = whole.min(u64::from(self.backoff_max.0));
        let half = whole / 2;
        let pause = half + spread(&[route, &failures.to_string()]) % (half + 1);
        Millis(u32::try_from(pause).expect("it is at most the longest pause"))
    }

    /// How long this instance gives another one before it takes its place.
    pub(crate) fn takeover(&self, route: &str) -> Millis {
        let delay = self.takeover_delay.0;
        let jitter = spread(&[route, &self.instance]) % u64::from(delay / 2 + 1);
        let jitter = u32::try_from(jitter).expect("it is at most half of the delay");
        Millis(delay.saturating_add(jitter))
    }
}

/// The length in the log's unit; checked settings are at most 30 days, which fit.
pub(crate) fn millis(length: Duration) -> Millis {
    Millis(u32::try_from(length.as_millis()).unwrap_or(u32::MAX))
}

/// A number that differs among parts, the same wherever it is computed.
fn spread(parts: &[&str]) -> u64 {
    let hash = content_hash(parts.join("\n").as_bytes());
    u64::try_from(hash >> 64).expect("64 bits are left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_cap() {
        let rules = Rules::new(&Settings::default(), "a");
        let mut whole = 5_000;
        for failures in 1..50 {
            let pause = rules.backoff("route", failures).0;
            assert!(whole / 2 <= pause && pause <= whole, "{failures}: {pause}");
            whole = (whole * 2).min(3_600_000);
        }
        assert_eq!(whole, 3_600_000);
    }

    #[test]
    fn instances_take_over_at_different_times() {
        let delays = ["a", "b", "c"].map(|instance| {
            let rules = Rules::new(&Settings::default(), instance);
            rules.takeover("route").0
        });
        for delay in delays {
            assert!((60_000..=90_000).contains(&delay), "{delay}");
        }
        assert!(delays[0] != delays[1] && delays[1] != delays[2]);
    }
}
