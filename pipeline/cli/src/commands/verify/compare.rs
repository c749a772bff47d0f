//! The comparisons of one log partition.

use super::{Difference, pause};
use crate::failure::Failure;
use crate::output::short_time;
use meterline_clickhouse::{ClickHouse, Keep, LevelFilter, Retention};
use meterline_core::control::Verdict;
use meterline_core::position::{LogPartition, Offset};
use meterline_core::restate::EpochEnds;
use meterline_core::time::{EventTime, Level};
use meterline_schemas::rows::ProgressRow;
use std::collections::BTreeMap;
use std::time::Instant;

/// Microseconds of a day.
const DAY: i64 = 24 * 3_600 * 1_000_000;

/// Days that every month has: what is younger than that many of them is kept for sure.
const DAYS_OF_A_MONTH: i64 = 28;

/// What is compared, and where.
pub(super) struct Comparison<'a> {
    pub(super) clickhouse: &'a ClickHouse,
    pub(super) retention: Retention,
    pub(super) tenant: Option<&'a str>,
    pub(super) from: EventTime,
    pub(super) to: EventTime,
    pub(super) now: EventTime,
}

/// What the comparison of one partition came to.
pub(super) struct Compared {
    pub(super) found: Vec<Difference>,
    /// What could not be compared, and why.
    pub(super) notes: Vec<String>,
    /// Whether there was a moment without rows on their way.
    pub(super) is_settled: bool,
}

impl Comparison<'_> {
    /// Compares one partition, at a moment when its rows are exactly those of its progress.
    pub(super) async fn partition(
        &self,
        row: &ProgressRow,
        verdicts: &[(Offset, Verdict)],
        deadline: Instant,
    ) -> Result<Compared, Failure> {
        let partition = row.partition();
        let ends = EpochEnds::of(verdicts);
        let mut row = row.clone();
        loop {
            let is_last = Instant::now() >= deadline;
            let mut found = self.abandoned(&row, &ends).await?;
            found.extend(counters(&row, verdicts.len()));
            let mut notes = Vec::new();
            if self.tenant.is_none() {
                found.extend(self.conserved(&row, Level::Hour).await?);
                self.letters(&row, &mut found, &mut notes).await?;
            }
            let has_levels = row.levels_to == row.to_offset;
            if has_levels {
                found.extend(self.levels(&row).await?);
            }
            // Asked for last: nothing behind the progress now means nothing was before.
            let hours = self.behind(&row, &[Level::Hour]).await?;
            let levels = self.behind(&row, &[Level::Day, Level::Month]).await?;
            let is_settled = hours == 0 && (!has_levels || levels == 0);
            if is_settled && has_levels || is_last {
                if !has_levels {
                    notes.push(format!(
                        "{partition}: its days and months were always behind"
                    ));
                }
                if !is_settled {
                    found.clear();
                }
                return Ok(Compared {
                    found,
                    notes,
                    is_settled,
                });
            }
            pause().await;
            let rows = self.clickhouse.progress().await?;
            row = rows
                .into_iter()
                .find(|newer| newer.partition() == partition)
                .unwrap_or(row);
        }
    }

    async fn behind(&self, row: &ProgressRow, levels: &[Level]) -> Result<u64, Failure> {
        let mut behind = 0;
        for level in levels {
            let count = self
                .clickhouse
                .count_behind(*level, row.partition(), row.position());
            behind += count.await?;
        }
        Ok(behind)
    }

    /// Rows of a history that a verdict gave up, and that nobody restated.
    async fn abandoned(
        &self,
        row: &ProgressRow,
        ends: &EpochEnds,
    ) -> Result<Vec<Difference>, Failure> {
        let partition = row.partition();
        let mut found = Vec::new();
        let mut add = |what: &str, count: u64| {
            if count > 0 {
                let what = format!("{what} of a given up history; run `meterline resolve`");
                found.push(Difference::new("abandoned", row, what, 0, count));
            }
        };
        if ends.offsets().is_empty() {
            return Ok(found);
        }
        for level in Level::ALL {
            let count = self
                .clickhouse
                .count_abandoned(level, partition, ends)
                .await?;
            add(&format!("{} rows", level.name()), count);
        }
        let letters = self.clickhouse.count_abandoned_letters(partition, ends);
        add("dead letters", letters.await?);
        Ok(found)
    }

    /// INV-CONSERVE: events in buckets of kinds `whole` and `only` are the events matched.
    async fn conserved(&self, row: &ProgressRow, level: Level) -> Result<Vec<Difference>, Failure> {
        let partition = row.partition();
        if level == Level::Hour && self.has_expired_hours(partition).await? {
            return Ok(Vec::new());
        }
        let sums = self.clickhouse.meter_sums(level, partition).await?;
        let sums: BTreeMap<String, u64> = sums.into_iter().map(|s| (s.meter, s.events)).collect();
        let what = |meter: &str| format!("events of meter {meter} in {} buckets", level.name());
        Ok(unequal("conserve", row, &row.matched, &sums, what))
    }

    async fn has_expired_hours(&self, partition: LogPartition) -> Result<bool, Failure> {
        let first = self.clickhouse.first_month(partition).await?;
        let floor = self.floor(self.retention.bucket_hourly);
        Ok(first.is_some_and(|first| first < floor))
    }

    /// INV-LEVELS, and conservation by months, which are kept longest.
    async fn levels(&self, row: &ProgressRow) -> Result<Vec<Difference>, Failure> {
        let mut found = Vec::new();
        if self.tenant.is_none() && self.retention.bucket_monthly == Keep::Forever {
            found.extend(self.conserved(row, Level::Month).await?);
        }
        let below = [
            (Level::Day, self.retention.bucket_hourly),
            (Level::Month, self.retention.bucket_daily),
        ];
        for (level, keep) in below {
            let filter = LevelFilter {
                tenant: self.tenant,
                from: self.from.max(self.floor(keep)),
                to: self.to,
            };
            let differences = self
                .clickhouse
                .level_differences(level, row.partition(), &filter);
            found.extend(differences.await?.into_iter().map(|d| {
                let start = short_time(d.window_start);
                let what = format!("{} {} {} {start}", level.name(), d.tenant, d.meter);
                let expected = format!("{} events, sum {}", d.below_events, d.below_sum);
                let value = format!("{} events, sum {}", d.events, d.sum);
                Difference::new("levels", row, what, expected, value)
            }));
        }
        Ok(found)
    }

    /// Dead letters against the counters. Fewer are only noted where retention takes some; a purge
    /// keeps its letters.
    async fn letters(
        &self,
        row: &ProgressRow,
        found: &mut Vec<Difference>,
        notes: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let partition = row.partition();
        let letters = self
            .clickhouse
            .letters_before(partition, row.to_offset)
            .await?;
        let letters: BTreeMap<_, _> = letters.into_iter().map(|c| (c.reason, c.count)).collect();
        let what = |reason: &str| format!("dead letters with reason {reason}");
        for difference in unequal("letters", row, &row.rejected, &letters, what) {
            let are_more = difference.found.as_u64() > difference.expected.as_u64();
            if are_more || self.retention.dead_letters == Keep::Forever {
                found.push(difference);
            } else {
                let (what, expected) = (&difference.what, &difference.expected);
                let there = &difference.found;
                notes.push(format!(
                    "{partition}: {there} of {expected} {what} are there; retention took the \
                     others, or they were lost, which cannot be told apart"
                ));
            }
        }
        Ok(())
    }

    /// The first moment from which rows of a table are kept for sure.
    fn floor(&self, keep: Keep) -> EventTime {
        let days = match keep {
            Keep::Forever => return EventTime(0),
            Keep::Days(days) => i64::from(days.get()),
            Keep::Months(months) => i64::from(months.get()) * DAYS_OF_A_MONTH,
        };
        EventTime(self.now.0.saturating_sub(days.saturating_mul(DAY)).max(0))
    }
}

/// The counters alone: every record is accounted for, and no epoch lacks its verdict.
fn counters(row: &ProgressRow, verdicts: usize) -> Vec<Difference> {
    let rejected: u64 = row.rejected.values().sum();
    let parts = [
        row.accepted,
        row.duplicate,
        row.ignored,
        row.unmatched,
        row.control,
        rejected,
    ];
    let sum: u64 = parts.iter().sum();
    let mut found = Vec::new();
    if sum != row.delivered {
        let what = "records delivered and what became of them".to_owned();
        found.push(Difference::new("counters", row, what, row.delivered, sum));
    }
    if usize::from(row.epoch) > verdicts {
        let what = "verdicts that progress has met".to_owned();
        found.push(Difference::new("epoch", row, what, verdicts, row.epoch));
    }
    found
}

fn unequal(
    check: &'static str,
    row: &ProgressRow,
    expected: &BTreeMap<String, u64>,
    found: &BTreeMap<String, u64>,
    what: impl Fn(&str) -> String,
) -> Vec<Difference> {
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let count = |of: &BTreeMap<String, u64>, name: &str| of.get(name).copied().unwrap_or(0);
    let differences = names.into_iter().filter_map(|name| {
        let (expected, found) = (count(expected, name), count(found, name));
        (expected != found).then(|| Difference::new(check, row, what(name), expected, found))
    });
    differences.collect()
}
