//! Notifications against real receivers: an HTTP server and a mail server, each started here.
//!
//! `usage.alerts` is a list that every notifier of a test reads whole, in one order; what Kafka does
//! with such a list is tested where Kafka is. Conditions are awaited, and only a failing test waits
//! for [`TIMEOUT`]. Signatures are verified by the reference library of Standard Webhooks.

mod emails;
mod log;
mod receiver;
mod routes;
mod takeover;
mod verify;
mod webhooks;

use std::time::Duration;

/// Far above what any step takes.
const TIMEOUT: Duration = Duration::from_secs(60);
