//! The plans of the five products, number by number, against their price lists.
//!
//! The numbers are written here in base units, apart from the catalogs: bytes, seconds, tokens.

use super::super::{catalogs, read};
use super::{quantity, threshold};
use meterline_core::catalog::plans::{
    Cap, Derived, Grace, HealthBounds, PeriodZone, Plan, Plans, Price, Reset, Severity, Terms,
    Threshold,
};
use meterline_core::quantity::Quantity;

/// 10⁹ bytes, and 1,024³ of them.
const GB: i128 = 1_000_000_000;
const GIB: i128 = 1 << 30;

fn of(name: &str) -> Plans {
    let mut files = catalogs();
    let (path, text) = files
        .find(|(path, _)| path.file_stem().is_some_and(|stem| stem == name))
        .expect("the catalog is there");
    read(&path.display().to_string(), &text)
        .expect("reads")
        .plans
}

fn whole(number: i128) -> Quantity {
    Quantity::from_unscaled(number, 0).expect("in range")
}

/// What a price list says of a meter.
#[derive(Clone, Copy)]
enum Row {
    /// A limit that a check refuses at.
    Hard(i128),
    /// A limit with seven days or 120 % of grace.
    Soft(i128),
    /// A quantity that is included.
    Included(i128),
    /// Neither.
    Unlimited,
}

/// Compares a meter's terms: the row, the price (its amount, for so many base units), the alerts
/// and the reset.
fn check(
    plan: &Plan,
    meter: &str,
    row: Row,
    price: Option<(&str, i128)>,
    alerts: &[Threshold],
    reset: Reset,
) {
    let (included, limit, cap) = match row {
        Row::Hard(limit) => (None, Some(whole(limit)), Cap::Hard),
        Row::Soft(limit) => (None, Some(whole(limit)), Cap::Soft),
        Row::Included(included) => (Some(whole(included)), None, Cap::None),
        Row::Unlimited => (None, None, plan.meters[meter].cap),
    };
    let grace = Grace {
        seconds: 604_800,
        percent: whole(120),
    };
    let price = price.map(|(amount, per)| Price {
        amount: quantity(amount),
        per: whole(per),
    });
    let expected = Terms {
        included,
        limit,
        cap,
        grace: (cap == Cap::Soft).then_some(grace),
        thresholds: alerts.to_vec(),
        reset,
        zone: PeriodZone::Utc,
        price,
    };
    assert_eq!(plan.meters[meter], expected, "{} {meter}", plan.name);
}

fn at(percent: &str, severity: Severity) -> Threshold {
    threshold(percent, false, severity, "usage.threshold")
}

fn names(plans: &Plans) -> Vec<&str> {
    plans.plans.iter().map(|plan| plan.name.as_str()).collect()
}

#[test]
fn pulse_limits_everything_and_includes_nothing() {
    let plans = of("pulse");
    assert_eq!(
        (plans.currency.as_str(), &plans.default_plan),
        ("USD", &None)
    );
    assert_eq!(names(&plans), ["free", "pro", "enterprise"]);
    let meters = [
        "participant_minutes",
        "egress_minutes",
        "storage_gb",
        "bandwidth_gb",
        "api_requests",
    ];
    let units = [60, 60, GB, GB, 1_000];
    type Expected = (
        &'static str,
        &'static str,
        [i128; 5],
        Option<[&'static str; 5]>,
    );
    let expected: [Expected; 3] = [
        ("0", "80", [60_000, 6_000, GB, 10 * GB, 10_000], None),
        (
            "49",
            "80",
            [6_000_000, 600_000, 100 * GB, 1_000 * GB, 1_000_000],
            Some(["0.004", "0.012", "0.10", "0.05", "0.001"]),
        ),
        (
            "299",
            "90",
            [-1; 5],
            Some(["0.003", "0.010", "0.08", "0.04", "0.0008"]),
        ),
    ];
    for (plan, (base, warning, limits, prices)) in plans.plans.iter().zip(expected) {
        assert_eq!(plan.base, Some(quantity(base)));
        assert_eq!(plan.meters.len(), 5);
        let alerts = [at(warning, Severity::Warning), at("95", Severity::Critical)];
        for (index, meter) in meters.into_iter().enumerate() {
            let price = prices.map(|prices| (prices[index], units[index]));
            let row = match limits[index] {
                -1 => Row::Unlimited,
                limit => Row::Hard(limit),
            };
            check(plan, meter, row, price, &alerts, Reset::Month);
        }
    }
}

#[test]
fn provider_includes_and_bills_what_goes_beyond() {
    let plans = of("provider");
    assert_eq!(
        (plans.currency.as_str(), &plans.default_plan),
        ("USD", &None)
    );
    assert_eq!(names(&plans), ["free", "basic", "premium", "enterprise"]);
    let [caution, warning, critical] = [75, 90, 100].map(whole);
    assert_eq!(
        plans.health,
        HealthBounds {
            caution,
            warning,
            critical
        }
    );
    let meters = [
        "active_stores",
        "active_devices",
        "api_calls",
        "webhook_calls",
        "storage_used",
    ];
    let prices = [("10", 1), ("5", 1), ("0.001", 1), ("0.01", 1), ("2", GIB)];
    let expected = [
        [1, 2, 10_000, 100, GIB],
        [5, 10, 50_000, 500, 10 * GIB],
        [20, 50, 200_000, 2_000, 50 * GIB],
        [100, 200, 1_000_000, 10_000, 200 * GIB],
    ];
    let alerts = [threshold(
        "100",
        true,
        Severity::Medium,
        "billing.over_limit",
    )];
    for (plan, included) in plans.plans.iter().zip(expected) {
        assert_eq!((plan.base, plan.meters.len()), (None, 5));
        for (index, meter) in meters.into_iter().enumerate() {
            let row = Row::Included(included[index]);
            check(plan, meter, row, Some(prices[index]), &alerts, Reset::Month);
        }
    }
}

/// Compares a derived quantity: its constant, its terms and what takes its place.
fn check_derived(derived: &Derived, constant: i128, terms: &[(&str, &str)], unless: Option<&str>) {
    let read = derived.terms.iter();
    let read: Vec<_> = read
        .map(|term| (term.meter.as_str(), term.weight))
        .collect();
    let expected: Vec<_> = terms
        .iter()
        .map(|(meter, weight)| (*meter, quantity(weight)))
        .collect();
    assert_eq!(derived.constant, whole(constant));
    assert_eq!(read, expected);
    assert_eq!(derived.unless.as_deref(), unless);
}

#[test]
fn provider_storage_follows_from_counts_unless_it_is_set() {
    let plans = of("provider");
    let [storage] = &plans.derived[..] else {
        panic!("one derived quantity");
    };
    assert_eq!(
        (storage.name.as_str(), storage.unit.as_str()),
        ("storage_used", "byte")
    );
    let terms = [
        ("sales", "1024"),
        ("tickets", "512"),
        ("audit_entries", "256"),
    ];
    check_derived(storage, 100 * 1_024 * 1_024, &terms, Some("storage"));
}

#[test]
fn stack_caps_the_free_plan_and_bills_the_others() {
    let plans = of("stack");
    assert_eq!(
        (plans.currency.as_str(), &plans.default_plan),
        ("USD", &None)
    );
    assert_eq!(names(&plans), ["free", "standard", "enterprise"]);
    let meters = [
        "llm_tokens",
        "agent_executions",
        "api_calls",
        "storage_gb",
        "user_seats",
    ];
    let units = [1_000, 1, 1, GB, 1];
    use Row::{Hard, Included, Soft, Unlimited};
    type Expected = (&'static str, [Row; 5], [Option<&'static str>; 5]);
    let expected: [Expected; 3] = [
        (
            "0",
            [Soft(10_000), Soft(100), Soft(1_000), Hard(GB), Hard(3)],
            [None; 5],
        ),
        (
            "99",
            [1_000_000, 5_000, 100_000, 100 * GB, 25].map(Included),
            ["0.01", "0.10", "0.001", "0.50", "5"].map(Some),
        ),
        (
            "499",
            [
                Included(10_000_000),
                Included(50_000),
                Included(1_000_000),
                Included(1_000 * GB),
                Unlimited,
            ],
            [
                Some("0.005"),
                Some("0.05"),
                Some("0.0005"),
                Some("0.25"),
                None,
            ],
        ),
    ];
    let alerts = [
        at("80", Severity::Warning),
        at("100", Severity::Critical),
        at("120", Severity::Critical),
    ];
    for (plan, (base, rows, prices)) in plans.plans.iter().zip(expected) {
        assert_eq!((plan.base, plan.meters.len()), (Some(quantity(base)), 5));
        for (index, meter) in meters.into_iter().enumerate() {
            let price = prices[index].map(|amount| (amount, units[index]));
            check(
                plan,
                meter,
                rows[index],
                price,
                &alerts,
                Reset::BillingMonth,
            );
        }
    }
}

#[test]
fn irisx_spends_credit_at_its_rates() {
    let plans = of("irisx");
    assert_eq!(
        (plans.currency.as_str(), &plans.default_plan),
        ("USD", &None)
    );
    let [credit] = &plans.derived[..] else {
        panic!("one derived quantity");
    };
    assert_eq!(
        (credit.name.as_str(), credit.unit.as_str()),
        ("credit", "USD")
    );
    let rates = [
        ("voice_minute", "0.00025"), // a second; 0.015 a minute
        ("sms_message", "0.0075"),
        ("sms_mms", "0.02"),
        ("email_message", "0.001"),
        ("whatsapp_message", "0.005"),
        ("social_message", "0"),
    ];
    check_derived(credit, 0, &rates, None);
    let minute = credit.terms[0].weight.times(whole(60));
    assert_eq!(minute, Ok(quantity("0.015")));
    assert_eq!(
        names(&plans),
        ["trial", "starter", "professional", "enterprise"]
    );
    let alerts = [
        at("80", Severity::Warning),
        at("90", Severity::Warning),
        at("100", Severity::Critical),
    ];
    let [trial, paid @ ..] = &plans.plans[..] else {
        panic!("four plans");
    };
    let terms = &trial.meters["credit"];
    assert_eq!(trial.base, Some(Quantity::ZERO));
    assert_eq!(
        (terms.included, terms.limit, terms.cap),
        (Some(whole(50)), Some(whole(50)), Cap::Hard)
    );
    assert_eq!(
        (&terms.thresholds[..], terms.reset),
        (&alerts[..], Reset::Month)
    );
    for (plan, (base, included)) in paid.iter().zip([(29, 10), (99, 50), (499, 200)]) {
        assert_eq!((plan.base, plan.meters.len()), (Some(whole(base)), 1));
        check(
            plan,
            "credit",
            Row::Included(included),
            Some(("1", 1)),
            &alerts,
            Reset::Month,
        );
    }
}

#[test]
fn operate_has_one_plan_for_all() {
    let plans = of("operate");
    assert_eq!(plans.currency, "EUR");
    assert_eq!(names(&plans), ["pay_as_you_go"]);
    assert_eq!(plans.default_plan.as_deref(), Some("pay_as_you_go"));
    let rows = [
        ("ocr_scan", 50, "0.05"),
        ("api_call", 10_000, "0.001"),
        ("storage_gb", 5, "0.02"),
        ("ai_classification", 100, "0.01"),
        ("email_sent", 1_000, "0.005"),
        ("bank_sync", 30, "0.03"),
        ("sms_sent", 100, "0.10"),
        ("pdf_export", 200, "0.02"),
        ("webhook", 5_000, "0.002"),
        ("custom_report", 50, "0.05"),
    ];
    let plan = &plans.plans[0];
    assert_eq!((plan.base, plan.meters.len()), (None, rows.len()));
    let alerts = [at("80", Severity::Warning), at("100", Severity::Critical)];
    for (meter, included, price) in rows {
        let unit = if meter == "storage_gb" { GIB } else { 1 };
        let row = Row::Included(included * unit);
        check(plan, meter, row, Some((price, unit)), &alerts, Reset::Month);
    }
}
