//! The control log against a real broker, which this binary starts and stops.
//!
//! One topic prefix per test; no sleeps, no retries: what must become true is awaited.

mod accounts;
mod adopting;
mod customers;
mod deciding;
mod halting;
mod initializing;
mod snapshots;
#[path = "../../../../sinks/kafka/tests/it/stack.rs"]
mod stack;
mod support;
