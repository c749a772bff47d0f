//! The rollup stage against a real broker and the real ClickHouse engine, in this process.
//!
//! Rules: one test binary; it starts its own stack on a free port and stops only what it started;
//! every test has topics, a database and a checkpoint store of its own; nothing sleeps for luck,
//! what is waited for is asked for, and a wait that takes too long fails.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod events;
mod halts;
mod operations;
mod restarts;
mod site;
