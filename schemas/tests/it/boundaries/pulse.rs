//! `pulse`: limits that checks refuse at, warning from the plan's share, critical from 95 %.

use super::*;
use meterline_core::account::{LimitOverride, Override};

const DECEMBER: &str = "2026-12-01T00:00:00Z";
const METERS: [&str; 5] = [
    "participant_minutes",
    "egress_minutes",
    "storage_gb",
    "bandwidth_gb",
    "api_requests",
];
const ALERTS: [Alert<'_>; 3] = [
    (80, false, Warning, KIND),
    (95, false, Critical, KIND),
    PASSED,
];

fn check(walk: &mut Walk, meter: &str, basis: i128, alerts: &[Alert<'_>]) {
    let case = Case {
        meter,
        basis,
        step: 1,
        alerts,
        cap: Cap::Hard,
    };
    if meter == "storage_gb" {
        case.walk_level(walk, DECEMBER);
    } else {
        case.walk_flow(walk, DECEMBER);
    }
}

#[test]
fn free_and_pro_refuse_at_their_limits() {
    let plans = [
        ("free", [60_000, 6_000, GB, 10 * GB, 10_000]),
        ("pro", [6_000_000, 600_000, 100 * GB, 1_000 * GB, 1_000_000]),
    ];
    for (plan, limits) in plans {
        for (meter, limit) in METERS.into_iter().zip(limits) {
            check(&mut on("pulse", plan), meter, limit, &ALERTS);
        }
    }
}

#[test]
fn enterprise_is_unlimited_until_an_override_sets_a_limit() {
    let mut walk = on("pulse", "enterprise");
    for meter in METERS {
        walk.use_is(meter, whole(1_000_000 * GB));
        assert_eq!(walk.open(meter), []);
        assert_eq!(walk.standing(meter).health, Health::Healthy);
        assert_eq!(walk.verdict(meter, whole(GB)), (true, "unlimited"));
    }
    let alerts = [
        (90, false, Warning, KIND),
        (95, false, Critical, KIND),
        PASSED,
    ];
    for meter in METERS {
        let limited = Override {
            limit: Some(LimitOverride::At(whole(5_000))),
            ..Override::default()
        };
        let overrides = [(meter.to_owned(), limited)].into();
        let mut walk = Walk::new("pulse", Some("enterprise"), overrides, NOW);
        check(&mut walk, meter, 5_000, &alerts);
    }
}
