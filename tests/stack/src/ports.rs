//! Where a stack's services listen, counted from its port base; see `deploy/local/README.md`.

use rand::Rng;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::sync::{LazyLock, Mutex, PoisonError};

pub(crate) const CLICKHOUSE: u16 = 23;
pub(crate) const S3: u16 = 24;
pub(crate) const SMTP: u16 = 25;
pub(crate) const PLAIN_SMTP: u16 = 26;
pub(crate) const STRIPE_MOCK: u16 = 27;
pub(crate) const LOCALSTRIPE: u16 = 28;
pub(crate) const TLS: u16 = 98;
pub(crate) const SASL: u16 = 99;
/// Of the services that have one port, and of Kafka's further listeners.
const SINGLE: [u16; 8] = [
    CLICKHOUSE,
    S3,
    SMTP,
    PLAIN_SMTP,
    STRIPE_MOCK,
    LOCALSTRIPE,
    TLS,
    SASL,
];
/// The first broker, its controller, and those of the second and third.
const KAFKA: std::ops::RangeInclusive<u16> = 92..=97;

/// Hundreds of the port bases to choose from: below the ports that clients are given.
const HUNDREDS: std::ops::Range<u16> = 100..320;

/// Behind the hundreds: where no service of a stack listens.
const BETWEEN_STACKS: std::ops::Range<u16> = 29..80;

pub(crate) const fn broker(number: u16) -> u16 {
    90 + 2 * number
}

/// A base whose ports are all free.
pub(crate) fn free_port_base() -> u16 {
    let mut random = rand::rng();
    std::iter::repeat_with(|| random.random_range(HUNDREDS) * 100)
        .find(|base| {
            let mut ports = SINGLE.into_iter().chain(KAFKA);
            ports.all(|port| TcpListener::bind(("127.0.0.1", base + port)).is_ok())
        })
        .expect("the search only ends with a base")
}

/// A port that nobody listens on, and that neither a stack nor an outgoing connection is given: it
/// is still free when a program that is started later takes it.
///
/// # Panics
/// When none is left.
#[must_use]
pub fn free_port() -> u16 {
    static TAKEN: LazyLock<Mutex<BTreeSet<u16>>> = LazyLock::new(Mutex::default);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut random = rand::rng();
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = std::iter::repeat_with(|| {
        random.random_range(HUNDREDS) * 100 + random.random_range(BETWEEN_STACKS)
    })
    .take(100_000)
    .find(|port| free(port) && taken.insert(*port));
    port.expect("one of thousands of ports is free")
}
