//! A catalog prepared for the fold's hot path.
//!
//! Everything that the fold asks per event is one lookup here. A compiled catalog has passed
//! [`super::validate`], with one exception: a `fold` above [`super::NEWEST_FOLD`] compiles, because
//! the halt `unknown_fold` belongs to the position where the version is placed, not to the
//! reading of the control log.

use super::check;
use super::filter::Filter;
use super::{Catalog, IdTime, Meter};
use crate::decode::Decoder;
use crate::event::Event;
use hashbrown::{HashMap, HashSet};

pub use super::id_time::id_time_of;

type ByText<V> = HashMap<String, V, foldhash::fast::FixedState>;

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
    by_type: ByText<Vec<usize>>,
    ignored: HashSet<String, foldhash::fast::FixedState>,
    /// Only the sources that have a rule.
    id_times: ByText<IdTime>,
}

/// A meter as the fold uses it.
#[derive(Debug)]
pub struct CompiledMeter {
    /// The definition.
    pub meter: Meter,
    filter: Filter,
}

impl CompiledCatalog {
    /// Prepares a catalog.
    ///
    /// # Errors
    /// The problems of [`super::validate`], one sentence each, without that of a `fold` that is
    /// too new.
    pub fn new(catalog: Catalog) -> Result<Self, String> {
        let problems = check::content(&catalog);
        if !problems.is_empty() {
            let lines: Vec<_> = problems.iter().map(ToString::to_string).collect();
            return Err(lines.join("; "));
        }
        let decoder = Decoder::new(&catalog.schemas)?;
        let mut by_type: ByText<Vec<usize>> = HashMap::default();
        for (index, meter) in catalog.meters.iter().enumerate() {
            let of_type = by_type.entry(meter.event_type.clone()).or_default();
            of_type.push(index);
        }
        let meters = catalog.meters.iter().map(CompiledMeter::new).collect();
        let rules = catalog.sources.iter();
        Ok(Self {
            decoder,
            meters,
            by_type,
            ignored: catalog.ignored_types.iter().cloned().collect(),
            id_times: rules.map(|(s, rule)| (s.clone(), rule.id_time)).collect(),
            catalog,
        })
    }

    /// Indices of the meters that count events of this type, in the catalog's order; empty where
    /// none does. The meters' filters are still to be asked.
    #[must_use]
    pub fn meters_of(&self, event_type: &str) -> &[usize] {
        self.by_type.get(event_type).map_or(&[], Vec::as_slice)
    }

    /// Whether events of this type are counted as ignored.
    #[must_use]
    pub fn ignores(&self, event_type: &str) -> bool {
        self.ignored.contains(event_type)
    }

    /// The form of id that this source promises; `None` where its ids carry no time.
    #[must_use]
    pub fn id_time(&self, source: &str) -> Option<IdTime> {
        if self.id_times.is_empty() {
            return None; // The usual case costs no hash.
        }
        self.id_times.get(source).copied()
    }
}

impl CompiledMeter {
    fn new(meter: &Meter) -> Self {
        Self {
            filter: Filter::new(&meter.filter),
            meter: meter.clone(),
        }
    }

    /// Whether every condition of the meter's filter holds for the event; its type is not asked.
    #[must_use]
    pub fn matches(&self, event: &Event<'_>) -> bool {
        self.filter.holds(|property| event.property(property))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{catalog, condition, meter};
    use super::super::{NEWEST_FOLD, SourceRule, Test};
    use super::*;
    use crate::event::EventQuantity;
    use std::borrow::Cow;

    fn event(properties: &[(&'static str, &'static str)]) -> Event<'static> {
        Event {
            id: Cow::Borrowed("1"),
            source: Cow::Borrowed("//test"),
            kind: Cow::Borrowed("call"),
            tenant: Cow::Borrowed("acme"),
            time: None,
            quantity: EventQuantity::Absent,
            properties: properties
                .iter()
                .map(|(k, v)| (Cow::Borrowed(*k), Cow::Borrowed(*v)))
                .collect(),
        }
    }

    #[test]
    fn finds_meters_ignored_types_and_rules() {
        let mut catalog = catalog(vec![meter("a", "x"), meter("b", "y"), meter("c", "x")]);
        catalog.ignored_types = vec!["noise".to_owned()];
        let plain = CompiledCatalog::new(catalog.clone()).expect("compiles");
        assert_eq!(plain.meters_of("x"), [0, 2]);
        assert_eq!(plain.meters_of("y"), [1]);
        assert!(plain.meters_of("noise").is_empty());
        assert!(plain.ignores("noise") && !plain.ignores("x"));
        assert_eq!(plain.id_time("//u"), None);

        let rule = SourceRule {
            id_time: IdTime::Ulid,
        };
        catalog.sources.insert("//u".to_owned(), rule);
        let ruled = CompiledCatalog::new(catalog).expect("compiles");
        assert_eq!(ruled.id_time("//u"), Some(IdTime::Ulid));
        assert_eq!(ruled.id_time("//v"), None);
    }

    #[test]
    fn all_conditions_of_a_filter_must_hold() {
        let mut meter = meter("calls", "call");
        meter.filter = vec![
            condition("direction", Test::In(vec!["outbound".to_owned()])),
            condition("carrier", Test::Exists(true)),
        ];
        let compiled = CompiledMeter::new(&meter);
        let both = [("direction", "outbound"), ("carrier", "")];
        assert!(compiled.matches(&event(&both)));
        assert!(!compiled.matches(&event(&both[..1])));
        assert!(!compiled.matches(&event(&both[1..])));
    }

    #[test]
    fn a_newer_fold_compiles_and_a_contradiction_does_not() {
        let mut newer = catalog(vec![meter("a", "x")]);
        newer.fold = NEWEST_FOLD + 1;
        assert!(CompiledCatalog::new(newer.clone()).is_ok());
        newer.ignored_types = vec!["x".to_owned()];
        let refused = CompiledCatalog::new(newer).expect_err("contradicts itself");
        assert!(refused.contains("ignored_types[0]"), "{refused}");
    }
}
