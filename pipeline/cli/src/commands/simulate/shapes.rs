//! Shapes of made-up events: what a catalog's meters need to count them.
//!
//! One shape per meter: its type, properties that fit its filter, a value for every meter of the
//! type, and all keys that any of them groups by. Values are exact decimals that survive every
//! scale; now and then a filter is missed, a group-by property left out or a number negative
//! where that is allowed, because real events do that.

use crate::load::broken::{BAD_QUANTITIES, BadQuantity, Weakness, set_property};
use crate::load::event::UsageEvent;
use crate::load::publisher::Breakable;
use crate::load::random::Random;
use crate::units::Share;
use meterline_core::catalog::{Catalog, IdTime, Meter, Test};
use meterline_core::quantity::Quantity;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Distinct values of a property that meters group by.
const DIMENSION_VALUES: u64 = 8;
/// Share of events whose filter property is another.
const MISSES_FILTER: Share = Share(50_000);
/// Share of events that lack a property which meters group by.
const LACKS_DIMENSION: Share = Share(20_000);
/// Largest whole number of a value: sums of 10¹⁸ of them still fit.
const VALUE_MAX: u64 = 10_000;

/// How to make events that one meter counts.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    /// Event type.
    pub kind: Arc<str>,
    weakness: Weakness,
    conditions: Vec<(Arc<str>, Pick)>,
    values: Vec<Value>,
    dimensions: Vec<(Arc<str>, Vec<String>)>,
}

/// What a filter wants of a property.
#[derive(Clone, Debug)]
enum Pick {
    /// One of these texts; otherwise the other one.
    OneOf(Vec<String>, String),
    /// A number above this one; otherwise the number itself.
    Above(Quantity),
    /// No such property.
    Absent,
}

/// A quantity that some meter of the type reads.
#[derive(Clone, Debug)]
struct Value {
    /// The property; `None` for the event's own quantity.
    property: Option<Arc<str>>,
    /// Whether all meters that read it take decimals (no scale).
    decimals: bool,
    /// Whether all meters that read it take negative numbers.
    negative: bool,
}

/// Shapes for all meters of the catalog.
pub(crate) fn shapes(catalog: &Catalog) -> Vec<Shape> {
    catalog
        .meters
        .iter()
        .map(|meter| shape(catalog, meter))
        .collect()
}

fn shape(catalog: &Catalog, meter: &Meter) -> Shape {
    let siblings = catalog
        .meters
        .iter()
        .filter(|m| m.event_type == meter.event_type);
    let siblings: Vec<&Meter> = siblings.collect();
    let conditions = meter.filter.iter();
    let conditions: Vec<(Arc<str>, Pick)> = conditions
        .filter_map(|c| Some((Arc::from(c.property.as_str()), pick(&c.test)?)))
        .collect();
    let readers = siblings.iter().filter(|m| m.aggregation.reads_quantity());
    let read: BTreeSet<Option<&str>> = readers.map(|m| m.value.as_deref()).collect();
    // A property that a filter or a value already decides is not also a made-up dimension.
    let taken =
        |name: &str| conditions.iter().any(|(key, _)| **key == *name) || read.contains(&Some(name));
    let keys = siblings
        .iter()
        .flat_map(|m| &m.group_by)
        .map(String::as_str);
    let keys: BTreeSet<&str> = keys.filter(|name| !taken(name)).collect();
    let own_key = meter.group_by.iter().find(|name| !taken(name));
    Shape {
        kind: meter.event_type.as_str().into(),
        weakness: Weakness {
            quantity: bad_quantity(meter),
            dimension: own_key.map(|name| Arc::from(name.as_str())),
        },
        dimensions: keys.into_iter().map(dimension).collect(),
        values: read
            .iter()
            .map(|property| value(&siblings, *property))
            .collect(),
        conditions,
    }
}

/// The quantities that this meter refuses, by its own filter, scale and sign.
fn bad_quantity(meter: &Meter) -> Option<BadQuantity> {
    let refuses = |text: &&&str| {
        let conditions = meter.filter.iter();
        let mut own = conditions.filter(|c| Some(&c.property) == meter.value.as_ref());
        // Where the filter reads the quantity itself, most of what is wrong with it only means
        // that the meter does not count the event.
        let fits = own.all(|c| holds(&c.test, text));
        let is_read = Quantity::parse(text)
            .is_ok_and(|q| (meter.negative || !q.is_negative()) && q.times(meter.scale).is_ok());
        fits && !is_read
    };
    let texts: Vec<_> = BAD_QUANTITIES.iter().filter(refuses).copied().collect();
    let can_be_refused = meter.aggregation.reads_quantity() && !texts.is_empty();
    can_be_refused.then(|| BadQuantity {
        property: meter.value.as_deref().map(Arc::from),
        texts,
    })
}

/// Whether a property of this text passes the test.
fn holds(test: &Test, text: &str) -> bool {
    let listed = |list: &[String]| list.iter().any(|item| item == text);
    match test {
        Test::In(list) => listed(list),
        Test::NotIn(list) => !listed(list),
        Test::Above(bound) => Quantity::parse(text).is_ok_and(|q| q > *bound),
        Test::Exists(wanted) => *wanted,
    }
}

fn dimension(key: &str) -> (Arc<str>, Vec<String>) {
    let values = (1..=DIMENSION_VALUES).map(|number| format!("{key}-{number}"));
    (Arc::from(key), values.collect())
}

fn pick(test: &Test) -> Option<Pick> {
    Some(match test {
        Test::In(texts) => Pick::OneOf(texts.clone(), "something else".to_owned()),
        Test::NotIn(texts) => {
            Pick::OneOf(vec!["something else".to_owned()], texts.first()?.clone())
        }
        Test::Above(bound) => Pick::Above(*bound),
        Test::Exists(true) => Pick::OneOf(vec!["here".to_owned()], "here too".to_owned()),
        Test::Exists(false) => Pick::Absent,
    })
}

fn value(siblings: &[&Meter], property: Option<&str>) -> Value {
    let reads =
        |meter: &&&Meter| meter.aggregation.reads_quantity() && meter.value.as_deref() == property;
    let readers: Vec<_> = siblings.iter().filter(reads).collect();
    Value {
        property: property.map(Arc::from),
        decimals: readers.iter().all(|meter| meter.scale == Quantity::ONE),
        negative: readers.iter().all(|meter| meter.negative),
    }
}

impl Shape {
    /// Fills quantity and properties of an event.
    pub(crate) fn fill(&self, event: &mut UsageEvent, random: &mut Random) {
        for (key, pick) in &self.conditions {
            let misses = random.happens(MISSES_FILTER);
            let text = match pick {
                Pick::OneOf(_, other) if misses => other.clone(),
                Pick::OneOf(texts, _) => random.pick(texts).clone(),
                Pick::Above(bound) => above(
                    *bound,
                    if misses {
                        0
                    } else {
                        1 + random.below(VALUE_MAX)
                    },
                ),
                Pick::Absent => continue,
            };
            event.properties.push((Arc::clone(key), text));
        }
        for value in &self.values {
            let text = value.text(random);
            match &value.property {
                None => event.quantity = Some(text),
                Some(key) if event.properties.iter().any(|(name, _)| name == key) => {}
                Some(key) => event.properties.push((Arc::clone(key), text)),
            }
        }
        for (key, texts) in &self.dimensions {
            if !random.happens(LACKS_DIMENSION) {
                event
                    .properties
                    .push((Arc::clone(key), random.pick(texts).clone()));
            }
        }
    }
}

impl Breakable for Shape {
    fn weakness(&self) -> &Weakness {
        &self.weakness
    }

    /// Makes the event fit its filter: another would be `unmatched` before it is looked at.
    fn mend(&self, event: &mut UsageEvent) {
        for (key, pick) in &self.conditions {
            match pick {
                Pick::OneOf(texts, _) => set_property(event, key, texts[0].clone()),
                Pick::Above(bound) => set_property(event, key, above(*bound, 1)),
                Pick::Absent => event.properties.retain(|(name, _)| name != key),
            }
        }
    }
}

impl Value {
    fn text(&self, random: &mut Random) -> String {
        let whole = random.below(VALUE_MAX) + 1;
        let sign = if self.negative && random.below(10) == 0 {
            "-"
        } else {
            ""
        };
        if self.decimals && random.below(4) == 0 {
            return format!("{sign}{whole}.{:03}", random.below(1_000));
        }
        format!("{sign}{whole}")
    }
}

fn above(bound: Quantity, distance: u64) -> String {
    let distance = Quantity::from_unscaled(i128::from(distance), 0).expect("small");
    bound.plus(distance).unwrap_or(bound).to_string()
}

/// An id of the form that its source promises: 48 bits of milliseconds, then `low`.
pub(crate) fn timed_id(form: IdTime, micros: i64, low: u128) -> String {
    const LOW_BITS: u32 = 80;
    let millis = u128::try_from(micros.div_euclid(1_000)).unwrap_or(0) & ((1 << 48) - 1);
    let bits = (millis << LOW_BITS) | (low & ((1 << LOW_BITS) - 1));
    match form {
        IdTime::Uuidv7 => {
            let versioned = (bits & !(0xF << 76) & !(0x3 << 62)) | (0x7 << 76) | (0x2 << 62);
            uuid::Uuid::from_u128(versioned).to_string()
        }
        IdTime::Ulid => {
            // Crockford's base 32, 26 digits; source: the ULID specification.
            const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
            let digit = |place: u32| {
                let five = usize::try_from((bits >> (5 * place)) & 0x1F).expect("five bits");
                char::from(DIGITS[five])
            };
            (0..26).rev().map(digit).collect()
        }
    }
}

#[cfg(test)]
#[path = "shapes_tests.rs"]
mod tests;
