//! The rules of counting, written a second time as plainly as possible.
//!
//! No runs, no lanes, no cuts: one pass over the log with everything in maps.

use crate::world::{Appended, Content, HOUR, Use, VoidOf};
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

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    pub(crate) buckets: BTreeMap<Key, Value>,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
    pub(crate) other: u64,
    /// Every event that was counted, by the offset of its record, as it is counted now.
    pub(crate) counted: BTreeMap<u64, Counted>,
    voids_to: Option<u64>,
    seen: BTreeMap<(String, String), BTreeSet<i64>>,
    log_time: i64,
}

/// An event that was counted.
#[derive(Clone, Debug)]
pub(crate) struct Counted {
    pub(crate) event: Use,
    /// What counts of it now, and the offset that it counts by; none where it is void.
    pub(crate) now: Option<(Use, u64)>,
}

const GROUPED: [&str; 2] = ["b_sum", "d_max"];
const PLAIN: [&str; 4] = ["a_count", "c_min", "e_avg", "f_latest"];

impl Model {
    pub(crate) fn of(log: &[Appended]) -> Self {
        let mut model = Self::default();
        for record in log {
            model.take(record);
        }
        model
    }

    pub(crate) fn take(&mut self, record: &Appended) {
        self.log_time = self.log_time.max(record.append_time.0 * 1_000);
        match &record.content {
            Content::Event(event) => self.event(event, record.offset),
            Content::Broken => self.rejected += 1,
            Content::Tick => self.other += 1,
            Content::Void(void) if void.decision.follows != self.voids_to => self.other += 1,
            Content::Void(void) => {
                self.voids_to = Some(void.decision.offset);
                if self.void(void, record.offset) {
                    self.other += 1;
                } else {
                    self.rejected += 1;
                }
            }
        }
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
        for (meter, part) in series_of(event) {
            self.add(meter, event, part, quantity, offset);
        }
        let counted = Counted {
            event: event.clone(),
            now: Some((event.clone(), offset)),
        };
        self.counted.insert(offset, counted);
    }

    /// Takes an event back, or puts another in its place; `false` where that is refused.
    fn void(&mut self, void: &VoidOf, at: u64) -> bool {
        let counted = &self.counted[&void.offset];
        let Some((now, by)) = counted.now.clone() else {
            return false;
        };
        let is_too_late = now.time.0 < self.log_time - 35 * 24 * HOUR;
        if is_too_late || self.is_past_refolding(&now, by) {
            return false;
        }
        if let Some(replacement) = &void.replacement {
            let model = replacement.model.clone().unwrap_or_default();
            let mut grouped = GROUPED.iter();
            if grouped.any(|meter| self.is_one_part_too_many(meter, replacement, &model)) {
                return false;
            }
        }
        let next = void.replacement.clone().map(|event| (event, at));
        let entry = self.counted.get_mut(&void.offset).expect("looked up");
        entry.now = next.clone();
        let before = self.buckets.clone();
        let with_next = next.iter().flat_map(|(event, _)| series_of(event));
        for (meter, part) in series_of(&now).into_iter().chain(with_next) {
            self.recount(meter, &now, part, &before);
        }
        true
    }

    /// Folds a series' three buckets again from everything that counts; one revision each.
    fn recount(
        &mut self,
        meter: &'static str,
        event: &Use,
        part: Option<String>,
        before: &BTreeMap<Key, Value>,
    ) {
        let sealed_to = (self.log_time - HOUR / 12).div_euclid(HOUR);
        for (level, start, end) in windows(event.time.0) {
            let key = (meter, event.tenant.to_owned(), part.clone(), level, start);
            let revision = before.get(&key).map_or(0, |value| value.revision);
            let mut value = Value {
                revision: revision + u32::from(end <= sealed_to),
                ..Value::default()
            };
            for (other, at) in self.counted.values().filter_map(|c| c.now.as_ref()) {
                let hour = other.time.0.div_euclid(HOUR);
                let is_of_series = series_of(other).contains(&(meter, part.clone()));
                if other.tenant == event.tenant && is_of_series && (start..end).contains(&hour) {
                    let quantity = billionths(&other.quantity).expect("it was counted");
                    value.take(other.time.0, *at, quantity);
                }
            }
            self.buckets.insert(key, value);
        }
    }

    /// Whether the event is the minimum, maximum or latest of a day or month with parts that are
    /// no longer kept.
    fn is_past_refolding(&self, event: &Use, at: u64) -> bool {
        let floor = self.log_time - 35 * 24 * HOUR - HOUR / 4;
        let time = event.time.0;
        let own = (
            time.div_euclid(HOUR),
            time.div_euclid(HOUR).div_euclid(24) * 24,
        );
        series_of(event).into_iter().any(|(meter, part)| {
            let levels = [(1, 1, own.0), (2, 24, own.1)];
            levels.into_iter().any(|(level, step, own)| {
                let (level, start, end) = windows(time)[level];
                let key = (meter, event.tenant.to_owned(), part.clone(), level, start);
                let mut parts = (start..end).step_by(step);
                let step = i64::try_from(step).expect("small");
                let is_cut = parts.any(|part| part != own && (part + step) * HOUR < floor);
                let value = &self.buckets[&key];
                is_cut && value.events > 1 && value.stands_by(meter, event, at)
            })
        })
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
            value.take(time, at, q);
            value.revision += u32::from(end <= sealed_to);
        }
    }
}

impl Value {
    fn take(&mut self, time: i64, at: u64, q: i128) {
        self.events += 1;
        self.sum += q;
        self.min = Some(self.min.map_or(q, |m| m.min(q)));
        self.max = Some(self.max.map_or(q, |m| m.max(q)));
        self.latest = self.latest.max(Some((time, at, q)));
    }

    /// Whether the value of the meter's aggregation may be the event's.
    fn stands_by(&self, meter: &str, event: &Use, at: u64) -> bool {
        let quantity = billionths(&event.quantity);
        match meter {
            "c_min" => self.min == quantity,
            "d_max" => self.max == quantity,
            "f_latest" => {
                let latest = self.latest.map(|(time, at, _)| (time, at));
                latest == Some((event.time.0, at))
            }
            _ => false,
        }
    }
}

/// The series that an event touches: meter and part.
fn series_of(event: &Use) -> Vec<(&'static str, Option<String>)> {
    let part = event.model.clone().unwrap_or_default();
    let plain = PLAIN.into_iter().map(|meter| (meter, None));
    let grouped = GROUPED.into_iter();
    let grouped = grouped.flat_map(|meter| [(meter, None), (meter, Some(part.clone()))]);
    plain.chain(grouped).collect()
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
