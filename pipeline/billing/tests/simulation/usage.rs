//! What was used, and when it is known: values of hours as `usage.totals` has them.

use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::hash::partition_of;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, Level, LogTime, Window};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::sync::Arc;

/// What is played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    pub(crate) tenants: u32,
    /// How often a stage is killed.
    pub(crate) kills: u32,
    /// Voids and amends: values that become smaller, long after their hour.
    pub(crate) corrections: u32,
    /// How long Stripe is away, around the cut.
    pub(crate) outage_hours: i64,
    /// How long one stage is stopped between an intent and its call.
    pub(crate) stopped_hours: i64,
    /// Whether two windows of a hundred change after they were sealed.
    pub(crate) late: bool,
    /// Whether answers are lost, late, or refusals.
    pub(crate) faults: bool,
    pub(crate) seed: u64,
}

/// 2026-10-01 00:00:00 UTC, in milliseconds.
pub(crate) const BEGIN: i64 = 1_790_812_800_000;
pub(crate) const HOUR: i64 = 3_600_000;
pub(crate) const DAY: i64 = 24 * HOUR;
/// The cut that everything happens around.
pub(crate) const CUT: i64 = BEGIN + DAY;
/// The cut after it, when all that was carried is billed.
pub(crate) const LAST_CUT: i64 = CUT + 7 * DAY;

pub(crate) const METERS: [&str; 3] = ["calls", "gigabytes", "minutes"];
/// What a meter counts in, as raw quantities: whole numbers, all nine decimals, and three.
const UNITS: [i128; 3] = [1_000_000_000, 1, 1_000_000];
pub(crate) const HOURS: i32 = 48;
pub(crate) const USAGE: TopicId = TopicId(0x0a);
pub(crate) const USAGE_PARTITIONS: u32 = 4;

pub(crate) fn tenant(number: u32) -> String {
    format!("tenant-{number:05}")
}

/// A value of an hour, as of a moment.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) at: i64,
    pub(crate) tenant: u32,
    pub(crate) meter: usize,
    pub(crate) hour: Hour,
    pub(crate) value: Quantity,
    /// Changes after the hour was sealed.
    pub(crate) revision: u32,
    pub(crate) stamp: Stamp,
}

/// All of it, in the order in which it becomes known.
pub(crate) fn all(scenario: &Scenario) -> Vec<Known> {
    let mut random = StdRng::seed_from_u64(scenario.seed);
    let mut all = Vec::new();
    for tenant in 0..scenario.tenants {
        for meter in 0..METERS.len() {
            for number in 0..HOURS {
                hour(
                    &mut random,
                    &mut all,
                    (tenant, meter, number),
                    scenario.late,
                );
            }
        }
    }
    correct(&mut random, &mut all, scenario.corrections);
    all.sort_by_key(|known| known.at);
    let mut next = [0; 4];
    for known in &mut all {
        let partition = partition(known.tenant).partition;
        let offset = &mut next[usize::try_from(partition).expect("small")];
        *offset += 1;
        known.stamp.offset = *offset;
    }
    all
}

/// An hour's values: now and then one while it is open, the one at its end, and in two of a
/// hundred a late one.
fn hour(
    random: &mut StdRng,
    all: &mut Vec<Known>,
    (tenant, meter, number): (u32, usize, i32),
    late: bool,
) {
    let start = BEGIN + i64::from(number) * HOUR;
    let hour = Hour(i32::try_from(start / HOUR).expect("an hour of this century"));
    let full: i128 = random.random_range(1..1_000_000);
    let mut put = |at: i64, unscaled: i128, revision: u32| {
        all.push(Known {
            at,
            tenant,
            meter,
            hour,
            value: Quantity::from_raw(unscaled * UNITS[meter]).expect("small"),
            revision,
            stamp: Stamp::default(),
        });
    };
    // An hour that nothing is known of before its invoice is final.
    let is_unknown = late && random.random_ratio(1, 200);
    if is_unknown {
        put(start + HOUR + random.random_range(DAY..4 * DAY), full, 1);
        return;
    }
    if tenant == 0 {
        // Whose customer changes between two pushes of an hour.
        put(start + 10 * 60_000, full / 2 + 1, 0);
    } else if random.random_ratio(1, 20) {
        put(start + random.random_range(1..50) * 60_000, full / 2 + 1, 0);
    }
    put(start + HOUR - random.random_range(1..60_000), full, 0);
    if late && random.random_ratio(2, 100) {
        let late = random.random_range(10 * 60_000..4 * DAY);
        put(start + HOUR + late, full + random.random_range(1..1_000), 1);
    }
}

/// Makes windows smaller, some to nothing.
fn correct(random: &mut StdRng, all: &mut Vec<Known>, corrections: u32) {
    for _ in 0..corrections {
        let mut known = all[random.random_range(0..all.len())].clone();
        let last = all.iter().filter(|other| {
            (other.tenant, other.meter, other.hour) == (known.tenant, known.meter, known.hour)
        });
        let last = last.map(|other| other.at).max().unwrap_or(known.at);
        known.at = last + random.random_range(HOUR..3 * DAY);
        let (part, unit) = (random.random_range(0..=2), UNITS[known.meter]);
        let value = known.value.raw() / unit / 3 * part * unit;
        known.value = Quantity::from_raw(value).expect("smaller");
        known.revision += 1;
        all.push(known);
    }
}

pub(crate) fn partition(number: u32) -> LogPartition {
    LogPartition {
        topic_id: USAGE,
        partition: partition_of(tenant(number).as_bytes(), USAGE_PARTITIONS),
    }
}

/// The series of a tenant's meter.
pub(crate) fn series(number: u32, meter: usize) -> Arc<Series> {
    Arc::new(Series {
        tenant: tenant(number).into(),
        meter: METERS[meter].into(),
        kind: Kind::Only,
        aggregation: Aggregation::Sum,
        dimensions: Box::default(),
        dimensions_hash: 0,
    })
}

/// A value as a row of totals.
pub(crate) fn row(series: &Arc<Series>, known: &Known) -> BucketRow {
    BucketRow {
        series: Arc::clone(series),
        window: Window::of(Level::Hour, known.hour),
        bucket: Bucket {
            events: u64::from(known.value != Quantity::ZERO),
            sum: known.value,
            changed: known.stamp,
            revision: known.revision,
            updated_at: LogTime(known.at),
            ..Bucket::default()
        },
    }
}
