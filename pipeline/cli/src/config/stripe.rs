//! `[stripe]`: as an operator writes it, and what the billing stage runs with.

use super::resolve::{Checker, secrets};
use meterline_worker::BillingSettings;
use serde::{Deserialize, Serialize};

/// `[stripe]`
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawStripe {
    /// The account's secret key (`sk_…`), or a restricted one (`rk_…`) that may write meter events
    /// and invoices and read meters, summaries, prices and invoices; `stripe setup --apply` also
    /// writes meters, products and prices. Better in a file. Never printed. Default: none, and the stage does not start.
    pub api_key: Option<String>,
    /// File that holds the key; a line feed at its end does not count. Default: none.
    pub api_key_file: Option<String>,
    /// Where Stripe is; `http://` for a loopback address only. Default `https://api.stripe.com`.
    pub api_base: String,
    /// How often the window of the open hour is pushed where it changes. Default `5m`.
    pub open_hour_interval: String,
    /// How long a draft invoice waits at most for the proof of its windows, from its making; it is
    /// then made final all the same, and differences are carried. Default `2days`; at most `71h`.
    pub hold_max: String,
    /// Most meter events a second; Stripe takes 1,000, of all instances together. Default 900.
    pub pushes_per_second: u64,
    /// Most other requests a second at one endpoint, and four times as many at all; Stripe takes 25
    /// and 100. Default 20.
    pub requests_per_second: u64,
    /// `true`: everything is decided and nothing is pushed, held or made final, to run beside
    /// another biller. Default `false`.
    pub shadow: bool,
    /// How often the stage compares what was pushed since, and what is open, with Stripe. Default
    /// `1h`.
    pub reconcile_interval: String,
    /// How often rows of what was decided go to ClickHouse. Default `2s`.
    pub table_interval: String,
    /// How old the newest progress of a partition may be before the process is not ready: an idle
    /// partition has a record every `rollup.tick_interval`. Default `90s`.
    pub progress_timeout: String,
    /// How long a stopping process waits for what it has begun. Default `30s`.
    pub stop_timeout: String,
}

impl Default for RawStripe {
    fn default() -> Self {
        let defaults = BillingSettings::default();
        let text = |length| humantime::format_duration(length).to_string();
        Self {
            api_key: None,
            api_key_file: None,
            api_base: defaults.api_base,
            open_hour_interval: text(defaults.open_hour_interval),
            hold_max: text(defaults.hold_max),
            pushes_per_second: defaults.pushes_per_second.into(),
            requests_per_second: defaults.requests_per_second.into(),
            shadow: defaults.shadow,
            reconcile_interval: text(defaults.reconcile_interval),
            table_interval: text(defaults.table_interval),
            progress_timeout: text(defaults.progress_timeout),
            stop_timeout: text(defaults.stop_timeout),
        }
    }
}

/// What the stage runs with.
pub(super) fn resolve(raw: &RawStripe, checker: &mut Checker<'_>) -> BillingSettings {
    let before = checker.count();
    let key = |name: &str| format!("stripe.{name}");
    let api_key = (&raw.api_key, &raw.api_key_file);
    let settings = BillingSettings {
        api_key: secrets::given("stripe.api_key", api_key, checker),
        api_base: raw.api_base.clone(),
        open_hour_interval: checker.length(&key("open_hour_interval"), &raw.open_hour_interval),
        hold_max: checker.length(&key("hold_max"), &raw.hold_max),
        pushes_per_second: checker
            .number(&key("pushes_per_second"), raw.pushes_per_second)
            .unwrap_or(0),
        requests_per_second: checker
            .number(&key("requests_per_second"), raw.requests_per_second)
            .unwrap_or(0),
        shadow: raw.shadow,
        reconcile_interval: checker.length(&key("reconcile_interval"), &raw.reconcile_interval),
        table_interval: checker.length(&key("table_interval"), &raw.table_interval),
        progress_timeout: checker.length(&key("progress_timeout"), &raw.progress_timeout),
        stop_timeout: checker.length(&key("stop_timeout"), &raw.stop_timeout),
    };
    let checked = settings.check().map_err(|error| (error.key, error.rule));
    checker.bounds("stripe", before, checked);
    settings
}
