//! Avro: which writer schema a value was written with, and the way from it to `UsageEvent`.
//!
//! Two frames: the single-object encoding (`C3 01`, then the writer schema's fingerprint) and the
//! Confluent frame (`00`, then the schema's id in a registry). The built-in schema is always
//! known by its fingerprint; the catalog adds others. Every schema is compiled once into a plan
//! of steps ([`plan`]); a schema that cannot become a usage event is refused there, not at the
//! first record. Source: Apache Avro 1.12.0 specification.
//!
//! A fingerprint covers neither logical types nor aliases, so two schemas that differ in a decimal's
//! scale share one. Such a fingerprint names neither: guessing would be off by a power of ten. Both
//! stay readable by their Confluent ids, and without an id the schema is refused.

use super::fault::Fault;
use crate::catalog::WriterSchema;
use crate::event::Event;
use crate::reason::{Reason, Rejection};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use plan::Plan;
use schema::Schema;

mod canonical;
mod cursor;
mod plan;
mod read;
mod schema;
mod skip;
mod write;

pub use write::encode_avro;

/// The Avro schema `UsageEvent`, as JSON text.
pub const USAGE_EVENT_SCHEMA: &str = include_str!("../../../../schemas/avro/usage_event.avsc");

/// Fingerprint (CRC-64-AVRO) of [`USAGE_EVENT_SCHEMA`].
pub const USAGE_EVENT_FINGERPRINT: u64 = 0x9536_18D0_6252_5710;

/// The first two bytes of the single-object encoding.
const SINGLE_OBJECT: [u8; 2] = [0xC3, 0x01];

/// The fingerprint (CRC-64-AVRO of the parsing canonical form) of an Avro schema.
///
/// # Errors
/// A sentence that says what is wrong with the schema.
pub fn fingerprint(schema_json: &str) -> Result<u64, String> {
    parsing_canonical_form(schema_json).map(|form| canonical::crc64_avro(form.as_bytes()))
}

/// The parsing canonical form of an Avro schema.
///
/// # Errors
/// A sentence that says what is wrong with the schema.
pub fn parsing_canonical_form(schema_json: &str) -> Result<String, String> {
    Schema::parse(schema_json).map(|schema| canonical::form(&schema))
}

/// What a fingerprint stands for: a place in the list of plans.
#[derive(Clone, Copy, Debug)]
enum Meaning {
    Plan(usize),
    /// Several schemas that read differently.
    Ambiguous,
}

/// The built-in schema and those of one catalog, compiled.
#[derive(Debug)]
pub(super) struct Schemas {
    /// The built-in schema's is the first.
    plans: Vec<Plan>,
    by_fingerprint: HashMap<u64, Meaning, foldhash::fast::FixedState>,
    by_confluent_id: HashMap<u32, usize, foldhash::fast::FixedState>,
}

impl Schemas {
    /// Compiles the built-in schema and the given ones.
    pub(super) fn new(schemas: &[WriterSchema]) -> Result<Self, String> {
        let built_in = Schema::parse(USAGE_EVENT_SCHEMA).and_then(Plan::new);
        let mut known = Self {
            plans: vec![built_in.expect("the built-in schema reads into itself")],
            by_fingerprint: HashMap::default(),
            by_confluent_id: HashMap::default(),
        };
        known
            .by_fingerprint
            .insert(USAGE_EVENT_FINGERPRINT, Meaning::Plan(0));
        for (place, schema) in schemas.iter().enumerate() {
            known
                .add(schema)
                .map_err(|reason| match schema.confluent_id {
                    Some(id) => format!("schemas[{place}] (Confluent id {id}): {reason}"),
                    None => format!("schemas[{place}]: {reason}"),
                })?;
        }
        Ok(known)
    }

    fn add(&mut self, writer: &WriterSchema) -> Result<(), String> {
        let schema = Schema::parse(&writer.schema)?;
        let fingerprint = canonical::crc64_avro(canonical::form(&schema).as_bytes());
        let plan = Plan::new(schema)?;
        let index = self.plans.len();
        match self.by_fingerprint.entry(fingerprint) {
            Entry::Vacant(vacant) => {
                vacant.insert(Meaning::Plan(index));
            }
            Entry::Occupied(mut same) => {
                let reads_alike = matches!(same.get(), Meaning::Plan(i) if self.plans[*i] == plan);
                if !reads_alike && writer.confluent_id.is_none() {
                    return Err(format!(
                        "another schema with other logical types or aliases has the same fingerprint \
                         {fingerprint:016x}; give the record another name"
                    ));
                }
                // The built-in schema keeps its fingerprint: that is its public contract.
                if !reads_alike && fingerprint != USAGE_EVENT_FINGERPRINT {
                    same.insert(Meaning::Ambiguous);
                }
            }
        }
        if let Some(id) = writer.confluent_id
            && self.by_confluent_id.insert(id, index).is_some()
        {
            return Err("another schema has the same Confluent id".to_owned());
        }
        self.plans.push(plan);
        Ok(())
    }

    /// Decodes a value that begins with `C3 01`.
    pub(super) fn single_object<'a>(&self, value: &'a [u8]) -> Result<Event<'a>, Rejection> {
        const FORM: &str = "Avro single-object encoding";
        let Some((frame, _)) = value.split_first_chunk::<10>() else {
            return Err(Fault::new(value.len(), "the fingerprint is cut").rejection(FORM));
        };
        let [_, _, fingerprint @ ..] = *frame;
        let fingerprint = u64::from_le_bytes(fingerprint);
        match self.by_fingerprint.get(&fingerprint) {
            Some(Meaning::Plan(index)) => {
                read::event(&self.plans[*index], value, frame.len()).map_err(|f| f.rejection(FORM))
            }
            Some(Meaning::Ambiguous) => Err(unknown(format!(
                "several schemas of the catalog have the fingerprint {fingerprint:016x} and \
                 differ in logical types or aliases; use the Confluent frame or another record name"
            ))),
            None => Err(unknown(format!(
                "no schema with the fingerprint {fingerprint:016x} is in the catalog; add it \
                 to the catalog's schemas and apply it"
            ))),
        }
    }

    /// Decodes a value that begins with `00`.
    pub(super) fn confluent<'a>(&self, value: &'a [u8]) -> Result<Event<'a>, Rejection> {
        const FORM: &str = "Avro in the Confluent frame";
        let Some((frame, _)) = value.split_first_chunk::<5>() else {
            return Err(Fault::new(value.len(), "the schema id is cut").rejection(FORM));
        };
        let [_, id @ ..] = *frame;
        let id = u32::from_be_bytes(id);
        let Some(index) = self.by_confluent_id.get(&id) else {
            return Err(unknown(format!(
                "no schema with the Confluent id {id} is in the catalog; add it to \
                 the catalog's schemas and apply it"
            )));
        };
        read::event(&self.plans[*index], value, frame.len()).map_err(|f| f.rejection(FORM))
    }
}

fn unknown(detail: String) -> Rejection {
    Rejection::new(Reason::UnknownSchema, detail)
}
