//! The ClickHouse sink: migrations, inserts of absolute rows, and the queries of the commands.
//!
//! Every insert may be repeated, by anyone, in any order: rows carry stamps and the tables keep
//! the highest (INV-STAMP). So a call that got no answer is simply made again, and nothing here
//! locks, fences or deduplicates. Each call is one attempt with a timeout and a classified
//! [`Error`] that says whether trying again can help; the caller waits and tries again. Values are
//! bound as query parameters, never glued into SQL.
//!
//! Refuses a database whose tables are not those of this binary, certificates that it cannot trust,
//! and rows that do not fit their columns.

mod alerts;
mod archive;
mod audit;
mod audit_log;
mod client;
pub mod config;
mod differences;
pub mod encode;
pub mod encode_archive;
pub mod error;
mod events;
mod export;
mod grouped;
mod letters;
mod limits;
mod migrate;
mod purge;
mod query;
mod reconcile;
mod replays;
mod replicated;
mod retention;
mod sink;
mod standing;
mod standing_pages;
mod stream;
mod stripe;
mod transport;

pub use alerts::{AlertFilter, NOTIFICATIONS_MAX, OpenAlertFilter, Projection};
pub use audit::{LevelDifference, LevelFilter, MeterSum};
pub use audit_log::{AUDIT_ROWS_MAX, AuditFilter};
pub use client::ClickHouse;
pub use config::{Keep, Quorum, Replication, Retention, Secret, Settings, SettingsError};
pub use differences::DifferenceFilter;
pub use error::{Cause, Error, Fault, Next};
pub use events::{EVENT_RECORDS_MAX, EventIdentity};
pub use export::Export;
pub use letters::{DEAD_LETTERS_MAX, DeadLetterFilter, LetterOrder, LetterPage, LetterPlace};
pub use limits::HourFilter;
pub use migrate::Migrated;
pub use purge::Purge;
pub use query::{PAGE_ROWS_MAX, UsageFilter};
pub use reconcile::{
    Comparison, DIFFERENCES_MAX, LINES_MAX, LineKey, LineSum, OwnerRow, PairKey, PairRange,
};
pub use sink::Inserted;
pub use standing_pages::StandingFilter;
pub use stream::Rows;
pub use stripe::PushFilter;
