//! Records of an input file: NDJSON, CSV or TSV, plain or gzip.
//!
//! Field texts are taken as they are written: a JSON number keeps its digits. A JSON object's
//! nested fields are reached with dots (`request.bytes`); arrays and objects themselves are no
//! fields.

use super::template::Fields;
use crate::args::produce::FileFormat;
use anyhow::{Context, Result, anyhow, bail};
use flate2::read::MultiGzDecoder;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Longest line of NDJSON: far above the largest record that is accepted.
const LINE_BYTES_MAX: u64 = 16 << 20;

/// A record and its number.
#[derive(Clone, Debug, Default)]
pub(crate) struct InputRecord {
    line: u64,
    fields: BTreeMap<String, String>,
}

impl Fields for InputRecord {
    fn line(&self) -> u64 {
        self.line
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    fn below(&self, prefix: &str) -> Vec<(&str, &str)> {
        let fields = self.fields.iter();
        fields
            .filter_map(|(name, text)| Some((name.strip_prefix(prefix)?, text.as_str())))
            .collect()
    }
}

/// Reads the records of a file.
pub(crate) struct Input {
    path: PathBuf,
    reader: Reader,
    line: u64,
}

enum Reader {
    Lines(Box<dyn BufRead>),
    Separated {
        rows: csv::Reader<Box<dyn BufRead>>,
        header: Vec<String>,
    },
}

impl Input {
    /// Opens a file; without a format its name decides.
    pub(crate) fn open(path: &Path, format: Option<FileFormat>) -> Result<Self> {
        let name = path.to_string_lossy();
        let (stem, is_gzip) = match name.strip_suffix(".gz") {
            Some(stem) => (stem, true),
            None => (name.as_ref(), false),
        };
        let format = format.map_or_else(|| by_name(stem), Ok)?;
        let file =
            File::open(path).with_context(|| format!("failed to open {}", path.display()))?;
        let bytes: Box<dyn BufRead> = if is_gzip {
            Box::new(BufReader::new(MultiGzDecoder::new(file)))
        } else {
            Box::new(BufReader::new(file))
        };
        let reader = match format {
            FileFormat::Ndjson => Reader::Lines(bytes),
            FileFormat::Csv => separated(bytes, b',', path)?,
            FileFormat::Tsv => separated(bytes, b'\t', path)?,
        };
        Ok(Self {
            path: path.to_owned(),
            reader,
            line: 0,
        })
    }

    /// Names of the columns; `None` for formats whose records name their fields themselves.
    pub(crate) fn columns(&self) -> Option<&[String]> {
        match &self.reader {
            Reader::Lines(_) => None,
            Reader::Separated { header, .. } => Some(header),
        }
    }

    /// The next record; blank lines are skipped and not counted.
    pub(crate) fn next(&mut self) -> Result<Option<InputRecord>> {
        let number = self.line + 1;
        let fields = match &mut self.reader {
            Reader::Lines(lines) => next_object(lines.as_mut()),
            Reader::Separated { rows, header } => next_row(rows, header),
        };
        let fields = fields.with_context(|| {
            format!("failed to read record {number} of {}", self.path.display())
        })?;
        self.line = number;
        Ok(fields.map(|fields| InputRecord {
            line: number,
            fields,
        }))
    }
}

fn by_name(stem: &str) -> Result<FileFormat> {
    match Path::new(stem).extension().and_then(|e| e.to_str()) {
        Some("ndjson" | "jsonl") => Ok(FileFormat::Ndjson),
        Some("csv") => Ok(FileFormat::Csv),
        Some("tsv") => Ok(FileFormat::Tsv),
        _ => bail!("the name {stem} does not tell the format; give --format ndjson, csv or tsv"),
    }
}

fn separated(bytes: Box<dyn BufRead>, delimiter: u8, path: &Path) -> Result<Reader> {
    let mut rows = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .quoting(delimiter == b',')
        // Recorded logs leave out trailing columns.
        .flexible(true)
        .from_reader(bytes);
    let header = rows
        .headers()
        .with_context(|| format!("failed to read the header of {}", path.display()))?;
    let header: Vec<String> = header
        .iter()
        .map(|name| name.trim_start_matches('\u{feff}').to_owned())
        .collect();
    if header.iter().all(String::is_empty) {
        bail!("{} has no header line", path.display());
    }
    Ok(Reader::Separated { rows, header })
}

type FieldTexts = BTreeMap<String, String>;

fn next_row(
    rows: &mut csv::Reader<Box<dyn BufRead>>,
    header: &[String],
) -> Result<Option<FieldTexts>> {
    let mut row = csv::StringRecord::new();
    if !rows.read_record(&mut row)? {
        return Ok(None);
    }
    if row.len() > header.len() {
        bail!(
            "it has {} columns and the header names {}",
            row.len(),
            header.len()
        );
    }
    Ok(Some(
        header
            .iter()
            .cloned()
            .zip(row.iter().map(str::to_owned))
            .collect(),
    ))
}

fn next_object(lines: &mut dyn BufRead) -> Result<Option<FieldTexts>> {
    let mut line = String::new();
    loop {
        line.clear();
        if lines.take(LINE_BYTES_MAX).read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if u64::try_from(line.len())? == LINE_BYTES_MAX {
            bail!("it is longer than {LINE_BYTES_MAX} bytes");
        }
        if !line.trim().is_empty() {
            break;
        }
    }
    let mut fields = BTreeMap::new();
    let object: BTreeMap<String, &RawValue> =
        serde_json::from_str(&line).map_err(|e| anyhow!("it is no JSON object: {e}"))?;
    add_fields("", object, &mut fields)?;
    Ok(Some(fields))
}

fn add_fields(
    path: &str,
    object: BTreeMap<String, &RawValue>,
    fields: &mut FieldTexts,
) -> Result<()> {
    for (name, value) in object {
        let name = if path.is_empty() {
            name
        } else {
            format!("{path}.{name}")
        };
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'{') => add_fields(&name, serde_json::from_str(text)?, fields)?,
            Some(b'[') => {}
            Some(b'"') => {
                fields.insert(name, serde_json::from_str(text)?);
            }
            _ if text == "null" => {}
            _ => {
                fields.insert(name, text.to_owned());
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
