//! What the engine runs with. Nothing here changes what is billed: only when, and how fast.

use meterline_core::time::Millis;

/// Settings of the engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineSettings {
    /// For how long after an intent was begun its call may begin. Default 30 s.
    pub call_within: Millis,
    /// How often the open hour is pushed where it changes. Default 5 min.
    pub open_every: Millis,
    /// How often invoices are listed. Default 1 min.
    pub invoices_every: Millis,
    /// How long a draft is held at most, from its making. Default 48 h; Stripe allows 72.
    pub hold_max: Millis,
    /// How long a record that was sent may stay unread before it is given up. Default 15 s.
    pub append_timeout: Millis,
    /// Most meter events a second. Default 900: Stripe allows 1,000.
    pub pushes_per_second: u32,
    /// Most intents and calls at once. Default 256.
    pub calls_max: usize,
    /// Most readings of summaries at once. Default 16.
    pub reads_max: usize,
    /// Whether everything is done but the calls: to run beside another biller and compare.
    pub shadow: bool,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            call_within: Millis(30_000),
            open_every: Millis(5 * 60_000),
            invoices_every: Millis(60_000),
            hold_max: Millis(48 * 3_600_000),
            append_timeout: Millis(15_000),
            pushes_per_second: 900,
            calls_max: 256,
            reads_max: 16,
            shadow: false,
        }
    }
}
