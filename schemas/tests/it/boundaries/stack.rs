//! `stack`: soft and hard limits on the free plan, included quantities on the others, in billing
//! months.

use super::*;
use crate::walk::moment;
use meterline_core::time::{LogTime, Millis};

/// Billing months from the 31st: that of November begins on its last day.
const NEXT: &str = "2026-11-30T00:00:00Z";
const ALERTS: [Alert<'_>; 3] = [
    (80, false, Warning, KIND),
    (100, false, Critical, KIND),
    (120, false, Critical, KIND),
];
const CAPPED: [Alert<'_>; 4] = [ALERTS[0], ALERTS[1], PASSED, ALERTS[2]];
const FLOWS: [&str; 3] = ["llm_tokens", "agent_executions", "api_calls"];
const LEVELS: [&str; 2] = ["storage_gb", "user_seats"];

#[test]
fn the_free_plan_warns_and_refuses() {
    for (meter, basis) in FLOWS.into_iter().zip([10_000, 100, 1_000]) {
        let case = Case {
            meter,
            basis,
            step: 1,
            alerts: &CAPPED,
            cap: Cap::Soft,
        };
        case.walk_flow(&mut on("stack", "free"), NEXT);
    }
    for (meter, basis) in LEVELS.into_iter().zip([GB, 3]) {
        let case = Case {
            meter,
            basis,
            step: 1,
            alerts: &CAPPED,
            cap: Cap::Hard,
        };
        case.walk_level(&mut on("stack", "free"), NEXT);
    }
}

#[test]
fn paid_plans_charge_for_what_goes_beyond() {
    let plans = [
        ("standard", [1_000_000, 5_000, 100_000], &[100 * GB, 25][..]),
        (
            "enterprise",
            [10_000_000, 50_000, 1_000_000],
            &[1_000 * GB][..],
        ),
    ];
    for (plan, flows, levels) in plans {
        let case = |meter, basis| Case {
            meter,
            basis,
            step: 1,
            alerts: &ALERTS,
            cap: Cap::None,
        };
        for (meter, included) in FLOWS.into_iter().zip(flows) {
            case(meter, included).walk_flow(&mut on("stack", plan), NEXT);
        }
        for (meter, included) in LEVELS.into_iter().zip(levels) {
            case(meter, *included).walk_level(&mut on("stack", plan), NEXT);
        }
    }
    let mut walk = on("stack", "enterprise");
    walk.use_is("user_seats", whole(1_000_000));
    assert_eq!(walk.open("user_seats"), []);
    assert_eq!(walk.standing("user_seats").health, Health::Healthy);
    assert_eq!(walk.verdict("user_seats", whole(1)), (true, "unlimited"));
}

#[test]
fn a_soft_cap_refuses_seven_days_after_it_was_passed() {
    for (meter, limit) in FLOWS.into_iter().zip([10_000, 100, 1_000]) {
        let mut walk = on("stack", "free");
        let one = whole(1);
        walk.use_is(meter, whole(limit));
        assert_eq!(
            walk.standing(meter).crossed_at,
            None,
            "at the limit it is not passed"
        );
        walk.wait_until("2026-11-12T08:00:00Z");
        walk.use_is(meter, one);
        let crossed = walk.now();
        assert_eq!(walk.standing(meter).crossed_at, Some(crossed));
        let days = |days: u32| Millis(days * 86_400_000);
        let over = crossed.after(days(7));
        let last = LogTime(over.0 - 1);
        assert_eq!(walk.verdict_at(meter, one, last), (true, "soft_cap"));
        assert_eq!(walk.verdict_at(meter, one, over), (false, "grace_over"));
        // A new period starts with a new grace.
        walk.wait_until(NEXT);
        assert_eq!(walk.verdict(meter, one), (true, "within"));
    }
}

#[test]
fn periods_are_the_subscription_s() {
    let mut walk = on("stack", "free");
    let of = |walk: &Walk| {
        let standing = walk.standing("api_calls");
        (standing.period_start, standing.period_end)
    };
    let span = |start: &str, end: &str| {
        let time = |text| moment(text).as_event_time();
        (time(start), time(end))
    };
    walk.use_is("api_calls", whole(1));
    assert_eq!(of(&walk), span("2026-10-31T00:00:00Z", NEXT));
    walk.wait_until("2026-11-29T23:59:59.999Z");
    assert_eq!(of(&walk), span("2026-10-31T00:00:00Z", NEXT));
    walk.wait_until(NEXT);
    assert_eq!(of(&walk), span(NEXT, "2026-12-31T00:00:00Z"));
}
