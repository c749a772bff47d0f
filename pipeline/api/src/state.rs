//! What all requests share.

use crate::age::{Ages, UsageTopic};
use crate::health::Health;
use crate::metrics::Metrics;
use crate::problem::{Kind, Problem};
use crate::rate::Rates;
use crate::settings::Settings;
use crate::turns::Turns;
use crate::view::Standings;
use meterline_clickhouse::ClickHouse;
use meterline_control::{AccountLog, ControlError, ControlLog};
use meterline_core::accounts::Accounts;
use meterline_core::causes::chain;
use meterline_core::control::{CatalogDecision, View};
use meterline_core::standing::StandingProgress;
use meterline_core::time::LogTime;
use meterline_kafka::{Producer, Topics};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::Semaphore;

/// Ingest calls at once. With the default bounds their bodies are half a gigabyte, and twice that
/// for the moment in which pieces become one; what is held beside a body is by its events, of which
/// there are at most [`Settings::batch_events`].
const INGESTS_MAX: usize = 64;
/// Ingest calls of one key at once: who sends its bodies slowly keeps out itself, not others.
pub(crate) const INGESTS_OF_KEY_MAX: usize = INGESTS_MAX / 4;
/// Reads of histories at once: each has a consumer and a thread of its own for up to
/// [`READ_TIMEOUT`].
pub(crate) const HISTORIES_MAX: usize = 4;
/// Looks through all tenants at once: each keeps a core busy for up to a second.
const SCANS_MAX: usize = 2;

/// How long reading the control log may take: below the timeout of requests.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(15);

/// The control log, as far as the API needs it.
pub(crate) enum Source {
    /// The log.
    Log(AccountLog),
    /// What a test says.
    #[cfg(test)]
    Fixed {
        /// Accounts and keys.
        accounts: Box<Accounts>,
        /// Catalogs and adoptions.
        view: Arc<View>,
    },
}

/// What all requests share.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) health: Arc<Health>,
    pub(crate) rates: Rates,
    pub(crate) standings: Standings,
    pub(crate) ages: Ages,
    pub(crate) source: Source,
    pub(crate) producer: Producer,
    pub(crate) clickhouse: ClickHouse,
    pub(crate) topics: Topics,
    pub(crate) notifications: Option<meterline_notify::Settings>,
    /// A permit for every request that is worked on.
    pub(crate) requests: Semaphore,
    /// A turn for every ingest call that holds its body.
    pub(crate) ingests: Turns,
    /// A permit for every look through all tenants.
    pub(crate) scans: Arc<Semaphore>,
    /// A permit for every read of a history.
    pub(crate) histories: Arc<Semaphore>,
    /// Whether the view was complete once.
    caught_up: AtomicBool,
}

/// What requests stand on, for [`Shared::new`].
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) health: Arc<Health>,
    pub(crate) source: Source,
    pub(crate) producer: Producer,
    pub(crate) clickhouse: ClickHouse,
    pub(crate) topics: Topics,
    pub(crate) notifications: Option<meterline_notify::Settings>,
}

impl Shared {
    /// With an empty view.
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            requests: Semaphore::new(parts.settings.requests),
            ingests: Turns::new(INGESTS_MAX, INGESTS_OF_KEY_MAX),
            scans: Arc::new(Semaphore::new(SCANS_MAX)),
            histories: Arc::new(Semaphore::new(HISTORIES_MAX)),
            rates: Rates::new(std::time::Instant::now()),
            standings: Standings::new(),
            ages: Ages::default(),
            caught_up: AtomicBool::new(false),
            settings: parts.settings,
            metrics: parts.metrics,
            health: parts.health,
            source: parts.source,
            producer: parts.producer,
            clickhouse: parts.clickhouse,
            topics: parts.topics,
            notifications: parts.notifications,
        }
    }

    /// Reads the accounts; the control log is not read on meanwhile, so `read` must be short.
    pub(crate) fn with_accounts<T>(&self, read: impl FnOnce(&Accounts) -> T) -> T {
        match &self.source {
            Source::Log(log) => read(&log.accounts()),
            #[cfg(test)]
            Source::Fixed { accounts, .. } => read(accounts),
        }
    }

    /// Catalogs and adoptions as read so far.
    pub(crate) fn view(&self) -> Arc<View> {
        match &self.source {
            Source::Log(log) => log.control().view(),
            #[cfg(test)]
            Source::Fixed { view, .. } => Arc::clone(view),
        }
    }

    /// The control log, to write decisions to.
    ///
    /// # Errors
    /// 503 in tests without one.
    pub(crate) fn log(&self) -> Result<&AccountLog, Problem> {
        match &self.source {
            Source::Log(log) => Ok(log),
            #[cfg(test)]
            Source::Fixed { .. } => Err(Problem::new(Kind::Unavailable)),
        }
    }

    /// Reads the control log to its end: what any instance had decided is known then.
    ///
    /// # Errors
    /// 503 where it does not answer in time.
    pub(crate) async fn read_on(&self) -> Result<(), Problem> {
        match &self.source {
            Source::Log(log) => {
                let read = |log: &ControlLog| log.read_to_end(READ_TIMEOUT).map(|_| ());
                let read = log.control().off_thread(read).await;
                read.map_err(|error| unread(&error))
            }
            #[cfg(test)]
            Source::Fixed { .. } => Ok(()),
        }
    }

    /// The newest catalog.
    ///
    /// # Errors
    /// 503 while there is none.
    pub(crate) fn catalog(&self) -> Result<Arc<CatalogDecision>, Problem> {
        let view = self.view();
        let catalog = view.catalog().map(Arc::clone);
        catalog
            .ok_or_else(|| Problem::of(Kind::Unavailable, "there is no catalog yet").retry_after(5))
    }

    /// Takes up to where standings are complete.
    pub(crate) fn take_progress(&self, progress: &StandingProgress) {
        self.ages.take(progress, self.view().position());
    }

    /// Age of what is known of a tenant; `None` where nothing ever was, and where no partition of
    /// the usage log was adopted yet.
    pub(crate) fn age_of(&self, tenant: &str, now: LogTime) -> Option<Duration> {
        let view = self.view();
        let topic = UsageTopic::of(&view, &self.topics.usage_events())?;
        self.ages.of(topic.home(tenant), view.position(), now)
    }

    /// From now on the view is complete, if ever older.
    pub(crate) fn catch_up(&self) {
        self.caught_up.store(true, Ordering::Release);
    }

    /// # Errors
    /// 503 until the view is complete.
    pub(crate) fn must_be_caught_up(&self) -> Result<(), Problem> {
        if self.caught_up.load(Ordering::Acquire) {
            return Ok(());
        }
        let detail = "what tenants have used is still being read";
        Err(Problem::of(Kind::Unavailable, detail).retry_after(1))
    }
}

/// What a control log that does not answer in time is answered with.
pub(crate) fn unread(error: &ControlError) -> Problem {
    tracing::warn!(
        error = chain(error),
        "failed to read the control log in time"
    );
    Problem::new(Kind::Unavailable).retry_after(1)
}

/// The moment, on this process's clock.
pub(crate) fn now() -> LogTime {
    SystemTime::now().into()
}
