//! One slice: tenants' meters that follow each other, on all sides.
//!
//! Summaries are read at the pace that all calls keep, some at one time, at most one of a customer's
//! meter. A customer or meter that Stripe does not know is a difference of its own; only a Stripe
//! that is away, or refuses the key, ends the run.

use super::findings::{self, Reading};
use super::{ReconcileError, Reconciler, Scope, now, read_to};
use crate::engine::Read;
use meterline_clickhouse::{Comparison, PairKey, PairRange};
use meterline_core::time::Hour;
use meterline_schemas::rows::{DifferenceRow, PairRow, ReconciliationRow};
use meterline_stripe::{Failure, Next};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::task::JoinSet;

/// A task's end: what a reading found.
type Found = Result<Vec<DifferenceRow>, ReconcileError>;

impl Reconciler {
    /// Compares the pairs behind one, writes what differs, closes what does not any more, and counts
    /// it all.
    pub(super) async fn slice(
        self: &Arc<Self>,
        comparison: Comparison,
        after: PairKey,
        pairs: Vec<PairKey>,
        scope: &Scope,
        run: &mut ReconciliationRow,
    ) -> Result<(), ReconcileError> {
        let to = PairKey {
            tenant: run.after_tenant.clone(),
            meter: run.after_meter.clone(),
        };
        let range = PairRange { after, to };
        let mut rows = Vec::new();
        let mut answer = self.clickhouse.compare_pairs(&comparison, &range)?;
        while let Some(piece) = answer.next().await? {
            rows.extend(piece);
        }
        let mut found = Vec::new();
        for row in &rows {
            run.windows += row.windows;
            run.in_work += row.in_work;
            let linked = self.billed.customers.get(&row.tenant);
            let linked = linked.map(String::as_str);
            found.extend(findings::of_ledger(row, linked, &comparison.hours, now()));
        }
        let settled = read_to(scope, comparison.settled);
        let hours = comparison.hours.start..settled;
        if hours.start < hours.end {
            let readings = self.readings(&pairs, rows, settled);
            run.readings += u64::try_from(readings.len()).unwrap_or(u64::MAX);
            let comparison = Comparison {
                hours,
                ..comparison
            };
            found.extend(self.read_all(readings, &Arc::new(comparison)).await?);
        }
        run.pairs += u64::try_from(pairs.len()).unwrap_or(u64::MAX);
        run.found += found.iter().map(|row| row.windows).sum::<u64>();
        let mut known = Vec::new();
        let filter = scope.filter();
        let mut answer = self
            .clickhouse
            .open_differences_of(&filter, Some(&range), false)?;
        while let Some(piece) = answer.next().await? {
            known.extend(piece);
        }
        let judged = findings::judged(found, known, run.run, now());
        Ok(self.clickhouse.insert_differences(&judged).await?)
    }

    /// Which summaries are read: those of every customer in the ledger, and of the one that is linked
    /// now.
    fn readings(&self, pairs: &[PairKey], rows: Vec<PairRow>, to: Hour) -> Vec<Reading> {
        let mut readings: BTreeMap<(PairKey, String), Reading> = BTreeMap::new();
        for pair in pairs {
            let customer = self.billed.customers.get(&pair.tenant);
            let event_name = self.billed.meters.get(&pair.meter);
            if let Some((customer, event_name)) = customer.zip(event_name) {
                let reading = Reading {
                    pair: pair.clone(),
                    customer: customer.clone(),
                    event_name: event_name.clone(),
                    sums: BTreeMap::new(),
                };
                readings.insert((pair.clone(), customer.clone()), reading);
            }
        }
        for row in rows.into_iter().filter(|row| !row.customer.is_empty()) {
            let reading = Reading::of(row, to);
            readings.insert((reading.pair.clone(), reading.customer.clone()), reading);
        }
        readings.into_values().collect()
    }

    async fn read_all(
        self: &Arc<Self>,
        readings: Vec<Reading>,
        comparison: &Arc<Comparison>,
    ) -> Result<Vec<DifferenceRow>, ReconcileError> {
        let mut found = Vec::new();
        // Dropped, they are given up: nothing at Stripe changes by a reading.
        let mut tasks: JoinSet<Found> = JoinSet::new();
        for reading in readings {
            if tasks.len() >= self.settings.calls_at_once
                && let Some(ended) = tasks.join_next().await
            {
                found.extend(ended??);
            }
            let (this, comparison) = (Arc::clone(self), Arc::clone(comparison));
            tasks.spawn(async move { this.read(&reading, &comparison).await });
        }
        while let Some(ended) = tasks.join_next().await {
            found.extend(ended??);
        }
        Ok(found)
    }

    /// Reads one customer's summaries at a meter, and says what differs.
    async fn read(&self, reading: &Reading, comparison: &Comparison) -> Found {
        match self.differing(reading, comparison).await {
            Ok(found) => Ok(found),
            Err(ReconcileError::Stripe { failure }) if failure.next() == Next::Mend => {
                Ok(vec![findings::unreadable(
                    reading,
                    &comparison.hours,
                    &failure,
                )])
            }
            Err(error) => Err(error),
        }
    }

    async fn differing(&self, reading: &Reading, comparison: &Comparison) -> Found {
        let stripe = |failure: Failure| ReconcileError::Stripe { failure };
        let of = (&*reading.event_name, &*reading.customer);
        let span = self
            .stripe
            .differing_span(of, comparison.hours.clone(), &reading.sums);
        let Some(hours) = span.await.map_err(stripe)? else {
            return Ok(Vec::new());
        };
        let comparison = Comparison {
            hours: hours.clone(),
            ..comparison.clone()
        };
        let windows = self.clickhouse.compare_windows(&comparison, &reading.pair);
        let read = Read {
            id: 0,
            customer: reading.customer.as_str().into(),
            event_name: reading.event_name.as_str().into(),
            hours,
            expected: reading.pushed(&windows.await?),
        };
        let differing = self.stripe.differing(&read).await.map_err(stripe)?;
        if differing.is_empty() {
            return Ok(Vec::new());
        }
        // What was pushed meanwhile is known by now.
        let windows = self.clickhouse.compare_windows(&comparison, &reading.pair);
        Ok(findings::of_stripe(reading, &windows.await?, &differing))
    }
}
