//! Writer schemas in the catalog: adding one, and keeping those that a later file lacks.
//!
//! Producers write by a schema for as long as they run, and events by a schema that the catalog
//! lacks become dead letters. So a schema that was once added never vanishes unsaid: a catalog
//! that is applied without it takes it over, unless it is asked to replace everything.

use crate::CatalogApplied;
use crate::catalog::publish;
use crate::decide::Author;
use crate::error::ControlError;
use crate::log::ControlLog;
use meterline_core::catalog::{Catalog, WriterSchema};
use meterline_core::control::View;
use meterline_core::decode::parsing_canonical_form;
use std::fmt::Write;
use std::time::{Duration, Instant};

impl ControlLog {
    /// Adds a writer schema to the catalog in force, which is otherwise the same.
    ///
    /// Unchanged where it is there already. Blocks.
    ///
    /// # Errors
    /// [`ControlError::NoCatalog`]; [`ControlError::Refused`] where it cannot be read as a usage
    /// event, with the field, or where its Confluent id has another meaning; those of
    /// [`ControlLog::apply_catalog`].
    pub fn add_schema(
        &self,
        schema: WriterSchema,
        author: &Author,
        timeout: Duration,
    ) -> Result<CatalogApplied, ControlError> {
        let deadline = Instant::now() + timeout;
        let view = self.read_to_end(timeout)?;
        let current = view.catalog().ok_or(ControlError::NoCatalog)?;
        let mut catalog = current.compiled.catalog.clone();
        if catalog.schemas.iter().any(|known| is_same(known, &schema)) {
            return Ok(CatalogApplied::Unchanged(current.clone()));
        }
        let mut source = format!(
            "# Version {} with this writer schema added by `meterline catalog schema add`:\n",
            current.version
        );
        describe(&schema, "", &mut source);
        catalog.schemas.push(schema);
        publish(self, &view, catalog, source, author, deadline)
    }
}

/// Whether two schemas are the same: one id and one text. The canonical form is no measure, since
/// it leaves out the scale of decimals.
fn is_same(one: &WriterSchema, other: &WriterSchema) -> bool {
    one.confluent_id == other.confluent_id && one.schema.trim() == other.schema.trim()
}

/// Takes over the writer schemas in force that a catalog lacks, and says so in its source.
///
/// One with a Confluent id is lacking where that id is; another where its text is.
pub(crate) fn carry_over(view: &View, catalog: &mut Catalog, source: &mut String) {
    let Some(current) = view.catalog() else {
        return;
    };
    let is_lacking = |known: &&WriterSchema| match known.confluent_id {
        Some(id) => catalog.schemas.iter().all(|s| s.confluent_id != Some(id)),
        None => !catalog.schemas.iter().any(|s| is_same(s, known)),
    };
    let in_force = &current.compiled.catalog.schemas;
    let carried: Vec<WriterSchema> = in_force.iter().filter(is_lacking).cloned().collect();
    if carried.is_empty() {
        return;
    }
    let lacks = format!(
        "# Taken over from version {}, which this file lacks:\n",
        current.version
    );
    if !source.ends_with('\n') {
        source.push('\n');
    }
    source.push_str(&lacks);
    for schema in &carried {
        describe(schema, "# ", source);
    }
    catalog.schemas.extend(carried);
}

/// Appends a schema as a catalog file writes it.
fn describe(schema: &WriterSchema, prefix: &str, out: &mut String) {
    let id = schema.confluent_id;
    let id = id.map_or_else(String::new, |id| {
        format!("confluent_id: {id}\n{prefix}    ")
    });
    write!(out, "{prefix}schemas:\n{prefix}  - {id}schema: |\n").expect("a text takes everything");
    for line in schema.schema.lines() {
        writeln!(out, "{prefix}      {line}").expect("a text takes everything");
    }
}

/// What a writer schema is called by people: the full name of its record; empty where it has none.
#[must_use]
pub fn record_name(schema: &WriterSchema) -> String {
    // The canonical form begins with the full name, wherever the text has it.
    let form = parsing_canonical_form(&schema.schema).unwrap_or_default();
    let name = form
        .strip_prefix("{\"name\":\"")
        .and_then(|rest| rest.split_once('"'));
    name.map_or_else(String::new, |(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(confluent_id: Option<u32>, text: &str) -> WriterSchema {
        WriterSchema {
            confluent_id,
            schema: text.to_owned(),
        }
    }

    #[test]
    fn a_schema_is_written_as_catalog_files_write_it() {
        let mut out = String::new();
        describe(&schema(Some(7), "{\n}"), "", &mut out);
        let expected = "schemas:\n  - confluent_id: 7\n    schema: |\n      {\n      }\n";
        assert_eq!(out, expected);
        let mut out = String::new();
        describe(&schema(None, "{}"), "# ", &mut out);
        assert_eq!(out, "# schemas:\n#   - schema: |\n#       {}\n");
    }

    #[test]
    fn records_are_called_by_their_full_name() {
        let text = r#"{"type": "record", "fields": [], "namespace": "acme", "name": "Use"}"#;
        assert_eq!(record_name(&schema(None, text)), "acme.Use");
        assert_eq!(record_name(&schema(None, "\"long\"")), "");
        assert_eq!(record_name(&schema(None, "nonsense")), "");
    }
}
