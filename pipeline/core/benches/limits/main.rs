//! What limits cost: totals, judgements, transitions, checks, memory; prints one line for each.
//! Times are those that the thread was on a processor, so that a machine with other work on it
//! tells the same.
//!
//! 100,000 tenants with an account each, 5 limited meters and a derived quantity of two of them.
//!
//! `cargo bench -p meterline-core --bench limits`

#![allow(clippy::disallowed_methods, reason = "a benchmark reads its times")]

mod world;

use meterline_core::account::AccountStatus;
use meterline_core::accounts::Accounts;
use meterline_core::alert::Transition;
use meterline_core::bucket::{Bucket, BucketRow, Series};
use meterline_core::catalog::plans::Terms;
use meterline_core::catalog::{Catalog, CompiledCatalog};
use meterline_core::control::CatalogDecision;
use meterline_core::hash::partition_of;
use meterline_core::limits::{
    Alerts, Engine, Held, Judgement, Limit, Measure, Tenant, TermsSource, check,
};
use meterline_core::period::Period;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, Level, LogTime, Window};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use world::{account, catalog, id, series, whole};

const TENANTS: usize = 100_000;
const HOURS: i32 = 24;
const METERS: [&str; 5] = ["calls", "texts", "tokens", "traffic", "storage"];
const CREDIT: &str = "credit";
const ALERT_PARTITIONS: u32 = 1;
/// 2026-03-27T00:00Z: the month that runs has use of its own only.
const FIRST_HOUR: i32 = 492_936;
const AT_ONCE: usize = 1_000;
const CHECKS: usize = 1_000_000;

fn main() {
    let series = series();
    let mut bench = Bench::new();
    bench.load(&series);
    bench.flush("judge everybody for the first time", &series, 5, 1);
    bench.flush("judge everybody after one meter's change", &series, 1, 1);
    bench.flush("the same again", &series, 1, 1);
    let opened = bench.flush("judge everybody, who all pass four shares", &series, 1, 90);
    bench.read_back(&opened);
    bench.flush("judge everybody, with four alerts open", &series, 1, 91);
    bench.check();
}

struct Bench {
    engine: Engine,
    catalog: Arc<CatalogDecision>,
    offset: u64,
    write_id: u128,
    held: BTreeMap<(String, String), Held>,
}

impl Bench {
    fn new() -> Self {
        let mut engine = Engine::new(
            "bench".to_owned(),
            Alerts::new(ALERT_PARTITIONS),
            Accounts::default(),
        );
        let compiled = CompiledCatalog::new(catalog()).expect("a valid catalog");
        let catalog = Arc::new(CatalogDecision {
            version: 1,
            offset: 0,
            hash: 0,
            compiled: Arc::new(compiled),
        });
        engine.catalog(Arc::clone(&catalog));
        for tenant in 0..TENANTS {
            let (offset, record) = account(tenant);
            let ruling = engine.decision(offset, LogTime(0), &record);
            ruling.expect("plain accounts");
        }
        Self {
            engine,
            catalog,
            offset: 0,
            write_id: 0,
            held: BTreeMap::new(),
        }
    }

    /// A day's hours of everybody's meters.
    fn load(&mut self, series: &[Arc<Series>]) {
        let before = resident_bytes();
        let mut took = Duration::ZERO;
        for hour in FIRST_HOUR..FIRST_HOUR + HOURS {
            took += self.totals(series, hour, 1);
        }
        let (_, hours) = self.engine.usage().size();
        each("total taken", took, hours);
        let bytes = resident_bytes().saturating_sub(before);
        println!("memory: {} bytes an hour value", bytes / hours);
    }

    /// One hour of these series.
    fn totals(&mut self, series: &[Arc<Series>], hour: i32, sum: u64) -> Duration {
        let mut took = Duration::ZERO;
        for part in series.chunks(10_000) {
            let rows: Vec<_> = part.iter().map(|of| self.row(of, hour, sum)).collect();
            let start = cpu_time();
            for row in &rows {
                self.engine.total(log_partition(), row);
            }
            took += since(start);
        }
        took
    }

    fn row(&mut self, series: &Arc<Series>, hour: i32, sum: u64) -> BucketRow {
        self.offset += 1;
        let changed = self.stamp();
        let bucket = Bucket {
            events: sum,
            sum: whole(sum),
            latest: whole(sum),
            latest_time: Hour(hour).start(),
            latest_stamp: changed,
            changed,
            ..Bucket::default()
        };
        BucketRow {
            series: Arc::clone(series),
            window: Window::of(Level::Hour, Hour(hour)),
            bucket,
        }
    }

    fn stamp(&self) -> Stamp {
        Stamp {
            epoch: 0,
            offset: self.offset,
        }
    }

    /// A flush in which everybody used so many meters, and the judgements that follow.
    fn flush(
        &mut self,
        what: &str,
        series: &[Arc<Series>],
        meters: usize,
        sum: u64,
    ) -> Vec<Transition> {
        let used =
            |(n, of): (usize, &Arc<Series>)| (n % METERS.len() < meters).then(|| Arc::clone(of));
        let used: Vec<_> = series.iter().enumerate().filter_map(used).collect();
        self.totals(&used, FIRST_HOUR + HOURS - 1, sum);
        self.offset += 1;
        self.engine.progress(log_partition(), self.stamp(), now());
        let start = cpu_time();
        let said = self.judge();
        each(&format!("{what}: a tenant"), since(start), TENANTS);
        let standings: usize = said.iter().map(|said| said.standings.len()).sum();
        let transitions: Vec<_> = said.iter().flat_map(|said| &said.transitions).collect();
        println!("  {standings} standings, {} transitions", transitions.len());
        for standing in said.iter().flat_map(|said| &said.standings) {
            let key = (standing.tenant.clone(), standing.meter.clone());
            self.held.insert(key, standing.into());
        }
        transitions.into_iter().cloned().collect()
    }

    fn judge(&mut self) -> Vec<Judgement> {
        let mut said = Vec::new();
        loop {
            let id = &mut self.write_id;
            let judgement = self.engine.judge(now(), AT_ONCE, &mut || {
                *id += 1;
                *id
            });
            let more = judgement.more;
            said.push(judgement);
            if !more {
                return said;
            }
        }
    }

    fn read_back(&mut self, opened: &[Transition]) {
        let start = cpu_time();
        for (offset, transition) in (0..).zip(opened) {
            let partition = partition_of(transition.key.tenant.as_bytes(), ALERT_PARTITIONS);
            let ruling = self.engine.transition(partition, offset, now(), transition);
            ruling.expect("in order");
        }
        each("transition read back", since(start), opened.len());
        let start = cpu_time();
        self.judge();
        each(
            "judge whose transitions came back: a tenant",
            since(start),
            TENANTS,
        );
    }

    /// Checks of one tenant after the other: its terms are found, then it is judged.
    fn check(&self) {
        let catalog = &self.catalog.compiled.catalog;
        let names: Vec<String> = (0..TENANTS).map(id).collect();
        let known: Vec<Known<'_>> = names.iter().map(|name| self.known(name)).collect();
        let start = cpu_time();
        for n in 0..CHECKS {
            let tenant = &known[n * 611_953 % TENANTS];
            black_box(check(
                tenant,
                &catalog.plans,
                black_box("calls"),
                Quantity::ONE,
                now(),
            ));
        }
        each("check, of terms at hand", since(start), CHECKS);
        let start = cpu_time();
        for n in 0..CHECKS {
            let name = &names[n * 611_953 % TENANTS];
            black_box(self.known(black_box(name)).limits.len());
        }
        each(
            "find the terms and use that a check needs",
            since(start),
            CHECKS,
        );
    }

    fn known<'a>(&'a self, name: &'a str) -> Known<'a> {
        let catalog = &self.catalog.compiled.catalog;
        let account = self.engine.accounts().account(name);
        let source = TermsSource::new(&catalog.plans, account, now());
        let limit = |meter: &'static str| {
            let (terms, period) = source.limit(meter)?;
            Some((meter, terms, period))
        };
        let held = |meter: &'static str| {
            let held = self.held.get(&(name.to_owned(), meter.to_owned()))?;
            Some((meter, *held))
        };
        Known {
            catalog,
            limits: ["calls", CREDIT].into_iter().filter_map(limit).collect(),
            held: ["calls", "texts", CREDIT]
                .into_iter()
                .filter_map(held)
                .collect(),
        }
    }
}

/// A tenant as a check sees it.
struct Known<'a> {
    catalog: &'a Catalog,
    limits: Vec<(&'static str, Cow<'a, Terms>, Period)>,
    held: Vec<(&'static str, Held)>,
}

impl Tenant for Known<'_> {
    fn status(&self) -> AccountStatus {
        AccountStatus::Active
    }

    fn limit(&self, name: &str) -> Option<Limit<'_>> {
        let found = self.limits.iter().find(|(known, ..)| *known == name);
        found.map(|(_, terms, period)| Limit {
            terms,
            period: *period,
        })
    }

    fn held(&self, name: &str) -> Option<Held> {
        let found = self.held.iter().find(|(known, _)| *known == name);
        found.map(|(_, held)| *held)
    }

    fn measure(&self, name: &str) -> Measure {
        Measure::named(self.catalog, name).expect("it can be limited")
    }
}

fn log_partition() -> LogPartition {
    LogPartition {
        topic_id: TopicId(1),
        partition: 0,
    }
}

fn now() -> LogTime {
    let end = Hour(FIRST_HOUR + HOURS).start();
    LogTime(end.0 / 1_000 - 1)
}

fn each(what: &str, took: Duration, times: usize) {
    println!("{what}: {} ns", took.as_nanos() / times as u128);
}

/// What the process holds in memory, by the kernel's count of 4 KiB pages.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let resident = pages.split(' ').nth(1).expect("its second number");
    resident.parse::<usize>().expect("a number") * 4_096
}

/// How long this process, which has one thread, was on a processor.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().expect("its first number");
    Duration::from_nanos(nanos.parse().expect("a number"))
}

fn since(start: Duration) -> Duration {
    cpu_time() - start
}
