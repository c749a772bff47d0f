//! Emits usage events to Meterline from a service, in one line and out of its way.
//!
//! ```no_run
//! use meterline_client::{Client, Usage};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder("localhost:9092", "//gateway").connect()?;
//!
//! // After a request that was let through and answered:
//! client.emit(Usage::new("llm.completion", "acme").quantity(1_234).property("model", "small").request_id("req-81"))?;
//!
//! // When the service stops:
//! client.close(Duration::from_secs(10))?;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **The caller is never held up** longer than its setting: an event is written into a bounded
//!   buffer, and a thread sends it. While Kafka is away the buffer fills; then events are dropped,
//!   or the caller waits as long as [`WhenFull::Wait`] allows.
//! - **Nothing is lost unseen**: every event is counted as delivered, failed, dropped or refused
//!   ([`Counters`]), reported one by one where wanted ([`Builder::on_delivery`]), and lost ones are
//!   logged (`tracing`).
//! - **Nothing is counted twice**: retries of the client library are idempotent, and Meterline
//!   counts an id once. So give each event the id of what was used: [`Usage::request_id`],
//!   [`Usage::resource`], [`Usage::idempotency_key`] or [`Usage::id`]. An event without any gets a
//!   new id, and a repeat by the caller counts again.
//! - **Nothing is rounded**: quantities are whole numbers or exact decimals. There is no way to
//!   give a float ([`IntoQuantity`]).
//!
//! # What it refuses
//!
//! What Meterline would dead-letter for its form is refused by `emit` with the field and the bound
//! ([`EmitError`]). It knows no catalog: whether a meter counts the event is decided there.
//!
//! Whether a tenant may use more is asked with `check` (a feature of that name), before the use.
//!
//! [`recorders`] has the rules of products whose events need more than a filter, and `http` (with
//! the feature `tower`) a layer that meters requests.

mod bounds;
mod buffer;
#[cfg(feature = "check")]
pub mod check;
mod client;
mod counters;
mod delivery;
mod encode;
mod error;
#[cfg(feature = "tower")]
pub mod http;
mod id;
mod quantity;
pub mod recorders;
mod sender;
mod settings;
mod stop;
mod usage;

pub use bounds::PROPERTIES_MAX;
pub use client::Client;
pub use counters::Counters;
pub use delivery::{Delivered, Delivery, Failed};
pub use encode::Form;
pub use error::{ConnectError, EmitError, Undelivered};
pub use meterline_core::catalog::Bounds;
pub use meterline_core::quantity::{NotAQuantity, Quantity};
pub use quantity::{Given, IntoQuantity};
pub use settings::{Builder, WhenFull};
pub use usage::Usage;
