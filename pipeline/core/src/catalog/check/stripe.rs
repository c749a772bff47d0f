//! The rules for what is pushed to Stripe: of which meters, and under which names.
//!
//! What the ledger of pushes and the meters at Stripe fixed (a meter's event name, the key of the
//! customer) never changes under a meter's name, and an event name is never given to another meter:
//! either would add two meanings up on one invoice.

use super::super::stripe::{StripeMapping, StripeMeter};
use super::super::{Aggregation, Catalog};
use super::{METERS_MAX, Problem, too_many};
use crate::nearest::hint;
use std::collections::BTreeMap;

/// Longest event name and key of a payload, in characters: Stripe's bound on `event_name`.
const NAME_CHARACTERS_MAX: usize = 100;
/// Longest name for people, in characters: Stripe's bound on `display_name`.
const DISPLAY_NAME_CHARACTERS_MAX: usize = 250;
/// Most hours that a price is spread over: those of a leap year, the longest period of a price.
const HOURS_MAX: u32 = 366 * 24;
/// The key of a payload that holds the value: Stripe's default, which is never mapped otherwise.
const VALUE_KEY: &str = "value";

/// Adds what is wrong with the catalog's mapping.
pub(super) fn check(catalog: &Catalog, problems: &mut Vec<Problem>) {
    let StripeMapping {
        customer_key,
        meters,
    } = &catalog.stripe;
    problems.extend(name("stripe.customer_key", customer_key));
    if customer_key == VALUE_KEY {
        let reason = "is `value`, the key of the pushed value: name another one";
        problems.push(Problem::new("stripe.customer_key", reason));
    }
    problems.extend(too_many("stripe.meters", meters.len(), METERS_MAX));
    let mut event_names = BTreeMap::new();
    for (meter, of) in meters {
        let path = format!("stripe.meters.{meter}");
        if let Some(reason) = cannot_be_pushed(catalog, meter) {
            problems.push(Problem::new(&*path, reason));
        }
        let event_path = format!("{path}.event_name");
        problems.extend(name(&event_path, &of.event_name));
        if let Some(first) = event_names.insert(of.event_name.as_str(), meter) {
            let reason = format!("`{}` is the event name of `{first}` already", of.event_name);
            problems.push(Problem::new(event_path, reason));
        }
        problems.extend(display_name(
            format!("{path}.display_name"),
            &of.display_name,
        ));
        if let Some(hours) = of.hours {
            problems.extend(spread(catalog, meter, hours));
        }
    }
}

/// What is wrong with the hours that a meter's price is spread over.
fn spread(catalog: &Catalog, name: &str, hours: u32) -> Option<Problem> {
    let problem = |reason| Some(Problem::new(format!("stripe.meters.{name}.hours"), reason));
    if !(1..=HOURS_MAX).contains(&hours) {
        return problem(format!("is {hours}, not within 1 to {HOURS_MAX}"));
    }
    let meter = catalog.meters.iter().find(|meter| meter.name == name)?;
    let is_flow = matches!(meter.aggregation, Aggregation::Count | Aggregation::Sum);
    is_flow.then_some(())?;
    problem(format!(
        "`{name}` is a {}, whose hours add up to the period's use, so its price is not spread: leave \
         it out",
        meter.aggregation.name()
    ))
}

/// Why values of what has this name cannot be pushed.
fn cannot_be_pushed(catalog: &Catalog, name: &str) -> Option<String> {
    if catalog.plans.derived(name).is_some() {
        return Some(format!(
            "`{name}` is a derived quantity: it has no windows; push the meters that it adds up"
        ));
    }
    let Some(meter) = catalog.meters.iter().find(|meter| meter.name == name) else {
        let known = catalog.meters.iter().map(|meter| meter.name.as_str());
        return Some(format!("`{name}` is no meter: {}", hint(name, known)));
    };
    let is_mean = meter.aggregation == Aggregation::Avg;
    is_mean.then(|| {
        format!(
            "`{name}` cannot be pushed: a mean need not fit in nine decimals; push a `sum`, \
             `count`, `min`, `max` or `latest`"
        )
    })
}

/// What is wrong with an event name or a key of a payload.
fn name(path: &str, name: &str) -> Option<Problem> {
    let in_alphabet = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    let well_formed = !name.is_empty() && name.bytes().all(in_alphabet);
    if well_formed && name.len() <= NAME_CHARACTERS_MAX {
        return None;
    }
    let reason = format!(
        "`{name}` is no name at Stripe: 1 to {NAME_CHARACTERS_MAX} letters, digits, dots, hyphens \
         and underscores"
    );
    Some(Problem::new(path, reason))
}

fn display_name(path: String, text: &str) -> Option<Problem> {
    let reason = match text.chars().count() {
        0 => "is empty".to_owned(),
        count if count > DISPLAY_NAME_CHARACTERS_MAX => {
            format!("has {count} characters, more than Stripe's {DISPLAY_NAME_CHARACTERS_MAX}")
        }
        _ => return None,
    };
    Some(Problem::new(path, reason))
}

/// Adds what `next` may not change of the mapping of one earlier catalog.
pub(super) fn succeeds(next: &Catalog, before: &Catalog, problems: &mut Vec<Problem>) {
    let (next, before) = (&next.stripe, &before.stripe);
    let mut mapped = next.meters.keys();
    if let Some(meter) = mapped.find(|meter| before.meters.contains_key(*meter))
        && next.customer_key != before.customer_key
    {
        let reason = format!(
            "was `{}` when `{meter}` was mapped: its meter at Stripe cannot change it",
            before.customer_key
        );
        problems.push(Problem::new("stripe.customer_key", reason));
    }
    for (meter, now) in &next.meters {
        if let Some(reason) = changed(meter, now, before) {
            let path = format!("stripe.meters.{meter}.event_name");
            problems.push(Problem::new(path, reason));
        }
    }
}

/// Why a meter cannot be mapped so after an earlier mapping.
fn changed(meter: &str, now: &StripeMeter, before: &StripeMapping) -> Option<String> {
    if let Some(old) = before.meters.get(meter) {
        return (old.event_name != now.event_name).then(|| {
            format!(
                "was `{}` before: `{meter}` is pushed to that name, so it never changes; give the \
                 meter a new name",
                old.event_name
            )
        });
    }
    let mut others = before.meters.iter();
    let (other, _) = others.find(|(_, old)| old.event_name == now.event_name)?;
    Some(format!(
        "`{}` was the event name of `{other}` before: it never means another meter",
        now.event_name
    ))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{catalog, meter};
    use super::super::{succeeds, validate};
    use super::*;
    use crate::catalog::plans::{Derived, Term};
    use crate::quantity::Quantity;

    fn stripe_meter(event_name: &str) -> StripeMeter {
        StripeMeter {
            event_name: event_name.to_owned(),
            display_name: "Shown".to_owned(),
            hours: None,
        }
    }

    /// Meters of every aggregation that there is, named for it, of which these are mapped.
    fn mapping(meters: &[(&str, &str)]) -> Catalog {
        let aggregations = [
            Aggregation::Count,
            Aggregation::Sum,
            Aggregation::Min,
            Aggregation::Max,
            Aggregation::Avg,
            Aggregation::Latest,
        ];
        let of = aggregations.map(|aggregation| {
            let mut of = meter(aggregation.name(), aggregation.name());
            of.aggregation = aggregation;
            of
        });
        let mut catalog = catalog(of.into());
        let meters = meters.iter();
        let meters = meters.map(|(meter, event)| ((*meter).to_owned(), stripe_meter(event)));
        catalog.stripe.meters = meters.collect();
        catalog
    }

    fn check(catalog: &Catalog, expected: &[&str]) {
        let problems = validate(catalog);
        let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, expected);
    }

    fn check_next(next: &Catalog, earlier: &[&Catalog], expected: &[&str]) {
        let problems = succeeds(next, earlier.iter().copied());
        let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, expected);
    }

    #[test]
    fn all_but_a_mean_can_be_pushed() {
        let all = ["count", "sum", "min", "max", "latest"];
        check(&mapping(&all.map(|name| (name, name))), &[]);
        check(
            &mapping(&[("avg", "mean"), ("summ", "sum")]),
            &[
                "stripe.meters.avg: `avg` cannot be pushed: a mean need not fit in nine decimals; \
                 push a `sum`, `count`, `min`, `max` or `latest`",
                "stripe.meters.summ: `summ` is no meter: did you mean `sum`?",
            ],
        );
    }

    #[test]
    fn a_derived_quantity_is_not_pushed() {
        let mut catalog = mapping(&[("both", "both")]);
        let term = |meter: &str| Term {
            meter: meter.to_owned(),
            weight: Quantity::ONE,
        };
        catalog.plans.derived = vec![Derived {
            name: "both".to_owned(),
            description: String::new(),
            unit: String::new(),
            constant: Quantity::ZERO,
            terms: vec![term("count"), term("sum")],
            unless: None,
        }];
        check(
            &catalog,
            &[
                "stripe.meters.both: `both` is a derived quantity: it has no windows; push the \
                 meters that it adds up",
            ],
        );
    }

    #[test]
    fn names_are_stripe_s_and_unique() {
        let long = "x".repeat(100);
        check(&mapping(&[("sum", &long), ("count", "A-z_0.9")]), &[]);
        check(
            &mapping(&[("sum", "a"), ("count", "a")]),
            &["stripe.meters.sum.event_name: `a` is the event name of `count` already"],
        );
        for bad in ["", "a b", "ü", &format!("{long}x")] {
            let reason = format!(
                "stripe.meters.sum.event_name: `{bad}` is no name at Stripe: 1 to 100 letters, \
                 digits, dots, hyphens and underscores"
            );
            check(&mapping(&[("sum", bad)]), &[&reason]);
        }
        let mut catalog = mapping(&[]);
        catalog.stripe.customer_key = "value".to_owned();
        check(
            &catalog,
            &["stripe.customer_key: is `value`, the key of the pushed value: name another one"],
        );
    }

    #[test]
    fn names_for_people_are_as_long_as_stripe_takes() {
        let shown = |text: String| {
            let mut catalog = mapping(&[("sum", "sum")]);
            let meters = &mut catalog.stripe.meters;
            meters.get_mut("sum").expect("it is mapped").display_name = text;
            catalog
        };
        check(&shown("ü".repeat(250)), &[]);
        check(
            &shown("ü".repeat(251)),
            &["stripe.meters.sum.display_name: has 251 characters, more than Stripe's 250"],
        );
        check(
            &shown(String::new()),
            &["stripe.meters.sum.display_name: is empty"],
        );
    }

    #[test]
    fn only_prices_of_levels_are_spread_over_hours() {
        let spread = |meter: &str, hours| {
            let mut catalog = mapping(&[(meter, "a")]);
            let of = catalog.stripe.meters.get_mut(meter);
            of.expect("it is mapped").hours = Some(hours);
            catalog
        };
        for level in ["min", "max", "latest"] {
            check(&spread(level, 730), &[]);
        }
        for hours in [0, 8_785] {
            let reason = format!("stripe.meters.max.hours: is {hours}, not within 1 to 8784");
            check(&spread("max", hours), &[&reason]);
        }
        check(
            &spread("sum", 730),
            &[
                "stripe.meters.sum.hours: `sum` is a sum, whose hours add up to the period's use, so \
                 its price is not spread: leave it out",
            ],
        );
        // A price may be spread otherwise from now on: new prices are made for it.
        check_next(&spread("max", 720), &[&spread("max", 730)], &[]);
        let text = serde_json::to_string(&spread("max", 720)).expect("serializes");
        let read = serde_json::from_str::<Catalog>(&text).expect("reads");
        assert_eq!(read.stripe.meters["max"].hours, Some(720));
    }

    #[test]
    fn a_mapping_may_come_and_leave_and_be_shown_otherwise() {
        let (none, one) = (mapping(&[]), mapping(&[("sum", "a")]));
        let mut shown = one.clone();
        let of = shown.stripe.meters.get_mut("sum").expect("it is mapped");
        of.display_name = "Other".to_owned();
        check_next(&one, &[&none], &[]);
        check_next(&none, &[&one], &[]);
        check_next(&shown, &[&one], &[]);
        check_next(&mapping(&[("sum", "a"), ("max", "b")]), &[&one, &none], &[]);
    }

    #[test]
    fn an_event_name_stays_with_its_meter() {
        let (none, one) = (mapping(&[]), mapping(&[("sum", "a")]));
        check_next(
            &mapping(&[("sum", "b")]),
            &[&one, &none],
            &[
                "stripe.meters.sum.event_name: was `a` before: `sum` is pushed to that name, so it \
                 never changes; give the meter a new name",
            ],
        );
        check_next(
            &mapping(&[("count", "a")]),
            &[&one, &none],
            &[
                "stripe.meters.count.event_name: `a` was the event name of `sum` before: it never \
                 means another meter",
            ],
        );
    }

    #[test]
    fn the_customer_key_stays_with_the_meters() {
        let one = mapping(&[("sum", "a")]);
        let keyed = |meters: &[(&str, &str)]| {
            let mut keyed = mapping(meters);
            keyed.stripe.customer_key = "customer".to_owned();
            keyed
        };
        check_next(&keyed(&[("max", "b")]), &[&one], &[]);
        check_next(
            &keyed(&[("sum", "a")]),
            &[&keyed(&[("max", "b")]), &one],
            &[
                "stripe.customer_key: was `stripe_customer_id` when `sum` was mapped: its meter at \
                 Stripe cannot change it",
            ],
        );
    }

    #[test]
    fn a_catalog_without_a_mapping_is_written_as_before() {
        let catalog = mapping(&[]);
        let text = serde_json::to_string(&catalog).expect("serializes");
        assert!(!text.contains("stripe"), "{text}");
        assert_eq!(
            serde_json::from_str::<Catalog>(&text).expect("reads"),
            catalog
        );
        let mapped = mapping(&[("sum", "a")]);
        let text = serde_json::to_string(&mapped).expect("serializes");
        assert_eq!(
            serde_json::from_str::<Catalog>(&text).expect("reads"),
            mapped
        );
    }
}
