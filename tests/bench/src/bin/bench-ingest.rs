//! Ingest over HTTP: batches of events on several connections, each sent when the one before it was
//! acknowledged.
//!
//! All events are different and written before the clock starts.

use anyhow::{Result, ensure};
use clap::Parser;
use meterline_bench::events::{now, write_event, write_tenant};
use meterline_bench::http::{Connection, token};
use meterline_bench::latency::Latencies;
use meterline_core::time::EventTime;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Instant;

#[derive(Debug, Parser)]
struct Arguments {
    /// `host:port` of the API.
    #[arg(long)]
    address: String,
    /// Number of events.
    #[arg(long)]
    events: usize,
    /// Events of one call.
    #[arg(long)]
    batch: usize,
    /// Connections.
    #[arg(long)]
    connections: usize,
    /// Number of tenants.
    #[arg(long)]
    tenants: u32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut random = StdRng::seed_from_u64(1);
    let calls = arguments.events.div_ceil(arguments.batch);
    let bodies: Result<Vec<Vec<u8>>> = (0..calls).map(|_| batch(&arguments, &mut random)).collect();
    let bodies = bodies?;
    let start = Instant::now();
    let micros: Result<Vec<Vec<u64>>> = std::thread::scope(|scope| {
        let shares = bodies.chunks(calls.div_ceil(arguments.connections));
        let callers: Vec<_> = shares
            .map(|share| scope.spawn(|| send(&arguments, share)))
            .collect();
        let ended = callers.into_iter();
        ended.map(|c| c.join().expect("no caller panics")).collect()
    });
    let elapsed = start.elapsed();
    let micros = micros?.concat();
    println!(
        "{{\"records\":{},\"bytes\":{},\"micros\":{},{}}}",
        calls * arguments.batch,
        bodies.iter().map(Vec::len).sum::<usize>(),
        elapsed.as_micros(),
        Latencies::of(micros).json("us")
    );
    Ok(())
}

/// A JSON array of events.
fn batch(arguments: &Arguments, random: &mut StdRng) -> Result<Vec<u8>> {
    let mut body = vec![b'['];
    let mut tenant = Vec::new();
    for number in 0..arguments.batch {
        if number > 0 {
            body.push(b',');
        }
        tenant.clear();
        write_tenant(random.random_range(0..arguments.tenants), &mut tenant)?;
        let time = EventTime(now()?);
        write_event("bench.usage", &tenant, time, random, &mut body)?;
    }
    body.push(b']');
    Ok(body)
}

/// Sends the batches of one connection; microseconds of each call.
fn send(arguments: &Arguments, bodies: &[Vec<u8>]) -> Result<Vec<u64>> {
    let mut http = Connection::open(&arguments.address, &token()?)?;
    let mut micros = Vec::with_capacity(bodies.len());
    for body in bodies {
        let start = Instant::now();
        let answer = http.post("/v1/events", "application/cloudevents-batch+json", body)?;
        let text = String::from_utf8_lossy(answer.body);
        ensure!(answer.status == 202, "{}: {text}", answer.status);
        micros.push(u64::try_from(start.elapsed().as_micros())?);
    }
    Ok(micros)
}
