//! A product's month fits the product's catalog, and has the shape of its users' days.

use super::*;
use crate::commands::simulate::like;
use crate::load::event::{Form, Message};
use crate::load::forms::Encoder;
use crate::testing;
use crate::units::Share;
use clap::ValueEnum;

const COUNT: u64 = 30_000;

fn catalog(product: Product) -> Catalog {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/catalogs");
    let path = format!("{root}/{}.yaml", product.name());
    let text = std::fs::read_to_string(&path).expect("every product has a catalog");
    meterline_schemas::catalog_yaml::read(&path, &text).expect("a catalog")
}

fn month(product: Product, seed: u64) -> Vec<(Kind, UsageEvent)> {
    let plan = Plan {
        product,
        tenants: 30,
        count: COUNT,
        from: EventTime(testing::NOW - LAST_DAYS),
        to: EventTime(testing::NOW),
        late: Share(10_000),
        seed,
        id_prefix: "like",
    };
    let mut likeness = Likeness::new(&plan, &catalog(product)).expect("its own catalog fits");
    let next = |_| {
        let (kind, event, _) = likeness.next();
        (kind, event)
    };
    (0..COUNT).map(next).collect()
}

fn messages(events: &[(Kind, UsageEvent)]) -> Vec<Message> {
    let encode = |(_, event): &(Kind, UsageEvent)| {
        let mut message = Message::default();
        let encoded = Encoder::default().encode(Form::Json, event, &mut message);
        encoded.map(|()| message).expect("encoded")
    };
    events.iter().map(encode).collect()
}

#[test]
fn every_event_of_a_product_fits_its_catalog() {
    for product in Product::value_variants() {
        let events = month(*product, 1);
        let folded = testing::fold_all(&catalog(*product), &messages(&events));
        assert_eq!(folded.duplicate, 0, "{product:?}");
        assert_eq!(folded.rejected, std::collections::BTreeMap::new());
        assert_eq!(folded.accepted + folded.unmatched, COUNT);
        // Only irisx's producers send what is not charged.
        let has_unmatched = folded.unmatched > COUNT / 10;
        assert_eq!(has_unmatched, *product == Product::Irisx, "{folded:?}");
        let kinds: std::collections::BTreeSet<_> = events.iter().map(|(_, e)| &*e.kind).collect();
        assert_eq!(kinds.len(), users(*product, 1).kinds().len(), "{product:?}");
    }
}

#[test]
fn a_seed_decides_the_month() {
    for product in Product::value_variants() {
        // No `assert_eq!`: thousands of events would be printed.
        let first = month(*product, 1);
        assert!(month(*product, 1) == first, "{product:?}");
        assert!(month(*product, 2) != first, "{product:?}");
    }
}

#[test]
fn days_are_busier_than_nights_and_late_events_are_rare() {
    for product in Product::value_variants() {
        let events = month(*product, 1);
        let within = |from, to| {
            let hours = events.iter().map(|(_, e)| e.time.0.rem_euclid(DAY) / HOUR);
            hours.filter(|hour| (from..to).contains(hour)).count()
        };
        assert!(within(10, 16) > 5 * within(0, 6), "{product:?}");
        let inside = |e: &UsageEvent| (testing::NOW - LAST_DAYS..testing::NOW).contains(&e.time.0);
        assert!(events.iter().all(|(_, e)| inside(e)), "{product:?}");
        let days: std::collections::BTreeSet<_> =
            events.iter().map(|(_, e)| e.time.0 / DAY).collect();
        assert_eq!(days.len(), 30, "{product:?}");
        let late = events
            .iter()
            .filter(|(kind, _)| *kind == Kind::Late)
            .count();
        assert!((150..600).contains(&late), "{product:?}: {late}");
    }
}

/// Events of the mean day on working days, on Saturdays and on Sundays.
fn week(events: &[(Kind, UsageEvent)]) -> [usize; 3] {
    // 1970-01-01 was a Thursday.
    let sort = |day: i64| match (day + 3).rem_euclid(7) {
        5 => 1,
        6 => 2,
        _ => 0,
    };
    let (mut sums, mut days) = ([0; 3], [0; 3]);
    for (_, event) in events {
        sums[sort(event.time.0.div_euclid(DAY))] += 1;
    }
    let first = (testing::NOW - LAST_DAYS).div_euclid(DAY);
    (first..first + 30).for_each(|day| days[sort(day)] += 1);
    [0, 1, 2].map(|place| sums[place] / days[place])
}

#[test]
fn weeks_have_the_shape_of_each_products_users() {
    // How busy Saturdays and Sundays are, in percent of working days. All days alike would be 100.
    let expected = |product| match product {
        Product::Pulse => [50..72, 55..78],
        Product::Provider => [140..185, 35..55],
        Product::Stack | Product::Irisx | Product::Operate => [12..26, 9..22],
    };
    for product in Product::value_variants() {
        for seed in 1..=3 {
            let [working, saturday, sunday] = week(&month(*product, seed));
            let found = [saturday, sunday].map(|day| day * 100 / working);
            let fits = expected(*product)
                .iter()
                .zip(found)
                .all(|(range, found)| range.contains(&found));
            assert!(fits, "{product:?}, seed {seed}: {found:?}");
        }
    }
}

#[test]
fn few_tenants_cause_most_of_each_products_usage() {
    for product in Product::value_variants() {
        for seed in 1..=3 {
            let mut by_tenant = std::collections::BTreeMap::<_, usize>::new();
            for (_, event) in month(*product, seed) {
                *by_tenant.entry(event.tenant).or_default() += 1;
            }
            assert_eq!(
                by_tenant.len(),
                30,
                "{product:?}: every tenant does something"
            );
            let mut counts: Vec<_> = by_tenant.into_values().collect();
            counts.sort_unstable_by(|a, b| b.cmp(a));
            let all: usize = counts.iter().sum();
            let share = |of: &[usize]| of.iter().sum::<usize>() * 100 / all;
            // Were all alike, these would be 3, 10 and 50 percent.
            let (first, three, half) = (
                share(&counts[..1]),
                share(&counts[..3]),
                share(&counts[15..]),
            );
            let fits = (18..34).contains(&first) && (38..56).contains(&three) && half < 22;
            assert!(
                fits,
                "{product:?}, seed {seed}: {first}, {three}, {half} percent"
            );
        }
    }
}

#[test]
fn a_month_in_which_everything_is_late_ends() {
    let plan = Plan {
        product: Product::Stack,
        tenants: 3,
        count: 2_000,
        from: EventTime(testing::NOW - 5 * HOUR),
        to: EventTime(testing::NOW),
        late: Share(Share::WHOLE),
        seed: 1,
        id_prefix: "late",
    };
    let mut likeness = Likeness::new(&plan, &catalog(Product::Stack)).expect("fits");
    assert!((0..2_000).all(|_| likeness.next().0 == Kind::Late));
}

#[test]
fn a_catalog_of_another_product_is_refused_by_the_types_it_lacks() {
    let plan = Plan {
        product: Product::Pulse,
        tenants: 1,
        count: 1,
        from: EventTime(0),
        to: EventTime(1),
        late: Share(0),
        seed: 1,
        id_prefix: "x",
    };
    let refused = Likeness::new(&plan, &catalog(Product::Stack));
    let refused = refused.map(|_| ()).expect_err("stack has no participants");
    assert!(
        refused.contains("participant.left") && refused.contains("pulse.yaml"),
        "{refused}"
    );
}

#[test]
fn months_that_cannot_be_accepted_are_refused() {
    use clap::Parser;
    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: SimulateArgs,
    }
    let span = |line: &str| {
        let words = ["simulate", "--count", "5", "--like", "stack"];
        let words = words.into_iter().chain(line.split_whitespace());
        let args = Command::try_parse_from(words).expect("arguments").args;
        assert_eq!(
            args.mixing.duplicates,
            Share(20_000),
            "mixed in unless told otherwise"
        );
        like::span(&args, &catalog(Product::Stack), EventTime(testing::NOW))
    };
    let midnight = |day: i64| EventTime(testing::NOW - day * DAY);
    // The present is 2026-11-21.
    let (from, to) = span("--month 2026-11").expect("the month so far");
    assert_eq!((from, to), (midnight(20), midnight(0)));
    assert_eq!(span("").expect("30 days").0, midnight(30));
    for (line, part) in [
        ("--month 2026-10", "too_late"),
        ("--month 2026-12", "in the future"),
        ("--span now-36d..now", "too_late"),
    ] {
        let failure = span(line).expect_err(line);
        assert!(
            failure.to_string().contains(part) && failure.exit_code() == 2,
            "{failure}"
        );
    }
}
