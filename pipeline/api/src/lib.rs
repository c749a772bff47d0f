//! The HTTP API: ingest, the quota check, and what tenants and admins ask.

mod ingest;
mod names;
mod problem;
mod rate;
mod settings;
#[cfg(test)]
mod testing;
mod token;
mod view;

pub use settings::{Connections, Settings, SettingsError, Tls, WhenStale};
