//! `[limits]`: as an operator writes it, and what the limits stage runs with.

use super::resolve::Checker;
use meterline_worker::LimitsSettings;
use serde::{Deserialize, Serialize};

/// `[limits]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawLimits {
    /// How often changed standings go to the topic that gateways read. Default `500ms`.
    pub standing_interval: String,
    /// How often changed standings, alerts and deliveries go to ClickHouse. Default `2s`.
    pub table_interval: String,
    /// How long a transition that was sent may stay unread before it is judged again; above the
    /// 10 s for which it is tried. Default `15s`.
    pub alert_timeout: String,
    /// How old the newest progress of a partition may be before the process is not ready: an idle
    /// partition has a record every `rollup.tick_interval`. Default `90s`.
    pub progress_timeout: String,
    /// How long a stopping process waits for what it has sent. Default `30s`.
    pub stop_timeout: String,
}

impl Default for RawLimits {
    fn default() -> Self {
        let defaults = LimitsSettings::default();
        let text = |length| humantime::format_duration(length).to_string();
        Self {
            standing_interval: text(defaults.standing_interval),
            table_interval: text(defaults.table_interval),
            alert_timeout: text(defaults.alert_timeout),
            progress_timeout: text(defaults.progress_timeout),
            stop_timeout: text(defaults.stop_timeout),
        }
    }
}

/// What the stage runs with.
pub(super) fn resolve(raw: &RawLimits, checker: &mut Checker<'_>) -> LimitsSettings {
    let before = checker.count();
    let settings = LimitsSettings {
        standing_interval: checker.length("limits.standing_interval", &raw.standing_interval),
        table_interval: checker.length("limits.table_interval", &raw.table_interval),
        alert_timeout: checker.length("limits.alert_timeout", &raw.alert_timeout),
        progress_timeout: checker.length("limits.progress_timeout", &raw.progress_timeout),
        stop_timeout: checker.length("limits.stop_timeout", &raw.stop_timeout),
    };
    let checked = settings.check().map_err(|error| (error.key, error.rule));
    checker.bounds("limits", before, checked);
    settings
}
