//! Verdicts of the quota check, at, just below and just above every boundary.

use crate::world::{DAY, HOUR, START, catalog, q, terms};
use meterline_core::account::AccountStatus;
use meterline_core::catalog::plans::{Cap, Plans, Price, Reset, Term, Terms};
use meterline_core::limits::{Held, Limit, Measure, Reason, Tenant, Verdict, check};
use meterline_core::period::Period;
use meterline_core::time::{EventTime, LogTime};
use std::collections::BTreeMap;

const NOW: LogTime = LogTime(START + HOUR);

struct Known {
    status: AccountStatus,
    terms: BTreeMap<&'static str, Terms>,
    held: BTreeMap<&'static str, Held>,
}

fn period() -> Period {
    Period {
        start: EventTime(START * 1_000),
        end: EventTime((START + DAY) * 1_000),
    }
}

impl Known {
    fn new(meters: Vec<(&'static str, Terms)>) -> Self {
        Self {
            status: AccountStatus::Active,
            terms: meters.into_iter().collect(),
            held: BTreeMap::new(),
        }
    }

    fn used(self, meter: &'static str, used: &str) -> Self {
        self.held(meter, used, 0, None)
    }

    /// Of the period that started so many days before.
    fn held(mut self, meter: &'static str, used: &str, days: i64, crossed: Option<i64>) -> Self {
        let held = Held {
            used: q(used),
            period_start: EventTime((START - days * DAY) * 1_000),
            period_end: EventTime((START - days * DAY + DAY) * 1_000),
            crossed_at: crossed.map(LogTime),
        };
        self.held.insert(meter, held);
        self
    }
}

impl Tenant for Known {
    fn status(&self) -> AccountStatus {
        self.status
    }

    fn limit(&self, name: &str) -> Option<Limit<'_>> {
        let terms = self.terms.get(name)?;
        Some(Limit {
            terms,
            period: period(),
        })
    }

    fn held(&self, name: &str) -> Option<Held> {
        self.held.get(name).copied()
    }

    fn measure(&self, name: &str) -> Measure {
        match name {
            "seats" | "stated" | "storage" => Measure::Level,
            "rate" => Measure::Peak,
            _ => Measure::Flow,
        }
    }
}

fn plans() -> Plans {
    let mut plans = catalog(vec![("small", vec![])]).plans;
    let mut storage = plans.derived[0].clone();
    storage.name = "storage".to_owned();
    storage.constant = q("100");
    storage.terms = vec![Term {
        meter: "seats".to_owned(),
        weight: q("2"),
    }];
    storage.unless = Some("stated".to_owned());
    plans.derived.push(storage);
    plans
}

fn limited(cap: Cap) -> Terms {
    terms("100", cap, Reset::Day, &[])
}

fn verdict(known: &Known, meter: &'static str, wanted: &str) -> Verdict<'static> {
    let plans = Box::leak(Box::new(plans()));
    check(known, plans, meter, q(wanted), NOW)
}

fn assert_reason(known: &Known, meter: &'static str, wanted: &str, expected: Reason) {
    let verdict = verdict(known, meter, wanted);
    let allowed = matches!(
        expected,
        Reason::Within | Reason::Unlimited | Reason::Overage | Reason::SoftCap
    );
    assert_eq!(
        (verdict.reason, verdict.allowed),
        (expected, allowed),
        "{meter} + {wanted}"
    );
    assert_eq!(verdict.soft, expected == Reason::SoftCap);
}

#[test]
fn a_cap_decides_above_the_limit_and_not_at_it() {
    let priced = Terms {
        price: Some(Price {
            amount: q("1"),
            per: q("1"),
        }),
        ..limited(Cap::Soft)
    };
    let no_grace = Terms {
        grace: None,
        ..limited(Cap::Soft)
    };
    let included = Terms {
        included: Some(q("100")),
        ..terms("unlimited", Cap::None, Reset::Day, &[])
    };
    let cases = [
        (limited(Cap::Hard), "99", "1", Reason::Within),
        (limited(Cap::Hard), "99.000000001", "1", Reason::HardCap),
        (limited(Cap::Hard), "100", "0", Reason::Within),
        (limited(Cap::None), "100", "1", Reason::Overage),
        (limited(Cap::Soft), "99", "1", Reason::Within),
        (limited(Cap::Soft), "99", "1.000000001", Reason::SoftCap),
        (limited(Cap::Soft), "119", "1", Reason::SoftCap),
        (limited(Cap::Soft), "119", "1.000000001", Reason::GraceOver),
        (no_grace, "1000", "1", Reason::SoftCap),
        (priced, "1000", "1", Reason::SoftCap),
        (
            terms("unlimited", Cap::Hard, Reset::Day, &[]),
            "1000",
            "1",
            Reason::Unlimited,
        ),
        (included.clone(), "99", "1", Reason::Within),
        (included, "99", "2", Reason::Overage),
        (
            terms("0", Cap::Hard, Reset::Day, &[]),
            "0",
            "1",
            Reason::HardCap,
        ),
    ];
    for (terms, used, wanted, expected) in cases {
        let known = Known::new(vec![("calls", terms)]).used("calls", used);
        assert_reason(&known, "calls", wanted, expected);
    }
}

#[test]
fn a_grace_ends_by_its_time_from_the_crossing() {
    let week = 7 * DAY;
    let cases = [
        (NOW.0 - week + 1, Reason::SoftCap),
        (NOW.0 - week, Reason::GraceOver),
    ];
    for (crossed, expected) in cases {
        let known = Known::new(vec![("calls", limited(Cap::Soft))]);
        let known = known.held("calls", "101", 0, Some(crossed));
        assert_reason(&known, "calls", "1", expected);
        let verdict = verdict(&known, "calls", "1");
        assert_eq!(verdict.grace_until, Some(LogTime(crossed + week)));
    }
    // A crossing of an earlier period is none of this one.
    let known = Known::new(vec![("calls", limited(Cap::Soft))]);
    let known = known.held("calls", "500", 1, Some(0));
    assert_reason(&known, "calls", "1", Reason::Within);
    assert_eq!(verdict(&known, "calls", "1").crossed_at, None);
}

#[test]
fn it_says_what_is_left_and_until_when() {
    let known = Known::new(vec![("calls", limited(Cap::Hard))]).used("calls", "80.45");
    let said = verdict(&known, "calls", "20");
    assert_eq!(said.used, q("80.45"));
    assert_eq!(said.remaining, Some(q("19.55")));
    assert_eq!(
        said.percentage.map(|p| p.to_string()).as_deref(),
        Some("80.5")
    );
    assert_eq!(said.resets_at, Some(period().end));
    assert_eq!(said.retry_after, Some(23 * 3_600));
    let over = Known::new(vec![("calls", limited(Cap::None))]).used("calls", "250");
    let said = verdict(&over, "calls", "1");
    assert_eq!(said.remaining, Some(q("0")));
    assert_eq!(
        said.percentage.map(|p| p.to_string()).as_deref(),
        Some("250.0")
    );
    assert_eq!(said.retry_after, None);
}

#[test]
fn what_is_held_of_an_earlier_period_counts_for_levels_only() {
    for (meter, expected) in [
        ("calls", Reason::Within),
        ("rate", Reason::Within),
        ("seats", Reason::HardCap),
    ] {
        let known = Known::new(vec![(meter, limited(Cap::Hard))]).held(meter, "100", 1, None);
        assert_reason(&known, meter, "1", expected);
    }
    let seats = Known::new(vec![("seats", limited(Cap::Hard))]).used("seats", "100");
    assert_eq!(
        verdict(&seats, "seats", "1").retry_after,
        None,
        "time does not help"
    );
    let rate = Known::new(vec![("rate", limited(Cap::Hard))]).used("rate", "90");
    assert_reason(&rate, "rate", "100", Reason::Within);
    assert_reason(&rate, "rate", "101", Reason::HardCap);
}

#[test]
fn a_meter_is_refused_for_a_derived_quantity_too() {
    // 0.5 · 100 + 0.25 · 199 = 99.75.
    let known = || {
        let meters = vec![
            ("credit", limited(Cap::Hard)),
            ("texts", limited(Cap::None)),
        ];
        Known::new(meters).used("calls", "100").used("texts", "199")
    };
    // Its own terms are passed, and have no cap: what can refuse speaks.
    assert_reason(&known(), "texts", "1", Reason::Within);
    assert_eq!(verdict(&known(), "texts", "1").because, Some("credit"));
    let refused = verdict(&known(), "texts", "1.000000001");
    assert_eq!(
        (refused.reason, refused.because),
        (Reason::HardCap, Some("credit"))
    );
    assert_eq!(
        (refused.used, refused.remaining),
        (q("99.75"), Some(q("0.25")))
    );
    assert_eq!(verdict(&known(), "credit", "0.25").because, None);
    assert_reason(&known(), "credit", "0.250000001", Reason::HardCap);
    assert_reason(&known(), "calls", "0.5", Reason::Within);
    assert_reason(&known(), "calls", "0.500000001", Reason::HardCap);
    assert_reason(&known(), "rate", "1", Reason::Unlimited);
    // Of an earlier period nothing counts.
    let fresh = known().held("calls", "1000", 1, None);
    assert_reason(&fresh, "texts", "201", Reason::Within);
    assert_reason(&fresh, "texts", "202", Reason::HardCap);
}

#[test]
fn terms_with_other_periods_are_no_use_of_zero() {
    // 0.5 · calls + 0.25 · texts; texts are known by the hour or the month, credit by the day.
    let of = |texts: (i64, i64), credit: Option<&'static str>| {
        let known = Known::new(vec![("credit", limited(Cap::Hard))]).used("calls", "100");
        let mut known = known.used("texts", "40");
        let held = known.held.get_mut("texts").expect("it was set");
        held.period_start = EventTime((START + texts.0) * 1_000);
        held.period_end = EventTime((START + texts.1) * 1_000);
        match credit {
            Some(credit) => known.used("credit", credit),
            None => known,
        }
    };
    let month = (-26 * DAY, 5 * DAY);
    let cases = [
        ((0, DAY), Some("99"), "60"),
        ((HOUR, 2 * HOUR), Some("99"), "99"),
        (month, Some("99"), "99"),
        // No use of this month, and nothing that could be: it ends with the day before.
        ((-31 * DAY, 0), Some("99"), "50"),
        // The hour that the day begins with, and no use after it.
        ((0, HOUR), Some("99"), "60"),
        // What is known, as long as nothing is said of this day.
        ((HOUR, 2 * HOUR), None, "60"),
        (month, None, "50"),
    ];
    for (texts, credit, used) in cases {
        let said = verdict(&of(texts, credit), "credit", "1");
        assert_eq!(said.used, q(used), "{texts:?}, {credit:?}");
    }
    let earlier = of(month, None).held("credit", "99", 1, None);
    assert_eq!(verdict(&earlier, "credit", "1").used, q("50"));
}

#[test]
fn the_verdict_is_of_the_strictest_terms() {
    let free = || terms("unlimited", Cap::Hard, Reset::Day, &[]);
    let included = || Terms {
        included: Some(q("10")),
        ..terms("unlimited", Cap::None, Reset::Day, &[])
    };
    // Terms of calls and of credit, use of calls: half as many credits. Whose verdict it is.
    let cases = [
        (limited(Cap::None), limited(Cap::Hard), "80", "credit"),
        (limited(Cap::None), limited(Cap::Soft), "80", "credit"),
        (limited(Cap::Soft), limited(Cap::Hard), "80", "credit"),
        (limited(Cap::Hard), limited(Cap::Hard), "80", "calls"),
        (limited(Cap::Hard), limited(Cap::Soft), "80", "calls"),
        (free(), limited(Cap::Soft), "80", "credit"),
        (free(), limited(Cap::None), "80", "credit"),
        (free(), included(), "10", "credit"),
        (included(), limited(Cap::Hard), "80", "credit"),
        (
            terms("200", Cap::Hard, Reset::Day, &[]),
            terms("50", Cap::Hard, Reset::Day, &[]),
            "80",
            "credit",
        ),
        // Beyond a soft cap says more than before a hard one.
        (limited(Cap::Soft), limited(Cap::Hard), "110", "calls"),
    ];
    for (calls, credit, used, whose) in cases {
        let name = format!("{:?} {:?}, {used}", calls.cap, credit.cap);
        let known = Known::new(vec![("calls", calls), ("credit", credit)]).used("calls", used);
        let said = verdict(&known, "calls", "1");
        assert_eq!(said.because.unwrap_or("calls"), whose, "{name}");
    }
}

#[test]
fn whether_any_terms_have_a_cap_is_said_whoever_speaks() {
    let unlimited = || terms("unlimited", Cap::Hard, Reset::Day, &[]);
    let cases = [
        (vec![("calls", limited(Cap::Hard))], true),
        (vec![("calls", limited(Cap::Soft))], true),
        (vec![("calls", limited(Cap::None))], false),
        (vec![("calls", unlimited())], false),
        (vec![("credit", limited(Cap::Hard))], true),
        (
            vec![
                ("calls", limited(Cap::None)),
                ("credit", limited(Cap::Hard)),
            ],
            true,
        ),
        (
            vec![
                ("calls", limited(Cap::Soft)),
                ("credit", limited(Cap::None)),
            ],
            true,
        ),
        (
            vec![("calls", limited(Cap::None)), ("credit", unlimited())],
            false,
        ),
        (vec![], false),
    ];
    for (meters, expected) in cases {
        let name = format!("{meters:?}");
        for used in ["0", "110"] {
            let known = Known::new(meters.clone()).used("calls", used);
            let said = verdict(&known, "calls", "1");
            assert_eq!(said.capped, expected, "{used} of {name}");
        }
    }
}

#[test]
fn a_stated_level_stands_in_the_place_of_the_sum() {
    let storage = |limit| vec![("storage", terms(limit, Cap::Hard, Reset::Day, &[]))];
    let counted = Known::new(storage("120")).used("seats", "9");
    assert_reason(&counted, "seats", "1", Reason::Within);
    assert_reason(&counted, "seats", "1.1", Reason::HardCap);
    let stated = Known::new(storage("120"))
        .used("seats", "900")
        .used("stated", "119");
    assert_reason(&stated, "seats", "1", Reason::Unlimited);
    assert_reason(&stated, "stated", "1", Reason::Within);
    assert_reason(&stated, "stated", "2", Reason::HardCap);
}

#[test]
fn who_is_not_served_is_refused_whatever_is_left() {
    for (status, expected) in [
        (AccountStatus::Suspended, Reason::Suspended),
        (AccountStatus::Closed, Reason::Closed),
    ] {
        let known = Known {
            status,
            ..Known::new(vec![("calls", limited(Cap::Hard))])
        };
        assert_reason(&known, "calls", "1", expected);
        assert_reason(&known, "unknown", "1", expected);
        assert_eq!(verdict(&known, "calls", "1").retry_after, None);
    }
}
