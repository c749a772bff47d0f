//! Parts of an explanation, and how they are printed: for people, or as one JSON object.

use crate::args::Output;
use crate::failure::Failure;
use crate::output::Table;
use anyhow::Context as _;
use serde_json::{Map, Value};

/// A titled part of an explanation.
pub(super) enum Part {
    /// Names and what is said of them.
    Facts(Vec<(&'static str, Value)>),
    /// Rows.
    Rows(Table),
}

/// The parts for people, one below the other.
pub(super) fn as_text(parts: &[(&'static str, Part)]) -> Result<String, Failure> {
    let mut text = String::new();
    for (title, part) in parts {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&format!("{title}\n"));
        match part {
            Part::Facts(facts) => {
                for (name, value) in facts {
                    let value = match value {
                        Value::Null => "-".to_owned(),
                        Value::String(value) => value.clone(),
                        other => other.to_string(),
                    };
                    text.push_str(&format!("  {:<15} {value}\n", name.replace('_', " ")));
                }
            }
            Part::Rows(table) if table.is_empty() => text.push_str("  none\n"),
            Part::Rows(table) => {
                for line in table.render(Output::Table)?.lines() {
                    text.push_str(&format!("  {line}\n"));
                }
            }
        }
    }
    Ok(text)
}

/// The parts as one JSON object.
pub(super) fn as_json(parts: &[(&'static str, Part)]) -> Result<String, Failure> {
    let part = |part: &Part| match part {
        Part::Facts(facts) => {
            let facts = facts.iter();
            let facts = facts.map(|(name, value)| ((*name).to_owned(), value.clone()));
            Value::Object(facts.collect())
        }
        Part::Rows(table) => table.objects(),
    };
    let parts = parts.iter();
    let all: Map<String, Value> = parts
        .map(|(title, of)| (title.replace(' ', "_"), part(of)))
        .collect();
    Ok(serde_json::to_string_pretty(&all).context("failed to write JSON")? + "\n")
}
