//! Checkpoints: sorted runs, manifests and the store that holds them.
//!
//! A checkpoint writes one immutable run (every id and bucket that changed since the one before)
//! and then a manifest that names all runs of the partition together with the position they stand
//! for. State and position come from one manifest, so a restart replays the rest of the log and
//! reaches the same values (INV-REPLAY).
//!
//! What this crate refuses: to take a file that it cannot read for one that is empty. Every byte
//! of a run is covered by a checksum, and a lookup that meets damage is an error, never "absent".
//! It decides nothing about usage: ids, notes and states of buckets are opaque to it.

mod error;
mod manifest;
mod merge;
mod run;
mod run_set;
mod settings;
mod store;

pub use error::{Fault, Next, StoreError};
pub use manifest::{FileRef, MANIFEST_FORMAT, Manifest, Writer};
pub use merge::{Keep, Merged};
pub use run::RunFile;
pub use run_set::RunSet;
pub use settings::StoreSettings;
pub use store::{Entries, Garbage, Inspected, Orphans, Problem, Store};

#[cfg(test)]
mod tests;
