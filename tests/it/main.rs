//! End-to-end tests: the real broker, the real ClickHouse engine, the real binary.
//!
//! Rules of this binary:
//!
//! - One test, one installation: its own topic prefix, database, checkpoint folder and ports
//!   ([`support::site::Site`]). The stack is shared, unless a test needs to break it.
//! - What is expected comes from the input, by SQL over a raw table of every record sent and the
//!   offset that the broker gave it ([`support::recount`]). Nothing of the core is asked.
//! - Workers are processes (`target/release/meterline`), ended by signals, never called.
//! - No sleeps to let something happen: [`support::wait::until`] polls a condition, and says what
//!   it waited for when the time is over. No retries of tests, no `#[ignore]`.
//! - Random choices come from a seed that is printed when a test fails.
//! - Heavy tests take the machine for themselves ([`support::turn`]); 2 cores are enough.
//! - Everything that was started is stopped when the binary ends, however it ends.

mod adoption;
mod archive;
mod bad_input;
mod brokers;
mod checkpoint_store;
mod clickhouse_faults;
mod client;
mod commands;
mod crossings;
mod examples;
mod forms;
mod gateway;
mod http_edge;
mod kills;
mod limits;
mod log_time;
mod months;
mod notifications;
mod object_store;
mod observability;
mod openapi;
mod operations;
mod operators;
mod overshoot;
mod pointers;
mod rebalances;
mod rekey;
mod replays;
mod resolve;
mod schemas;
mod secure;
mod shutdown;
mod stale_owner;
mod support;
mod unacknowledged;
mod voids;
