//! The limits stage on a real Kafka and ClickHouse, which this binary starts and stops.
//!
//! Totals are published as a rollup publishes them. One topic prefix and one database per test; no
//! sleeps for results, no retries: what must become true is awaited.

mod catalog;
mod judging;
mod site;
