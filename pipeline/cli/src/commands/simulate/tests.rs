//! The same arguments publish the same bytes, and what is mixed in is what was asked for.

use super::*;
use crate::load::event::Message;
use crate::testing;
use clap::Parser;
use std::time::Duration;

#[derive(Parser)]
struct Command {
    #[command(flatten)]
    args: SimulateArgs,
}

/// A sink that keeps everything.
#[derive(Default)]
struct Kept(Vec<Message>);

impl Sink for Kept {
    fn send(&mut self, message: &Message) -> Result<()> {
        self.0.push(message.clone());
        Ok(())
    }
    fn wait(&mut self, _: Duration) {}
}

fn args(line: &str) -> SimulateArgs {
    let words = ["simulate", "--now", "2026-11-21T00:00:00Z"]
        .into_iter()
        .chain(line.split_whitespace());
    Command::try_parse_from(words).expect("arguments").args
}

fn simulate(line: &str) -> (crate::load::publisher::Counts, Vec<Message>) {
    simulate_for(&testing::catalog(), line)
}

/// Everything that the arguments publish for a catalog.
fn simulate_for(catalog: &Catalog, line: &str) -> (crate::load::publisher::Counts, Vec<Message>) {
    let args = args(line);
    let now = args.now.expect("given");
    let (mut events, count) = source(&args, catalog, now).expect("events");
    let (encoder, forms, fallback) = encoding(&args, catalog).expect("forms");
    let breaker = Breaker::new(catalog.bounds.clone(), testing::PARTITIONS, 0);
    let blend = Blend {
        mixing: args.mixing.clone(),
        forms,
        fallback,
        total: count,
        restamp: 899_000_000,
    };
    let mut publisher = Publisher::new(Kept::default(), encoder, breaker, blend, None);
    let (pace, stop) = (Pace::start(None), Stop::never());
    publish(events.as_mut(), count, &mut publisher, pace, &stop).expect("published");
    let (counts, kept) = publisher.finish().expect("finished");
    (counts, kept.0)
}

fn catalog_of(yaml: &str) -> Catalog {
    meterline_schemas::catalog_yaml::read("catalog.yaml", yaml).expect("a catalog")
}

const MIXED: &str = "--count 4000 --tenants 20 --duplicates 10% --late 5% --out-of-order 10% --broken 5% \
                     --encoding all --span 2026-11-20T00:00:00Z..2026-11-21T00:00:00Z";

#[test]
fn the_same_arguments_publish_the_same_bytes() {
    let first = simulate(MIXED);
    // No `assert_eq!`: thousands of messages would be printed.
    assert!(simulate(MIXED) == first);
    assert!(simulate(&format!("{MIXED} --seed 2")).1 != first.1);
}

#[test]
fn shares_are_kept_and_the_fold_counts_what_is_meant_to_count() {
    let (counts, messages) = simulate(MIXED);
    assert_eq!(counts.events + counts.late, 4_000);
    assert!((300..500).contains(&counts.duplicates), "{counts:?}");
    assert!(
        (100..300).contains(&counts.late) && (150..250).contains(&counts.broken),
        "{counts:?}"
    );
    let folded = testing::fold_all(&testing::catalog(), &messages);
    assert_eq!(folded.accepted + folded.unmatched, 4_000);
    assert_eq!(folded.duplicate, counts.duplicates);
    assert_eq!(folded.rejected.values().sum::<u64>(), counts.broken);
}

/// Filters that read the quantity, scales and negative quantities: what is broken for one meter
/// is counted, or not looked at, by another. The writer schema holds milliseconds only.
#[test]
fn broken_records_are_broken_for_every_meter_of_the_catalog() {
    let catalog = catalog_of(include_str!("../../../../../tests/it/catalogs/load.yaml"));
    let (counts, messages) = simulate_for(&catalog, &MIXED.replace("4000", "20000"));
    assert!(counts.broken > 900, "{counts:?}");
    let folded = testing::fold_all(&catalog, &messages);
    assert_eq!(folded.rejected.values().sum::<u64>(), counts.broken);
    assert_eq!(folded.accepted + folded.unmatched, 20_000);
}

#[test]
fn all_encodings_are_those_that_the_catalog_has() {
    let mut catalog = testing::catalog();
    let names = |catalog: &Catalog| {
        let forms = encoding(&args("--count 5 --encoding all"), catalog).map(|(_, forms, _)| forms);
        let forms = forms.expect("forms").into_iter();
        forms.map(Form::name).collect::<Vec<_>>()
    };
    assert_eq!(names(&catalog), ["json", "binary", "avro", "confluent"]);
    catalog.schemas.clear();
    assert_eq!(names(&catalog), ["json", "binary", "avro"]);
    let refused = encoding(&args("--count 5 --encoding confluent"), &catalog);
    assert_eq!(refused.expect_err("no schema").exit_code(), 2);
}

#[test]
fn amounts_and_spans_that_make_no_sense_are_refused() {
    for (line, part) in [
        ("--count 5 --span now..now-1h", "must begin before it ends"),
        ("--count 5 --encoding yaml", "no record form `yaml`"),
    ] {
        let args = args(line);
        let refused = plan(&args, EventTime(0))
            .map(|_| ())
            .and_then(|()| encoding(&args, &testing::catalog()).map(|_| ()));
        let failure = refused.expect_err(line);
        assert!(
            failure.to_string().contains(part) && failure.exit_code() == 2,
            "{failure}"
        );
    }
    let with_rate = plan(&args("--rate 100/s --duration 10s"), EventTime(0)).expect("a plan");
    assert_eq!(
        (with_rate.count, with_rate.to.0 - with_rate.from.0),
        (1_000, 10_000_000)
    );
}
