//! Use of many tenants on five meters of `limits.yaml`: each once, or at a rate.
//!
//! With `--rate` tenants and meters are drawn evenly, so that almost every event changes a
//! tenant-meter that none of the same second did.

use anyhow::Result;
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
    /// Number of tenants.
    #[arg(long)]
    tenants: u32,
    /// Number of meters.
    #[arg(long, default_value_t = 5)]
    meters: u32,
    /// Events a second; not given: one of every tenant on every meter, as fast as it goes.
    #[arg(long, requires = "seconds")]
    rate: Option<u32>,
    /// How long.
    #[arg(long)]
    seconds: Option<u32>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let target = &arguments.target;
    let config = target.settings().producer_config();
    let publisher = Publisher::connect(config, target.topic(), DefaultProducerContext)?;
    let (tenants, meters) = (arguments.tenants, arguments.meters);
    let mut user = User {
        publisher: &publisher,
        random: StdRng::seed_from_u64(arguments.seed),
        figures: Figures::default(),
        key: Vec::new(),
        value: Vec::new(),
    };
    let start = Instant::now();
    if let (Some(rate), Some(seconds)) = (arguments.rate, arguments.seconds) {
        publisher.at_rate(rate, seconds, |_| {
            let tenant = user.random.random_range(0..tenants);
            let meter = user.random.random_range(0..meters);
            user.send(tenant, meter)
        })?;
    } else {
        for meter in 0..meters {
            for tenant in 0..tenants {
                user.send(tenant, meter)?;
            }
        }
    }
    publisher.flush()?;
    user.figures.elapsed = start.elapsed();
    println!("{}", user.figures.json());
    Ok(())
}

struct User<'a> {
    publisher: &'a Publisher<DefaultProducerContext>,
    random: StdRng,
    figures: Figures,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl User<'_> {
    fn send(&mut self, tenant: u32, meter: u32) -> Result<()> {
        self.key.clear();
        self.value.clear();
        write_tenant(tenant, &mut self.key)?;
        let kind = format!("bench.{meter}");
        let time = EventTime(now()?);
        write_event(&kind, &self.key, time, &mut self.random, &mut self.value)?;
        self.publisher.send(&self.key, &self.value, ())?;
        self.figures.records += 1;
        self.figures.bytes += u64::try_from(self.key.len() + self.value.len())?;
        Ok(())
    }
}
