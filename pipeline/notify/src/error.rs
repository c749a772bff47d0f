//! Why notifications cannot be sent at all; what a receiver does is an outcome instead.

use crate::settings::SettingsError;
use std::path::PathBuf;

/// The notifier cannot be made. No variant holds a secret or the address of a receiver.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// A setting that cannot be run with.
    #[error("a setting of notifications cannot be used")]
    Settings(#[from] SettingsError),
    /// A file of authorities could not be read.
    #[error("failed to read {path}; it must hold certificates in PEM")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of authorities holds something else.
    #[error("{path} does not hold certificates in PEM")]
    Ca {
        /// The file.
        path: PathBuf,
    },
    /// The client of webhooks could not be made.
    #[error("failed to set up the client of webhooks")]
    Webhooks(#[source] reqwest::Error),
    /// The client of the mail server could not be made.
    #[error("failed to set up the client of the mail server {host}")]
    Smtp {
        /// The server.
        host: String,
        /// Why.
        source: lettre::transport::smtp::Error,
    },
}
