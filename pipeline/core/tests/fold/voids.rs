//! Single rules of voids and amends, each in the smallest log that shows it.

use crate::world::{
    Appended, Content, HOUR, KEY, START, Use, VoidOf, adoption, catalog, decision, meter, void_of,
};
use meterline_core::bucket::Bucket;
use meterline_core::catalog::{Aggregation, Catalog, IdTime, SourceRule};
use meterline_core::control::{CatalogDecision, VoidDecision};
use meterline_core::fold::{Outcome, Partition};
use meterline_core::position::TopicId;
use meterline_core::record::{Placement, Record};
use meterline_core::runs::{NoRuns, Runs};
use meterline_core::time::{Level, LogTime};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A partition, its log's clock in microseconds, and the voids so far.
pub(crate) struct Log<R = NoRuns> {
    pub(crate) partition: Partition,
    pub(crate) runs: R,
    pub(crate) catalogs: Vec<Arc<CatalogDecision>>,
    pub(crate) voids: Vec<Arc<VoidDecision>>,
    pub(crate) clock: i64,
}

impl Log {
    pub(crate) fn begin(catalog: Catalog) -> Self {
        let catalog = decision(1, catalog);
        Self {
            partition: Partition::begin(&adoption(), Arc::clone(&catalog), KEY),
            runs: NoRuns,
            catalogs: vec![catalog],
            voids: Vec::new(),
            clock: START,
        }
    }
}

impl<R: Runs> Log<R> {
    fn take(&mut self, payload: &[u8], placement: Option<&Placement>) -> Outcome {
        let record = Record {
            offset: self.partition.position().offset,
            append_time: LogTime(self.clock / 1_000),
            headers: &[],
            payload: Some(payload),
            size: payload.len(),
            placement,
        };
        let outcome = self.partition.step(&record, &self.runs);
        outcome.expect("nothing stalls here")
    }

    /// Folds an event; gives its offset.
    pub(crate) fn count(&mut self, event: &Use) -> u64 {
        let offset = self.partition.position().offset;
        let outcome = self.take(&event.json(), None);
        assert!(matches!(outcome, Outcome::Accepted { .. }), "{outcome:?}");
        offset
    }

    fn decide(&mut self, offset: u64, event: &Use, replacement: Option<&Use>) -> VoidOf {
        let control = 1_000 + self.voids.len() as u64;
        let void = void_of(control, (offset, event), replacement, &self.voids);
        self.voids.push(Arc::clone(&void.decision));
        void
    }

    fn point(&mut self, void: &VoidOf) -> String {
        let placement = Placement::Void {
            decision: Arc::clone(&void.decision),
            catalogs: self.catalogs.clone().into(),
        };
        match self.take(&[], Some(&placement)) {
            Outcome::Rejected(rejection) => {
                format!("{}: {}", rejection.reason.name(), rejection.detail)
            }
            other => format!("{other:?}").to_lowercase(),
        }
    }

    pub(crate) fn void(&mut self, offset: u64, event: &Use) -> String {
        let void = self.decide(offset, event, None);
        self.point(&void)
    }

    pub(crate) fn hours(&mut self) -> BTreeMap<String, Bucket> {
        let rows = self.partition.cut_hour_rows();
        let of_row =
            |row: &meterline_core::bucket::BucketRow| (row.series.meter.to_string(), row.bucket);
        rows.iter().map(of_row).collect()
    }
}

pub(crate) fn only(aggregation: Aggregation) -> Catalog {
    let mut catalog = catalog();
    catalog.meters = vec![meter("m", "use", aggregation, &[])];
    catalog
}

pub(crate) fn used(id: &str, quantity: &str) -> Use {
    Use {
        quantity: quantity.into(),
        ..Use::new(id, START)
    }
}

#[track_caller]
fn assert_says(outcome: &str, part: &str) {
    assert!(outcome.starts_with("void_refused"), "{outcome}");
    assert!(outcome.contains(part), "{outcome}");
}

#[test]
fn a_second_void_of_an_event_takes_nothing_back() {
    for aggregation in [Aggregation::Count, Aggregation::Sum, Aggregation::Avg] {
        let mut log = Log::begin(only(aggregation));
        let (a, b) = (used("a", "5"), used("b", "7"));
        let offset = log.count(&a);
        log.count(&b);
        let first = log.decide(offset, &a, None);
        assert_eq!(log.point(&first), "voided");
        assert_eq!(log.point(&first), "voidpassed", "a copy of the pointer");
        assert_says(&log.void(offset, &a), "void already");
        let amended = log.decide(offset, &a, Some(&used("a", "6")));
        assert_says(&log.point(&amended), "void already");
        let bucket = log.hours()["m"];
        assert_eq!(bucket.events, 1, "{aggregation:?}");
        let sum = if aggregation == Aggregation::Count {
            0
        } else {
            7
        };
        assert_eq!(bucket.sum.raw(), sum * 1_000_000_000);
        assert_eq!(log.partition.counters().counted()["m"], 1);
        assert!(log.partition.counters().is_conserved());
    }
}

#[test]
fn the_id_of_a_void_is_never_accepted_again() {
    let mut log = Log::begin(only(Aggregation::Sum));
    let event = used("a", "5");
    let offset = log.count(&event);
    assert_eq!(log.void(offset, &event), "voided");
    assert_eq!(log.take(&event.json(), None), Outcome::Duplicate);
    let later = Use::new("a", START + HOUR / 15);
    assert_eq!(log.take(&later.json(), None), Outcome::Duplicate);
    let amended = log.decide(offset, &event, Some(&used("a", "6")));
    assert_says(&log.point(&amended), "void already");
    assert_eq!(log.hours()["m"].events, 0);
}

#[test]
fn a_repeat_between_the_event_and_its_void_changes_nothing() {
    let mut log = Log::begin(only(Aggregation::Sum));
    let event = used("a", "5");
    let offset = log.count(&event);
    let void = log.decide(offset, &event, None);
    assert_eq!(log.take(&event.json(), None), Outcome::Duplicate);
    assert_eq!(log.point(&void), "voided");
    assert_eq!(log.hours()["m"].sum.raw(), 0);
}

#[test]
fn voids_are_taken_in_the_order_of_the_control_log() {
    let mut log = Log::begin(only(Aggregation::Sum));
    let (a, b) = (used("a", "5"), used("b", "7"));
    let (at_a, at_b) = (log.count(&a), log.count(&b));
    let (first, second) = (log.decide(at_a, &a, None), log.decide(at_b, &b, None));
    assert_eq!(log.point(&second), "voidpassed", "its turn has not come");
    assert_eq!(log.hours()["m"].events, 2);
    for (pointer, expected) in [
        (&first, "voided"),
        (&second, "voided"),
        (&first, "voidpassed"),
    ] {
        assert_eq!(log.point(pointer), expected);
    }
    assert_eq!(log.hours()["m"].events, 0);
    assert_eq!(log.partition.voids_to(), Some(1_001));
}

#[test]
fn a_void_is_a_revision_once_its_hour_is_sealed() {
    for (later, revision) in [(0, 0), (2 * HOUR, 1)] {
        let mut log = Log::begin(only(Aggregation::Sum));
        let event = used("a", "5");
        let offset = log.count(&event);
        log.count(&used("b", "1"));
        log.clock += later;
        let amended = log.decide(offset, &event, Some(&used("a", "4")));
        assert_eq!(log.point(&amended), "amended");
        let bucket = log.hours()["m"];
        assert_eq!((bucket.revision, bucket.changed.offset), (revision, 2));
        assert_eq!(bucket.sum.raw(), 5_000_000_000);
    }
}

#[test]
fn minimum_maximum_and_latest_fall_back_to_what_is_left() {
    let mut log = Log::begin(catalog());
    let mut offsets = Vec::new();
    for (id, quantity, minute) in [("a", "9", 3), ("b", "-2", 1), ("c", "4", 2)] {
        let mut event = used(id, quantity);
        event.time.0 += minute * 60_000_000;
        offsets.push((log.count(&event), event));
    }
    let values = |log: &mut Log| {
        let hours = log.hours();
        ["c_min", "d_max", "f_latest"].map(|meter| {
            let Bucket {
                min, max, latest, ..
            } = hours[meter];
            [min, max, latest].iter().map(|q| q.raw()).sum::<i128>() / 1_000_000_000
        })
    };
    assert_eq!(values(&mut log), [-2, 9, 9]);
    assert_eq!(log.void(offsets[0].0, &offsets[0].1), "voided");
    assert_eq!(values(&mut log), [-2, 4, 4]);
    assert_eq!(log.void(offsets[1].0, &offsets[1].1), "voided");
    assert_eq!(values(&mut log), [4, 4, 4]);
    let amended = Use {
        quantity: "-7".into(),
        ..offsets[2].1.clone()
    };
    let amended = log.decide(offsets[2].0, &offsets[2].1, Some(&amended));
    assert_eq!(log.point(&amended), "amended");
    assert_eq!(values(&mut log), [-7, -7, -7]);
    // What counts now is the replacement; the record that came first is what names the event.
    assert_eq!(log.void(offsets[2].0, &offsets[2].1), "voided");
    assert_eq!(values(&mut log), [0, 0, 0]);
}

#[test]
fn a_void_outside_of_acceptance_is_refused_and_is_not_tried_again() {
    let mut log = Log::begin(only(Aggregation::Sum));
    let event = used("a", "5");
    let offset = log.count(&event);
    log.clock += 35 * 24 * HOUR + 1_000;
    let void = log.decide(offset, &event, None);
    assert_says(&log.point(&void), "give a credit");
    assert_eq!(log.point(&void), "voidpassed");
    assert_eq!(log.hours()["m"].events, 1);
}

#[test]
fn what_does_not_fit_the_log_is_refused_and_changes_nothing() {
    let mut log = Log::begin(only(Aggregation::Max));
    let event = used("a", "5");
    let offset = log.count(&event);
    assert_says(
        &log.void(offset, &used("a", "6")),
        "not the one that was counted",
    );
    assert_says(
        &log.void(offset, &used("nobody", "5")),
        "no such event is recorded",
    );
    assert_says(&log.void(99, &event), "still to come");
    let mut moved = used("a", "5");
    moved.time.0 += 60_000_000;
    let moved = log.decide(offset, &event, Some(&moved));
    assert_says(&log.point(&moved), "under a new id");
    let bad = log.decide(offset, &event, Some(&used("a", "\"NaN\"")));
    assert_says(&log.point(&bad), "a record it carries");
    let other = log.decide(offset, &event, Some(&used("b", "5")));
    assert_says(&log.point(&other), "another event's");
    let huge = Use {
        model: Some("x".repeat(70_000)),
        ..event.clone()
    };
    let huge = log.decide(offset, &event, Some(&huge));
    assert_says(&log.point(&huge), "the bounds are");
    let mut foreign = log.decide(offset, &event, None);
    let void = Arc::get_mut(&mut foreign.decision);
    assert!(void.is_none(), "the log holds it too");
    log.voids.pop();
    let void = Arc::get_mut(&mut foreign.decision).expect("nobody else has it now");
    void.void.log_partition.topic_id = TopicId(78);
    assert!(log.point(&foreign).starts_with("bad_pointer"));
    assert_eq!(log.hours()["m"].events, 1);
}

#[test]
fn an_event_is_undone_by_the_catalog_that_counted_it() {
    let mut log = Log::begin(only(Aggregation::Sum));
    let event = used("a", "5");
    let offset = log.count(&event);
    let mut other = catalog();
    other.meters = vec![meter("n", "use", Aggregation::Sum, &[])];
    let newer = decision(2, other);
    log.catalogs.push(Arc::clone(&newer));
    assert_eq!(
        log.take(&[], Some(&Placement::Catalog(newer))),
        Outcome::Placed(2)
    );
    assert_eq!(log.void(offset, &event), "voided");
    let hours = log.hours();
    assert_eq!(hours["m"].events, 0);
    assert!(!hours.contains_key("n"));
    assert_eq!(log.partition.counters().counted()["m"], 0);
}

#[test]
fn values_are_found_by_ids_that_promise_another_hour() {
    let rule = SourceRule {
        id_time: IdTime::Uuidv7,
    };
    let mut catalog = only(Aggregation::Max);
    catalog.sources = [("/t".to_owned(), rule)].into();
    let mut log = Log::begin(catalog);
    let uuid = |time: i64, n: u8| {
        let millis = format!("{:012x}", time / 1_000);
        format!(
            "{}-{}-7000-8000-0000000000{n:02x}",
            &millis[..8],
            &millis[8..]
        )
    };
    log.count(&used(&uuid(START - 50 * HOUR, 1), "5"));
    log.count(&used(&uuid(START - 20 * HOUR, 2), "6"));
    let greatest = used(&uuid(START, 3), "7");
    let offset = log.count(&greatest);
    assert_eq!(log.void(offset, &greatest), "voided");
    assert_eq!(log.hours()["m"].max.raw(), 6_000_000_000);
}

#[test]
fn a_month_that_reaches_past_what_is_kept_keeps_its_extremes() {
    let mut log = Log::begin(only(Aggregation::Max));
    let (least, greatest) = (used("a", "5"), used("b", "7"));
    let at_least = log.count(&least);
    let offset = log.count(&greatest);
    // 2026-01-31 is still accepted, and 2026-01-01 is long gone.
    log.clock += 30 * 24 * HOUR;
    assert_says(&log.void(offset, &greatest), "no longer kept");
    assert_eq!(
        log.void(at_least, &least),
        "voided",
        "no extreme of the month"
    );
    let rows = log.partition.cut_level_rows();
    let months = rows.iter().filter(|row| row.window.level == Level::Month);
    let months: Vec<_> = months
        .map(|row| (row.bucket.events, row.bucket.max.raw()))
        .collect();
    assert_eq!(months, [(1, 7_000_000_000)]);
}

#[test]
fn the_driver_of_the_properties_takes_voids() {
    let mut driver = crate::driver::Driver::begin(decision(1, catalog()));
    let event = used("a", "5");
    let void = void_of(1_000, (0, &event), None, &[]);
    let contents = [Content::Event(event), Content::Void(void)];
    let log = contents
        .into_iter()
        .zip(0..)
        .map(|(content, offset)| Appended {
            offset,
            append_time: LogTime(START / 1_000),
            content,
        });
    driver.run(&log.collect::<Vec<_>>(), &[]);
    assert_eq!(driver.outcomes[&1], Outcome::Voided);
}
