//! Recordings: one JSON line for every record that was sent, with what it was meant to be.
//!
//! They let anyone recount usage without our fold: ClickHouse reads them with
//! `file('…', JSONEachRow)`. Times are written as `DateTime64(6)` text in UTC, quantities as
//! decimal text. A recording names what was handed to the client; where a record fails, the
//! command fails, and its recording says more than was published.

use super::event::{Form, Kind, UsageEvent};
use super::forms::{write_string, write_time};
use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes gathered before a write: a recording is not what bounds the rate.
const BUFFER_BYTES: usize = 1 << 20;

/// A recording being written.
pub(crate) struct Recording {
    path: PathBuf,
    out: Out,
    line: Vec<u8>,
    records: u64,
}

enum Out {
    Plain(BufWriter<File>),
    Gzip(GzEncoder<BufWriter<File>>),
}

impl Recording {
    /// Begins a recording; one whose name ends in `.gz` is compressed. Replaces the file.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("failed to create recording {}", path.display()))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let out = if path.extension().is_some_and(|e| e == "gz") {
            Out::Gzip(GzEncoder::new(file, Compression::fast()))
        } else {
            Out::Plain(file)
        };
        Ok(Self {
            path: path.to_owned(),
            out,
            line: Vec::new(),
            records: 0,
        })
    }

    /// Adds a record.
    pub(crate) fn add(&mut self, kind: Kind, form: Form, event: &UsageEvent) -> Result<()> {
        self.records += 1;
        self.line.clear();
        write_line(&mut self.line, self.records, kind, form, event);
        let written = match &mut self.out {
            Out::Plain(out) => out.write_all(&self.line),
            Out::Gzip(out) => out.write_all(&self.line),
        };
        written.with_context(|| format!("failed to write recording {}", self.path.display()))
    }

    /// Writes what is buffered and closes the file.
    pub(crate) fn finish(self) -> Result<()> {
        let finished = match self.out {
            Out::Plain(mut out) => out.flush(),
            Out::Gzip(out) => out.finish().and_then(|mut out| out.flush()),
        };
        finished.with_context(|| format!("failed to write recording {}", self.path.display()))
    }
}

fn write_line(line: &mut Vec<u8>, seq: u64, kind: Kind, form: Form, event: &UsageEvent) {
    let (name, reason) = match kind {
        Kind::Event => ("event", ""),
        Kind::Late => ("late", ""),
        Kind::Duplicate => ("duplicate", ""),
        Kind::Broken(reason) => ("broken:", reason),
    };
    line.extend_from_slice(
        format!(
            "{{\"seq\":{seq},\"form\":\"{}\",\"kind\":\"{name}{reason}\"",
            form.name()
        )
        .as_bytes(),
    );
    let attributes = [
        ("id", &*event.id),
        ("source", &event.source),
        ("type", &event.kind),
        ("tenant", &event.tenant),
    ];
    for (name, text) in attributes {
        line.extend_from_slice(format!(",\"{name}\":").as_bytes());
        write_string(line, text);
    }
    line.extend_from_slice(b",\"time\":\"");
    write_time(line, event.time, b' ');
    line.extend_from_slice(b"\",\"quantity\":");
    match &event.quantity {
        Some(quantity) => write_string(line, quantity),
        None => line.extend_from_slice(b"null"),
    }
    line.extend_from_slice(b",\"properties\":{");
    for (place, (key, value)) in event.properties.iter().enumerate() {
        if place > 0 {
            line.push(b',');
        }
        write_string(line, key);
        line.push(b':');
        write_string(line, value);
    }
    line.extend_from_slice(b"}}\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::time::EventTime;

    #[test]
    fn a_line_says_what_the_record_was_meant_to_be() {
        let event = UsageEvent {
            id: "a\"1".into(),
            source: "s".into(),
            kind: "t".into(),
            tenant: "acme".into(),
            time: EventTime(1_500_000),
            quantity: Some("1.50".into()),
            properties: vec![("region".into(), "eu".into())],
        };
        let mut line = Vec::new();
        write_line(&mut line, 7, Kind::Broken("bad_time"), Form::Avro, &event);
        assert_eq!(
            String::from_utf8(line).expect("UTF-8"),
            "{\"seq\":7,\"form\":\"avro\",\"kind\":\"broken:bad_time\",\"id\":\"a\\\"1\",\"source\":\"s\",\
             \"type\":\"t\",\"tenant\":\"acme\",\"time\":\"1970-01-01 00:00:01.500000\",\
             \"quantity\":\"1.50\",\"properties\":{\"region\":\"eu\"}}\n"
        );
    }
}
