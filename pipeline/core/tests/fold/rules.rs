//! Single rules of the fold, each in the smallest log that shows it.

use crate::driver::Driver;
use crate::world::{
    Appended, Content, HOUR, KEY, MINUTE, START, Use, adoption, catalog, decision, meter, partition,
};
use meterline_core::catalog::{Aggregation, Catalog};
use meterline_core::fold::{Outcome, Partition};
use meterline_core::halt::{Halt, Refusal, Stall};
use meterline_core::hash::Identity;
use meterline_core::reason::Reason;
use meterline_core::record::{Placement, Record};
use meterline_core::runs::{LookupFailed, NoRuns, Runs};
use meterline_core::time::{Hour, LogTime, Window};

/// What became of the last of these events, each (append time, event), under the catalog.
fn check_under(catalog: Catalog, events: &[(i64, Use)], expected: &str) {
    let mut driver = Driver::begin(decision(1, catalog));
    let mut last = String::new();
    for (offset, (append, event)) in events.iter().enumerate() {
        let appended = Appended {
            offset: offset as u64,
            append_time: LogTime(append / 1_000),
            content: Content::Event(event.clone()),
        };
        last = match driver.step(&appended) {
            Outcome::Rejected(rejection) => rejection.reason.name().to_owned(),
            Outcome::Accepted { late: true } => "late".to_owned(),
            Outcome::Accepted { late: false } => "accepted".to_owned(),
            other => format!("{other:?}").to_lowercase(),
        };
    }
    assert_eq!(last, expected, "{events:?}");
}

fn check(events: &[(i64, Use)], expected: &str) {
    check_under(catalog(), events, expected);
}

fn with(change: impl FnOnce(&mut Use)) -> Use {
    let mut event = Use::new("a", START);
    change(&mut event);
    event
}

#[test]
fn each_reason_has_its_event() {
    let now = START;
    check(&[(now, with(|_| {}))], "accepted");
    check(&[(now, with(|e| e.id.clear()))], "missing_id");
    check(&[(now, with(|e| e.id = "x".repeat(257)))], "bad_id");
    check(&[(now, with(|e| e.kind = ""))], "missing_type");
    check(&[(now, with(|e| e.kind = "noise"))], "ignored");
    check(&[(now, with(|e| e.kind = "other"))], "no_meter");
    check(&[(now, with(|e| e.tenant = ""))], "missing_tenant");
    check(
        &[(now, with(|e| e.quantity = "1e-10".into()))],
        "bad_quantity",
    );
    check(
        &[(now, with(|e| e.quantity = "\"NaN\"".into()))],
        "bad_quantity",
    );
    check(
        &[(now, with(|e| e.quantity = "null".into()))],
        "bad_quantity",
    );
    check(
        &[(now, with(|e| e.quantity = "true".into()))],
        "bad_quantity",
    );
    check(&[(now, with(|e| e.quantity = "[1]".into()))], "malformed");
    check(
        &[(now, with(|e| e.model = Some("x".repeat(257))))],
        "bad_dimension",
    );
}

#[test]
fn acceptance_has_sharp_edges_on_the_logs_clock() {
    let day = 24 * HOUR;
    check(&[(START + 35 * day, with(|_| {}))], "late");
    check(&[(START + 35 * day + 1_000, with(|_| {}))], "too_late");
    check(&[(START - 5 * MINUTE, with(|_| {}))], "accepted");
    check(
        &[(START - 5 * MINUTE - 1_000, with(|_| {}))],
        "from_the_future",
    );
    check(&[(START + HOUR + 5 * MINUTE, with(|_| {}))], "late");
    check(
        &[(START + HOUR + 5 * MINUTE - 1_000, with(|_| {}))],
        "accepted",
    );
}

#[test]
fn a_retry_counts_once_also_restamped_by_a_quarter_hour() {
    let twice = |second: i64| {
        [
            (START, Use::new("a", START)),
            (START, Use::new("a", START + second)),
        ]
    };
    check(&twice(0), "duplicate");
    check(&twice(-15 * MINUTE), "duplicate");
    check(&twice(-75 * MINUTE), "late");
    let other = |change: fn(&mut Use)| [(START, with(|_| {})), (START, with(change))];
    check(&other(|e| e.tenant = "globex"), "accepted");
    check(&other(|e| e.id = "b".into()), "accepted");
}

#[test]
fn a_duplicate_found_next_door_moves_on_with_its_hour() {
    let near = START + 55 * MINUTE;
    let events = [
        (near, Use::new("a", near)),
        (near + 9 * MINUTE, Use::new("a", near + 9 * MINUTE)),
        (near + 60 * MINUTE, Use::new("a", near + 60 * MINUTE)),
    ];
    check(&events[..2], "duplicate");
    check(&events, "duplicate");
    check(&[events[0].clone(), events[2].clone()], "accepted");
}

#[test]
fn a_rejected_event_leaves_no_id() {
    let bad = with(|e| e.quantity = "1e-10".into());
    check(&[(START, bad), (START, with(|_| {}))], "accepted");
}

#[test]
fn an_unmatched_event_leaves_its_id() {
    let mut only_x = catalog();
    for meter in &mut only_x.meters {
        let test = meterline_core::catalog::Test::In(vec!["x".into()]);
        meter.filter = vec![meterline_core::catalog::Condition {
            property: "model".into(),
            test,
        }];
    }
    check_under(only_x.clone(), &[(START, with(|_| {}))], "unmatched");
    let then_x = [
        (START, with(|_| {})),
        (START, with(|e| e.model = Some("x".into()))),
    ];
    check_under(only_x, &then_x, "duplicate");
}

#[test]
fn dimensions_are_bounded_per_tenant_and_hour() {
    let model = |i: usize, time: i64| {
        let mut event = Use::new(&format!("id{i}"), time);
        event.model = Some(format!("m{i}"));
        event
    };
    let mut events: Vec<_> = (0..4).map(|i| (START, model(i, START))).collect();
    check(&events, "too_many_dimensions");
    let mut again = model(9, START);
    again.model = Some("m0".into());
    events.push((START, again));
    check(&events, "accepted");
    let next_hour = START + HOUR;
    events.push((next_hour, model(7, next_hour)));
    check(&events, "accepted");
}

#[test]
fn a_sum_that_would_leave_its_range_is_refused_whole() {
    let huge = |id: &str| {
        let mut event = Use::new(id, START);
        event.quantity = "99999999999999999999999999999".into();
        event
    };
    check(&[(START, huge("a"))], "accepted");
    check(&[(START, huge("a")), (START, huge("b"))], "overflow");
    let then = [
        (START, huge("a")),
        (START, huge("b")),
        (START, with(|e| e.id = "b".into())),
    ];
    check(&then, "overflow");
}

#[test]
fn negative_quantities_need_the_meters_word() {
    let mut strict = catalog();
    strict
        .meters
        .iter_mut()
        .for_each(|meter| meter.negative = false);
    check_under(
        strict,
        &[(START, with(|e| e.quantity = "-1".into()))],
        "bad_quantity",
    );
    check(&[(START, with(|e| e.quantity = "-1".into()))], "accepted");
}

fn record<'a>(offset: u64, payload: &'a [u8], placement: Option<&'a Placement>) -> Record<'a> {
    let append_time = LogTime(START / 1_000);
    let size = payload.len();
    Record {
        offset,
        append_time,
        headers: &[],
        payload: Some(payload),
        size,
        placement,
    }
}

#[test]
fn a_catalog_takes_effect_after_its_pointer_and_only_forwards() {
    let mut partition = Partition::begin(&adoption(), decision(1, catalog()), KEY);
    let mut more = catalog();
    more.meters
        .push(meter("g_new", "nobody's", Aggregation::Count, &[]));
    let event = with(|e| e.kind = "nobody's").json();
    let newer = Placement::Catalog(decision(2, more));
    let older = Placement::Catalog(decision(1, catalog()));
    let mut step = |offset, payload, placement| {
        partition
            .step(&record(offset, payload, placement), &NoRuns)
            .expect("folds")
    };
    let rejected = step(0, &event, None);
    assert!(matches!(rejected, Outcome::Rejected(r) if r.reason == Reason::NoMeter));
    assert_eq!(step(1, &[], Some(&newer)), Outcome::Placed(2));
    assert_eq!(step(2, &event, None), Outcome::Accepted { late: false });
    assert_eq!(step(3, &[], Some(&older)), Outcome::PlacedAgain(1));
    assert_eq!(step(4, &event, None), Outcome::Duplicate);
    let header = partition.header();
    assert_eq!(
        header
            .catalogs
            .last()
            .map(|place| (place.version, place.from)),
        Some((2, 2))
    );
}

#[test]
fn a_shorter_and_then_longer_acceptance_never_moves_the_floor_back() {
    let mut partition = Partition::begin(&adoption(), decision(1, catalog()), KEY);
    let mut short = catalog();
    short.acceptance = meterline_core::time::Millis(3_600_000);
    let event = Use::new("a", START - 2 * HOUR).json();
    let mut step = |offset, payload: &[u8], placement: Option<Placement>| {
        partition
            .step(&record(offset, payload, placement.as_ref()), &NoRuns)
            .expect("folds")
    };
    step(0, &[], Some(Placement::Catalog(decision(2, short))));
    let late = step(1, &event, None);
    assert!(matches!(late, Outcome::Rejected(r) if r.reason == Reason::TooLate));
    step(2, &[], Some(Placement::Catalog(decision(3, catalog()))));
    let still = step(3, &event, None);
    assert!(matches!(still, Outcome::Rejected(r) if r.reason == Reason::TooLate));
}

struct Damaged;

impl Runs for Damaged {
    fn has_id(&self, _: Hour, _: Identity) -> Result<bool, LookupFailed> {
        Err(LookupFailed("page 3 is damaged".into()))
    }

    fn note(&self, _: Hour, _: Identity) -> Result<Option<Vec<u8>>, LookupFailed> {
        Err(LookupFailed("page 3 is damaged".into()))
    }

    fn notes(&self, _: Hour, _: &mut dyn FnMut(Identity, &[u8])) -> Result<(), LookupFailed> {
        Err(LookupFailed("page 3 is damaged".into()))
    }

    fn bucket(&self, _: Window, _: &[u8]) -> Result<Option<Vec<u8>>, LookupFailed> {
        Err(LookupFailed("page 3 is damaged".into()))
    }
}

#[test]
fn a_lookup_that_fails_changes_nothing() {
    let mut partition = Partition::begin(&adoption(), decision(1, catalog()), KEY);
    let before = partition.header();
    let payload = with(|_| {}).json();
    let refused = partition.step(&record(0, &payload, None), &Damaged);
    assert!(
        matches!(refused, Err(Refusal::Stall(Stall::Lookup(_)))),
        "{refused:?}"
    );
    assert_eq!(partition.header(), before);
    assert_eq!(partition.unflushed(), 0);
}

#[test]
fn records_out_of_order_halt_and_holes_do_not() {
    let mut driver = Partition::begin(&adoption(), decision(1, catalog()), KEY);
    let payload = with(|_| {}).json();
    driver
        .step(&record(7, &payload, None), &NoRuns)
        .expect("a hole is normal");
    let again = driver.step(&record(7, &payload, None), &NoRuns);
    let expected = Halt::Order {
        offset: 7,
        position: 8,
    };
    assert_eq!(again, Err(Refusal::Halt(expected)));
}

#[test]
fn an_event_in_another_tenants_partition_is_rejected() {
    let mut elsewhere = adoption();
    elsewhere.partitions = 64;
    let home = meterline_core::hash::partition_of(b"acme", 64);
    elsewhere.log_partition.partition = (home + 1) % 64;
    let mut driver = Partition::begin(&elsewhere, decision(1, catalog()), KEY);
    let payload = with(|_| {}).json();
    let outcome = driver
        .step(&record(0, &payload, None), &NoRuns)
        .expect("folds");
    assert!(matches!(outcome, Outcome::Rejected(r) if r.reason == Reason::WrongPartition));
    assert_eq!(partition().partition, 0);
}
