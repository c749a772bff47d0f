//! Periods across the versions of an account.

use super::*;
use crate::account::RunningPeriod::{self, Keep, Restart};

fn log_time(text: &str) -> LogTime {
    LogTime(moment(text).0 / 1_000)
}

fn utc(reset: Reset, anchor_day: u8) -> PeriodRule {
    PeriodRule::new(reset, Zone::utc(), anchor_day)
}

fn timeline(first: PeriodRule, changes: &[(&str, RunningPeriod, PeriodRule)]) -> Timeline {
    let mut timeline = Timeline::new(first);
    for (effective, running, rule) in changes {
        timeline.change(log_time(effective), *running, *rule);
    }
    timeline
}

/// Compares the starts of the periods that a span holds or touches.
fn check(timeline: &Timeline, from: &str, to: &str, expected: &[&str]) {
    let periods = timeline.periods_between(moment(from), moment(to));
    let found: Vec<_> = periods.map(|period| period.start.to_string()).collect();
    let expected: Vec<_> = expected
        .iter()
        .map(|text| moment(text).to_string())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn keep_lets_the_running_period_end_and_then_goes_to_the_next_boundary() {
    let change = ("2026-03-10T12:34:56Z", Keep, utc(Reset::BillingMonth, 15));
    check(
        &timeline(utc(Reset::Month, 1), &[change]),
        "2026-02-20T00:00:00Z",
        "2026-05-01T00:00:00Z",
        &[
            "2026-02-01T00:00:00Z",
            "2026-03-01T00:00:00Z",
            "2026-04-01T00:00:00Z", // a stub until the 15th
            "2026-04-15T00:00:00Z",
        ],
    );
}

#[test]
fn restart_begins_with_the_hour_of_the_change() {
    let change = ("2026-03-10T12:34:56Z", Restart, utc(Reset::Month, 1));
    check(
        &timeline(utc(Reset::Month, 1), &[change]),
        "2026-03-01T00:00:00Z",
        "2026-05-01T00:00:00Z",
        &[
            "2026-03-01T00:00:00Z",
            "2026-03-10T12:00:00Z",
            "2026-04-01T00:00:00Z",
        ],
    );
}

#[test]
fn of_changes_in_one_period_the_last_one_counts() {
    let (hours, days) = (utc(Reset::Hour, 1), utc(Reset::Day, 1));
    let month = utc(Reset::Month, 1);
    let kept = [
        ("2026-03-10T12:00:00Z", Keep, hours),
        ("2026-03-11T12:00:00Z", Keep, days),
    ];
    let expected = [
        "2026-03-01T00:00:00Z",
        "2026-04-01T00:00:00Z",
        "2026-04-02T00:00:00Z",
    ];
    let (from, to) = ("2026-03-31T00:00:00Z", "2026-04-02T01:00:00Z");
    check(&timeline(month, &kept), from, to, &expected);
    // A restart before the kept period ends replaces the rule that was to come.
    let restarted = [
        ("2026-03-10T12:00:00Z", Keep, hours),
        ("2026-03-31T12:10:00Z", Restart, days),
    ];
    let expected = [
        "2026-03-01T00:00:00Z",
        "2026-03-31T12:00:00Z",
        "2026-04-01T00:00:00Z",
        "2026-04-02T00:00:00Z",
    ];
    check(&timeline(month, &restarted), from, to, &expected);
    // Two restarts within one hour are one.
    let twice = [
        ("2026-03-31T12:10:00Z", Restart, hours),
        ("2026-03-31T12:20:00Z", Restart, days),
    ];
    check(&timeline(month, &twice), from, to, &expected);
}

#[test]
fn a_version_with_the_same_rule_that_keeps_changes_nothing() {
    let month = utc(Reset::Month, 1);
    let changed = timeline(month, &[("2026-03-10T12:00:00Z", Keep, month)]);
    assert_eq!(changed, Timeline::new(month));
    // Nor does it for a rule that is still to come.
    let change = ("2026-03-10T12:00:00Z", Keep, utc(Reset::Day, 1));
    let again = ("2026-03-11T12:00:00Z", Keep, utc(Reset::Day, 1));
    assert_eq!(
        timeline(month, &[change, again]),
        timeline(month, &[change])
    );
}

#[test]
fn before_the_first_version_its_rule_holds() {
    let change = ("2026-03-10T12:00:00Z", Restart, utc(Reset::Day, 1));
    let timeline = timeline(utc(Reset::Month, 1), &[change]);
    let period = timeline.period_at(moment("1950-02-10T00:00:00Z"));
    assert_eq!(period.start, moment("1950-02-01T00:00:00Z"));
}

#[test]
fn a_span_without_length_has_no_periods() {
    let timeline = Timeline::new(utc(Reset::Month, 1));
    let at = "2026-03-10T12:00:00Z";
    check(&timeline, at, at, &[]);
    check(&timeline, at, "2026-03-10T11:00:00Z", &[]);
}

/// A day in March 2026, two weeks before clocks change in Berlin.
const FROM_HOUR: i64 = 492_480;
const HOURS: i64 = 100 * 24;

/// The starts of periods, by a walk through hours that knows of no pieces.
fn walk(first: PeriodRule, changes: &[(LogTime, RunningPeriod, PeriodRule)]) -> Vec<i64> {
    let (mut governing, mut to_come) = (first, None);
    let mut starts = Vec::new();
    for hour in FROM_HOUR..FROM_HOUR + HOURS {
        let start = EventTime(hour * 3_600_000_000);
        if governing.period_at(start).start == start {
            starts.push(hour);
            governing = to_come.take().unwrap_or(governing);
        }
        let in_hour = |effective: &LogTime| effective.0.div_euclid(3_600_000) == hour;
        for (_, running, rule) in changes.iter().filter(|(at, ..)| in_hour(at)) {
            match running {
                Keep => to_come = Some(*rule),
                Restart => {
                    (governing, to_come) = (*rule, None);
                    starts.push(hour);
                }
            }
        }
    }
    starts.dedup();
    starts
}

fn any_changes() -> impl Strategy<Value = Vec<(LogTime, RunningPeriod, PeriodRule)>> {
    let length = prop_oneof![Just(1i64), 1..3_600_000i64, 1..30 * 86_400_000i64];
    let running = prop_oneof![Just(Keep), Just(Restart)];
    prop::collection::vec((length, running, any_rule()), 0..8).prop_map(|changes| {
        let mut at = FROM_HOUR * 3_600_000;
        let changes = changes.into_iter().map(|(length, running, rule)| {
            at += length;
            (LogTime(at), running, rule)
        });
        changes.collect()
    })
}

proptest! {
    /// Periods tile time across versions, and are those of a walk through the hours.
    #[test]
    fn timelines_agree_with_a_walk(first in any_rule(), changes in any_changes()) {
        let mut timeline = Timeline::new(first);
        for (effective, running, rule) in &changes {
            timeline.change(*effective, *running, *rule);
        }
        let moment = |hour: i64| EventTime(hour * 3_600_000_000);
        let span = (moment(FROM_HOUR), moment(FROM_HOUR + HOURS));
        let periods: Vec<_> = timeline.periods_between(span.0, span.1).collect();
        for pair in periods.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
        }
        for period in &periods {
            for at in [period.start, EventTime(period.end.0 - 1)] {
                prop_assert_eq!(timeline.period_at(at), *period);
            }
        }
        let starts = periods.iter().map(|period| period.start.0 / 3_600_000_000);
        let starts: Vec<_> = starts.filter(|hour| *hour >= FROM_HOUR).collect();
        prop_assert_eq!(starts, walk(first, &changes));
    }
}
