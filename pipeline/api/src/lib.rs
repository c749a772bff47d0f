//! The HTTP API: ingest, the quota check, and what tenants and admins ask.
//!
//! It answers a quota check from memory: standings from their table and topic, accounts and the
//! catalog from the control log, the verdict by the core. What callers send goes to the logs and is
//! answered once it is there; nothing is kept here that is not in a log. What it refuses: a caller
//! without a key, a tenant outside of a key's scope, and to call what it knows fresh where no
//! progress says so.
//!
//! [`Api::new`] makes the stage with what health and metrics show of it, [`Api::run`] runs it.

mod age;
mod body;
mod caller;
mod cors;
mod decide;
mod document;
mod error;
mod feed;
mod health;
mod ingest;
mod known;
mod metrics;
mod names;
mod observe;
mod paging;
mod problem;
mod rate;
mod room;
mod routes;
mod server;
mod settings;
mod state;
mod tenant;
#[cfg(test)]
mod testing;
mod text;
mod token;
mod turns;
mod view;

pub use error::ApiError;
pub use health::{ApiStatus, Health};
#[doc(hidden)]
pub use metrics::seen as metrics_seen;
pub use routes::openapi;
pub use settings::{Connections, Settings, SettingsError, Tls, WhenStale};
pub use token::NewToken;

use feed::Feed;
use meterline_clickhouse::ClickHouse;
use meterline_control::{AccountsOptions, ControlLog};
use meterline_kafka::Producer;
use metrics::Metrics;
use prometheus_client::registry::Registry;
use server::Server;
use state::{Parts, Shared, Source};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::sync::watch;

/// The API, ready to run.
pub struct Api {
    settings: Settings,
    connections: Connections,
    health: Arc<Health>,
    metrics: Metrics,
}

impl Api {
    /// The stage, and the registry of its metrics.
    ///
    /// # Errors
    /// [`ApiError::Settings`].
    pub fn new(connections: Connections, settings: Settings) -> Result<(Self, Registry), ApiError> {
        settings.check()?;
        let (metrics, registry) = Metrics::new();
        let health = Health::new(settings.listen.to_string(), Instant::now());
        let api = Self {
            settings,
            connections,
            health: Arc::new(health),
            metrics,
        };
        Ok((api, registry))
    }

    /// What the API knows of itself, while it runs.
    #[must_use]
    pub fn health(&self) -> Arc<Health> {
        Arc::clone(&self.health)
    }

    /// Serves until `shutdown` is ready, then lets running requests end.
    ///
    /// Kafka, ClickHouse and the catalog may come later. Needs a multi-threaded tokio runtime.
    ///
    /// # Errors
    /// [`ApiError`], where waiting cannot help.
    pub async fn run(self, shutdown: impl Future<Output = ()> + Send) -> Result<(), ApiError> {
        self.connections.kafka.check_properties()?;
        let server = Server::bind(&self.settings).await?;
        tracing::info!(address = %server.address(), "serving the API");
        let connections = self.connections.clone();
        let shared = Arc::new(self.share()?);
        let stop = Arc::new(AtomicBool::new(false));
        let feed = Feed {
            shared: Arc::clone(&shared),
            connections,
            runtime: tokio::runtime::Handle::current(),
            stop: Arc::clone(&stop),
        };
        // A plain thread: the consumer blocks, and waits on async calls.
        let mut thread = tokio::task::spawn_blocking(move || feed.run());
        let (tell, told) = watch::channel(false);
        let stopped = async move {
            let mut told = told;
            // The sender outlives the server, so that an error only says that all is over.
            let _ = told.wait_for(|is_told| *is_told).await;
        };
        let router = routes::router(Arc::clone(&shared));
        let mut serving = std::pin::pin!(server.serve(router, stopped));
        let ended = tokio::select! {
            () = &mut serving => None,
            ended = &mut thread => Some(ended),
            () = shutdown => None,
        };
        shared.health.phase(Some("stopping"));
        tell.send_replace(true);
        stop.store(true, Ordering::Release);
        serving.await;
        let ended = match ended {
            Some(ended) => ended,
            None => thread.await,
        };
        ended.map_err(ApiError::Thread)?
    }

    fn share(self) -> Result<Shared, ApiError> {
        let kafka = &self.connections.kafka;
        let options = AccountsOptions {
            snapshots: self.connections.snapshots.clone(),
            feed: None,
        };
        let log = ControlLog::connect_with_accounts(kafka, options)?;
        Ok(Shared::new(Parts {
            source: Source::Log(log),
            // Before the request's own end, so that callers hear what became of their events.
            producer: Producer::connect_within(kafka, self.settings.request_timeout / 2)?,
            clickhouse: ClickHouse::connect(self.connections.clickhouse)?,
            topics: kafka.topics(),
            notifications: self.connections.notifications,
            settings: self.settings,
            metrics: self.metrics,
            health: self.health,
        }))
    }
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
