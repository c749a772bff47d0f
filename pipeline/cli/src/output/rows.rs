//! CSV and JSON, row by row: a result of any length in the memory of one page.
//!
//! What one page after the other writes is what the whole would: a result does not show how it
//! was read.

use super::{Table, plain_text};
use crate::args::Output;
use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value};
use std::io::Write;

/// A result that is being written.
#[derive(Debug)]
pub(crate) struct Rows<W: Write> {
    out: W,
    form: Form,
    is_empty: bool,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Csv,
    Json,
}

impl<W: Write> Rows<W> {
    /// Begins a result with these columns.
    ///
    /// # Errors
    /// When it cannot be written, or has no form that goes row by row.
    pub(crate) fn start(output: Output, columns: &[&str], mut out: W) -> Result<Self> {
        let form = match output {
            Output::Csv => {
                write_record(&mut out, columns.iter().copied())?;
                Form::Csv
            }
            Output::Json => {
                out.write_all(b"[").context("failed to write JSON")?;
                Form::Json
            }
            Output::Table | Output::Parquet => bail!("this form is not written row by row"),
        };
        Ok(Self {
            out,
            form,
            is_empty: true,
        })
    }

    /// Adds the rows of a table that has the same columns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn add(&mut self, table: &Table) -> Result<()> {
        for row in &table.rows {
            match self.form {
                Form::Csv => {
                    let cells: Vec<String> = row.iter().map(plain_text).collect();
                    write_record(&mut self.out, cells.iter().map(String::as_str))?;
                }
                Form::Json => {
                    let object = object(&table.columns, row)?;
                    let before = if self.is_empty { "\n" } else { ",\n" };
                    write!(self.out, "{before}{object}").context("failed to write JSON")?;
                }
            }
            self.is_empty = false;
        }
        Ok(())
    }

    /// Ends the result.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn finish(mut self) -> Result<W> {
        if matches!(self.form, Form::Json) {
            let end = if self.is_empty { "]\n" } else { "\n]\n" };
            self.out
                .write_all(end.as_bytes())
                .context("failed to write JSON")?;
        }
        self.out.flush().context("failed to write")?;
        Ok(self.out)
    }
}

fn write_record<'a>(out: impl Write, cells: impl Iterator<Item = &'a str>) -> Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(cells).context("failed to write CSV")?;
    writer.flush().context("failed to write CSV")
}

/// A row as an object, indented as an element of an array.
fn object(columns: &[&'static str], row: &[Value]) -> Result<String> {
    let cells = columns
        .iter()
        .map(|c| (*c).to_owned())
        .zip(row.iter().cloned());
    let object: Map<String, Value> = cells.collect();
    let text = serde_json::to_string_pretty(&object).context("failed to write JSON")?;
    Ok(format!("  {}", text.replace('\n', "\n  ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(numbers: std::ops::Range<u32>) -> Table {
        let mut table = Table::new(&["number", "text"]);
        for number in numbers {
            table.push(vec![json!(number), json!("a\n\"b\", c")]);
        }
        table
    }

    #[test]
    fn pages_write_what_the_whole_would() {
        for output in [Output::Csv, Output::Json] {
            for cut in [0, 1, 3] {
                let columns = ["number", "text"];
                let mut rows = Rows::start(output, &columns, Vec::new()).expect("starts");
                rows.add(&page(0..cut)).expect("adds");
                rows.add(&page(cut..3)).expect("adds");
                let text = String::from_utf8(rows.finish().expect("ends")).expect("UTF-8");
                assert_eq!(text, page(0..3).render(output).expect("renders"));
            }
        }
    }

    #[test]
    fn json_is_one_array_also_where_it_is_empty() {
        for (rows, length) in [(0, 0), (1, 1), (2, 2)] {
            let text = page(0..rows).render(Output::Json).expect("renders");
            let parsed: Vec<Value> = serde_json::from_str(&text).expect("JSON");
            assert_eq!(parsed.len(), length, "{text}");
            assert_eq!(
                text,
                format!("{}\n", serde_json::to_string_pretty(&parsed).expect("JSON"))
            );
        }
    }

    #[test]
    fn a_full_disk_is_an_error() {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let full = full.expect("Linux has one");
        let failed = Rows::start(Output::Csv, &["number"], full).expect_err("full");
        assert!(
            format!("{failed:#}").contains("No space left"),
            "{failed:#}"
        );
    }
}
