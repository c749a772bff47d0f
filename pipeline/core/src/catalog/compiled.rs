//! A catalog prepared for the fold's hot path.

use super::{Catalog, Meter};
use crate::decode::Decoder;
use hashbrown::HashMap;

/// A validated catalog with its lookups built.
#[derive(Debug)]
pub struct CompiledCatalog {
    /// What it was made from.
    pub catalog: Catalog,
    /// The decoder with the catalog's writer schemas.
    pub decoder: Decoder,
    /// Meters in the catalog's order.
    pub meters: Vec<CompiledMeter>,
    /// Indices into `meters` by event type.
    by_type: HashMap<String, Vec<usize>, foldhash::fast::FixedState>,
    ignored: hashbrown::HashSet<String, foldhash::fast::FixedState>,
}

/// A meter as the fold uses it.
#[derive(Debug)]
pub struct CompiledMeter {
    /// The definition.
    pub meter: Meter,
}

impl CompiledCatalog {
    /// Prepares a catalog.
    ///
    /// # Errors
    /// The problems of [`super::validate`], one sentence each.
    pub fn new(catalog: Catalog) -> Result<Self, String> {
        let problems = super::validate(&catalog);
        if !problems.is_empty() {
            let lines: Vec<_> = problems
                .iter()
                .map(|p| format!("{}: {}", p.path, p.reason))
                .collect();
            return Err(lines.join("; "));
        }
        let decoder = Decoder::new(&catalog.schemas)?;
        let mut by_type: HashMap<String, Vec<usize>, _> = HashMap::default();
        for (index, meter) in catalog.meters.iter().enumerate() {
            by_type
                .entry(meter.event_type.clone())
                .or_default()
                .push(index);
        }
        let meters = catalog
            .meters
            .iter()
            .map(|m| CompiledMeter { meter: m.clone() })
            .collect();
        let ignored = catalog.ignored_types.iter().cloned().collect();
        Ok(Self {
            decoder,
            meters,
            by_type,
            ignored,
            catalog,
        })
    }

    /// Indices of the meters that count events of this type; empty where none does.
    #[must_use]
    pub fn meters_of(&self, event_type: &str) -> &[usize] {
        self.by_type.get(event_type).map_or(&[], Vec::as_slice)
    }

    /// Whether events of this type are counted as ignored.
    #[must_use]
    pub fn ignores(&self, event_type: &str) -> bool {
        self.ignored.contains(event_type)
    }
}
