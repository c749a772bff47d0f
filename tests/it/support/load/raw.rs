//! The raw table: what was sent, where the broker put it, and nothing that Meterline made of it.

use super::{Usage, decimal_text};
use crate::support::clickhouse::Sql;
use rdkafka::error::KafkaError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rows of one insert: some tens of megabytes.
const INSERT_ROWS: usize = 100_000;

const TABLE: &str = "CREATE TABLE raw
(
    log_partition UInt32,
    offset UInt64,
    append_time Int64 COMMENT 'milliseconds since 1970, by the broker',
    form LowCardinality(String),
    fault LowCardinality(String) COMMENT 'why it is to be rejected, apart from its time',
    tenant String,
    source String,
    id String,
    type LowCardinality(String),
    time Int64 COMMENT 'microseconds since 1970',
    quantity Nullable(Decimal(38, 9)),
    properties Map(String, String)
)
ENGINE = MergeTree ORDER BY (log_partition, offset)";

/// A record that the broker acknowledged.
pub(crate) struct Sent<'a> {
    pub(crate) log_partition: i32,
    pub(crate) offset: i64,
    pub(crate) append_time: i64,
    pub(crate) form: &'static str,
    pub(crate) fault: &'static str,
    pub(crate) usage: &'a Usage,
}

/// Its row.
#[derive(Serialize)]
struct Row<'a> {
    log_partition: i32,
    offset: i64,
    append_time: i64,
    form: &'a str,
    fault: &'a str,
    tenant: &'a str,
    source: &'a str,
    id: &'a str,
    r#type: &'a str,
    time: i64,
    quantity: Option<String>,
    properties: BTreeMap<&'a str, &'a str>,
}

/// Collects rows in a file, and puts them into the table when the books are closed: while a test
/// runs, its ClickHouse belongs to the worker.
pub(crate) struct Raw {
    sql: Sql,
    path: PathBuf,
    file: BufWriter<File>,
    ends: BTreeMap<i32, i64>,
    failures: Vec<String>,
}

impl Raw {
    /// Makes the database and the table.
    pub(crate) fn create(sql: Sql, folder: &Path) -> Self {
        let path = folder.join("raw.ndjson");
        let file = File::create(&path).expect("a file can be made in the site's folder");
        sql.create_database();
        sql.run(TABLE);
        Self {
            sql,
            path,
            file: BufWriter::new(file),
            ends: BTreeMap::new(),
            failures: Vec::new(),
        }
    }

    /// Takes one acknowledged record.
    pub(crate) fn push(&mut self, sent: &Sent<'_>) {
        let usage = sent.usage;
        let row = Row {
            log_partition: sent.log_partition,
            offset: sent.offset,
            append_time: sent.append_time,
            form: sent.form,
            fault: sent.fault,
            tenant: &usage.tenant,
            source: &usage.source,
            id: &usage.id,
            r#type: &usage.kind,
            time: usage.time,
            quantity: usage.quantity.map(decimal_text),
            properties: usage
                .properties
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect(),
        };
        let end = self.ends.entry(sent.log_partition).or_default();
        *end = sent.offset.max(*end - 1) + 1;
        serde_json::to_writer(&mut self.file, &row).expect("a row can be written");
        self.file.write_all(b"\n").expect("a row can be written");
    }

    /// Takes a failure; it fails the test when the books are closed.
    pub(crate) fn failed(&mut self, error: &KafkaError) {
        self.failures.push(error.to_string());
    }

    /// The offset after the last record, by partition.
    pub(crate) fn ends(&self) -> BTreeMap<i32, i64> {
        self.ends.clone()
    }

    /// Moves the rows collected so far into the table.
    ///
    /// # Panics
    /// When a record was not acknowledged: it may be in the log, and the recount would be wrong.
    pub(crate) fn close(&mut self) {
        assert!(
            self.failures.is_empty(),
            "unacknowledged: {:?}",
            self.failures
        );
        self.file.flush().expect("a file can be written");
        let written = File::open(&self.path).expect("the file is there");
        let mut lines = BufReader::new(written).split(b'\n');
        loop {
            let mut block = Vec::new();
            for line in lines.by_ref().take(INSERT_ROWS) {
                block.extend(line.expect("the file can be read"));
                block.push(b'\n');
            }
            if block.is_empty() {
                break;
            }
            self.sql.insert_json("raw", block);
        }
        let emptied = File::create(&self.path).expect("the file can be emptied");
        self.file = BufWriter::new(emptied);
    }
}
