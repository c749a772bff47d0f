//! What a catalog must keep to before it may be published.
//!
//! [`validate`] judges a catalog by itself, [`succeeds`] as the next of those in force. Both name
//! every problem at once, each with the path of its part, so that a person corrects a file in one
//! go. They refuse what cannot be meant (a filter that nothing passes, a scale that is never
//! read) as well as what cannot work, because a published definition never changes again.

mod meters;
pub(crate) mod plans;
mod stripe;
mod succession;
#[cfg(test)]
mod tests;

use super::{Bounds, Catalog, NEWEST_FOLD};
use crate::decode::Decoder;
use crate::time::Millis;
use std::collections::BTreeMap;
use std::fmt;

pub use succession::succeeds;

const HOUR: u32 = 3_600_000;
const DAY: u32 = 24 * HOUR;

/// Longest `acceptance`. Together with the longest `restamp_window` it still fits [`Millis`],
/// which ends at 49.7 days.
pub const ACCEPTANCE_MAX: Millis = Millis(45 * DAY);
/// Longest `restamp_window`: an event is looked for in every hour that the window touches.
pub const RESTAMP_WINDOW_MAX: Millis = Millis(6 * HOUR);
/// Highest bound on an id, name, tenant or dimension: each is kept per event or bucket.
pub const TEXT_BYTES_MAX: u32 = 4_096;
/// Highest bound on a record: several are in memory per partition.
pub const RECORD_BYTES_MAX: u32 = 64 << 20;
/// Longest name of a catalog or meter.
pub const NAME_BYTES_MAX: usize = 64;
/// Most meters; each event type's meters are asked for every event of that type.
pub const METERS_MAX: usize = 1_000;
/// Most writer schemas; all are compiled for every catalog version in force.
pub const SCHEMAS_MAX: usize = 1_000;
/// Most sources with a rule, and most ignored types.
pub const ENTRIES_MAX: usize = 10_000;

/// Something wrong with a catalog: where, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Path of the offending part, such as `meters[3].scale`.
    pub path: String,
    /// Why it is refused, and what to do instead.
    pub reason: String,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            reason: reason.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// All that is wrong with the catalog by itself; empty when it may be published.
#[must_use]
pub fn validate(catalog: &Catalog) -> Vec<Problem> {
    let mut problems = content(catalog);
    if catalog.fold > NEWEST_FOLD {
        let reason = format!(
            "is {}, but this binary folds up to {NEWEST_FOLD}: publish with a newer one",
            catalog.fold
        );
        problems.push(Problem::new("fold", reason));
    }
    problems
}

/// The path of a source's rule in [`Problem::path`].
#[must_use]
pub fn source_path(source: &str) -> String {
    format!("sources[{source:?}]")
}

/// [`validate`], without the question whether this binary has the catalog's `fold`.
pub(super) fn content(catalog: &Catalog) -> Vec<Problem> {
    let mut problems = Vec::new();
    problems.extend(name("name".to_owned(), &catalog.name));
    if catalog.fold == 0 {
        problems.push(Problem::new("fold", "counts from 1"));
    }
    durations(catalog, &mut problems);
    bounds(&catalog.bounds, &mut problems);
    ignored_types(catalog, &mut problems);
    sources(catalog, &mut problems);
    schemas(catalog, &mut problems);
    meters::check(catalog, &mut problems);
    plans::check(catalog, &mut problems);
    stripe::check(catalog, &mut problems);
    problems
}

fn durations(catalog: &Catalog, problems: &mut Vec<Problem>) {
    let ranges = [
        (
            "acceptance",
            catalog.acceptance,
            Millis(HOUR),
            ACCEPTANCE_MAX,
        ),
        ("ahead", catalog.ahead, Millis(0), Millis(DAY)),
        (
            "restamp_window",
            catalog.restamp_window,
            Millis(0),
            RESTAMP_WINDOW_MAX,
        ),
        ("lateness", catalog.lateness, Millis(0), Millis(DAY)),
    ];
    for (path, length, least, most) in ranges {
        if length < least || length > most {
            let (least, most) = (shown(least), shown(most));
            let reason = format!("is {}, not within {least} to {most}", shown(length));
            problems.push(Problem::new(path, reason));
        }
    }
    if catalog.restamp_window >= catalog.acceptance {
        let reason = format!(
            "must be shorter than `acceptance`, {}",
            shown(catalog.acceptance)
        );
        problems.push(Problem::new("restamp_window", reason));
    }
}

/// A duration as catalogs write it: in the largest unit that holds it exactly.
fn shown(length: Millis) -> String {
    let units = [
        (DAY, "d"),
        (HOUR, "h"),
        (60_000, "m"),
        (1_000, "s"),
        (1, "ms"),
    ];
    let fits = |(unit, _): &(u32, &str)| length.0.is_multiple_of(*unit);
    match units.into_iter().find(fits) {
        Some((unit, suffix)) if length.0 > 0 => format!("{}{suffix}", length.0 / unit),
        _ => "0s".to_owned(),
    }
}

fn bounds(bounds: &Bounds, problems: &mut Vec<Problem>) {
    let ranges = [
        ("bounds.id_bytes", bounds.id_bytes, TEXT_BYTES_MAX),
        ("bounds.name_bytes", bounds.name_bytes, TEXT_BYTES_MAX),
        ("bounds.tenant_bytes", bounds.tenant_bytes, TEXT_BYTES_MAX),
        (
            "bounds.dimension_bytes",
            bounds.dimension_bytes,
            TEXT_BYTES_MAX,
        ),
        ("bounds.record_bytes", bounds.record_bytes, RECORD_BYTES_MAX),
    ];
    for (path, bytes, most) in ranges {
        if bytes == 0 || bytes > most {
            let reason = format!("is {bytes} bytes, not within 1 to {most}");
            problems.push(Problem::new(path, reason));
        }
    }
}

fn ignored_types(catalog: &Catalog, problems: &mut Vec<Problem>) {
    problems.extend(too_many(
        "ignored_types",
        catalog.ignored_types.len(),
        ENTRIES_MAX,
    ));
    let mut counted = BTreeMap::new();
    for meter in &catalog.meters {
        counted
            .entry(meter.event_type.as_str())
            .or_insert(meter.name.as_str());
    }
    for (index, ignored) in catalog.ignored_types.iter().enumerate() {
        let path = || format!("ignored_types[{index}]");
        problems.extend(text(path(), ignored, catalog.bounds.name_bytes));
        if let Some(meter) = counted.get(ignored.as_str()) {
            let reason = format!("`{ignored}` is counted by the meter `{meter}`: drop one of them");
            problems.push(Problem::new(path(), reason));
        }
    }
    problems.extend(out_of_order("ignored_types", &catalog.ignored_types));
}

fn sources(catalog: &Catalog, problems: &mut Vec<Problem>) {
    problems.extend(too_many("sources", catalog.sources.len(), ENTRIES_MAX));
    for source in catalog.sources.keys() {
        problems.extend(text(source_path(source), source, catalog.bounds.name_bytes));
    }
}

fn schemas(catalog: &Catalog, problems: &mut Vec<Problem>) {
    problems.extend(too_many("schemas", catalog.schemas.len(), SCHEMAS_MAX));
    let mut ids = BTreeMap::new();
    let mut readable = true;
    for (index, schema) in catalog.schemas.iter().enumerate() {
        if let Err(reason) = Decoder::new(std::slice::from_ref(schema)) {
            let reason = split_place(&reason).map_or(reason.as_str(), |(_, reason)| reason);
            problems.push(Problem::new(format!("schemas[{index}].schema"), reason));
            readable = false;
        }
        let Some(id) = schema.confluent_id else {
            continue;
        };
        if let Some(first) = ids.insert(id, index) {
            let path = format!("schemas[{index}].confluent_id");
            let reason = format!("{id} is the id of schemas[{first}] already");
            problems.push(Problem::new(path, reason));
            readable = false;
        }
    }
    // Each is readable; together they can still contradict one another.
    if readable && let Err(reason) = Decoder::new(&catalog.schemas) {
        problems.push(match split_place(&reason) {
            Some((place, reason)) => Problem::new(place, reason),
            None => Problem::new("schemas", reason),
        });
    }
}

/// Splits the decoder's `schemas[1] (Confluent id 7): why` into the place and the reason.
fn split_place(reason: &str) -> Option<(&str, &str)> {
    let (place, reason) = reason.split_once(": ")?;
    let place = place.split_once(' ').map_or(place, |(place, _)| place);
    place.starts_with("schemas[").then_some((place, reason))
}

/// What is wrong with the name of a catalog or meter.
fn name(path: String, name: &str) -> Option<Problem> {
    let in_alphabet = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let well_formed = name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && name.bytes().all(in_alphabet);
    if well_formed && name.len() <= NAME_BYTES_MAX {
        return None;
    }
    let reason = format!(
        "`{name}` is no name: a lowercase letter, then lowercase letters, digits and underscores, \
         {NAME_BYTES_MAX} bytes at most"
    );
    Some(Problem::new(path, reason))
}

/// What is wrong with a text that events are compared with.
fn text(path: String, text: &str, most: u32) -> Option<Problem> {
    if text.is_empty() {
        return Some(Problem::new(path, "is empty"));
    }
    let too_long = u32::try_from(text.len()).map_or(true, |length| length > most);
    let reason = || format!("has {} bytes, more than the bound {most}", text.len());
    too_long.then(|| Problem::new(path, reason()))
}

fn too_many(path: impl Into<String>, count: usize, most: usize) -> Option<Problem> {
    (count > most).then(|| Problem::new(path, format!("are {count}, more than {most}")))
}

/// The first entry that breaks "sorted, unique" in a list of names.
fn out_of_order(path: &str, names: &[String]) -> Option<Problem> {
    let index = names.windows(2).position(|pair| pair[0] >= pair[1])? + 1;
    let (name, before) = (&names[index], &names[index - 1]);
    let reason = if name == before {
        format!("`{name}` is there twice")
    } else {
        format!("`{name}` follows `{before}`: the list must be sorted")
    };
    Some(Problem::new(format!("{path}[{index}]"), reason))
}
