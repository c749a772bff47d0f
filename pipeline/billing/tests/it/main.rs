//! The billing stage on a real Kafka and ClickHouse, which this binary starts and stops, and on the
//! stand-in of Stripe.
//!
//! Totals are published as a rollup publishes them. One topic prefix and one database per test; no
//! sleeps for results, no retries: what must become true is awaited. Stripe's clock is the machine's
//! here; what takes days is played in the engine's own tests.

mod catalog;
mod faults;
mod hourly;
mod ledger;
mod pushing;
mod reconcile;
mod scopes;
mod site;
mod statement;
mod tables;
