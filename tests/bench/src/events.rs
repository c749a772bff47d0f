//! Events of the benchmark: CloudEvents in JSON, about as long as real ones are.
//!
//! All choices follow from the random numbers that are given, so from a seed.

use anyhow::Result;
use meterline_core::time::EventTime;
use rand::Rng;
use rand::rngs::StdRng;
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

const REGIONS: [&str; 5] = [
    "eu-central-1",
    "eu-west-1",
    "us-east-1",
    "us-west-2",
    "ap-south-1",
];

/// Appends the name of a tenant.
///
/// # Errors
/// None: memory takes everything.
pub fn write_tenant(number: u32, key: &mut Vec<u8>) -> Result<()> {
    Ok(write!(key, "tenant-{number:05}")?)
}

/// Appends an event of a tenant, with a random id, quantity and region.
///
/// # Errors
/// None: memory takes everything.
pub fn write_event(
    kind: &str,
    tenant: &[u8],
    time: EventTime,
    random: &mut StdRng,
    value: &mut Vec<u8>,
) -> Result<()> {
    write!(
        value,
        "{{\"specversion\":\"1.0\",\"id\":\"{:032x}\"",
        random.random::<u128>()
    )?;
    write!(
        value,
        ",\"source\":\"//bench/gateway\",\"type\":\"{kind}\",\"subject\":\""
    )?;
    value.extend_from_slice(tenant);
    let quantity = random.random_range(1..1_000_000);
    let region = REGIONS[random.random_range(0..REGIONS.len())];
    write!(
        value,
        "\",\"time\":\"{time}\",\"data\":{{\"quantity\":\"{}.{:03}\",\"region\":\"{region}\"}}}}",
        quantity / 1_000,
        quantity % 1_000
    )?;
    Ok(())
}

/// The moment, in microseconds since 1970.
///
/// # Errors
/// Where the clock stands before 1970.
pub fn now() -> Result<i64> {
    Ok(i64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros(),
    )?)
}
