//! Quota checks over HTTP from an open loop: what a gateway waits for.
//!
//! Check number n is due at n ÷ rate, whatever became of those before it, and its time counts from
//! then: a late answer makes those behind it late too, and nothing is left out (no coordinated
//! omission). The checks are dealt out to kept connections, each with a thread that blocks.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use meterline_bench::http::{Connection, token};
use meterline_bench::latency::Latencies;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// From the making of the threads to the first check.
const SOON: Duration = Duration::from_millis(200);

#[derive(Debug, Parser)]
struct Arguments {
    /// `host:port` of the API.
    #[arg(long)]
    address: String,
    /// Checks a second.
    #[arg(long)]
    rate: u32,
    /// How long.
    #[arg(long)]
    seconds: u32,
    /// How long of these is not counted: connections and caches are new.
    #[arg(long)]
    warm_up: u32,
    /// Connections.
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// Tenants are drawn evenly from so many.
    #[arg(long)]
    tenants: u32,
    /// Meters too.
    #[arg(long, default_value_t = 5)]
    meters: u32,
}

/// What a connection saw.
#[derive(Default)]
struct Seen {
    /// Microseconds from the moment that a check was due to its answer.
    micros: Vec<u64>,
    stale: u64,
    refused: u64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let start = Instant::now() + SOON;
    let seen: Result<Vec<Seen>> = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..arguments.connections)
            .map(|number| {
                let arguments = &arguments;
                scope.spawn(move || call(arguments, number, start))
            })
            .collect();
        let ended = callers.into_iter();
        ended.map(|c| c.join().expect("no caller panics")).collect()
    });
    let elapsed = start.elapsed();
    let mut all = Seen::default();
    for mut seen in seen? {
        all.micros.append(&mut seen.micros);
        all.stale += seen.stale;
        all.refused += seen.refused;
    }
    let checks = all.micros.len();
    println!(
        "{{\"checks\":{checks},\"micros\":{},\"stale\":{},\"refused\":{},{}}}",
        elapsed.as_micros(),
        all.stale,
        all.refused,
        Latencies::of(all.micros).json("us")
    );
    Ok(())
}

/// The checks of one connection.
fn call(arguments: &Arguments, connection: u32, start: Instant) -> Result<Seen> {
    let mut random = StdRng::seed_from_u64(u64::from(connection));
    let mut http = Connection::open(&arguments.address, &token()?)?;
    let mut seen = Seen::default();
    let all = u64::from(arguments.rate) * u64::from(arguments.seconds);
    let counted = u64::from(arguments.rate) * u64::from(arguments.warm_up);
    let step = usize::try_from(arguments.connections)?;
    for number in (u64::from(connection)..all).step_by(step) {
        let due = start + Duration::from_nanos(number * 1_000_000_000 / u64::from(arguments.rate));
        sleep(due.saturating_duration_since(Instant::now()));
        let body = body(arguments, &mut random);
        let answer = http.post("/v1/limits/check", "application/json", body.as_bytes())?;
        let micros = due.elapsed().as_micros();
        let text = std::str::from_utf8(answer.body).context("an answer that is no text")?;
        ensure!(answer.status == 200, "{}: {text}", answer.status);
        if number >= counted {
            seen.micros.push(u64::try_from(micros)?);
            seen.stale += u64::from(text.contains("\"stale\":true"));
            seen.refused += u64::from(text.contains("\"allowed\":false"));
        }
    }
    Ok(seen)
}

fn body(arguments: &Arguments, random: &mut StdRng) -> String {
    let tenant = random.random_range(0..arguments.tenants);
    let meter = random.random_range(0..arguments.meters);
    format!("{{\"tenant\":\"tenant-{tenant:05}\",\"meter\":\"bench_{meter}\"}}")
}
