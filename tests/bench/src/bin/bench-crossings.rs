//! How long after the event that crosses a threshold its alert is on `usage.alerts`.
//!
//! Publishes use at a rate. One event in a hundred is of a marked tenant, ten of each in a row: the
//! tenth crosses the limit of `bench_marks` in `limits.yaml`. Then `usage.alerts` is read until it
//! has the transition of every marked tenant. Both ends are append times of the broker, so that no
//! clock but its own is asked.

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use meterline_bench::Target;
use meterline_bench::events::{now, write_event, write_tenant};
use meterline_bench::latency::Latencies;
use meterline_bench::publish::Publisher;
use meterline_core::alert::AlertState;
use meterline_core::time::EventTime;
use meterline_kafka::{Admin, ReadError, ReadRecord, Reader};
use meterline_schemas::records::{Record, decode};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rdkafka::ClientContext;
use rdkafka::message::Message;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Of so many events one is of a marked tenant.
const MARK_EVERY: u64 = 100;
/// The limit of `bench_marks`: so many events of a marked tenant cross it.
const LIMIT: u64 = 10;
/// The threshold that is waited for.
const THRESHOLD: &str = "100";
/// How long one question to a broker may take.
const ANSWER: Duration = Duration::from_secs(30);
/// How long the last alert may take.
const LAST_ALERT: Duration = Duration::from_secs(120);
/// How often `usage.alerts` is read on.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    target: Target,
    /// Events a second.
    #[arg(long)]
    rate: u32,
    /// How long.
    #[arg(long)]
    seconds: u32,
    /// How long before the first marked tenant, of these.
    #[arg(long)]
    warm_up: u32,
    /// Number of tenants that are not marked.
    #[arg(long)]
    tenants: u32,
    /// How late an alert may be, in milliseconds; later ones are counted.
    #[arg(long)]
    bound_ms: u64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Append times of the events that cross, by number of their tenant.
#[derive(Clone, Default)]
struct Crossings(Arc<Mutex<BTreeMap<u64, i64>>>);

impl ClientContext for Crossings {}

impl ProducerContext for Crossings {
    /// Number of the marked tenant from 1; 0 for all other events.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, mark: usize) {
        if mark > 0
            && let Ok(message) = result
            && let Some(time) = message.timestamp().to_millis()
        {
            let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            times.insert(mark as u64 - 1, time);
        }
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let crossings = Crossings::default();
    let (marked, elapsed) = publish(&arguments, crossings.clone())?;
    let times = crossings.0.lock().unwrap_or_else(PoisonError::into_inner);
    ensure!(
        times.len() as u64 == marked,
        "{} of {marked} crossings were acknowledged",
        times.len()
    );
    let alerts = read_alerts(&arguments.target, times.len())?;
    let mut millis = Vec::new();
    for (number, event) in &*times {
        let alert = alerts.get(&mark_name(*number));
        let alert = alert.with_context(|| format!("no alert of {}", mark_name(*number)))?;
        millis.push(u64::try_from(alert - event).context("an alert before its event")?);
    }
    let latencies = Latencies::of(millis);
    let events = u64::from(arguments.rate) * u64::from(arguments.seconds);
    println!(
        "{{\"events\":{events},\"micros\":{},\"crossings\":{marked},\"late\":{},{}}}",
        elapsed.as_micros(),
        latencies.above(arguments.bound_ms),
        latencies.json("ms")
    );
    Ok(())
}

fn mark_name(number: u64) -> String {
    format!("mark-{number:06}")
}

/// Publishes everything; returns how many tenants crossed, and how long it took.
fn publish(arguments: &Arguments, crossings: Crossings) -> Result<(u64, Duration)> {
    let target = &arguments.target;
    let config = target.settings().producer_config();
    let publisher = Publisher::connect(config, target.topic(), crossings)?;
    let mut random = StdRng::seed_from_u64(arguments.seed);
    let first = u64::from(arguments.rate) * u64::from(arguments.warm_up);
    let mut marks = 0;
    let (mut key, mut value) = (Vec::new(), Vec::new());
    let elapsed = publisher.at_rate(arguments.rate, arguments.seconds, |number| {
        key.clear();
        value.clear();
        let is_mark = number >= first && number % MARK_EVERY == 0;
        let mut crossing = 0;
        let kind = if is_mark {
            key.extend_from_slice(mark_name(marks / LIMIT).as_bytes());
            marks += 1;
            if marks % LIMIT == 0 {
                crossing = usize::try_from(marks / LIMIT)?;
            }
            "bench.mark"
        } else {
            write_tenant(random.random_range(0..arguments.tenants), &mut key)?;
            "bench.usage"
        };
        write_event(kind, &key, EventTime(now()?), &mut random, &mut value)?;
        publisher.send(&key, &value, crossing)
    })?;
    publisher.flush()?;
    Ok((marks / LIMIT, elapsed))
}

/// Append time of the first opening of every marked tenant, read until there are so many.
fn read_alerts(target: &Target, expected: usize) -> Result<HashMap<String, i64>> {
    let settings = target.settings();
    let topic = settings.topics().alerts();
    let described = Admin::connect(&settings)?.describe_topic(&topic, ANSWER)?;
    let partitions = described
        .context("no topic usage.alerts")?
        .partition_count();
    let mut reader = Reader::connect(&settings, "bench-crossings")?;
    let mut positions = vec![0; usize::try_from(partitions)?];
    let mut found = HashMap::new();
    let deadline = Instant::now() + LAST_ALERT;
    loop {
        for (partition, position) in (0..).zip(&mut positions) {
            let read = reader.read_to_end(&topic, partition, *position, ANSWER, |record| {
                take(&record, &mut found);
                Ok::<_, ReadError>(())
            });
            *position = read?;
        }
        if found.len() >= expected {
            return Ok(found);
        }
        if Instant::now() > deadline {
            bail!("{} alerts of {expected} came", found.len());
        }
        std::thread::sleep(LOOK);
    }
}

fn take(record: &ReadRecord, found: &mut HashMap<String, i64>) {
    let payload = record.payload.as_deref().unwrap_or_default();
    if let Ok(Record::Transition(transition)) = decode(payload)
        && let Some(time) = record.append_time
        && transition.state == AlertState::Opened
        && transition.key.threshold == THRESHOLD
        && transition.key.tenant.starts_with("mark-")
    {
        found.entry(transition.key.tenant).or_insert(time.0);
    }
}
