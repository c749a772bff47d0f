//! The pure heart of Meterline: what a usage record does to the state of its partition.
//!
//! Everything here is a function of its arguments. There is no clock, no randomness, no file, no
//! network, no environment and no map order in a result: time is an argument, and the only source
//! of truth is the logs. The dependency list of this crate is the proof that it does no IO;
//! `make check` fails when that stops being true.
//!
//! The path of one record: [`decode`] → [`fold`] (validate, match, dedupe, bucket) → rows, totals
//! and dead letters that the worker carries out.

pub mod account;
pub mod accounts;
pub mod alert;
pub mod bucket;
pub mod carries;
pub mod carry;
pub mod catalog;
pub mod causes;
pub mod chain;
pub mod control;
pub mod counters;
pub mod decode;
pub mod event;
pub mod fold;
pub mod halt;
pub mod hash;
pub mod limits;
pub mod nearest;
pub mod period;
pub mod position;
pub mod push;
pub mod pushes;
pub mod quantity;
pub mod reason;
pub mod record;
pub mod resolve;
pub mod restate;
pub mod runs;
pub mod standing;
pub mod time;
pub mod verdicts;
