//! A simulated month of each product, counted with the product's catalog.
//!
//! `meterline simulate --like` publishes it; the log's bytes are read back, judged and counted by
//! SQL that knows product.md and the design (`months/*.sql`), not the catalogs. So a meter that is
//! missing, that counts too much, or that counts another unit is a difference.

use crate::support::clickhouse::Sql;
use crate::support::guard::repository;
use crate::support::kafka::LogRecord;
use crate::support::recount::{BUCKETS, JUDGED, differences_by};
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::until;
use crate::support::worker::Worker;
use std::collections::BTreeMap;
use std::time::Duration;

mod avro;

const PARTITIONS: u32 = 3;
/// How long a month may take to be published and counted on a busy machine.
const COUNTED: Duration = Duration::from_secs(120);
/// Records of the log that are inserted at once: some tens of megabytes.
const INSERT_RECORDS: usize = 50_000;
const LOG: &str = "CREATE TABLE log
(
    log_partition UInt32,
    offset UInt64,
    append_time Int64 COMMENT 'milliseconds since 1970, by the broker',
    size UInt64 COMMENT 'bytes of key, headers and value',
    avro String COMMENT 'the Avro form that the value was in before it became JSON here; else empty',
    value String,
    headers Map(String, String)
)
ENGINE = MergeTree ORDER BY (log_partition, offset)";

/// A product and what of its month must have happened for the comparison to mean something.
struct Month {
    product: &'static str,
    measured: &'static str,
    events: u32,
    /// Events that no filter fits are among them.
    has_unmatched: bool,
}

impl Month {
    fn new(product: &'static str, measured: &'static str) -> Self {
        Self {
            product,
            measured,
            events: 200_000,
            has_unmatched: product == "irisx",
        }
    }

    /// An installation with the product's catalog in force.
    fn site(&self) -> Site {
        let site = Site::new(&format!("month_{}", self.product));
        let partitions = PARTITIONS.to_string();
        site.meterline(&["init", "--partitions", &partitions]).ok();
        let catalog = format!("schemas/catalogs/{}.yaml", self.product);
        let catalog = repository().join(catalog);
        let catalog = catalog.to_str().expect("the repository's path is text");
        site.meterline(&["catalog", "apply", catalog]).ok();
        // Without a writer schema that has an id, nothing is in the Confluent frame.
        let schema = repository().join("schemas/avro/usage_event.avsc");
        let schema = schema.to_str().expect("the repository's path is text");
        let id = avro::CONFLUENT_ID.to_string();
        let add = ["catalog", "schema", "add", schema, "--confluent-id", &id];
        site.meterline(&[&add[..], &["--wait"]].concat()).ok();
        site
    }

    fn publish(&self, site: &Site) {
        let seed: u32 = rand::random();
        println!("{} from seed {seed}", self.product);
        let (events, seed) = (self.events.to_string(), seed.to_string());
        let ended = site.meterline(&[
            "simulate",
            "--like",
            self.product,
            "--events",
            &events,
            "--seed",
            &seed,
            "--encoding",
            "json,binary,avro,confluent",
        ]);
        ended.ok();
    }

    /// Waits until the whole log is counted, counts it again from its bytes, and compares.
    fn assert_exact(&self, site: &Site) {
        let (kafka, topic) = (site.kafka(), site.usage_topic());
        let partitions = 0..i32::try_from(PARTITIONS).expect("few");
        let ends = partitions.map(|partition| (partition, kafka.ends(&topic, partition).1));
        site.wait_complete(&ends.collect::<BTreeMap<_, _>>(), COUNTED);
        let sql = site.raw_sql();
        load_log(&sql, &kafka.read_all(&topic));
        let raw = include_str!("months/raw.sql")
            .replace("{product}", self.product)
            .replace("{partitions}", &PARTITIONS.to_string());
        let measured = include_str!("months/measured.sql");
        let differences = differences_by(site, &[&raw, JUDGED, self.measured, measured, BUCKETS]);
        self.assert_something_happened(&sql);
        println!("{}: differences: {}", self.product, differences.len());
        assert!(differences.is_empty(), "{}", differences.join("\n"));
    }

    fn assert_something_happened(&self, sql: &Sql) {
        let count = |what: &str| sql.number(&format!("SELECT count() FROM {what}"));
        let events = i128::from(self.events);
        assert!(count("fresh") == events, "{} fresh", count("fresh"));
        assert!(count("duplicates") > events / 100, "few duplicates");
        let reasons = sql.number("SELECT uniqExact(reason) FROM letters_expected");
        assert!(reasons >= 15, "only {reasons} reasons of dead letters");
        let forms = "SELECT count() FROM (SELECT form FROM raw GROUP BY form HAVING count() > {})";
        let forms = sql.number(&forms.replace("{}", &(self.events / 10).to_string()));
        assert!(forms == 4, "only {forms} record forms");
        let days = sql.number("SELECT uniqExact(intDiv(time, 86400000000)) FROM fresh");
        assert!(days >= 30, "only {days} days");
        let unmatched = count("uses WHERE empty(counts)");
        assert_eq!(unmatched > 0, self.has_unmatched, "{unmatched} unmatched");
        println!(
            "{}: {} records, {events} events, {} duplicates, {} dead letters of {reasons} reasons, \
             {unmatched} unmatched, {} meters, {} buckets",
            self.product,
            count("raw"),
            count("duplicates"),
            count("letters_expected"),
            sql.number("SELECT uniqExact(meter) FROM measured"),
            count("expected"),
        );
    }
}

/// Puts the log's bytes into a table.
fn load_log(sql: &Sql, records: &[LogRecord]) {
    sql.create_database();
    sql.run(LOG);
    let reader = avro::Reader::new();
    for some in records.chunks(INSERT_RECORDS) {
        let mut rows = Vec::new();
        some.iter()
            .for_each(|record| write_row(record, &reader, &mut rows));
        sql.insert("INSERT INTO log FORMAT RowBinary", rows);
    }
}

/// ClickHouse's RowBinary: integers little endian, texts and maps after their lengths.
fn write_row(record: &LogRecord, reader: &avro::Reader, out: &mut Vec<u8>) {
    let headers = &record.headers;
    let of_headers: usize = headers.iter().map(|(k, v)| k.len() + v.len()).sum();
    let size = record.key.len() + record.value.len() + of_headers;
    out.extend(record.partition.to_le_bytes());
    out.extend(record.offset.to_le_bytes());
    out.extend(record.append_time.to_le_bytes());
    out.extend(u64::try_from(size).expect("a length").to_le_bytes());
    let event = reader.event(&record.value);
    let (form, value) = event
        .as_ref()
        .map_or(("", &record.value[..]), |(form, event)| {
            (*form, event.as_bytes())
        });
    write_bytes(form.as_bytes(), out);
    write_bytes(value, out);
    write_length(headers.len(), out);
    for (name, value) in headers {
        write_bytes(name.as_bytes(), out);
        write_bytes(value, out);
    }
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(bytes.len(), out);
    out.extend_from_slice(bytes);
}

/// LEB128, unsigned.
fn write_length(mut length: usize, out: &mut Vec<u8>) {
    while length >= 0x80 {
        out.push(u8::try_from(length & 0x7F).expect("seven bits") | 0x80);
        length >>= 7;
    }
    out.push(u8::try_from(length).expect("seven bits"));
}

/// Publishes a month, lets one worker count it, and compares.
fn check(product: &'static str, measured: &'static str) {
    let _turn = Turn::alone();
    let month = Month::new(product, measured);
    let site = month.site();
    month.publish(&site);
    let _worker = site.worker("worker", &[]);
    month.assert_exact(&site);
}

#[test]
fn a_month_of_pulse_is_counted_exactly() {
    check("pulse", include_str!("months/pulse.sql"));
}

#[test]
fn a_month_of_provider_is_counted_exactly() {
    check("provider", include_str!("months/provider.sql"));
}

#[test]
fn a_month_of_irisx_is_counted_exactly() {
    check("irisx", include_str!("months/irisx.sql"));
}

#[test]
fn a_month_of_operate_is_counted_exactly() {
    check("operate", include_str!("months/operate.sql"));
}

#[test]
fn a_month_of_stack_is_counted_exactly_by_workers_of_which_one_is_killed() {
    let _turn = Turn::alone();
    let month = Month::new("stack", include_str!("months/stack.sql"));
    let site = month.site();
    let first = site.worker("first", &[]);
    let mut second = site.worker("second", &[]);
    second.wait_owns(1);
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| month.publish(&site));
        wait_for_progress(&site, &mut second);
        first.kill();
        publishing.join().expect("the month is published");
    });
    let _third = site.worker("third", &[]);
    month.assert_exact(&site);
}

/// Waits until rows were written for some thousands of records, of which the log then has more.
fn wait_for_progress(site: &Site, worker: &mut Worker) {
    until("some of the month to be counted", COUNTED, || {
        worker.assert_running();
        let counted: i64 = site.progress().iter().map(|p| p.to_offset).sum();
        (counted > 5_000).then_some(()).ok_or(counted)
    });
}
