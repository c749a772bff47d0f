//! Fills the usage topic with the benchmark's events, as fast as the broker takes them.
//!
//! All choices follow from the seed. Tenants and regions are drawn evenly, so that partitions are
//! of about one size; ids are random, as UUIDs are; event times ascend evenly over the span that
//! ends now, as in the backlog that a worker finds after an outage.

use anyhow::{Context, Result};
use clap::Parser;
use meterline_bench::events::{now, write_event, write_tenant};
use meterline_bench::publish::Publisher;
use meterline_bench::{Figures, Target};
use meterline_core::time::EventTime;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::producer::DefaultProducerContext;
use std::time::Instant;

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Number of events.
    #[arg(long)]
    events: u64,
    /// Number of tenants.
    #[arg(long)]
    tenants: u32,
    /// Length of the span of event times, in minutes.
    #[arg(long)]
    minutes: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let target = &arguments.target;
    let config = target.settings().producer_config();
    let publisher = Publisher::connect(config, target.topic(), DefaultProducerContext)?;
    println!("{}", fill(&arguments, &publisher)?.json());
    Ok(())
}

fn fill(arguments: &Arguments, publisher: &Publisher<DefaultProducerContext>) -> Result<Figures> {
    let mut random = StdRng::seed_from_u64(arguments.seed);
    let start = Instant::now();
    let width = i64::from(arguments.minutes) * 60_000_000;
    let first = now()? - width;
    let mut figures = Figures::default();
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in 0..arguments.events {
        let offset = i128::from(width) * i128::from(number) / i128::from(arguments.events);
        let time = EventTime(first + i64::try_from(offset).context("the span is too long")?);
        key.clear();
        value.clear();
        write_tenant(random.random_range(0..arguments.tenants), &mut key)?;
        write_event("bench.usage", &key, time, &mut random, &mut value)?;
        publisher.send(&key, &value, ())?;
        figures.records += 1;
        figures.bytes += u64::try_from(key.len() + value.len())?;
    }
    publisher.flush()?;
    figures.elapsed = start.elapsed();
    Ok(figures)
}
