//! From a record's bytes to a usage event: four forms, told apart by headers, then the first byte.
//!
//! Pure and total: every byte string has exactly one outcome, an event or a rejection, and the
//! outcome depends on the record and the catalog's writer schemas alone. A change of any outcome
//! is a new `fold`. Numbers in JSON are kept as text and never pass through a float.

use crate::catalog::WriterSchema;
use crate::event::Event;
use crate::reason::{Reason, Rejection};
use crate::record::Record;

/// Decodes all record forms; holds the compiled writer schemas of one catalog.
#[derive(Debug)]
pub struct Decoder {}

impl Decoder {
    /// Compiles the built-in schema and the catalog's writer schemas.
    ///
    /// # Errors
    /// A sentence that names the schema and what cannot be read into `UsageEvent`.
    pub fn new(_schemas: &[WriterSchema]) -> Result<Self, String> {
        Ok(Self {})
    }

    /// Decodes one record.
    ///
    /// # Errors
    /// A rejection with `malformed`, `batch` or `unknown_schema`.
    pub fn decode<'a>(&self, _record: &Record<'a>) -> Result<Event<'a>, Rejection> {
        Err(Rejection::new(Reason::Malformed, "not built yet"))
    }
}
