//! How fast standings and hour totals are read whole, as the API and the limits stage start.
//!
//! `cargo run --release -p meterline-clickhouse --example cold_start [STANDINGS [HOURS]]`, with
//! `METERLINE__CLICKHOUSE__URL`, `…__USER` and `…__PASSWORD` set (`deploy/local/stack env`). Works
//! in a database of its own, `meterline_cold_start`, which it leaves there.

use meterline_clickhouse::{ClickHouse, Rows, Secret, Settings};
use meterline_core::alert::Judged;
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::catalog::plans::Cap;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::standing::{Health, Standing};
use meterline_core::time::{Hour, Level, LogTime, Window};
use std::env;
use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

/// 2026-01-01 00:00 UTC.
const NEW_YEAR: Hour = Hour(490_896);

const PARTITION: LogPartition = LogPartition {
    topic_id: TopicId(1),
    partition: 0,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let standings: u64 = arguments.next().map_or(Ok(500_000), |n| n.parse())?;
    let hours: u64 = arguments.next().map_or(Ok(2_000_000), |n| n.parse())?;
    let mut settings = Settings::new(&env::var("METERLINE__CLICKHOUSE__URL")?);
    settings.user = env::var("METERLINE__CLICKHOUSE__USER")?;
    settings.password = Secret::new(env::var("METERLINE__CLICKHOUSE__PASSWORD")?);
    settings.database = "meterline_cold_start".to_owned();
    let sink = ClickHouse::connect(settings)?;
    sink.migrate().await?;
    // Twice, as a running period has it: what was replaced is there until the server merges.
    for round in 0..2 {
        let rows: Vec<_> = (0..standings).map(|n| standing(n, round)).collect();
        sink.insert_standings(&rows).await?;
        let rows: Vec<_> = (0..hours)
            .map(|n| hour(n, round))
            .collect::<Result<_, _>>()?;
        sink.insert_buckets(Level::Hour, PARTITION, &rows).await?;
    }
    read("standings", sink.standings()?).await?;
    read("hour totals", sink.hour_totals(NEW_YEAR.start())?).await?;
    read("held levels", sink.held_levels(NEW_YEAR.end())?).await
}

async fn read<T>(name: &str, mut rows: Rows<T>) -> Result<(), Box<dyn Error>>
where
    T: clickhouse::RowOwned + clickhouse::RowRead,
{
    let start = Instant::now();
    let mut count = 0;
    while let Some(piece) = rows.next().await? {
        count += piece.len();
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{name:<12} {count:>9} rows in {seconds:.2} s");
    Ok(())
}

fn stamp(round: u64) -> Stamp {
    Stamp {
        epoch: 0,
        offset: 1_000 + round,
    }
}

/// Five meters of each tenant.
fn standing(number: u64, round: u64) -> Standing {
    Standing {
        tenant: format!("tenant-{:08}", number / 5),
        meter: format!("meter_{}", number % 5),
        period_start: NEW_YEAR.start(),
        period_end: Hour(NEW_YEAR.0 + 744).start(),
        used: Quantity::ONE,
        included: Some(Quantity::ONE),
        limit: Some(Quantity::ONE),
        cap: Cap::Hard,
        health: Health::Healthy,
        crossed_at: None,
        plan: "professional".to_owned(),
        judged: Judged {
            usage: vec![(PARTITION, stamp(round))],
            catalog: 3,
            account: Some(number),
            effective: Some(number),
        },
    }
}

/// A hundred hours of each tenant's meter; a tenth of them are levels.
fn hour(number: u64, round: u64) -> Result<BucketRow, std::num::TryFromIntError> {
    let aggregation = match number / 100 % 10 {
        0 => Aggregation::Latest,
        _ => Aggregation::Sum,
    };
    let series = Series {
        tenant: format!("tenant-{:08}", number / 100).into(),
        meter: "tokens".into(),
        kind: Kind::Only,
        aggregation,
        dimensions: Box::default(),
        dimensions_hash: 0,
    };
    let hour = Hour(NEW_YEAR.0 + i32::try_from(number % 100)?);
    let bucket = Bucket {
        events: 1,
        sum: Quantity::ONE,
        changed: stamp(round),
        updated_at: LogTime(1_767_225_600_123),
        ..Bucket::default()
    };
    Ok(BucketRow {
        series: Arc::new(series),
        window: Window::of(Level::Hour, hour),
        bucket,
    })
}
