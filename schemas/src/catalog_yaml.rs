//! Catalogs as people write them: YAML, read into the core's catalog.
//!
//! Every refusal names file and line, and all of them come at once. Nothing is guessed: an unknown
//! key is refused with the nearest known one, a key written twice is refused, a duration or size
//! has a unit, and numbers are read as their text, never through a float. The rules for what a
//! catalog means are [`meterline_core::catalog::validate`]'s; here is only where they point to.
//!
//! The keys are listed in `schemas/catalogs/README.md`.

mod document;
mod json;
mod marks;
mod plans;
mod reader;
mod scalar;
mod stripe;
mod tree;

pub use json::to_json;

use marks::Marks;
use meterline_core::catalog::{Catalog, Problem, validate};
use reader::Reader;
use std::collections::HashSet;
use std::fmt;

/// Largest catalog file: it travels as one record of the control log.
pub const FILE_BYTES_MAX: usize = 4 << 20;

/// Most refusals that are shown; what comes after them seldom tells more.
const SHOWN_MAX: usize = 100;

/// Reads a catalog, and validates it.
///
/// # Errors
/// All that is wrong with it, line by line; `file_name` is only shown.
pub fn read(file_name: &str, text: &str) -> Result<Catalog, CatalogErrors> {
    let refused = |refusals| CatalogErrors::new(file_name, refusals);
    let (catalog, marks) = read_form(text).map_err(refused)?;
    let problems = validate(&catalog);
    if problems.is_empty() {
        return Ok(catalog);
    }
    Err(refused(marks.place(problems)))
}

/// Gives problems of a catalog the lines of the file that it was read from.
///
/// This is for problems that [`read`] cannot know, such as those of
/// [`meterline_core::catalog::succeeds`].
#[must_use]
pub fn locate(file_name: &str, text: &str, problems: Vec<Problem>) -> CatalogErrors {
    let marks = read_form(text).map_or_else(|_| Marks::default(), |(_, marks)| marks);
    CatalogErrors::new(file_name, marks.place(problems))
}

/// Reads the file's form; the catalog is complete, but not validated.
fn read_form(text: &str) -> Result<(Catalog, Marks), Vec<Refusal>> {
    if text.len() > FILE_BYTES_MAX {
        let reason = format!("has {} bytes, more than {FILE_BYTES_MAX}", text.len());
        return Err(vec![Refusal::new(1, "", reason)]);
    }
    let root = tree::parse(text).map_err(|refusal| vec![refusal])?;
    let mut reader = Reader::default();
    let catalog = document::catalog(&mut reader, &root);
    let (refusals, marks) = reader.into_parts();
    if refusals.is_empty() {
        Ok((catalog, marks))
    } else {
        Err(refusals)
    }
}

/// One thing that is wrong with a catalog file.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Refusal {
    /// Line in the file, from 1.
    pub line: usize,
    /// The part as the file writes it, such as `meters.llm_tokens.scale`; empty for the whole.
    pub path: String,
    /// Why it is refused, and what to do instead.
    pub reason: String,
}

impl Refusal {
    fn new(line: usize, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            line,
            path: path.into(),
            reason: reason.into(),
        }
    }
}

/// All that is wrong with a catalog file; displayed as one line per refusal, such as
/// `stack.yaml:12: meters.llm_tokens.scale: is 0, but must be above 0`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CatalogErrors {
    file_name: String,
    refusals: Vec<Refusal>,
}

impl CatalogErrors {
    fn new(file_name: &str, mut refusals: Vec<Refusal>) -> Self {
        refusals.sort_by_key(|refusal| refusal.line);
        // What a plan writes once for its meters is judged for each of them.
        let mut seen = HashSet::new();
        refusals.retain(|refusal| seen.insert(refusal.clone()));
        Self {
            file_name: file_name.to_owned(),
            refusals,
        }
    }

    /// The refusals, by line.
    #[must_use]
    pub fn refusals(&self) -> &[Refusal] {
        &self.refusals
    }
}

impl fmt::Display for CatalogErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, refusal) in self.refusals.iter().take(SHOWN_MAX).enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{}:{}: ", self.file_name, refusal.line)?;
            if !refusal.path.is_empty() {
                write!(f, "{}: ", refusal.path)?;
            }
            write!(f, "{}", refusal.reason)?;
        }
        match self.refusals.len().checked_sub(SHOWN_MAX) {
            Some(more @ 1..) => write!(f, "\n{}: and {more} more", self.file_name),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for CatalogErrors {}

#[cfg(test)]
mod tests;
