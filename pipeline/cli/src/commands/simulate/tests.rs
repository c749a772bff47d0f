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
    let (args, catalog) = (args(line), testing::catalog());
    let plan = plan(&args, EventTime(0)).expect("a plan");
    let plan = Plan {
        now: args.now.expect("given"),
        ..plan
    };
    let (encoder, forms) = encoding(&args, &catalog).expect("forms");
    let breaker = Breaker::new(catalog.bounds.clone(), testing::PARTITIONS, 0);
    let blend = Blend {
        mixing: args.mixing.clone(),
        forms,
        total: plan.count,
        restamp: 899_000_000,
    };
    let mut publisher = Publisher::new(Kept::default(), encoder, breaker, blend, None);
    let count = plan.count;
    let stop = Stop::never();
    publish(
        Generator::new(plan, &catalog),
        count,
        &mut publisher,
        Pace::start(None),
        &stop,
    )
    .expect("published");
    let (counts, kept) = publisher.finish().expect("finished");
    (counts, kept.0)
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
