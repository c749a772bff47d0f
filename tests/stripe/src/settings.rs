//! What a test may choose: keys, delays, limits, faults, where webhooks go.
//!
//! The defaults are Stripe's documented numbers, without faults and without webhooks. Everything
//! random follows from [`Settings::seed`].

use std::time::Duration;

/// A second in the unit of all times here, milliseconds since the epoch.
pub const SECOND: i64 = 1_000;
/// A minute.
pub const MINUTE: i64 = 60 * SECOND;
/// An hour.
pub const HOUR: i64 = 60 * MINUTE;
/// A day.
pub const DAY: i64 = 24 * HOUR;

/// How the stand-in behaves; may be changed while it runs.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// From which all that is random follows; read once, at the start.
    pub seed: u64,
    /// The keys that are let in; without any, every key is.
    pub keys: Vec<Key>,
    /// Until a meter event that was received counts: from nothing to this, at random, so that
    /// events overtake each other.
    ///
    /// "Stripe processes meter events asynchronously, so aggregated usage in meter event summaries
    /// and on upcoming invoices might not immediately reflect recently received meter events."
    /// (<https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api>) How long
    /// is not said; 60 s is our reading.
    pub arrival_delay_max: i64,
    /// How far summaries lie behind what counts.
    ///
    /// "Meters events are aggregated asynchronously so the meter event summaries provide an
    /// eventually consistent view of the reported usage."
    /// (<https://docs.stripe.com/api/billing/meter-event-summary>)
    pub summary_lag: i64,
    /// From a draft to its finalization.
    ///
    /// "The default is set to 1 hour for all invoices."
    /// (<https://docs.stripe.com/billing/subscriptions/usage-based/configure-grace-period>)
    pub finalization_delay: i64,
    /// The longest that a draft can be held.
    ///
    /// "You can set a delay of up to 72 hours (3 days)." (same page) A single invoice may be
    /// scheduled further ahead (<https://docs.stripe.com/invoicing/scheduled-finalization>); the
    /// stand-in holds every invoice to the stricter number, so that nothing relies on more.
    pub hold_max: i64,
    /// Who gets a pre-aggregated window that a billing cut divides, whole.
    ///
    /// Seen with a test clock: "Stripe will only include usage data for complete days in an
    /// invoice. So the last day of the billing period … will not show up in this invoice, but in
    /// the next" (<https://insiders.stripe.dev/t/usage-based-billing-daily-aggregate-question/1252>).
    /// It is not documented, so the other side is to be tested too.
    pub divided_window: Side,
    /// `None`: no request is ever too many.
    pub limits: Option<Limits>,
    /// What goes wrong.
    pub faults: Faults,
    /// Where events go.
    pub webhooks: Webhooks,
    /// How long a request is in work, by the wall: makes concurrent requests meet.
    pub work: Duration,
    /// How many calls the truth keeps; the oldest go first. Bounds memory in long simulations;
    /// read once, at the start.
    pub calls_kept: usize,
}

/// One of the two periods that a billing cut divides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The one that ends.
    Earlier,
    /// The one that begins.
    Later,
}

/// An API key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// `sk_…` or `rk_…`.
    pub secret: String,
    /// What it may not touch, such as `customers` or `billing/meter_events`.
    pub denied: Vec<String>,
}

impl Key {
    /// A key that may do everything.
    #[must_use]
    pub fn full(secret: &str) -> Self {
        Self {
            secret: secret.to_owned(),
            denied: Vec::new(),
        }
    }
}

/// Requests a second, by the injected clock, and requests at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// "The meter event endpoint allows 1000 calls per second in live mode, and one concurrent
    /// call per customer per meter." Such calls "don't count against the basic limits".
    /// (<https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage-api>,
    /// <https://docs.stripe.com/rate-limits>)
    pub meter_events: u32,
    /// "API endpoints have a default limit of 25 requests per second."
    pub endpoint: u32,
    /// "Live mode: 100 operations" a second.
    pub all: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            meter_events: 1_000,
            endpoint: 25,
            all: 100,
        }
    }
}

/// Shares of the requests, from 0 to 1, that meet each fault; the first that is drawn holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Faults {
    /// Done, but no answer comes.
    pub timeout_after: f64,
    /// Neither done nor answered.
    pub timeout_before: f64,
    /// 429 with a reason, not done.
    pub too_many: f64,
    /// 500; half of them done.
    pub server_error: f64,
    /// `lock_timeout`, not done; half of them 409, half 429.
    pub lock_timeout: f64,
    /// The connection is reset, not done.
    pub reset: f64,
    /// Times of the clock in which nothing is done and every connection is reset.
    pub outages: Vec<Outage>,
    /// How long a timed-out connection stays open, by the wall, before it is closed without an
    /// answer. Nothing by default: to a client both are an unknown outcome.
    pub timeout_hold: Duration,
}

/// A time of the clock in which nothing works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outage {
    /// Its first millisecond.
    pub from: i64,
    /// The first millisecond after it.
    pub until: i64,
}

/// Where events go, and how badly.
#[derive(Clone, PartialEq, Debug)]
pub struct Webhooks {
    /// The receiver; without one no event is sent.
    pub url: Option<String>,
    /// Each signs: two while a secret is rolled.
    pub secrets: Vec<String>,
    /// From an event to its delivery: from nothing to this, at random, so that events come out of
    /// order.
    pub delay_max: i64,
    /// The share that is delivered twice.
    pub repeated: f64,
}

impl Default for Webhooks {
    fn default() -> Self {
        Self {
            url: None,
            secrets: vec!["whsec_fake".to_owned()],
            delay_max: 10 * SECOND,
            repeated: 0.0,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            keys: Vec::new(),
            arrival_delay_max: MINUTE,
            summary_lag: 0,
            finalization_delay: HOUR,
            hold_max: 72 * HOUR,
            divided_window: Side::Later,
            limits: Some(Limits::default()),
            faults: Faults::default(),
            webhooks: Webhooks::default(),
            work: Duration::ZERO,
            calls_kept: 100_000,
        }
    }
}
