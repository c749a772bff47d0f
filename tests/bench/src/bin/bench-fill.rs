//! Fills the usage topic with the benchmark's events, as fast as the broker takes them.
//!
//! All choices follow from the seed. Tenants and regions are drawn evenly, so that partitions are
//! of about one size; ids are random, as UUIDs are; event times ascend evenly over the span that
//! ends now, as in the backlog that a worker finds after an outage.

use anyhow::{Context, Result, bail};
use clap::Parser;
use meterline_bench::{Figures, Target};
use meterline_core::time::EventTime;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use std::io::Write;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const REGIONS: [&str; 5] = [
    "eu-central-1",
    "eu-west-1",
    "us-east-1",
    "us-west-2",
    "ap-south-1",
];
/// How long a batch gathers: large batches are what makes high rates cheap.
const LINGER_MS: &str = "20";
/// Most records in flight: about a second.
const QUEUE_MESSAGES: &str = "500000";
/// How long the last records may take to be acknowledged.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(60);
/// How long to wait for room in the client's queue.
const ROOM_WAIT: Duration = Duration::from_millis(10);

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
    let mut config = arguments.target.settings().producer_config();
    config
        .set("linger.ms", LINGER_MS)
        .set("queue.buffering.max.messages", QUEUE_MESSAGES);
    let producer: BaseProducer = config.create().context("failed to make a producer")?;
    println!("{}", fill(&arguments, &producer)?.json());
    Ok(())
}

fn fill(arguments: &Arguments, producer: &BaseProducer) -> Result<Figures> {
    let mut random = StdRng::seed_from_u64(arguments.seed);
    let start = Instant::now();
    let width = i64::from(arguments.minutes) * 60_000_000;
    let first = now()? - width;
    let mut figures = Figures::default();
    let (mut key, mut value) = (Vec::new(), Vec::new());
    for number in 0..arguments.events {
        let offset = i128::from(width) * i128::from(number) / i128::from(arguments.events);
        let time = EventTime(first + i64::try_from(offset).context("the span is too long")?);
        write_event(arguments.tenants, time, &mut random, &mut key, &mut value)?;
        send(producer, &arguments.target.topic, &key, &value)?;
        figures.records += 1;
        figures.bytes += u64::try_from(key.len() + value.len())?;
    }
    producer
        .flush(FLUSH_TIMEOUT)
        .context("failed to have the last records acknowledged")?;
    if producer.in_flight_count() > 0 {
        bail!(
            "{} records were not acknowledged",
            producer.in_flight_count()
        );
    }
    figures.elapsed = start.elapsed();
    Ok(figures)
}

fn write_event(
    tenants: u32,
    time: EventTime,
    random: &mut StdRng,
    key: &mut Vec<u8>,
    value: &mut Vec<u8>,
) -> Result<()> {
    key.clear();
    write!(key, "tenant-{:05}", random.random_range(0..tenants))?;
    value.clear();
    write!(
        value,
        "{{\"specversion\":\"1.0\",\"id\":\"{:032x}\"",
        random.random::<u128>()
    )?;
    value.extend_from_slice(
        b",\"source\":\"//bench/gateway\",\"type\":\"bench.usage\",\"subject\":\"",
    );
    value.extend_from_slice(key);
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

fn send(producer: &BaseProducer, topic: &str, key: &[u8], value: &[u8]) -> Result<()> {
    let mut record = BaseRecord::to(topic).key(key).payload(value);
    loop {
        record = match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                producer.poll(ROOM_WAIT);
                record
            }
            Err((error, _)) => return Err(error).context("failed to send an event"),
        };
    }
}

fn now() -> Result<i64> {
    Ok(i64::try_from(
        SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros(),
    )?)
}
