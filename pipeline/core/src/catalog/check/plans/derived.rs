//! The rules for derived quantities.

use super::super::super::Aggregation;
use super::super::super::plans::{Derived, Plans};
use super::super::{Problem, name, too_many};
use super::{Measures, UNIT_BYTES_MAX, too_long};
use crate::nearest::hint;
use crate::quantity::Quantity;
use std::collections::BTreeMap;

/// Most derived quantities; a check of a meter asks for all that it is a term of.
const DERIVED_MAX: usize = 100;
/// Most summands; all are read for every judgement.
const TERMS_MAX: usize = 32;
/// Longest description.
const DESCRIPTION_BYTES_MAX: usize = 1_024;

/// Adds what is wrong with the derived quantities.
pub(super) fn check(plans: &Plans, measures: &Measures<'_>, problems: &mut Vec<Problem>) {
    problems.extend(too_many("derived", plans.derived.len(), DERIVED_MAX));
    let mut names = BTreeMap::new();
    for (index, derived) in plans.derived.iter().enumerate() {
        let of = OneDerived {
            path: format!("derived[{index}]"),
            derived,
            measures,
        };
        problems.extend(name(of.at("name"), &derived.name));
        if measures.aggregation(&derived.name).is_some() {
            let reason = format!("`{}` is the name of a meter already", derived.name);
            problems.push(Problem::new(of.at("name"), reason));
        }
        if let Some(first) = names.insert(derived.name.as_str(), index) {
            let reason = format!("`{}` is the name of derived[{first}] already", derived.name);
            problems.push(Problem::new(of.at("name"), reason));
        }
        of.texts(problems);
        of.terms(problems);
        of.kind(problems);
    }
}

/// Whether a meter adds up over a period or holds until it changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Flow,
    Level,
}

/// One derived quantity and where it stands.
struct OneDerived<'a> {
    path: String,
    derived: &'a Derived,
    measures: &'a Measures<'a>,
}

impl OneDerived<'_> {
    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }

    fn texts(&self, problems: &mut Vec<Problem>) {
        let Derived {
            description, unit, ..
        } = self.derived;
        let description = too_long(self.at("description"), description, DESCRIPTION_BYTES_MAX);
        problems.extend(description);
        problems.extend(too_long(self.at("unit"), unit, UNIT_BYTES_MAX));
    }

    fn terms(&self, problems: &mut Vec<Problem>) {
        let terms = &self.derived.terms;
        if terms.is_empty() {
            problems.push(Problem::new(self.at("terms"), "are none: name a meter"));
        }
        problems.extend(too_many(self.at("terms"), terms.len(), TERMS_MAX));
        let mut meters = BTreeMap::new();
        for (index, term) in terms.iter().enumerate() {
            let path = self.at(&format!("terms[{index}]"));
            let at_meter = format!("{path}.meter");
            problems.extend(self.meter(&at_meter, &term.meter));
            if let Some(first) = meters.insert(term.meter.as_str(), index) {
                let reason = format!("`{}` is terms[{first}] already", term.meter);
                problems.push(Problem::new(at_meter, reason));
            }
            if term.weight.is_negative() {
                let reason = format!("is {}, below zero", term.weight);
                problems.push(Problem::new(format!("{path}.weight"), reason));
            }
        }
    }

    /// What is wrong with a meter that is read.
    fn meter(&self, path: &str, meter: &str) -> Option<Problem> {
        let reason = match self.measures.aggregation(meter) {
            Some(aggregation) if kind(aggregation).is_some() => return None,
            Some(aggregation) => format!(
                "`{meter}` is a `{}`, which does not add up with others",
                aggregation.name()
            ),
            None if self.measures.is_derived(meter) => {
                format!("`{meter}` is derived itself: a sum is of meters only, so write its meters")
            }
            None => format!(
                "`{meter}` is no meter: {}",
                hint(meter, self.measures.meters())
            ),
        };
        Some(Problem::new(path, reason))
    }

    /// The rules that depend on whether it is a flow or a level, which its first meter says.
    fn kind(&self, problems: &mut Vec<Problem>) {
        let derived = self.derived;
        let of = |meter: &str| self.measures.aggregation(meter).and_then(kind);
        let first = derived.terms.iter().find_map(|term| of(&term.meter));
        for (index, term) in derived.terms.iter().enumerate() {
            if of(&term.meter).is_some_and(|kind| Some(kind) != first) {
                let reason = "mixes flows and levels: what adds up over a period and what holds \
                              until it changes have no common sum";
                problems.push(Problem::new(
                    self.at(&format!("terms[{index}].meter")),
                    reason,
                ));
                break;
            }
        }
        if derived.constant.is_negative() {
            problems.push(Problem::new(self.at("constant"), "is below zero"));
        } else if first == Some(Kind::Flow) && derived.constant != Quantity::ZERO {
            let reason = "is of a flow, which begins every period at 0; only levels have one";
            problems.push(Problem::new(self.at("constant"), reason));
        }
        let Some(unless) = &derived.unless else {
            return;
        };
        let path = self.at("unless");
        if let Some(problem) = self.meter(&path, unless) {
            problems.push(problem);
        } else if of(unless) != Some(Kind::Level) || first == Some(Kind::Flow) {
            let reason = format!("`{unless}` takes the place of levels, so all must be `latest`");
            problems.push(Problem::new(path, reason));
        }
    }
}

/// What a meter of that aggregation is; `None`: neither, so it is in no sum.
fn kind(aggregation: Aggregation) -> Option<Kind> {
    match aggregation {
        Aggregation::Count | Aggregation::Sum | Aggregation::UniqueCount => Some(Kind::Flow),
        Aggregation::Latest => Some(Kind::Level),
        Aggregation::Min | Aggregation::Max | Aggregation::Avg => None,
    }
}
