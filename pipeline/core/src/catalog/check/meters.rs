//! The rules for meters.

use super::super::filter::satisfiable;
use super::super::{Aggregation, Catalog, Condition, Meter, Test};
use super::{METERS_MAX, Problem, name, out_of_order, text, too_many};
use crate::quantity::Quantity;
use std::collections::{BTreeMap, BTreeSet};

/// Most group-by keys: each is stored with every part.
const GROUP_BY_MAX: usize = 16;
/// Highest bound on distinct combinations: each is a bucket of its own in memory.
const MAX_DIMENSIONS_MAX: u32 = 1_000_000;
/// Most conditions of one filter: all may be asked for every event.
const CONDITIONS_MAX: usize = 16;
/// Most values in one list of a condition.
const VALUES_MAX: usize = 1_000;
/// Longest description and unit: both are shown, never computed with.
const DESCRIPTION_BYTES_MAX: usize = 1_024;
const UNIT_BYTES_MAX: usize = 64;

/// The name of the event's own quantity in CloudEvents data: no property has it.
const QUANTITY: &str = "quantity";

/// Adds what is wrong with the catalog's meters.
pub(super) fn check(catalog: &Catalog, problems: &mut Vec<Problem>) {
    problems.extend(too_many("meters", catalog.meters.len(), METERS_MAX));
    let mut names = BTreeMap::new();
    for (index, meter) in catalog.meters.iter().enumerate() {
        let of = OneMeter {
            path: format!("meters[{index}]"),
            meter,
            name_bytes: catalog.bounds.name_bytes,
        };
        problems.extend(name(of.at("name"), &meter.name));
        if let Some(first) = names.insert(meter.name.as_str(), index) {
            let reason = format!("`{}` is the name of meters[{first}] already", meter.name);
            problems.push(Problem::new(of.at("name"), reason));
        }
        of.texts(problems);
        of.quantity(problems);
        of.group_by(problems);
        of.filter(problems);
    }
}

/// One meter and where it stands.
struct OneMeter<'a> {
    path: String,
    meter: &'a Meter,
    name_bytes: u32,
}

impl OneMeter<'_> {
    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }

    fn texts(&self, problems: &mut Vec<Problem>) {
        let meter = self.meter;
        problems.extend(text(
            self.at("event_type"),
            &meter.event_type,
            self.name_bytes,
        ));
        let shown = [
            ("description", &meter.description, DESCRIPTION_BYTES_MAX),
            ("unit", &meter.unit, UNIT_BYTES_MAX),
        ];
        for (field, text, most) in shown {
            if text.len() > most {
                let reason = format!("has {} bytes, more than {most}", text.len());
                problems.push(Problem::new(self.at(field), reason));
            }
        }
    }

    /// Aggregation, and what it does with the quantity.
    fn quantity(&self, problems: &mut Vec<Problem>) {
        let meter = self.meter;
        if meter.aggregation == Aggregation::UniqueCount {
            let reason = "`unique_count` is not built yet";
            problems.push(Problem::new(self.at("aggregation"), reason));
            return;
        }
        if let Some(value) = &meter.value {
            problems.extend(self.property(self.at("value"), value));
        }
        if meter.scale <= Quantity::ZERO {
            let reason = format!("is {}, but must be above 0", meter.scale);
            problems.push(Problem::new(self.at("scale"), reason));
        }
        if meter.aggregation.reads_quantity() {
            return;
        }
        let unread = [
            ("value", meter.value.is_some()),
            ("scale", meter.scale != Quantity::ONE),
            ("negative", meter.negative),
        ];
        for (field, _) in unread.into_iter().filter(|(_, is_set)| *is_set) {
            let reason = format!(
                "contradicts the aggregation: `{}` reads no quantity; drop it",
                meter.aggregation.name()
            );
            problems.push(Problem::new(self.at(field), reason));
        }
    }

    fn group_by(&self, problems: &mut Vec<Problem>) {
        let meter = self.meter;
        problems.extend(too_many(
            self.at("group_by"),
            meter.group_by.len(),
            GROUP_BY_MAX,
        ));
        for (index, key) in meter.group_by.iter().enumerate() {
            problems.extend(self.property(self.at(&format!("group_by[{index}]")), key));
        }
        problems.extend(out_of_order(&self.at("group_by"), &meter.group_by));
        if !(1..=MAX_DIMENSIONS_MAX).contains(&meter.max_dimensions) {
            let reason = format!(
                "is {}, not within 1 to {MAX_DIMENSIONS_MAX}",
                meter.max_dimensions
            );
            problems.push(Problem::new(self.at("max_dimensions"), reason));
        }
    }

    fn filter(&self, problems: &mut Vec<Problem>) {
        let filter = &self.meter.filter;
        problems.extend(too_many(self.at("filter"), filter.len(), CONDITIONS_MAX));
        let mut tests: BTreeMap<&str, (usize, Vec<&Test>)> = BTreeMap::new();
        let mut sound = true;
        for (index, condition) in filter.iter().enumerate() {
            let path = self.at(&format!("filter[{index}]"));
            let of_property = tests.entry(&condition.property).or_default();
            *of_property = (
                index,
                [of_property.1.as_slice(), &[&condition.test]].concat(),
            );
            let found = self.condition(&path, condition);
            sound &= found.is_none();
            problems.extend(found);
        }
        for (property, (last, tests)) in tests.into_iter().filter(|_| sound) {
            if !satisfiable(&tests) {
                let path = self.at(&format!("filter[{last}]"));
                let reason = format!("no event passes all conditions on `{property}`");
                problems.push(Problem::new(path, reason));
            }
        }
    }

    fn condition(&self, path: &str, condition: &Condition) -> Option<Problem> {
        let property = self.property(format!("{path}.property"), &condition.property);
        property.or_else(|| match &condition.test {
            Test::In(list) | Test::NotIn(list) => values(path, list),
            Test::Above(_) | Test::Exists(_) => None,
        })
    }

    /// What is wrong with the name of a property.
    fn property(&self, path: String, property: &str) -> Option<Problem> {
        if property == QUANTITY {
            let reason = "`quantity` is the event's own quantity, never a property";
            return Some(Problem::new(path, reason));
        }
        text(path, property, self.name_bytes)
    }
}

/// What is wrong with the values of a condition.
fn values(path: &str, list: &[String]) -> Option<Problem> {
    let path = format!("{path}.test");
    if list.is_empty() {
        return Some(Problem::new(path, "lists no value"));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = list.iter().find(|value| !seen.insert(value.as_str())) {
        return Some(Problem::new(path, format!("`{twice}` is there twice")));
    }
    too_many(path, list.len(), VALUES_MAX)
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{catalog, condition, meter};
    use super::super::validate;
    use super::*;

    /// Changes one thing of a valid meter and compares the problems' texts.
    fn check(change: impl FnOnce(&mut Meter), expected: &[&str]) {
        let mut changed = meter("calls", "call");
        change(&mut changed);
        let problems = validate(&catalog(vec![meter("other", "other"), changed]));
        let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, expected);
    }

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&t| t.to_owned()).collect()
    }

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).expect("a quantity")
    }

    #[test]
    fn names_and_texts_are_bounded() {
        check(
            |m| m.name = "Calls".into(),
            &[
                "meters[1].name: `Calls` is no name: a lowercase letter, then lowercase letters, \
               digits and underscores, 64 bytes at most",
            ],
        );
        check(
            |m| m.name = "other".into(),
            &["meters[1].name: `other` is the name of meters[0] already"],
        );
        check(
            |m| m.event_type = String::new(),
            &["meters[1].event_type: is empty"],
        );
        check(
            |m| m.event_type = "x".repeat(257),
            &["meters[1].event_type: has 257 bytes, more than the bound 256"],
        );
        check(
            |m| (m.description, m.unit) = ("x".repeat(1_025), "x".repeat(65)),
            &[
                "meters[1].description: has 1025 bytes, more than 1024",
                "meters[1].unit: has 65 bytes, more than 64",
            ],
        );
    }

    #[test]
    fn there_are_not_too_many_meters() {
        let meters = (0..=METERS_MAX).map(|n| meter(&format!("m{n}"), "call"));
        let problems = validate(&catalog(meters.collect()));
        assert_eq!(
            problems,
            [Problem::new("meters", "are 1001, more than 1000")]
        );
    }

    #[test]
    fn unique_count_is_refused_by_name() {
        check(
            |m| m.aggregation = Aggregation::UniqueCount,
            &["meters[1].aggregation: `unique_count` is not built yet"],
        );
    }

    #[test]
    fn scales_are_above_zero() {
        check(|m| m.scale = quantity("0.000000001"), &[]);
        check(
            |m| m.scale = Quantity::ZERO,
            &["meters[1].scale: is 0, but must be above 0"],
        );
        check(
            |m| m.scale = quantity("-1.5"),
            &["meters[1].scale: is -1.5, but must be above 0"],
        );
    }

    #[test]
    fn count_reads_no_quantity() {
        check(|m| m.aggregation = Aggregation::Count, &[]);
        check(
            |m| {
                m.aggregation = Aggregation::Count;
                m.value = Some("bytes".into());
                m.scale = quantity("2");
                m.negative = true;
            },
            &[
                "meters[1].value: contradicts the aggregation: `count` reads no quantity; drop it",
                "meters[1].scale: contradicts the aggregation: `count` reads no quantity; drop it",
                "meters[1].negative: contradicts the aggregation: `count` reads no quantity; \
                 drop it",
            ],
        );
        check(
            |m| m.value = Some(String::new()),
            &["meters[1].value: is empty"],
        );
    }

    #[test]
    fn the_quantity_is_no_property() {
        let reason = "`quantity` is the event's own quantity, never a property";
        check(
            |m| m.value = Some("quantity".into()),
            &[&format!("meters[1].value: {reason}")],
        );
        check(
            |m| m.group_by = texts(&["model", "quantity"]),
            &[&format!("meters[1].group_by[1]: {reason}")],
        );
        check(
            |m| m.filter = vec![condition("quantity", Test::Exists(true))],
            &[&format!("meters[1].filter[0].property: {reason}")],
        );
    }

    #[test]
    fn group_by_is_sorted_unique_and_bounded() {
        check(|m| m.group_by = texts(&["agent", "model"]), &[]);
        check(
            |m| m.group_by = texts(&["model", "agent"]),
            &["meters[1].group_by[1]: `agent` follows `model`: the list must be sorted"],
        );
        check(
            |m| m.group_by = texts(&["model", "model"]),
            &["meters[1].group_by[1]: `model` is there twice"],
        );
        check(
            |m| m.group_by = texts(&[""]),
            &["meters[1].group_by[0]: is empty"],
        );
        check(
            |m| m.group_by = (0..17).map(|n| format!("k{n:02}")).collect(),
            &["meters[1].group_by: are 17, more than 16"],
        );
        for wrong in [0, 1_000_001] {
            let reason = format!("meters[1].max_dimensions: is {wrong}, not within 1 to 1000000");
            check(|m| m.max_dimensions = wrong, &[&reason]);
        }
    }

    #[test]
    fn filters_can_be_passed() {
        let outbound = || condition("direction", Test::In(texts(&["outbound"])));
        check(
            |m| {
                m.filter = vec![
                    outbound(),
                    condition("seconds", Test::Above(Quantity::ZERO)),
                ]
            },
            &[],
        );
        check(
            |m| {
                m.filter = vec![
                    outbound(),
                    condition("direction", Test::NotIn(texts(&["outbound"]))),
                ]
            },
            &["meters[1].filter[1]: no event passes all conditions on `direction`"],
        );
        check(
            |m| m.filter = vec![condition("direction", Test::Exists(false)), outbound()],
            &["meters[1].filter[1]: no event passes all conditions on `direction`"],
        );
        check(
            |m| m.filter = vec![condition("a", Test::In(Vec::new()))],
            &["meters[1].filter[0].test: lists no value"],
        );
        check(
            |m| m.filter = vec![condition("a", Test::NotIn(texts(&["x", "y", "x"])))],
            &["meters[1].filter[0].test: `x` is there twice"],
        );
        check(
            |m| m.filter = vec![condition("", Test::Exists(true))],
            &["meters[1].filter[0].property: is empty"],
        );
        check(
            |m| {
                m.filter = (0..17)
                    .map(|n| condition(&n.to_string(), Test::Exists(true)))
                    .collect()
            },
            &["meters[1].filter: are 17, more than 16"],
        );
        check(
            |m| {
                m.filter = vec![condition(
                    "a",
                    Test::In((0..1_001).map(|n| n.to_string()).collect()),
                )]
            },
            &["meters[1].filter[0].test: are 1001, more than 1000"],
        );
    }
}
