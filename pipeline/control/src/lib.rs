//! The control log: reading, following and writing decisions.
//!
//! [`ControlLog`] follows `meterline.control` from its beginning and keeps the newest [`View`]. A
//! decision is written with a write id and answered only after it, or another that took its
//! place, has been read back (rule 2); a writer that dies half way or loses a race leaves nothing
//! that readers disagree on. What the records mean is `meterline-core`'s; nothing is judged here
//! but what the log's order says.
//!
//! Every call blocks its thread: use them from plain threads, or through
//! [`ControlLog::off_thread`] from async code.
//!
//! [`View`]: meterline_core::control::View

mod accounts;
mod adopt;
mod catalog;
mod changes;
mod decide;
mod entry;
mod error;
mod folds;
mod follow;
mod init;
mod links;
mod log;
mod outage;
mod place;
mod recent;
mod schemas;
mod snapshot;
mod snapshots;
mod topics;

pub use accounts::{AccountLog, AccountsGuard};
pub use adopt::AdoptStart;
pub use catalog::CatalogApplied;
pub use changes::{Changed, Expected};
pub use decide::{Author, Decided, propose, propose_after};
pub use entry::ControlEntry;
pub use error::ControlError;
pub use follow::{AccountsOptions, ControlEvent};
pub use init::{InitReport, InitSpec, init_topics};
pub use links::Past;
pub use log::ControlLog;
pub use schemas::record_name;
pub use snapshot::Restored;
pub use snapshots::{SNAPSHOT_EVERY, Snapshots};
pub use topics::Warning;
