//! Why the API cannot run; what may pass is waited for instead.

use crate::settings::SettingsError;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The API cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// A setting that cannot be run with.
    #[error("a setting of the api stage cannot be used")]
    Settings(#[from] SettingsError),
    /// A client of Kafka could not be made.
    #[error(transparent)]
    Kafka(#[from] meterline_kafka::Error),
    /// The client library refused the consumer's settings.
    #[error("failed to make the client that reads standings")]
    Consumer(#[source] Box<rdkafka::error::KafkaError>),
    /// The control log cannot be followed.
    #[error(transparent)]
    Control(#[from] meterline_control::ControlError),
    /// ClickHouse's settings cannot be used, or its tables are not those of this version.
    #[error(transparent)]
    ClickHouse(#[from] meterline_clickhouse::Error),
    /// The address could not be listened on.
    #[error("failed to listen on {address} for the API")]
    Listen {
        /// `api.listen`.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// A file of the TLS settings cannot be used.
    #[error("failed to read {what} from {}", path.display())]
    TlsFile {
        /// The certificate or the key.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// Certificate and key do not fit each other, or cannot be served.
    #[error("failed to use the certificate and key of the API")]
    Tls(#[source] rustls::Error),
    /// The thread that follows standings panicked.
    #[error("the thread that follows standings ended without an answer")]
    Thread(#[source] tokio::task::JoinError),
}
