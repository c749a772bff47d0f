//! Where a stack's services listen, counted from its port base; see `deploy/local/README.md`.

use rand::Rng;
use std::net::TcpListener;

pub(crate) const CLICKHOUSE: u16 = 23;
pub(crate) const S3: u16 = 24;
pub(crate) const SMTP: u16 = 25;
pub(crate) const PLAIN_SMTP: u16 = 26;
pub(crate) const TLS: u16 = 98;
pub(crate) const SASL: u16 = 99;
/// The first broker, its controller, and those of the second and third.
const KAFKA: std::ops::RangeInclusive<u16> = 92..=97;

/// Hundreds of the port bases to choose from: below the ports that clients are given.
const HUNDREDS: std::ops::Range<u16> = 100..320;

pub(crate) const fn broker(number: u16) -> u16 {
    90 + 2 * number
}

/// A base whose ports are all free.
pub(crate) fn free_port_base() -> u16 {
    let mut random = rand::rng();
    std::iter::repeat_with(|| random.random_range(HUNDREDS) * 100)
        .find(|base| {
            let mut ports = [CLICKHOUSE, S3, SMTP, PLAIN_SMTP, TLS, SASL]
                .into_iter()
                .chain(KAFKA);
            ports.all(|port| TcpListener::bind(("127.0.0.1", base + port)).is_ok())
        })
        .expect("the search only ends with a base")
}

/// A port that nobody listens on.
///
/// # Panics
/// When the machine has none.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("it listens").port()
}
