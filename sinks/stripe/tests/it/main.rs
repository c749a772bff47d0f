//! Tests of the Stripe sink, by behaviour: what the client does on the wire, against a server that
//! answers what a test tells it; what requests do, against the stateful stand-in of `tests/stripe`.
//!
//! Rules: a loopback port for each test, no shared state, no sleeps.

mod billing;
mod contract;
mod deadlines;
mod failures;
mod localstripe;
mod samples;
mod usage;
mod webhooks;
mod wire;

use meterline_clickhouse::Secret;
use meterline_fake_stripe::{Clock, FakeStripe};
use meterline_stripe::{Client, Settings};
use std::time::Duration;

/// 2026-10-01 00:00:00 UTC in seconds, when every test with the stand-in begins.
const START: i64 = 1_790_812_800;

const KEY: &str = "sk_test_hunter2";

/// The settings of a client of an address.
fn settings(api_base: String) -> Settings {
    Settings {
        api_base,
        answer_timeout: Duration::from_secs(20),
        ..Settings::new(Secret::new(KEY))
    }
}

fn client(api_base: String) -> Client {
    Client::new(settings(api_base)).expect("settings that can be used")
}

/// The stand-in without limits, and its client.
fn stripe(change: impl FnOnce(&mut meterline_fake_stripe::Settings)) -> (FakeStripe, Client) {
    let mut behaviour = meterline_fake_stripe::Settings {
        limits: None,
        ..meterline_fake_stripe::Settings::default()
    };
    change(&mut behaviour);
    let fake = FakeStripe::start(behaviour, Clock::Manual(START * 1_000)).expect("a port");
    let client = client(fake.url());
    (fake, client)
}
