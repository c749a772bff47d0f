//! Exact numbers, prices and what they come to.

use super::{Fake, id, listed};
use crate::decimal::Decimal;
use crate::form::Form;
use crate::pricing::{Pricing, Tiers};

fn decimal(text: &str) -> Decimal {
    Decimal::parse(text).expect("a decimal")
}

#[test]
fn decimals_are_exact() {
    let check = |left: &str, right: &str, sum: &str, product: &str| {
        let (left, right) = (decimal(left), decimal(right));
        assert_eq!(left.plus(right).to_string(), sum);
        assert_eq!(left.times(right).to_string(), product);
        assert_eq!(left.plus(right).minus(right), left);
    };
    check("0.1", "0.2", "0.3", "0.02");
    check("-1.50", "1.5", "0", "-2.25");
    check("-0.25", "0", "-0.25", "0");
    check(
        "999999999999999",
        "0.000000000000001",
        "999999999999999.000000000000001",
        "0.999999999999999",
    );
    assert!(decimal("10") > decimal("9.999"));
    assert_eq!(decimal("0.3").nearest_float().to_string(), "0.3");
    for text in [
        "",
        "-",
        "1.",
        ".5",
        "1e3",
        "+1",
        "1,5",
        "0.0000000000000001",
        "NaN",
    ] {
        assert!(Decimal::parse(text).is_none(), "{text}");
    }
}

#[test]
fn halves_are_rounded_away_from_zero() {
    for (text, expected) in [
        ("0.5", 1),
        ("-0.5", -1),
        ("1.49", 1),
        ("2", 2),
        ("-1.51", -2),
    ] {
        assert_eq!(decimal(text).rounded(), expected, "{text}");
    }
}

#[test]
fn significant_digits_begin_with_the_first_that_is_not_zero() {
    for (text, expected) in [("0.00120", 3), ("100", 3), ("-12.5", 3), ("0", 0)] {
        assert_eq!(Decimal::significant_digits(text), expected, "{text}");
    }
}

#[test]
fn tiers_are_graduated_or_by_volume() {
    let check = |mode: &str, quantity: &str, expected: &str| {
        let tiers = format!(
            "tiers_mode={mode}&tiers[0][up_to]=100&tiers[0][unit_amount]=0\
             &tiers[1][up_to]=inf&tiers[1][unit_amount_decimal]=0.5&tiers[1][flat_amount]=7"
        );
        let tiers = Tiers::requested(&Form::parse(&tiers)).expect("tiers");
        let amount = Pricing::Tiered(tiers).amount(decimal(quantity));
        assert_eq!(amount.to_string(), expected, "{mode} {quantity}");
    };
    check("graduated", "100", "0");
    check("graduated", "100.5", "7.25");
    check("graduated", "300", "107");
    check("volume", "100", "0");
    check("volume", "300", "157");
    let open = "tiers_mode=volume&tiers[0][up_to]=100&tiers[0][unit_amount]=0";
    assert!(Tiers::requested(&Form::parse(open)).is_err());
}

#[test]
fn a_metered_price_needs_an_active_meter() {
    let mut fake = Fake::new();
    let meter = fake.meter("tokens", "sum", None);
    let product = id(&fake
        .post("/v1/products", &[("name", "P"), ("id", "tokens")])
        .ok());
    assert_eq!(product, "tokens");
    let create = |fake: &mut Fake, more: &[(&str, &str)]| {
        let mut parameters = vec![
            ("product", "tokens"),
            ("currency", "usd"),
            ("recurring[interval]", "month"),
            ("unit_amount_decimal", "0.001"),
            ("recurring[usage_type]", "metered"),
        ];
        parameters.extend(more);
        fake.post("/v1/prices", &parameters)
    };
    create(&mut fake, &[]).refused(400);
    create(&mut fake, &[("recurring[meter]", "mtr_none")]).refused(400);
    let price = create(
        &mut fake,
        &[("recurring[meter]", &meter), ("lookup_key", "k")],
    )
    .ok();
    assert_eq!(price["unit_amount_decimal"], "0.001");
    assert!(price["unit_amount"].is_null());
    create(
        &mut fake,
        &[("recurring[meter]", &meter), ("lookup_key", "k")],
    )
    .refused(400);
    let found = fake.get("/v1/prices", &[("lookup_keys[0]", "k")]).ok();
    assert_eq!(listed(&found), [price]);
    let customer = fake.customer();
    let price = id(&listed(&found)[0]);
    let subscribe = [("customer", customer.as_str()), ("items[0][price]", &price)];
    fake.post("/v1/subscriptions", &subscribe).ok();
    let off = [("active", "false")];
    fake.post(&format!("/v1/prices/{price}"), &off).ok();
    fake.post("/v1/subscriptions", &subscribe).refused(400);
    fake.post(&format!("/v1/billing/meters/{meter}/deactivate"), &[])
        .ok();
    create(&mut fake, &[("recurring[meter]", &meter)]).refused(400);
}

#[test]
fn tiers_are_shown_when_they_are_expanded() {
    let mut fake = Fake::new();
    fake.post("/v1/products", &[("name", "P"), ("id", "base")])
        .ok();
    let parameters = [
        ("product", "base"),
        ("currency", "usd"),
        ("recurring[interval]", "month"),
        ("billing_scheme", "tiered"),
        ("tiers_mode", "graduated"),
        ("tiers[0][up_to]", "50"),
        ("tiers[0][unit_amount]", "0"),
        ("tiers[1][up_to]", "inf"),
        ("tiers[1][unit_amount_decimal]", "0.5"),
    ];
    let price = fake.post("/v1/prices", &parameters).ok();
    assert!(price.get("tiers").is_none());
    let path = format!("/v1/prices/{}", id(&price));
    let expanded = fake.get(&path, &[("expand[]", "tiers")]).ok();
    assert_eq!(expanded["tiers"][1]["unit_amount_decimal"], "0.5");
    let list = fake.get("/v1/prices", &[("expand[]", "data.tiers")]).ok();
    assert_eq!(listed(&list), [expanded]);
}

#[test]
fn a_lookup_key_has_one_price_and_goes_to_another_only_when_it_is_told() {
    let mut fake = Fake::new();
    fake.post("/v1/products", &[("name", "P"), ("id", "base")])
        .ok();
    let create = |fake: &mut Fake, amount: &str, more: &[(&str, &str)]| {
        let mut parameters = vec![
            ("product", "base"),
            ("currency", "usd"),
            ("recurring[interval]", "month"),
            ("unit_amount_decimal", amount),
        ];
        parameters.extend(more);
        fake.post("/v1/prices", &parameters)
    };
    let first = id(&create(&mut fake, "1", &[("lookup_key", "k")]).ok());
    let second = id(&create(&mut fake, "2", &[("lookup_key", "k2")]).ok());
    let path = format!("/v1/prices/{second}");
    fake.post(&path, &[("lookup_key", "k")]).refused(400);
    let transfer = [("lookup_key", "k"), ("transfer_lookup_key", "true")];
    assert_eq!(fake.post(&path, &transfer).ok()["lookup_key"], "k");
    let left = fake.get(&format!("/v1/prices/{first}"), &[]).ok();
    assert!(left["lookup_key"].is_null());
    let third = create(&mut fake, "3", &transfer).ok();
    let found = fake.get("/v1/prices", &[("lookup_keys[0]", "k")]).ok();
    assert_eq!(listed(&found), [third]);
    create(&mut fake, "0.0000000000001", &[]).refused(400);
}
