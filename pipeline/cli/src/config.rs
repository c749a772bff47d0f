//! Settings: defaults, then the settings file, then variables named `METERLINE__SECTION__KEY`.
//!
//! Two forms: [`raw`] is what the operator wrote, [`resolve`] makes of it what commands run with.
//! Whatever cannot be run with is refused at the start, with the file or variable and the key it
//! stands in, all problems at once. Nothing in here changes a result: that is the catalog's.
//! Secrets appear in no message; a file that cannot be parsed is not quoted either.

use raw::RawSettings;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

mod api;
pub(crate) mod known;
mod limits;
mod notifications;
pub(crate) mod raw;
pub(crate) mod resolve;
pub(crate) mod show;
pub(crate) mod stage;
mod stripe;
mod traces;

pub(crate) use resolve::{LogFormat, Settings};

/// The settings file that is read where none is named.
pub(crate) const DEFAULT_FILE: &str = "meterline.toml";
/// What the names of variables begin with.
pub(crate) const VARIABLE_PREFIX: &str = "METERLINE__";

/// What was read from outside, once, in `main`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// Path and text of the settings file.
    pub file: Option<(PathBuf, String)>,
    /// Variables whose names begin with [`VARIABLE_PREFIX`].
    pub variables: BTreeMap<String, String>,
}

/// Where a setting came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Origin {
    /// Nobody set it.
    Default,
    /// The settings file.
    File(PathBuf),
    /// This variable.
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
        }
    }
}

/// A setting as it was written, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Leaf {
    /// The value; null where it is not set.
    pub value: Value,
    /// Where it was written.
    pub origin: Origin,
}

/// All settings by key (`section.key`), each from the last source that has it.
pub(crate) type Leaves = BTreeMap<String, Leaf>;

/// One thing that is wrong with the settings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// File (with line, where there is no key) or variable.
    pub origin: String,
    /// The key; empty for a file as a whole.
    pub key: String,
    /// What is wrong, and what to do instead. No secrets.
    pub reason: String,
}

/// All that is wrong with the settings, one line each.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, problem) in self.0.iter().enumerate() {
            let separator = if place == 0 { "" } else { "\n  " };
            write!(f, "{separator}{}: ", problem.origin)?;
            if !problem.key.is_empty() {
                write!(f, "{} ", problem.key)?;
            }
            f.write_str(&problem.reason)?;
        }
        Ok(())
    }
}

/// Settings that can be run with, and where each came from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// Resolved and checked.
    pub settings: Settings,
    /// As written.
    pub leaves: Leaves,
}

/// Layers the sources, resolves and checks them.
///
/// # Errors
/// All that is wrong.
pub(crate) fn load(sources: &Sources) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut leaves = default_leaves();
    if let Some((path, text)) = &sources.file {
        add_file(path, text, &mut leaves, &mut problems);
    }
    for (name, value) in &sources.variables {
        add_variable(name, value, &mut leaves, &mut problems);
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let raw: RawSettings = serde_json::from_value(nested(&leaves)).map_err(|error| {
        let origin = "settings".to_owned();
        Problems(vec![Problem {
            origin,
            key: String::new(),
            reason: error.to_string(),
        }])
    })?;
    match resolve::resolve(&raw, &leaves) {
        Ok(settings) => Ok(Loaded { settings, leaves }),
        Err(problems) => Err(Problems(problems)),
    }
}

fn default_leaves() -> Leaves {
    let defaults = known::defaults();
    defaults
        .into_iter()
        .map(|(key, value)| {
            (
                key,
                Leaf {
                    value,
                    origin: Origin::Default,
                },
            )
        })
        .collect()
}

fn add_file(path: &Path, text: &str, leaves: &mut Leaves, problems: &mut Vec<Problem>) {
    let table: toml::Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            // The error's own text would quote the line, and the line may hold a secret.
            let line = error.span().map_or(1, |span| {
                1 + text[..span.start.min(text.len())].matches('\n').count()
            });
            let origin = format!("{}:{line}", path.display());
            let reason = format!("is no TOML: {}", error.message());
            problems.push(Problem {
                origin,
                key: String::new(),
                reason,
            });
            return;
        }
    };
    let origin = Origin::File(path.to_owned());
    for (key, value) in known::flatten(&toml_to_json(&toml::Value::Table(table))) {
        add(key, value, origin.clone(), leaves, problems);
    }
}

fn add_variable(name: &str, text: &str, leaves: &mut Leaves, problems: &mut Vec<Problem>) {
    let written = name.strip_prefix(VARIABLE_PREFIX).unwrap_or(name);
    let mut key = written.to_lowercase().replace("__", ".");
    if let Some(property) = key.strip_prefix(known::PROPERTIES) {
        // Names of variables have no dots, and librdkafka's settings no underscores.
        let property = property.replace('_', ".");
        let property = match property.strip_suffix(".file") {
            Some(secret) => format!("{secret}_file"),
            None => property,
        };
        key = format!("{}{property}", known::PROPERTIES);
    }
    let wants_number = leaves.get(&key).is_some_and(|leaf| leaf.value.is_number());
    let value = match text.parse::<u64>() {
        Ok(number) if wants_number => Value::from(number),
        _ => Value::from(text),
    };
    add(
        key,
        value,
        Origin::Variable(name.to_owned()),
        leaves,
        problems,
    );
}

/// Takes one setting, if it is known and of the right kind.
fn add(
    key: String,
    value: Value,
    origin: Origin,
    leaves: &mut Leaves,
    problems: &mut Vec<Problem>,
) {
    match known::check(&key, &value) {
        Ok(value) => {
            leaves.insert(key, Leaf { value, origin });
        }
        Err(reason) => problems.push(Problem {
            origin: origin.to_string(),
            key,
            reason,
        }),
    }
}

fn toml_to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Boolean(truth) => Value::from(*truth),
        toml::Value::Float(_) | toml::Value::Datetime(_) => Value::from(value.to_string()),
        toml::Value::Array(items) => Value::Array(items.iter().map(toml_to_json).collect()),
        toml::Value::Table(table) => Value::Object(
            table
                .iter()
                .map(|(k, v)| (k.clone(), toml_to_json(v)))
                .collect(),
        ),
    }
}

/// Puts leaves back under their sections; a free name keeps its dots.
fn nested(leaves: &Leaves) -> Value {
    let mut root = Map::new();
    for (key, leaf) in leaves {
        let (path, name) =
            known::free_name(key).unwrap_or_else(|| key.rsplit_once('.').unwrap_or(("", key)));
        let mut table = &mut root;
        for section in path.split('.').filter(|s| !s.is_empty()) {
            let entry = table
                .entry(section)
                .or_insert_with(|| Value::Object(Map::new()));
            table = entry
                .as_object_mut()
                .expect("a section is never also a key");
        }
        table.insert(name.to_owned(), leaf.value.clone());
    }
    Value::Object(root)
}

#[cfg(test)]
mod tests;
