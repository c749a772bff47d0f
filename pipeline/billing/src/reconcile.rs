//! Reconciliation: buckets, ledger, Stripe's summaries and invoice lines side by side, per customer,
//! meter and hour window of a month.
//!
//! Tenants' meters are taken in slices, in the order of their keys. Buckets are compared with the
//! ledger by ClickHouse, which gives back what differs and one sum for each day; the days are
//! compared with Stripe's summaries by one call for each customer's meter, and only what differs is
//! read by hours. After each slice it is noted how far the run is, so that one that was stopped goes
//! on there. What an earlier run found and this one does not is closed.
//!
//! It refuses to call something a difference that is still in work (a window that is open or changed
//! a moment ago), and it changes nothing at Stripe: pushes and carries are the stage's.

mod findings;
mod hourly;
mod lines;
mod slice;
mod statement;

pub use statement::{MeterStatement, StatementLine, StatementReader, StatementWindow};

pub(crate) use hourly::Hourly;

use crate::error::BillingError;
use crate::settings::BillingSettings;
use crate::stripe::{Pace, Stripe};
use meterline_clickhouse::{ClickHouse, Comparison, DifferenceFilter, PairKey};
use meterline_core::position::TopicId;
use meterline_core::time::{EventTime, Hour, LogTime};
use meterline_schemas::rows::{DifferenceCountRow, DifferenceRow, ReconciliationRow};
use meterline_stripe::{Client, Failure};
use rand::Rng;
use std::collections::{BTreeMap, HashMap};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A run that began longer ago is not gone on with: what its first slices saw is too old.
const RESUME_MAX_MILLIS: i64 = 24 * 3_600_000;
/// What was too old for Stripe when the ledger began was billed by somebody else.
const BEFORE_LEDGER_MILLIS: i64 = 34 * 24 * 3_600_000;

/// Who is billed for what.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Billed {
    /// Meters that are pushed, and their `event_name`s.
    pub meters: BTreeMap<String, String>,
    /// The customer of each tenant whose account has one.
    pub customers: HashMap<String, String>,
}

/// How reconciliations are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReconcileSettings {
    /// Windows that changed within this time are in work and left out. Default 15 min: pushing and
    /// confirming a window takes about three.
    pub in_work: Duration,
    /// Tenants' meters in a slice. Default 2,000.
    pub slice_pairs: u32,
    /// Most calls at one time. Default 16; how many begin in a second is the pace's.
    pub calls_at_once: usize,
    /// Whether the ledger is kept beside another biller, whose summaries are compared. Default false.
    pub shadow: bool,
}

impl Default for ReconcileSettings {
    fn default() -> Self {
        Self {
            in_work: Duration::from_secs(900),
            slice_pairs: 2_000,
            calls_at_once: 16,
            shadow: false,
        }
    }
}

/// What is reconciled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// The hours of a month, UTC.
    pub period: Range<Hour>,
    /// One tenant, or all.
    pub tenant: Option<String>,
    /// One meter, or all that are pushed.
    pub meter: Option<String>,
    /// Only tenants' meters of which something was pushed since, or a difference is open; or all.
    pub since: Option<LogTime>,
}

impl Scope {
    /// What tells its runs from those of others.
    fn text(&self) -> String {
        let parts = [("tenant", &self.tenant), ("meter", &self.meter)];
        let parts = parts.iter().filter_map(|(name, value)| {
            let value = value.as_ref()?;
            Some(format!("{name} {value:?}"))
        });
        let text = parts.collect::<Vec<_>>().join(", ");
        if self.since.is_some() {
            return "recent".to_owned();
        }
        if text.is_empty() {
            "all".to_owned()
        } else {
            text
        }
    }

    /// Behind which tenant's meter a run goes on.
    fn begin(&self, run: &ReconciliationRow) -> PairKey {
        let after = PairKey {
            tenant: run.after_tenant.clone(),
            meter: run.after_meter.clone(),
        };
        let first = PairKey {
            tenant: self.tenant.clone().unwrap_or_default(),
            meter: String::new(),
        };
        after.max(first)
    }

    /// Its differences.
    fn filter(&self) -> DifferenceFilter<'_> {
        DifferenceFilter {
            tenant: self.tenant.as_deref(),
            meter: self.meter.as_deref(),
            ends_after: Some(self.period.start.start()),
            ends_to: Some(self.period.end.start()),
        }
    }
}

/// How a run ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reconciled {
    /// Everything was compared.
    Finished(ReconciliationRow),
    /// It was stopped between two slices, and goes on there when it is run again.
    Stopped(ReconciliationRow),
}

/// Why a run cannot go on; what it finished is kept.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The tables cannot be read or written.
    #[error(transparent)]
    ClickHouse(#[from] meterline_clickhouse::Error),
    /// Stripe does not answer, or refuses the key.
    #[error("failed to read from Stripe")]
    Stripe {
        /// Why.
        #[source]
        failure: Failure,
    },
    /// Carries into a window do not fit a quantity together.
    #[error("the carries into {meter} of {tenant} at {window} do not fit a quantity together")]
    TooLarge {
        /// Who is billed.
        tenant: String,
        /// The meter.
        meter: String,
        /// First moment of the window.
        window: EventTime,
    },
    /// A task panicked.
    #[error("a reading of summaries ended without an answer")]
    Task(#[from] tokio::task::JoinError),
}

/// Reconciles buckets, ledger and Stripe.
#[derive(Debug)]
pub struct Reconciler {
    clickhouse: ClickHouse,
    stripe: Arc<Stripe>,
    billed: Billed,
    settings: ReconcileSettings,
}

impl Reconciler {
    /// A reconciler that calls Stripe by these settings of the stage; `pace` is how fast. Nothing is
    /// sent yet.
    ///
    /// # Errors
    /// [`BillingError`] where key or address of Stripe cannot be used.
    pub fn new(
        clickhouse: ClickHouse,
        stage: &BillingSettings,
        pace: Pace,
        billed: Billed,
        settings: ReconcileSettings,
    ) -> Result<Arc<Self>, BillingError> {
        stage.check()?;
        let client = Client::new(stage.client())?;
        // It pushes nothing, so the key of customers is never asked for.
        let stripe = Arc::new(Stripe::new(client, String::new(), pace));
        Ok(Arc::new(Self {
            clickhouse,
            stripe,
            billed,
            settings,
        }))
    }

    /// Reconciles a month, going on with the scope's last run where that was stopped, unless
    /// `restart`. `watch` is told how far it is after each slice, and may stop it there.
    ///
    /// # Errors
    /// See [`ReconcileError`].
    pub async fn run(
        self: &Arc<Self>,
        scope: &Scope,
        restart: bool,
        mut watch: impl FnMut(&ReconciliationRow) -> ControlFlow<()>,
    ) -> Result<Reconciled, ReconcileError> {
        let mut run = self.begin(scope, restart).await?;
        let ledger = self.clickhouse.pushes_topic().await?;
        loop {
            let comparison = self.comparison(scope, ledger);
            let after = scope.begin(&run);
            let (tenant, most) = (scope.tenant.as_deref(), self.settings.slice_pairs);
            let pairs = self.clickhouse.pairs(&comparison, tenant, &after, most);
            let pairs = pairs.await?;
            let Some(last) = pairs.last() else {
                self.lines(comparison, scope, &mut run).await?;
                break;
            };
            (run.after_tenant, run.after_meter) = (last.tenant.clone(), last.meter.clone());
            self.slice(comparison, after, pairs, scope, &mut run)
                .await?;
            self.note(&mut run, false).await?;
            if watch(&run).is_break() {
                return Ok(Reconciled::Stopped(run));
            }
        }
        self.note(&mut run, true).await?;
        Ok(Reconciled::Finished(run))
    }

    /// How many differences are open in a scope, by kind.
    ///
    /// # Errors
    /// Any error of ClickHouse.
    pub async fn counts(
        &self,
        scope: &Scope,
    ) -> Result<Vec<DifferenceCountRow>, meterline_clickhouse::Error> {
        self.clickhouse.difference_counts(&scope.filter()).await
    }

    /// The first open differences of a scope.
    ///
    /// # Errors
    /// Any error of ClickHouse.
    pub async fn differences(
        &self,
        scope: &Scope,
        limit: u32,
    ) -> Result<Vec<DifferenceRow>, meterline_clickhouse::Error> {
        self.clickhouse
            .open_differences(&scope.filter(), limit)
            .await
    }

    /// The scope's last run where it was stopped a short while ago, else a new one.
    async fn begin(
        &self,
        scope: &Scope,
        restart: bool,
    ) -> Result<ReconciliationRow, ReconcileError> {
        let now = now();
        let last = self.last(scope, false).await?.filter(|last| {
            let is_recent = now.0.saturating_sub(last.started_at.0) < RESUME_MAX_MILLIS;
            !restart && !last.is_finished && is_recent
        });
        if let Some(last) = last {
            return Ok(last);
        }
        let run = ReconciliationRow {
            run: rand::rng().random(),
            period_start: scope.period.start.start(),
            period_end: scope.period.end.start(),
            scope: scope.text(),
            started_at: now,
            updated_at: now,
            is_finished: false,
            after_tenant: String::new(),
            after_meter: String::new(),
            slices: 0,
            pairs: 0,
            windows: 0,
            in_work: 0,
            readings: 0,
            invoice_lines: 0,
            found: 0,
        };
        // Others that would begin the same see it.
        self.clickhouse.insert_reconciliation(&run).await?;
        Ok(run)
    }

    /// The scope's newest run, or the newest that is finished.
    async fn last(
        &self,
        scope: &Scope,
        finished: bool,
    ) -> Result<Option<ReconciliationRow>, ReconcileError> {
        let period = (scope.period.start.start(), scope.period.end.start());
        let (text, clickhouse) = (scope.text(), &self.clickhouse);
        let last = clickhouse.newest_reconciliation(period, &text, finished);
        Ok(last.await?)
    }

    async fn note(
        &self,
        run: &mut ReconciliationRow,
        is_finished: bool,
    ) -> Result<(), ReconcileError> {
        run.slices = run.slices.saturating_add(1);
        run.updated_at = now();
        run.is_finished = is_finished;
        Ok(self.clickhouse.insert_reconciliation(run).await?)
    }

    /// What is compared now.
    fn comparison(&self, scope: &Scope, ledger: Option<(TopicId, LogTime)>) -> Comparison {
        let in_work = i64::try_from(self.settings.in_work.as_millis()).unwrap_or(i64::MAX);
        let settled = LogTime(now().0.saturating_sub(in_work));
        let read_to = read_to(scope, settled);
        let meters = self.billed.meters.keys();
        let meters = meters.filter(|meter| scope.meter.as_ref().is_none_or(|of| of == *meter));
        let ours = ledger.map_or(LogTime(0), |(_, first)| {
            LogTime(first.0.saturating_sub(BEFORE_LEDGER_MILLIS))
        });
        Comparison {
            hours: scope.period.clone(),
            days_to: Hour(read_to.0 - read_to.0.rem_euclid(24)),
            meters: meters.cloned().collect(),
            since: scope.since,
            settled,
            ours: EventTime(ours.0.max(0).saturating_mul(1_000)),
            began: ledger.map_or(read_to, |(_, first)| first.as_event_time().hour()),
            shadow: self.settings.shadow,
            pushes: ledger.map_or(TopicId(0), |(topic, _)| topic),
        }
    }
}

/// The end of the hours whose summaries are read: the running hour is in work.
fn read_to(scope: &Scope, settled: LogTime) -> Hour {
    let running = settled.as_event_time().hour();
    running.clamp(scope.period.start, scope.period.end)
}

/// The present, by this machine's clock.
fn now() -> LogTime {
    SystemTime::now().into()
}
