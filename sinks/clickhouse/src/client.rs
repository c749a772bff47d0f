//! The connection: pinned settings, one timeout for every request, one place that asks.

use crate::config::Settings;
use crate::error::{Error, classify};
use crate::transport;
use clickhouse::Client;
use clickhouse::error::Result as ClientResult;
use std::sync::Arc;
use std::time::Duration;

/// Settings of every request. None may be left to the server's profile: their defaults changed
/// between releases, and results depend on them.
const PINNED: [(&str, &str); 4] = [
    // An answer means that the rows are in the table, and a row is in one block with its insert.
    ("async_insert", "0"),
    // Reading with FINAL never crosses partitions: window_start is in the key of every bucket.
    ("do_not_merge_across_partitions_select_final", "1"),
    // A header that does not fit the table is an error, not a conversion.
    ("input_format_with_types_use_header", "1"),
    ("join_use_nulls", "0"),
];

/// The one ClickHouse that Meterline works with. Cheap to clone; clones share connections.
#[derive(Clone, Debug)]
pub struct ClickHouse {
    client: Client,
    settings: Arc<Settings>,
}

impl ClickHouse {
    /// Checks the settings. Nothing is sent: that ClickHouse is away shows in the first call.
    ///
    /// # Errors
    /// [`Error::Settings`].
    pub fn connect(settings: Settings) -> Result<Self, Error> {
        settings.check()?;
        let mut client = transport::client(&settings)?
            .with_url(&settings.url)
            .with_user(&settings.user)
            .with_password(settings.password.expose())
            .with_database(&settings.database)
            .with_setting(
                "max_execution_time",
                execution_seconds(settings.request_timeout),
            );
        for (name, value) in PINNED {
            client.set_setting(name, value);
        }
        for (name, value) in settings.replication.request_settings() {
            client.set_setting(name, value);
        }
        let settings = Arc::new(settings);
        Ok(Self { client, settings })
    }

    /// Name of the database of all tables and views.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.settings.database
    }

    /// The client, with the database selected.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A client with the server's own database selected, for when ours may not be there.
    pub(crate) fn server(&self) -> Client {
        self.client.clone().with_database("default")
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Makes one attempt: waits for the request within the timeout and classifies its failure.
    pub(crate) async fn call<T>(
        &self,
        action: impl FnOnce() -> String,
        request: impl Future<Output = ClientResult<T>>,
    ) -> Result<T, Error> {
        let timeout = self.settings.request_timeout;
        match tokio::time::timeout(timeout, request).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(classify(action(), &self.settings.url, &error)),
            Err(_) => Err(Error::TimedOut {
                action: action(),
                url: self.settings.url.clone(),
                timeout,
            }),
        }
    }
}

/// After this the server stops a query whose client no longer waits; whole seconds, rounded up.
fn execution_seconds(timeout: Duration) -> String {
    let seconds = timeout.as_secs() + u64::from(timeout.subsec_nanos() > 0);
    seconds.to_string()
}
