//! `irisx`: credit, spent by every use at its rate.

use super::*;

const DECEMBER: &str = "2026-12-01T00:00:00Z";
const ALERTS: [Alert<'_>; 3] = [
    (80, false, Warning, KIND),
    (90, false, Warning, KIND),
    (100, false, Critical, KIND),
];
const CAPPED: [Alert<'_>; 4] = [ALERTS[0], ALERTS[1], ALERTS[2], PASSED];
/// Meter, its rate in units of 10⁻⁹ USD: a second, a message, a recipient.
const RATES: [(&str, i128); 5] = [
    ("voice_minute", 250_000),
    ("sms_message", 7_500_000),
    ("sms_mms", 20_000_000),
    ("email_message", 1_000_000),
    ("whatsapp_message", 5_000_000),
];

fn case(basis: i128, step: i128, cap: Cap) -> Case<'static> {
    let alerts: &[Alert<'_>] = if cap == Cap::Hard { &CAPPED } else { &ALERTS };
    Case {
        meter: "credit",
        basis,
        step,
        alerts,
        cap,
    }
}

#[test]
fn the_trial_refuses_when_its_credit_is_spent() {
    // Seconds: the smallest part that is counted costs 10⁻⁹ · 0.00025 USD, which no quantity holds;
    // 4,000 of them cost 10⁻⁹ USD.
    let case = case(50, 1, Cap::Hard);
    let seconds = |walk: &mut Walk, spent: Quantity| {
        walk.use_is("voice_minute", raw(spent.raw() * 4_000));
    };
    let mut walk = on("irisx", "trial");
    case.walk(&mut walk, DECEMBER, seconds);
    case.assert_clean(&walk);
}

#[test]
fn paid_plans_invoice_what_goes_beyond() {
    for (plan, credit) in [("starter", 10), ("professional", 50), ("enterprise", 200)] {
        let case = case(credit, 1, Cap::None);
        let seconds = |walk: &mut Walk, spent: Quantity| {
            walk.use_is("voice_minute", raw(spent.raw() * 4_000));
        };
        let mut walk = on("irisx", plan);
        case.walk(&mut walk, DECEMBER, seconds);
        case.assert_clean(&walk);
    }
}

#[test]
fn a_difference_that_no_quantity_shows_still_counts() {
    let mut walk = on("irisx", "trial");
    let at = whole(50 * 4_000).raw();
    let names = |walk: &Walk| {
        walk.open("credit")
            .into_iter()
            .map(|open| open.0)
            .collect::<Vec<_>>()
    };
    walk.use_is("voice_minute", raw(at - 1));
    assert_eq!(names(&walk), ["80", "90"]);
    assert_eq!(walk.verdict("voice_minute", raw(1)), (true, "within"));
    assert_eq!(walk.verdict("voice_minute", raw(2)), (false, "hard_cap"));
    walk.use_is("voice_minute", raw(at));
    assert_eq!(names(&walk), ["100", "80", "90"]);
    assert_eq!(walk.standing("credit").health, Health::Warning);
    assert_eq!(walk.verdict("voice_minute", raw(1)), (false, "hard_cap"));
    walk.use_is("voice_minute", raw(at + 1));
    assert_eq!(names(&walk), ["100", "80", "90", ">100"]);
    assert_eq!(walk.standing("credit").health, Health::Critical);
}

#[test]
fn a_check_of_any_use_asks_for_the_credit() {
    // One more of each meter is allowed while it can be paid, and refused where it cannot.
    for (meter, rate) in RATES {
        let mut walk = on("irisx", "trial");
        let left = |walk: &mut Walk, left: i128| {
            let spent = whole(50).raw() - left;
            walk.use_is("voice_minute", raw(spent * 4_000));
        };
        left(&mut walk, rate);
        assert_eq!(walk.verdict(meter, whole(1)), (true, "within"), "{meter}");
        left(&mut walk, rate - 1);
        assert_eq!(
            walk.verdict(meter, whole(1)),
            (false, "hard_cap"),
            "{meter}"
        );
    }
}

#[test]
fn every_channel_spends_at_its_rate() {
    let mut walk = on("irisx", "starter");
    let mut spent = 0;
    for (number, (meter, rate)) in (1_i128..).zip(RATES) {
        // Calls and e-mails sum quantities, messages count events: all take whole numbers.
        walk.use_is(meter, whole(number * 10));
        spent += number * 10 * rate;
        assert_eq!(walk.standing("credit").used, raw(spent), "{meter}");
    }
    walk.use_is("social_message", whole(1_000));
    assert_eq!(walk.standing("credit").used, raw(spent), "it has no price");
}
