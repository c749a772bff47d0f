//! The Stripe sink: requests, answers, webhooks and money, and nothing that decides what to send.
//!
//! Each call is one attempt, whose [`Failure`] says what it proves; the caller waits, repeats and
//! remembers. Quantities come and go as text, amounts as whole minor units: no number of Stripe
//! passes through a float. Refuses addresses that would show the key, and answers out of bounds.
//! Invariant: a request whose deadline has passed is not written ([`Client::write_while`]).

mod body;
mod client;
mod deadline;
mod failure;
mod form;
pub mod money;
mod request;
pub mod requests;
mod settings;
pub mod webhook;
mod wire;

pub use client::{Client, STRIPE_VERSION};
pub use deadline::Deadline;
pub use failure::{Failure, Next, Said, meter_event_outcome};
pub use request::{Read, Write};
pub use settings::{API_BASE, Settings, SettingsError};
pub use wire::{Decimal, Listed, PAGE_MAX, Page};
