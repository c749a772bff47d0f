//! Publishes usage with the client crate: one line for each use, counted to the end.
//!
//! Every tenth use is told twice, as a caller would that heard no answer; it counts once.

use anyhow::{Context, Result};
use clap::Parser;
use meterline_client::{Client, Quantity, Usage, WhenFull};
use std::time::{Duration, SystemTime};

const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
const MODELS: [&str; 2] = ["small", "large"];
const REPEAT_EVERY: usize = 10;
const CLOSE_TIMEOUT: Duration = Duration::from_secs(60);

/// Publishes usage events of a language model.
#[derive(Parser)]
struct Arguments {
    /// host:port, separated by commas.
    #[arg(long, default_value = "localhost:9092")]
    brokers: String,
    #[arg(long, default_value = "usage.events")]
    topic: String,
    /// How many to publish.
    #[arg(long, default_value_t = 1_000)]
    events: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let client = Client::builder(&arguments.brokers, "//examples/rust")
        .topic(&arguments.topic)
        // A batch program may wait for room; a service would rather drop, and count it.
        .when_full(WhenFull::Wait(Duration::from_secs(10)))
        .connect()
        .context("failed to make a usage client")?;
    let run = uuid::Uuid::new_v4();
    for number in 0..arguments.events {
        let request_id = format!("{run}-{number}");
        let use_once = completion(number, &request_id)?;
        if number % REPEAT_EVERY == 0 {
            client.emit(use_once.clone())?;
        }
        client.emit(use_once)?;
    }
    let counters = client.close(CLOSE_TIMEOUT)?;
    println!(
        "events={} records={} failed={}",
        arguments.events, counters.delivered, counters.failed
    );
    Ok(())
}

/// One answer of a language model: so many tokens, by so many thousandths.
fn completion(number: usize, request_id: &str) -> Result<Usage<'_>> {
    let thousandths = i128::try_from(number).context("too many events")? * 1_000 + 375;
    let tokens = Quantity::from_unscaled(thousandths, 3).context("too many tokens")?;
    Ok(
        Usage::new("llm.completion", TENANTS[number % TENANTS.len()])
            .quantity(tokens)
            .property("model", MODELS[number % MODELS.len()])
            .request_id(request_id)
            // Set here, because it is told twice: a repeat has to carry the same time.
            .at(SystemTime::now()),
    )
}
