//! `fake-stripe`: the stand-in as a program. Prints its address and serves until it is stopped.

use anyhow::Context as _;
use clap::Parser;
use meterline_fake_stripe::{Clock, FakeStripe, Key, Settings, Webhooks};
use std::net::SocketAddr;

/// A stand-in for the part of Stripe that Meterline bills through.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The time it begins with, in seconds since the epoch, to be moved by POST /_test/clock;
    /// without it the machine's clock holds.
    #[arg(long)]
    clock: Option<i64>,
    /// From which all that is random follows.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The one key that is let in; without it every key is.
    #[arg(long)]
    key: Option<String>,
    /// Where events go.
    #[arg(long)]
    webhook_url: Option<String>,
    /// What signs them.
    #[arg(long, default_value = "whsec_fake")]
    webhook_secret: String,
    /// Until a meter event counts, at most, in seconds.
    #[arg(long, default_value_t = 60)]
    arrival_delay_max: i64,
    /// No rate limits.
    #[arg(long)]
    unlimited: bool,
}

impl Arguments {
    fn settings(&self) -> Settings {
        let defaults = Settings::default();
        Settings {
            seed: self.seed,
            keys: self.key.iter().map(|key| Key::full(key)).collect(),
            arrival_delay_max: self.arrival_delay_max * meterline_fake_stripe::SECOND,
            limits: defaults.limits.filter(|_| !self.unlimited),
            webhooks: Webhooks {
                url: self.webhook_url.clone(),
                secrets: vec![self.webhook_secret.clone()],
                ..Webhooks::default()
            },
            ..defaults
        }
    }
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let clock = arguments.clock.map_or(Clock::Wall, |seconds| {
        Clock::Manual(seconds * meterline_fake_stripe::SECOND)
    });
    let fake = FakeStripe::listen(arguments.listen, arguments.settings(), clock)
        .with_context(|| format!("failed to listen on {}", arguments.listen))?;
    println!("{}", fake.address());
    // Until a signal ends the process: nothing here outlives it.
    loop {
        std::thread::park();
    }
}
