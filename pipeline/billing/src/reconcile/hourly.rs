//! Reconciliation beside the stage: at its interval, of what was pushed since and of what is open.
//!
//! One task at a time, which waits for turns as every other call and never holds the deciding thread.
//! Of several instances the one that begins first does it: the others find its run and wait for the
//! next turn. What it could not finish, because the stage stopped or Stripe was away, the next run
//! begins again.

use super::{Billed, ReconcileError, ReconcileSettings, Reconciled, Reconciler, Scope, now};
use crate::health::STAGE;
use crate::metrics::Metrics;
use crate::stripe::Stripe;
use meterline_clickhouse::{ClickHouse, DifferenceFilter};
use meterline_core::causes::chain;
use meterline_core::time::{Hour, Level, LogTime, Window};
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Most calls of it at one time: the stage's own go on beside it.
const CALLS_AT_ONCE: usize = 4;
/// A run of another instance that said nothing for so long has ended: a slice takes two minutes.
const SILENT_MILLIS: i64 = 600_000;
/// What was pushed is looked for from so long before the last run on.
const OVERLAP_MILLIS: i64 = 3_600_000;

/// Runs of the stage, one after the other.
pub(crate) struct Hourly {
    every: Duration,
    shadow: bool,
    clickhouse: ClickHouse,
    stripe: Arc<Stripe>,
    runtime: tokio::runtime::Handle,
    metrics: Metrics,
    next: Instant,
    state: Arc<State>,
}

/// What the task and the deciding thread share.
#[derive(Debug, Default)]
struct State {
    is_running: AtomicBool,
    /// The stage ends, or reads everything again.
    stop: AtomicBool,
}

impl Drop for Hourly {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Release);
    }
}

impl Hourly {
    /// The first run is due an interval after the stage has begun: by then it has pushed what was
    /// left over.
    pub(crate) fn new(
        (every, shadow): (Duration, bool),
        clickhouse: ClickHouse,
        stripe: Arc<Stripe>,
        runtime: tokio::runtime::Handle,
        metrics: Metrics,
    ) -> Self {
        Self {
            every,
            shadow,
            clickhouse,
            stripe,
            runtime,
            metrics,
            next: Instant::now() + every,
            state: Arc::default(),
        }
    }

    /// Whether a run is to begin.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        now >= self.next && !self.state.is_running.load(Ordering::Acquire)
    }

    /// Begins a run; returns at once.
    pub(crate) fn begin(&mut self, billed: Billed, now: Instant) {
        self.next = now + self.every;
        self.state.is_running.store(true, Ordering::Release);
        let settings = ReconcileSettings {
            calls_at_once: CALLS_AT_ONCE,
            shadow: self.shadow,
            ..ReconcileSettings::default()
        };
        let reconciler = Arc::new(Reconciler {
            clickhouse: self.clickhouse.clone(),
            stripe: Arc::clone(&self.stripe),
            billed,
            settings,
        });
        let (every, metrics, state) = (self.every, self.metrics.clone(), Arc::clone(&self.state));
        self.runtime.spawn(async move {
            if let Err(error) = reconciler.recent(every, &metrics, &state.stop).await {
                let error = chain(&error);
                tracing::warn!(
                    stage = STAGE,
                    error,
                    "a reconciliation failed, trying again later"
                );
                metrics.failed("reconciliation");
            }
            state.is_running.store(false, Ordering::Release);
        });
    }
}

impl Reconciler {
    /// Reconciles what was pushed since the last run, and what is open, of this month and the one
    /// before; and counts what is open then.
    async fn recent(
        self: &Arc<Self>,
        every: Duration,
        metrics: &Metrics,
        stop: &AtomicBool,
    ) -> Result<(), ReconcileError> {
        let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX);
        let mut finished = None;
        for period in months(now()) {
            let mut scope = Scope {
                period,
                tenant: None,
                meter: None,
                since: Some(LogTime(0)),
            };
            finished = self.last(&scope, true).await?;
            if !self.is_our_turn(&scope, every).await? {
                continue;
            }
            let since = finished.map_or(0, |last| last.started_at.0 - OVERLAP_MILLIS);
            scope.since = Some(LogTime(since));
            let watch = |_: &_| {
                if stop.load(Ordering::Acquire) {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let Reconciled::Finished(run) = self.run(&scope, true, watch).await? else {
                return Ok(());
            };
            finished = Some(run);
        }
        let all = DifferenceFilter::default();
        metrics.differences(&self.clickhouse.difference_counts(&all).await?);
        if let Some(finished) = finished {
            metrics.reconciled(finished.updated_at);
        }
        Ok(())
    }

    /// Whether no other instance does it, or has done it a short while ago.
    async fn is_our_turn(&self, scope: &Scope, every: i64) -> Result<bool, ReconcileError> {
        let Some(last) = self.last(scope, false).await? else {
            return Ok(true);
        };
        let ago = |at: LogTime| now().0.saturating_sub(at.0);
        let goes_on = !last.is_finished && ago(last.updated_at) < SILENT_MILLIS;
        // Half of an interval: clocks differ, and turns are not met to the second.
        Ok(ago(last.started_at) >= every / 2 && !goes_on)
    }
}

/// The month before and the running one.
fn months(now: LogTime) -> [Range<Hour>; 2] {
    let running = Window::of(Level::Month, now.as_event_time().hour());
    let start = |window: Window| Hour(i32::try_from(window.start / 3_600).unwrap_or(i32::MAX));
    let before = Window::of(Level::Month, Hour(start(running).0 - 1));
    [before, running].map(|month| start(month)..month.end_time().hour())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_running_month_follows_the_one_before() {
        // 2026-01-01 01:00 UTC.
        let [before, running] = months(LogTime(1_767_229_200_000));
        assert_eq!(before, Hour(490_896 - 744)..Hour(490_896));
        assert_eq!(running, Hour(490_896)..Hour(490_896 + 744));
    }
}
