//! The rules of counting, written a second time as plainly as possible.
//!
//! No runs, no lanes, no cuts: one pass over the log with everything in maps.

use crate::world::{Appended, Content, HOUR, Use};
use std::collections::{BTreeMap, BTreeSet};

/// (meter, tenant, model of the part or none for the whole, level, window start in hours).
pub(crate) type Key = (&'static str, String, Option<String>, &'static str, i64);

/// What a bucket should hold, in billionths.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Value {
    pub(crate) events: u64,
    pub(crate) sum: i128,
    pub(crate) min: Option<i128>,
    pub(crate) max: Option<i128>,
    pub(crate) latest: Option<(i64, u64, i128)>,
    pub(crate) revision: u32,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Model {
    pub(crate) buckets: BTreeMap<Key, Value>,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
    pub(crate) other: u64,
    seen: BTreeMap<(String, String), BTreeSet<i64>>,
    log_time: i64,
}

const GROUPED: [&str; 2] = ["b_sum", "d_max"];
const PLAIN: [&str; 4] = ["a_count", "c_min", "e_avg", "f_latest"];

impl Model {
    pub(crate) fn of(log: &[Appended]) -> Self {
        let mut model = Self::default();
        for record in log {
            model.log_time = model.log_time.max(record.append_time.0 * 1_000);
            match &record.content {
                Content::Event(event) => model.event(event, record.offset),
                Content::Broken => model.rejected += 1,
                Content::Tick => model.other += 1,
            }
        }
        model
    }

    fn event(&mut self, event: &Use, offset: u64) {
        if event.kind == "noise" {
            self.other += 1;
            return;
        }
        let time = event.time.0;
        let too_late = time < self.log_time - 35 * 24 * HOUR;
        let ahead = time > self.log_time + HOUR / 12;
        let Some(quantity) = billionths(&event.quantity) else {
            self.rejected += 1;
            return;
        };
        if too_late || ahead || event.kind != "use" {
            self.rejected += 1;
            return;
        }
        let hours = self
            .seen
            .entry((event.tenant.into(), event.id.clone()))
            .or_default();
        let (first, last) = (
            (time - HOUR / 4).div_euclid(HOUR),
            (time + HOUR / 4).div_euclid(HOUR),
        );
        if hours.range(first..=last).next().is_some() {
            hours.insert(time.div_euclid(HOUR));
            self.duplicate += 1;
            return;
        }
        let model = event.model.clone().unwrap_or_default();
        if GROUPED
            .iter()
            .any(|meter| self.is_one_part_too_many(meter, event, &model))
        {
            self.rejected += 1;
            return;
        }
        self.seen
            .get_mut(&(event.tenant.into(), event.id.clone()))
            .expect("just made")
            .insert(time.div_euclid(HOUR));
        self.accepted += 1;
        for meter in PLAIN {
            self.add(meter, event, None, quantity, offset);
        }
        for meter in GROUPED {
            self.add(meter, event, None, quantity, offset);
            self.add(meter, event, Some(model.clone()), quantity, offset);
        }
    }

    fn is_one_part_too_many(&self, meter: &'static str, event: &Use, model: &str) -> bool {
        let hour = event.time.0.div_euclid(HOUR);
        let parts: BTreeSet<_> = self
            .buckets
            .keys()
            .filter(|(m, t, _, level, start)| {
                *m == meter && t == event.tenant && *level == "hour" && *start == hour
            })
            .filter_map(|(_, _, part, _, _)| part.as_deref())
            .collect();
        !parts.contains(model) && parts.len() >= 3
    }

    fn add(&mut self, meter: &'static str, event: &Use, part: Option<String>, q: i128, at: u64) {
        let time = event.time.0;
        let sealed_to = (self.log_time - HOUR / 12).div_euclid(HOUR);
        for (level, start, end) in windows(time) {
            let key = (meter, event.tenant.to_owned(), part.clone(), level, start);
            let value = self.buckets.entry(key).or_default();
            value.events += 1;
            value.sum += q;
            value.min = Some(value.min.map_or(q, |m| m.min(q)));
            value.max = Some(value.max.map_or(q, |m| m.max(q)));
            value.latest = value.latest.max(Some((time, at, q)));
            value.revision += u32::from(end <= sealed_to);
        }
    }
}

/// (level, start, end) in hours since 1970; the months of the test world written out.
fn windows(time: i64) -> [(&'static str, i64, i64); 3] {
    let hour = time.div_euclid(HOUR);
    let day = hour.div_euclid(24) * 24;
    // First hours of December 2025 to April 2026.
    let months = [490_152, 490_896, 491_640, 492_312, 493_056];
    let place = months.partition_point(|first| *first <= hour);
    let month = (months[place - 1], months[place]);
    [
        ("hour", hour, hour + 1),
        ("day", day, day + 24),
        ("month", month.0, month.1),
    ]
}

fn billionths(text: &str) -> Option<i128> {
    let whole: i128 = text.trim_matches('"').parse().ok()?;
    Some(whole * 1_000_000_000)
}
