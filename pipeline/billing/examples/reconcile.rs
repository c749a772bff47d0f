//! How long a month's reconciliation takes: a ClickHouse of its own, filled by the server itself, and
//! an answerer of summaries in this process that computes them.
//!
//! `cargo run --release -p meterline-billing --example reconcile [METERS [HOURS [PACED]]]`: so many
//! tenants' meters (100,000), each with so many hours of a past month (24), then so many of them paced
//! at Stripe's 25 calls a second (500). Every window has a bucket and three steps of the ledger. The
//! answerer has no limits; what it takes is part of this process's time and memory.

use meterline_billing::BillingSettings;
use meterline_billing::reconcile::{Billed, ReconcileSettings, Reconciled, Reconciler, Scope};
use meterline_billing::stripe::Pace;
use meterline_clickhouse::{ClickHouse, Keep, Secret, Settings};
use meterline_core::time::Hour;
use meterline_stack::{PASSWORD, Parts, Service, Stack, USER};
use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// 2026-10-01 00:00 UTC.
const MONTH: Hour = Hour(497_448);
const MONTH_HOURS: i32 = 31 * 24;
const DATABASE: &str = "meterline_reconcile";
/// Windows that one statement fills.
const FILL_ROWS: u64 = 5_000_000;

type Failed = Box<dyn Error + Send + Sync>;

/// What is filled and answered: every meter's first hours of the month.
#[derive(Clone, Copy)]
struct Size {
    meters: u64,
    hours: i32,
}

/// Calls in an hour of a tenant; the same in SQL.
fn value(tenant: u64, hour: i32) -> u64 {
    1 + (tenant * 31 + u64::from(hour.unsigned_abs()) * 17) % 1_000
}

#[tokio::main]
async fn main() -> Result<(), Failed> {
    let mut arguments = env::args().skip(1);
    let mut next = |default| {
        arguments
            .next()
            .map_or(Ok(default), |text| text.parse::<u64>())
    };
    let size = Size {
        meters: next(100_000)?,
        hours: i32::try_from(next(24)?)?.clamp(1, MONTH_HOURS),
    };
    let paced = next(500)?;
    let stack = Stack::start(Parts::only(Service::Clickhouse));
    let mut settings = Settings::new(&stack.clickhouse_url());
    settings.user = USER.to_owned();
    settings.password = Secret::new(PASSWORD);
    settings.database = DATABASE.to_owned();
    settings.retention.bucket_hourly = Keep::Forever;
    settings.retention.stripe_pushes = Keep::Forever;
    let clickhouse = ClickHouse::connect(settings)?;
    clickhouse.migrate().await?;
    let began = Instant::now();
    fill(&stack.clickhouse_url(), size).await?;
    println!("filled in {} s", began.elapsed().as_secs());
    let answered = Arc::new(AtomicU64::new(0));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    tokio::spawn(answer_all(listener, size, Arc::clone(&answered)));
    let cpu = cpu_millis()?;
    let (took, run) =
        reconcile(&clickhouse, &base, Pace::unlimited(), size.meters, u64::MAX).await?;
    println!(
        "{} tenants' meters with {} hours each, {} windows: {} ms, of them {} ms of this process's \
         CPU time (the answerer's included); {} calls, {} differences",
        run.pairs,
        size.hours,
        run.windows,
        took,
        cpu_millis()? - cpu,
        answered.load(Ordering::Relaxed),
        run.found
    );
    println!("peak memory of this process: {}", peak_memory()?);
    let (took, run) = reconcile(&clickhouse, &base, Pace::new(25), size.meters, paced).await?;
    let minutes = took.saturating_mul(100_000) / u128::from(run.pairs.max(1)) / 60_000;
    println!(
        "paced at 25 calls a second: {} tenants' meters in {took} ms, so 100,000 in {minutes} min",
        run.pairs
    );
    Ok(())
}

/// Reconciles until so many meters are compared; milliseconds, and how far it came.
async fn reconcile(
    clickhouse: &ClickHouse,
    base: &str,
    pace: Pace,
    meters: u64,
    most: u64,
) -> Result<(u128, meterline_schemas::rows::ReconciliationRow), Failed> {
    let customers: HashMap<String, String> = (0..meters)
        .map(|tenant| (format!("t{tenant:06}"), format!("cus_{tenant:06}")))
        .collect();
    let billed = Billed {
        meters: [("calls".to_owned(), "calls".to_owned())].into(),
        customers,
    };
    let stage = BillingSettings {
        api_key: Secret::new("sk_test_bench"),
        api_base: base.to_owned(),
        ..BillingSettings::default()
    };
    let slice_pairs = u32::try_from(most.min(2_000))?;
    let settings = ReconcileSettings {
        slice_pairs,
        ..ReconcileSettings::default()
    };
    let reconciler = Reconciler::new(clickhouse.clone(), &stage, pace, billed, settings)?;
    let scope = Scope {
        period: MONTH..Hour(MONTH.0 + MONTH_HOURS),
        tenant: None,
        meter: None,
        since: None,
    };
    let began = Instant::now();
    let run = reconciler.run(&scope, true, |run| {
        if run.pairs >= most {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    let (Reconciled::Finished(run) | Reconciled::Stopped(run)) = run.await?;
    Ok((began.elapsed().as_millis(), run))
}

/// Has ClickHouse make a bucket, an intent, a receipt and a confirmation for every window.
async fn fill(url: &str, size: Size) -> Result<(), Failed> {
    let hours = u64::from(size.hours.unsigned_abs());
    let all = size.meters * hours;
    let window = format!(
        "intDiv(number, {hours}) AS n, number % {hours} AS hour, \
         concat('t', leftPad(toString(n), 6, '0')) AS tenant, 'calls' AS meter, \
         toDateTime({} + hour * 3600, 'UTC') AS window_start, \
         1 + (n * 31 + hour * 17) % 1000 AS value",
        i64::from(MONTH.0) * 3_600
    );
    let mut from = 0;
    while from < all {
        let rows = FILL_ROWS.min(all - from);
        let windows = format!("(SELECT {window} FROM numbers({from}, {rows}))");
        execute(
            url,
            &format!(
                "INSERT INTO bucket_hourly (tenant, meter, window_start, kind, topic_id, \
                 log_partition, aggregation, events, updated_at, version) SELECT tenant, meter, \
                 window_start, 'only', toUUID('00000000-0000-0000-0000-000000000001'), n % 8, \
                 'count', value, toDateTime64(window_start + 3600, 3, 'UTC'), number_of \
                 FROM (SELECT *, n * {hours} + hour AS number_of FROM {windows})"
            ),
        )
        .await?;
        execute(
            url,
            &format!(
                "INSERT INTO stripe_pushes (tenant, meter, window_start, step, customer, event_name, \
                 quantity, attempt, identifier, append_time, topic_id, log_partition, offset) \
                 SELECT tenant, meter, window_start, step, concat('cus_', substring(tenant, 2)), \
                 'calls', value, 1, hex(sipHash128(tenant, hour)), \
                 toDateTime64(window_start + 3600, 3, 'UTC'), \
                 toUUID('00000000-0000-0000-0000-000000000002'), n % 8, \
                 (n * {hours} + hour) * 3 + place FROM (SELECT *, \
                 arrayJoin([('intent', 0), ('received', 1), ('confirmed', 2)]) AS of, \
                 of.1 AS step, of.2 AS place FROM {windows})"
            ),
        )
        .await?;
        from += rows;
    }
    let progress = "INSERT INTO progress (topic, topic_id, log_partition, to_offset, sealed_to, \
                    log_time) SELECT 'usage.events', \
                    toUUID('00000000-0000-0000-0000-000000000001'), number, 1, \
                    toDateTime('2026-11-02 00:00:00', 'UTC'), now64(3) FROM numbers(8)";
    execute(url, progress).await
}

async fn execute(url: &str, sql: &str) -> Result<(), Failed> {
    let request = reqwest::Client::new()
        .post(format!("{url}/?database={DATABASE}"))
        .basic_auth(USER, Some(PASSWORD))
        .body(sql.to_owned());
    let answer = request.send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    if status.is_success() {
        return Ok(());
    }
    Err(format!("{status}: {text}").into())
}

async fn answer_all(listener: TcpListener, size: Size, answered: Arc<AtomicU64>) {
    while let Ok((stream, _)) = listener.accept().await {
        let answered = Arc::clone(&answered);
        tokio::spawn(async move {
            // A client that went away is not missed.
            let _ = serve(stream, size, &answered).await;
        });
    }
}

/// Answers requests without a body until the client goes away.
async fn serve(stream: TcpStream, size: Size, answered: &AtomicU64) -> Result<(), Failed> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    loop {
        let (mut line, mut asked) = (String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if asked.is_empty() {
                asked = line.split(' ').nth(1).unwrap_or_default().to_owned();
            }
            if line == "\r\n" {
                break;
            }
        }
        let body = body(&asked, size)?;
        answered.fetch_add(1, Ordering::Relaxed);
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream
            .get_mut()
            .write_all((head + &body).as_bytes())
            .await?;
    }
}

fn body(asked: &str, size: Size) -> Result<String, Failed> {
    let asked = url::Url::parse("http://stripe.invalid")?.join(asked)?;
    let data = match asked.path() {
        "/v1/billing/meters" => "{\"id\":\"mtr_1\",\"event_name\":\"calls\",\"status\":\"active\",\
             \"display_name\":\"Calls\",\"created\":1,\"event_time_window\":\"hour\",\
             \"default_aggregation\":{\"formula\":\"sum\"},\
             \"customer_mapping\":{\"event_payload_key\":\"stripe_customer_id\",\"type\":\"by_id\"},\
             \"value_settings\":{\"event_payload_key\":\"value\"}}"
            .to_owned(),
        path if path.ends_with("/event_summaries") => summaries(&asked, size)?,
        _ => String::new(),
    };
    Ok(format!(
        "{{\"object\":\"list\",\"data\":[{data}],\"has_more\":false}}"
    ))
}

/// The windows of a customer that are asked for, computed.
fn summaries(asked: &url::Url, size: Size) -> Result<String, Failed> {
    let asked: HashMap<_, _> = asked.query_pairs().collect();
    let field = |name: &str| asked.get(name).ok_or(format!("no {name}"));
    let customer = field("customer")?.trim_start_matches("cus_").parse()?;
    let hours: Range<i64> = field("start_time")?.parse()?..field("end_time")?.parse()?;
    let length = if field("value_grouping_window")? == "day" {
        24
    } else {
        1
    };
    let first = i32::try_from(hours.start / 3_600)? - MONTH.0;
    let end = i32::try_from(hours.end / 3_600)? - MONTH.0;
    let mut summaries = Vec::new();
    let mut start = first;
    while start < end {
        let filled = (start..start + length).filter(|hour| (0..size.hours).contains(hour));
        let sum: u64 = filled.map(|hour| value(customer, hour)).sum();
        let seconds = i64::from(MONTH.0 + start) * 3_600;
        if sum > 0 {
            summaries.push(format!(
                "{{\"id\":\"{seconds}\",\"aggregated_value\":{sum}.0,\"start_time\":{seconds},\
                 \"end_time\":{},\"meter\":\"mtr_1\"}}",
                seconds + i64::from(length) * 3_600
            ));
        }
        start += length;
    }
    Ok(summaries.join(","))
}

/// CPU time of this process so far, in milliseconds.
fn cpu_millis() -> Result<u64, Failed> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit(") ").next().unwrap_or_default();
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<Result<u64, _>>()? * 10)
}

fn peak_memory() -> Result<String, Failed> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    Ok(line
        .unwrap_or_default()
        .trim_start_matches("VmHWM:")
        .trim()
        .to_owned())
}
