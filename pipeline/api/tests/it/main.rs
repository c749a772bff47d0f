//! The API on a real stack: what is acknowledged is in the log, decisions are in force, the view is
//! what table and topic say.
//!
//! One stack for all tests of this binary; each test has a topic prefix and a database of its own.
//! Conditions are awaited, nothing sleeps for a while and hopes.

mod alerts;
mod decisions;
mod events;
mod site;
mod usage;
mod view;
