//! Periods of every length in every zone, against a walk through local dates hour by hour.

use super::*;
use crate::time::parse_rfc3339;
use chrono::{DateTime, Datelike, Days, NaiveDate, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;

mod timelines;

const RESETS: [Reset; 4] = [Reset::Hour, Reset::Day, Reset::Month, Reset::BillingMonth];

/// Zones that change their clocks at midnight, by two hours, in the southern summer, or whose dates
/// are far from UTC's.
const ODD_ZONES: [&str; 12] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",
    "Asia/Beirut",
    "Africa/Cairo",
    "America/Santiago",
    "Antarctica/Troll",
    "America/Scoresbysund",
    "Pacific/Apia",
    "Pacific/Kiritimati",
    "Africa/Casablanca",
];

pub(super) fn moment(text: &str) -> EventTime {
    parse_rfc3339(text).unwrap_or_else(|| panic!("{text}"))
}

pub(super) fn zone(name: &str) -> Zone {
    Zone::parse(name).unwrap_or_else(|error| panic!("{error}"))
}

fn check(rule: PeriodRule, at: &str, start: &str, end: &str) {
    let period = rule.period_at(moment(at));
    let expected = Period {
        start: moment(start),
        end: moment(end),
    };
    assert_eq!(
        period, expected,
        "{rule:?} at {at}: {period}, not {expected}"
    );
}

fn day(name: &str) -> PeriodRule {
    PeriodRule::new(Reset::Day, zone(name), 1)
}

fn billing(name: &str, anchor_day: u8) -> PeriodRule {
    PeriodRule::new(Reset::BillingMonth, zone(name), anchor_day)
}

#[test]
fn hours_and_days_of_utc() {
    let hour = PeriodRule::new(Reset::Hour, zone("Europe/Berlin"), 7);
    check(
        hour,
        "2026-11-21T17:59:59.999999Z",
        "2026-11-21T17:00:00Z",
        "2026-11-21T18:00:00Z",
    );
    check(
        day("UTC"),
        "2026-11-21T00:00:00Z",
        "2026-11-21T00:00:00Z",
        "2026-11-22T00:00:00Z",
    );
}

#[test]
fn days_are_as_long_as_their_clocks_make_them() {
    let berlin = day("Europe/Berlin");
    check(
        berlin,
        "2026-03-29T12:00:00Z",
        "2026-03-28T23:00:00Z",
        "2026-03-29T22:00:00Z",
    );
    check(
        berlin,
        "2026-10-25T12:00:00Z",
        "2026-10-24T22:00:00Z",
        "2026-10-25T23:00:00Z",
    );
    let troll = day("Antarctica/Troll");
    check(
        troll,
        "2026-03-29T12:00:00Z",
        "2026-03-29T00:00:00Z",
        "2026-03-29T22:00:00Z",
    );
}

#[test]
fn a_midnight_that_does_not_exist_is_the_first_moment_after() {
    // Clocks go from 24:00 on Saturday to 01:00 on Sunday.
    let havana = day("America/Havana");
    check(
        havana,
        "2026-03-08T05:00:00Z",
        "2026-03-08T05:00:00Z",
        "2026-03-09T04:00:00Z",
    );
    check(
        havana,
        "2026-03-08T04:59:59Z",
        "2026-03-07T05:00:00Z",
        "2026-03-08T05:00:00Z",
    );
}

#[test]
fn a_midnight_that_is_there_twice_is_the_first() {
    // Clocks go from 01:00 on Sunday back to 00:00.
    let havana = day("America/Havana");
    for at in ["2026-11-01T04:00:00Z", "2026-11-01T05:30:00Z"] {
        check(havana, at, "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z");
    }
    // Clocks go from 24:00 on Saturday back to 23:00: Sunday has one midnight, an hour later.
    let beirut = day("Asia/Beirut");
    check(
        beirut,
        "2026-10-24T21:30:00Z",
        "2026-10-23T21:00:00Z",
        "2026-10-24T22:00:00Z",
    );
}

#[test]
fn months_of_every_length() {
    let new_york = PeriodRule::new(Reset::Month, zone("America/New_York"), 15);
    check(
        new_york,
        "2028-03-01T04:59:59Z",
        "2028-02-01T05:00:00Z",
        "2028-03-01T05:00:00Z",
    );
    check(
        new_york,
        "2026-12-31T23:00:00Z",
        "2026-12-01T05:00:00Z",
        "2027-01-01T05:00:00Z",
    );
}

#[test]
fn billing_months_begin_on_the_last_day_of_shorter_months() {
    let last = billing("UTC", 31);
    for (at, start, end) in [
        ("2026-01-31", "2026-01-31", "2026-02-28"),
        ("2026-02-28", "2026-02-28", "2026-03-31"),
        ("2026-03-30", "2026-02-28", "2026-03-31"),
        ("2026-04-30", "2026-04-30", "2026-05-31"),
        ("2028-02-28", "2028-01-31", "2028-02-29"),
        ("2028-02-29", "2028-02-29", "2028-03-31"),
        ("2026-12-31", "2026-12-31", "2027-01-31"),
    ] {
        let midnight = |date: &str| format!("{date}T00:00:00Z");
        check(last, &midnight(at), &midnight(start), &midnight(end));
    }
    check(
        billing("UTC", 29),
        "2027-02-28T00:00:00Z",
        "2027-02-28T00:00:00Z",
        "2027-03-29T00:00:00Z",
    );
    assert_eq!(billing("UTC", 0), billing("UTC", 1));
    assert_eq!(billing("UTC", 200), billing("UTC", 31));
}

#[test]
fn a_moment_outside_of_event_time_has_a_period_all_the_same() {
    for name in ["UTC", "Europe/Berlin"] {
        for reset in RESETS {
            let rule = PeriodRule::new(reset, zone(name), 31);
            for (at, nearest) in [
                (i64::MIN, EVENT_TIME_MIN.0),
                (i64::MAX, EVENT_TIME_END.0 - 1),
            ] {
                let period = rule.period_at(EventTime(at));
                assert!(period.contains(EventTime(nearest)), "{rule:?}: {period}");
            }
            let mut all = Timeline::new(rule);
            all.change(
                LogTime(i64::MAX),
                crate::account::RunningPeriod::Restart,
                rule,
            );
            let ends = all.periods_between(EventTime(EVENT_TIME_END.0 - 1), EventTime(i64::MAX));
            assert_eq!(ends.count(), 1);
        }
    }
}

#[test]
fn a_period_is_judged_by_the_terms_of_its_last_moment_once_it_is_over() {
    let period = day("UTC").period_at(moment("2026-11-21T12:00:00Z"));
    let end = LogTime(period.end.0 / 1_000);
    assert_eq!(period.judged_at(LogTime(end.0 - 2)), LogTime(end.0 - 2));
    for now in [end, LogTime(i64::MAX)] {
        assert_eq!(period.judged_at(now), LogTime(end.0 - 1));
        assert!(period.contains(period.judged_at(now).as_event_time()));
    }
}

/// Full hours from one to before another at which a period begins, by local dates alone.
fn boundaries(name: &str, reset: Reset, anchor_day: u8, hours: std::ops::Range<i64>) -> Vec<i64> {
    let zone: Tz = name.parse().expect("in the database");
    let begins = |date: NaiveDate| match reset {
        Reset::Hour | Reset::Day => true,
        Reset::Month => date.day() == 1,
        Reset::BillingMonth => {
            let tomorrow = date + Days::new(1);
            date.day() == u32::from(anchor_day)
                || (tomorrow.day() == 1 && date.day() < u32::from(anchor_day))
        }
    };
    let mut begun: Option<NaiveDate> = None;
    let mut found = Vec::new();
    for hour in hours {
        let utc: DateTime<Utc> = DateTime::from_timestamp(hour * 3_600, 0).expect("in range");
        let date = utc.with_timezone(&zone).date_naive();
        let first = begun.is_none();
        let passed = begun.get_or_insert(date);
        let mut starts = reset == Reset::Hour;
        while *passed < date {
            *passed = *passed + Days::new(1);
            starts |= begins(*passed);
        }
        if starts && !first {
            found.push(hour);
        }
    }
    found
}

/// Compares the starts of a rule's periods with the walk.
fn check_walk(name: &str, reset: Reset, anchor_day: u8, hours: std::ops::Range<i64>) {
    let expected = boundaries(name, reset, anchor_day, hours.clone());
    let timeline = Timeline::new(PeriodRule::new(reset, zone(name), anchor_day));
    let moment = |hour: i64| EventTime(hour * 3_600_000_000);
    let (from, to) = (moment(hours.start), moment(hours.end));
    let periods = timeline.periods_between(from, to);
    let starts = periods
        .map(|period| period.start)
        .filter(|start| *start > from);
    let found: Vec<_> = starts.map(|start| start.0 / 3_600_000_000).collect();
    assert_eq!(found, expected, "{name} {reset:?} {anchor_day}");
}

#[test]
fn every_zone_agrees_with_a_walk_through_its_dates() {
    // From 2020 to 2029.
    let hours = 438_288..438_288 + 10 * 8_766;
    for zone in TZ_VARIANTS
        .iter()
        .filter(|zone| Zone::parse(zone.name()).is_ok())
    {
        check_walk(zone.name(), Reset::Day, 1, hours.clone());
    }
}

#[test]
fn every_anchor_agrees_with_a_walk_through_its_dates() {
    // Over a leap year and the end of a century that is none, where the database's rules end.
    for hours in [
        499_656..499_656 + 5 * 8_766,
        1_121_952..1_121_952 + 5 * 8_766,
    ] {
        for anchor_day in 1..=31 {
            for name in ["UTC", "Europe/Berlin", "America/Havana"] {
                check_walk(name, Reset::BillingMonth, anchor_day, hours.clone());
            }
        }
        for name in ODD_ZONES {
            check_walk(name, Reset::Month, 1, hours.clone());
        }
    }
}

fn any_rule() -> impl Strategy<Value = PeriodRule> {
    let reset = prop::sample::select(&RESETS[..]);
    let name = prop::sample::select(&ODD_ZONES[..]);
    (reset, name, 1u8..=31).prop_map(|(reset, name, day)| PeriodRule::new(reset, zone(name), day))
}

proptest! {
    /// Periods tile time: each holds its moment, is the same for all of its moments, and ends
    /// where the next starts.
    #[test]
    fn periods_tile_time(
        rule in any_rule(),
        at in EVENT_TIME_MIN.0 + 40 * 86_400_000_000..EVENT_TIME_END.0 - 40 * 86_400_000_000,
    ) {
        let period = rule.period_at(EventTime(at));
        prop_assert!(period.contains(EventTime(at)));
        for same in [period.start, EventTime(period.end.0 - 1)] {
            prop_assert_eq!(rule.period_at(same), period);
        }
        prop_assert_eq!(rule.period_at(period.end).start, period.end);
        prop_assert_eq!(rule.period_at(EventTime(period.start.0 - 1)).end, period.start);
        for boundary in [period.start, period.end] {
            prop_assert_eq!(boundary.hour().start(), boundary);
        }
    }
}
