//! The sink against the real ClickHouse engine.
//!
//! Rules: one test binary; it starts its own stack on a free port and stops only what it started;
//! every test makes a database of its own, so tests run side by side; faults are limited to the
//! test's database; nothing sleeps, what is waited for is asked for.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod archive;
mod audit_log;
mod deliveries;
mod differences;
mod export;
mod failures;
mod fixtures;
mod grouped;
mod letters;
mod migrate;
mod pushes;
mod queries;
mod reconcile;
mod rows;
mod stack;
mod stamps;
mod standings;
mod totals;
mod views;
