//! How fast bucket rows go in: encoding alone, and whole inserts.
//!
//! `cargo run --release -p meterline-clickhouse --example insert_rate [ROWS [FLUSHES]]`, with
//! `METERLINE__CLICKHOUSE__URL`, `…__USER` and `…__PASSWORD` set (`deploy/local/stack env`). Works
//! in a database of its own, `meterline_insert_rate`, which it leaves there.

use meterline_clickhouse::{ClickHouse, Secret, Settings, encode};
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::hash::dimensions_hash;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, Level, LogTime, Window};
use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PARTITION: LogPartition = LogPartition {
    topic_id: TopicId(1),
    partition: 0,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let rows: u64 = arguments.next().map_or(Ok(100_000), |n| n.parse())?;
    let flushes: u64 = arguments.next().map_or(Ok(10), |n| n.parse())?;
    let mut settings = Settings::new(&env::var("METERLINE__CLICKHOUSE__URL")?);
    settings.user = env::var("METERLINE__CLICKHOUSE__USER")?;
    settings.password = Secret::new(env::var("METERLINE__CLICKHOUSE__PASSWORD")?);
    settings.database = "meterline_insert_rate".to_owned();
    let sink = ClickHouse::connect(settings)?;
    sink.migrate().await?;
    let (mut encoding, mut inserting) = (Duration::ZERO, Duration::ZERO);
    let mut bytes = 0;
    for flush in 0..flushes {
        let cut: Vec<_> = (0..rows).map(|number| row(number, flush)).collect();
        let start = Instant::now();
        for block in encode::blocks(Level::Hour, PARTITION, &cut) {
            std::hint::black_box(block?);
        }
        encoding += start.elapsed();
        let start = Instant::now();
        bytes += sink
            .insert_buckets(Level::Hour, PARTITION, &cut)
            .await?
            .bytes;
        inserting += start.elapsed();
    }
    let count = u128::from(rows * flushes);
    println!("encode  {:>6} ns a row", encoding.as_nanos() / count);
    println!(
        "insert  {:>6} ns a row, encoding included",
        inserting.as_nanos() / count
    );
    println!("body    {:>6} bytes a row", bytes as u128 / count);
    Ok(())
}

/// A part of one of 1,000 tenants.
fn row(number: u64, flush: u64) -> BucketRow {
    let region = format!("region-{}", number / 1_000);
    let dimensions = [("model", "large-4"), ("region", region.as_str())];
    let series = Series {
        tenant: format!("tenant-{:08}", number % 1_000).into(),
        meter: "llm_tokens".into(),
        kind: Kind::Part,
        aggregation: Aggregation::Sum,
        dimensions: dimensions
            .iter()
            .map(|(k, v)| ((*k).into(), (*v).into()))
            .collect(),
        dimensions_hash: dimensions_hash(dimensions.into_iter()),
    };
    let bucket = Bucket {
        events: number,
        sum: Quantity::ONE,
        changed: Stamp {
            epoch: 0,
            offset: flush * 1_000_000 + number,
        },
        updated_at: LogTime(1_767_225_600_123),
        ..Bucket::default()
    };
    BucketRow {
        series: Arc::new(series),
        window: Window::of(Level::Hour, Hour(490_896)),
        bucket,
    }
}
