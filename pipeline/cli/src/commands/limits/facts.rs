//! What an explanation is made of: buckets, standing, progress and alerts of one meter, as stored.

use crate::failure::Failure;
use meterline_clickhouse::{ClickHouse, HourFilter, OpenAlertFilter, PAGE_ROWS_MAX};
use meterline_core::bucket::Bucket;
use meterline_core::catalog::Catalog;
use meterline_core::limits::measure::{components, derive};
use meterline_core::limits::{Exact, Measure};
use meterline_core::period::Period;
use meterline_core::position::LogPartition;
use meterline_core::quantity::Quantity;
use meterline_core::standing::{Standing, StandingProgress};
use meterline_core::time::EventTime;
use meterline_schemas::rows::{HourTotalRow, OpenAlertRow};

/// How long before a period the hours of a level are looked through, in microseconds: two months.
/// What it held longer is in its standing only.
const LEVEL_BEFORE: i64 = 62 * 86_400_000_000;

/// Buckets, standing, progress and alerts of one tenant's meter.
pub(super) struct Facts {
    /// Hours of the meter, or of those that a derived quantity follows from.
    pub(super) hours: Vec<HourTotalRow>,
    /// All standings of the tenant.
    pub(super) standings: Vec<Standing>,
    /// Progress of standings of the partitions that the buckets come from.
    pub(super) progress: Vec<StandingProgress>,
    /// Open alerts of the meter.
    pub(super) alerts: Vec<OpenAlertRow>,
}

impl Facts {
    /// Reads them.
    pub(super) async fn read(
        clickhouse: &ClickHouse,
        catalog: &Catalog,
        (tenant, meter): (&str, &str),
        period: Option<Period>,
    ) -> Result<Self, Failure> {
        let mut hours = Vec::new();
        for name in parts(catalog, meter) {
            let Some(period) = period else { break };
            let before = match Measure::named(catalog, name) {
                Some(Measure::Level) => LEVEL_BEFORE,
                _ => 0,
            };
            let filter = HourFilter {
                tenant,
                meter: name,
                from: EventTime(period.start.0.saturating_sub(before)),
                to: period.end,
            };
            hours.extend(clickhouse.hour_buckets(&filter).await?);
        }
        let standings = clickhouse.standings_of(tenant).await?;
        let progress = clickhouse.standing_progress().await?;
        let tenants = [tenant.to_owned()];
        let filter = OpenAlertFilter {
            tenants: Some(&tenants),
            meter: Some(meter),
            ..OpenAlertFilter::default()
        };
        let alerts = clickhouse.open_alerts(&filter, None, PAGE_ROWS_MAX).await?;
        let is_of = |place: &LogPartition| hours.iter().any(|row| row.partition() == *place);
        let progress = progress.into_iter();
        let progress = progress.filter(|it| is_of(&it.log_partition)).collect();
        Ok(Self {
            hours,
            standings,
            progress,
            alerts,
        })
    }

    /// The meter's standing.
    pub(super) fn standing(&self, meter: &str) -> Option<&Standing> {
        self.standings
            .iter()
            .find(|standing| standing.meter == meter)
    }

    /// Use by the buckets that were read; `None` where there are none.
    pub(super) fn used(&self, catalog: &Catalog, meter: &str) -> Option<Quantity> {
        let used = match catalog.plans.derived(meter) {
            Some(derived) if !self.hours.is_empty() => {
                derive(derived, |part| self.used_of(catalog, part))
            }
            Some(_) => return None,
            None => self.used_of(catalog, meter)?,
        };
        Some(used.shown())
    }

    fn used_of(&self, catalog: &Catalog, meter: &str) -> Option<Exact> {
        let measure = Measure::named(catalog, meter)?;
        let rows = self
            .hours
            .iter()
            .filter(|row| row.meter == meter && row.events > 0);
        let buckets = rows.map(|row| (row, row.bucket()));
        match measure {
            Measure::Flow => {
                let values = buckets.map(|(row, _)| Exact::from(value(row)));
                values.reduce(Exact::plus)
            }
            Measure::Peak => buckets.map(|(row, _)| Exact::from(value(row))).max(),
            Measure::Level => {
                let newest = buckets.max_by_key(|(_, b)| (b.latest_time, b.latest_stamp));
                newest.map(|(row, _)| Exact::from(value(row)))
            }
        }
    }
}

/// A bucket's value, by its aggregation.
pub(super) fn value(row: &HourTotalRow) -> Quantity {
    use meterline_core::catalog::Aggregation;
    let Bucket {
        events,
        sum,
        max,
        latest,
        ..
    } = row.bucket();
    match row.aggregation {
        Aggregation::Count => Quantity::from_unscaled(i128::from(events), 0)
            .expect("a number of events has at most 20 digits"),
        Aggregation::Max => max,
        Aggregation::Latest => latest,
        _ => sum,
    }
}

/// The meters that use of a meter or derived quantity comes from.
fn parts<'a>(catalog: &'a Catalog, meter: &'a str) -> Vec<&'a str> {
    match catalog.plans.derived(meter) {
        Some(derived) => components(derived).collect(),
        None => vec![meter],
    }
}
