//! Publishing dead letters again, each at most once.
//!
//! A replay publishes the *original* record, bytes and headers unchanged, in its tenant's
//! partition, so that the fold judges it anew at a new offset. The original comes from the usage
//! log, checked by the length and hash that the letter recorded; where the log no longer has it,
//! from the letter itself, if that holds all of it. A header whose name is not UTF-8 is left out,
//! as every stage leaves it out; in a letter's own copy, absent values of headers are empty ones.
//! What cannot be replayed is said per letter with its reason ([`Refusal`]); nothing is guessed or
//! changed.
//!
//! The invariant: **a letter is replayed at most once**, whoever runs it, however often, however
//! it ends. The replayed record and a marker on `usage.dead-letter` are written in one
//! transaction of one transactional id, which one program holds at a time; it reads all markers
//! before it chooses. The markers are the truth, table `dead_letter_replays` is made from them.
//!
//! Every call blocks its thread.

mod error;
mod judge;
mod letter_id;
mod markers;
mod originals;
mod replayer;

pub use error::{Refusal, ReplayError};
pub use letter_id::LetterId;
pub use replayer::{Known, Outcome, Places, Replayer, Request, Tally};

/// Header of a replayed record: which letter it was, as `TOPIC_ID/PARTITION/OFFSET`. It is for
/// people and grants nothing: a producer may write what it likes there.
pub const REPLAY_HEADER: &str = "meterline-replay";
