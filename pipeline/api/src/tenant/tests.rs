//! Checks where a derived quantity has the cap: credit, of which a call takes 2 and a byte 0.5.

use super::*;
use crate::room::room;
use crate::testing::{NOW, catalog, number};
use meterline_core::alert::Judged;
use meterline_core::catalog::plans::{Cap, Grace, Plan, Term};
use meterline_core::limits::check;
use meterline_core::quantity::Quantity;
use meterline_core::standing::{Health, Standing};

const CREDIT: &str = "credit";

/// The plan of those without an account: `calls` as they are, `credit` of 100 with this cap.
fn with_credit(calls: Option<Cap>, credit: Cap) -> Catalog {
    let mut catalog = catalog();
    let term = |meter: &str, weight: &str| Term {
        meter: meter.to_owned(),
        weight: Quantity::parse(weight).expect("a weight"),
    };
    catalog.plans.derived = vec![Derived {
        name: CREDIT.to_owned(),
        description: String::new(),
        unit: CREDIT.to_owned(),
        terms: vec![term("calls", "2"), term("bytes", "0.5")],
        constant: Quantity::ZERO,
        unless: None,
    }];
    let plan: &mut Plan = &mut catalog.plans.plans[0];
    let terms = plan.meters.remove("calls").expect("there are calls");
    let with = |cap: Cap| Terms {
        cap,
        included: None,
        ..terms.clone()
    };
    plan.meters.insert(CREDIT.to_owned(), with(credit));
    plan.meters.insert("bytes".to_owned(), with(Cap::None));
    if let Some(cap) = calls {
        plan.meters.insert("calls".to_owned(), with(cap));
    }
    catalog.plans.default_plan = Some(plan.name.clone());
    catalog
}

fn used(standings: &Standings, known: &KnownTenant<'_>, meter: &str, whole: i128) {
    used_exactly(standings, known, meter, number(whole));
}

fn used_exactly(standings: &Standings, known: &KnownTenant<'_>, meter: &str, used: Quantity) {
    let period = known.limit(CREDIT).expect("limited").period;
    standings.take(&Standing {
        tenant: "acme".to_owned(),
        meter: meter.to_owned(),
        period_start: period.start,
        period_end: period.end,
        used,
        included: None,
        limit: None,
        cap: Cap::None,
        health: Health::Healthy,
        crossed_at: None,
        plan: "free".to_owned(),
        judged: Judged {
            usage: Vec::new(),
            catalog: 0,
            account: None,
            effective: None,
        },
    });
}

fn known<'a>(catalog: &'a Catalog, standings: &'a Standings, meter: &'a str) -> KnownTenant<'a> {
    let source = TermsSource::new(&catalog.plans, None, NOW);
    KnownTenant::new("acme", catalog, standings, source, iter::once(meter))
}

#[test]
fn all_that_a_derived_quantity_is_made_of_is_known() {
    let catalog = with_credit(Some(Cap::None), Cap::Hard);
    let standings = Standings::new();
    for meter in ["calls", CREDIT] {
        let known = known(&catalog, &standings, meter);
        for name in ["calls", "bytes", CREDIT] {
            assert!(known.limit(name).is_some(), "{name} for a check of {meter}");
        }
    }
}

#[test]
fn the_room_is_that_of_the_strictest_hard_cap() {
    let case = |calls: Option<Cap>, credit: Cap, expected: (bool, Option<&str>)| {
        let catalog = with_credit(calls, credit);
        let standings = Standings::new();
        let known = known(&catalog, &standings, "calls");
        used(&standings, &known, "calls", 10);
        used(&standings, &known, "bytes", 7);
        let verdict = check(&known, &catalog.plans, "calls", Quantity::ONE, NOW);
        assert!(verdict.allowed, "{calls:?} {credit:?}");
        let room = room(&known, &catalog.plans, "calls", NOW);
        let room = room.map(|room| room.to_string());
        let actual = (verdict.capped, room.as_deref());
        assert_eq!(actual, expected, "calls {calls:?}, credit {credit:?}");
    };
    // 23.5 of 100 credit are used: 76.5 are left, for 38.25 calls.
    case(None, Cap::Hard, (true, Some("38.25")));
    case(Some(Cap::None), Cap::Hard, (true, Some("38.25")));
    case(Some(Cap::Hard), Cap::Hard, (true, Some("38.25")));
    case(Some(Cap::Hard), Cap::None, (true, Some("90")));
    case(Some(Cap::None), Cap::Soft, (true, None));
    case(Some(Cap::None), Cap::None, (false, None));
}

/// Also where the use of a derived quantity has more decimals than a quantity.
#[test]
fn the_room_before_a_grace_ends_is_what_a_check_allows() {
    let q = |text: &str| Quantity::parse(text).expect("a quantity");
    let mut catalog = with_credit(None, Cap::Soft);
    let terms = catalog.plans.plans[0].meters.get_mut(CREDIT);
    terms.expect("credit has terms").grace = Some(Grace {
        percent: q("120.000000001"),
        ..Grace::default()
    });
    for bytes in ["7", "7.000000001", "7.000000003", "0.000000001", "192"] {
        let standings = Standings::new();
        for meter in ["calls", "bytes"] {
            let known = known(&catalog, &standings, meter);
            used(&standings, &known, "calls", 10);
            used_exactly(&standings, &known, "bytes", q(bytes));
            let room = room(&known, &catalog.plans, meter, NOW).expect("a cap that refuses");
            let is_allowed = |more| check(&known, &catalog.plans, meter, more, NOW).allowed;
            assert!(is_allowed(room), "{room} of {meter} after {bytes} bytes");
            // As near as a share of the last decimal comes.
            let beyond = Quantity::from_raw(room.raw() + 4).expect("a quantity");
            assert!(
                !is_allowed(beyond),
                "{beyond} of {meter} after {bytes} bytes"
            );
        }
    }
}
