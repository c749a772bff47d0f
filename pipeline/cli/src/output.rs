//! How results are printed: aligned tables, JSON, CSV; on standard output or in a file.
//!
//! Cells are exact text; nothing is rounded or abbreviated here. Text from events may hold
//! anything, so control characters are shown escaped in tables: a dead letter must not be able to
//! move a terminal's cursor.

mod file;
mod place;
mod rows;

pub(crate) use place::Place;
pub(crate) use rows::Rows;

use crate::args::Output;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::Write;

/// Rows of cells under column names; JSON values decide alignment and quoting.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

impl Table {
    /// An empty table.
    pub(crate) fn new(columns: &[&'static str]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row with a cell for every column.
    pub(crate) fn push(&mut self, row: Vec<Value>) {
        assert_eq!(
            row.len(),
            self.columns.len(),
            "a row has a cell for every column"
        );
        self.rows.push(row);
    }

    /// Whether there are no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The rows as objects by column, for a larger JSON document.
    pub(crate) fn objects(&self) -> Value {
        let object = |row: &Vec<Value>| {
            let names = self.columns.iter().map(|column| (*column).to_owned());
            Value::Object(names.zip(row.iter().cloned()).collect())
        };
        self.rows.iter().map(object).collect()
    }

    /// The table in that form, ending in a line feed.
    pub(crate) fn render(&self, output: Output) -> Result<String> {
        match output {
            Output::Table => Ok(self.aligned()),
            Output::Json | Output::Csv => self.rows(output),
            Output::Parquet => bail!("this command has no parquet output; use table, json or csv"),
        }
    }

    fn aligned(&self) -> String {
        let header: Vec<String> = self
            .columns
            .iter()
            .map(|c| c.to_uppercase().replace('_', " "))
            .collect();
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(cell_text).collect())
            .collect();
        let widths: Vec<usize> = (0..header.len())
            .map(|c| {
                rows.iter()
                    .map(|r| &r[c])
                    .chain([&header[c]])
                    .map(|t| t.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let to_the_right: Vec<bool> = (0..header.len())
            .map(|c| self.rows.iter().all(|r| is_number(&r[c])) && !self.rows.is_empty())
            .collect();
        let mut out = String::new();
        for row in std::iter::once(&header).chain(&rows) {
            let cells = row
                .iter()
                .zip(&widths)
                .zip(&to_the_right)
                .map(|((text, width), right)| {
                    let pad = " ".repeat(width - text.chars().count());
                    if *right {
                        format!("{pad}{text}")
                    } else {
                        format!("{text}{pad}")
                    }
                });
            out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
            out.push('\n');
        }
        out
    }

    fn rows(&self, output: Output) -> Result<String> {
        let mut rows = Rows::start(output, &self.columns, Vec::new())?;
        rows.add(self)?;
        String::from_utf8(rows.finish()?).context("failed to write")
    }
}

/// Prints to standard output; a reader that went away (`| head`) is no failure.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("failed to write to standard output")
        }
        _ => Ok(()),
    }
}

/// Writes a line to standard error; a reader that went away is no failure.
pub(crate) fn note(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// A whole number with its thousands set apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A length of time in days, hours, minutes and seconds; zero parts are left out.
pub(crate) fn length(seconds: u64) -> String {
    let parts = [
        ("d", 86_400, u64::MAX),
        ("h", 3_600, 24),
        ("m", 60, 60),
        ("s", 1, 60),
    ];
    let parts = parts
        .iter()
        .map(|(unit, size, wrap)| (seconds / size % wrap, unit));
    let text: Vec<String> = parts
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number}{unit}"))
        .collect();
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text.join(" ")
    }
}

/// A time without the zeros at the end of its fraction.
pub(crate) fn short_time(time: impl std::fmt::Display) -> String {
    let text = time.to_string();
    match text.strip_suffix('Z') {
        Some(text) => format!("{}Z", text.trim_end_matches('0').trim_end_matches('.')),
        None => text,
    }
}

fn plain_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(map) => {
            let pairs: Vec<String> = map
                .iter()
                .map(|(k, v)| format!("{k}={}", plain_text(v)))
                .collect();
            pairs.join(", ")
        }
        other => other.to_string(),
    }
}

fn cell_text(value: &Value) -> String {
    let text = plain_text(value);
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars()
        .flat_map(|c| {
            if c.is_control() {
                c.escape_default().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// Whether a cell reads as a number, so that its digits should line up.
fn is_number(value: &Value) -> bool {
    match value {
        Value::Number(_) | Value::Null => true,
        Value::String(text) => meterline_core::quantity::Quantity::parse(text).is_ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn table() -> Table {
        let mut table = Table::new(&["window_start", "value", "dimensions"]);
        table.push(vec![
            json!("2026-11-21"),
            json!("1.5"),
            json!({"model": "a"}),
        ]);
        table.push(vec![json!("2026-11-22"), json!("1000.25"), json!({})]);
        table.push(vec![json!("x\u{1b}[2J,\"y"), json!("7"), json!(null)]);
        table
    }

    #[test]
    fn tables_are_aligned_and_harmless() {
        let expected = "\
WINDOW START     VALUE  DIMENSIONS
2026-11-21         1.5  model=a
2026-11-22     1000.25  -
x\\u{1b}[2J,\"y        7  -
";
        assert_eq!(table().render(Output::Table).expect("renders"), expected);
    }

    #[test]
    fn csv_quotes_and_json_keeps_text() {
        let csv = table().render(Output::Csv).expect("renders");
        assert!(csv.ends_with("\"x\u{1b}[2J,\"\"y\",7,\n"), "{csv}");
        let json: Value =
            serde_json::from_str(&table().render(Output::Json).expect("renders")).expect("JSON");
        assert_eq!(json[1]["value"], json!("1000.25"));
    }

    #[test]
    fn lengths_and_times_are_short_and_exact() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (3_600, "1h"),
            (3_024_000, "35d"),
            (90_061, "1d 1h 1m 1s"),
        ] {
            assert_eq!(length(seconds), text);
        }
        assert_eq!(
            short_time("2026-11-21T10:00:00.120000Z"),
            "2026-11-21T10:00:00.12Z"
        );
        assert_eq!(
            short_time("2026-11-21T10:00:00.000000Z"),
            "2026-11-21T10:00:00Z"
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_234_567, "1,234,567"),
        ] {
            assert_eq!(grouped(number), text);
        }
    }
}
