//! The billing stage: what the buckets say is what Stripe bills.
//!
//! [`engine`] decides: it folds totals, accounts, the ledger `meterline.pushes` and what Stripe
//! answers, and says what is to be written, called and read next. It has no clock, no socket and
//! no other randomness than its seed, so that a month with crashes and outages can be played in a
//! test. What it refuses: to call anything that is not an intent in force of its own, to take an
//! answer for a proof, to push what it cannot prove to be newer.

pub mod engine;
pub mod stripe;

pub use engine::Engine;
