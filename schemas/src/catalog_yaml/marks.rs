//! From a path in the catalog to the line and the path in the file.
//!
//! The core names parts by their place in its model (`meters[3].scale`); the file has its meters
//! under their names. A part that the file leaves to its default is found at the part around it.

use super::Refusal;
use meterline_core::catalog::Problem;
use std::collections::BTreeMap;

/// Where the parts of one file are.
#[derive(Debug, Default)]
pub(super) struct Marks {
    by_path: BTreeMap<String, Place>,
}

/// A part of a catalog file.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// Line in the file, from 1.
    pub(super) line: usize,
    /// Its path in the core's catalog.
    pub(super) model: String,
    /// Its path as the file writes it.
    pub(super) shown: String,
}

impl Place {
    /// The place of a key below this one.
    pub(super) fn key(&self, key: &str, line: usize) -> Self {
        let join = |path: &str| match path {
            "" => key.to_owned(),
            _ => format!("{path}.{key}"),
        };
        Self {
            line,
            model: join(&self.model),
            shown: join(&self.shown),
        }
    }

    /// The place of a list's item.
    pub(super) fn item(&self, index: usize, line: usize) -> Self {
        Self {
            line,
            model: format!("{}[{index}]", self.model),
            shown: format!("{}[{index}]", self.shown),
        }
    }

    /// The same place in the file, for another path in the core's catalog.
    pub(super) fn standing_for(&self, model: impl Into<String>) -> Self {
        Self {
            model: model.into(),
            ..self.clone()
        }
    }
}

impl Marks {
    pub(super) fn add(&mut self, place: &Place) {
        self.by_path.insert(place.model.clone(), place.clone());
    }

    /// Gives each problem its line, and the path that the file knows it by.
    pub(super) fn place(&self, problems: Vec<Problem>) -> Vec<Refusal> {
        let place = |problem: Problem| {
            let (line, path) = self.find(&problem.path);
            Refusal::new(line, path, problem.reason)
        };
        problems.into_iter().map(place).collect()
    }

    /// Line and shown path of the part; of the nearest part around it where the file has no more.
    fn find(&self, path: &str) -> (usize, String) {
        let mut around = path;
        loop {
            let rest = &path[around.len()..];
            if let Some(place) = self.by_path.get(around) {
                let rest = if place.shown.is_empty() {
                    rest.trim_start_matches('.')
                } else {
                    rest
                };
                return (place.line, format!("{}{rest}", place.shown));
            }
            let Some(end) = around.rfind(['.', '[']) else {
                return (1, path.to_owned());
            };
            around = &around[..end];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_part_or_the_one_around_it() {
        let mut marks = Marks::default();
        let meter = Place::default().key("meters", 3).key("calls", 4);
        let meter = meter.standing_for("meters[0]");
        marks.add(&meter);
        marks.add(&meter.key("scale", 6));
        let cases = [
            ("meters[0].scale", 6, "meters.calls.scale"),
            ("meters[0].filter[2].test", 4, "meters.calls.filter[2].test"),
            ("meters[01]", 1, "meters[01]"),
            ("lateness", 1, "lateness"),
        ];
        for (path, line, shown) in cases {
            assert_eq!(marks.find(path), (line, shown.to_owned()), "{path}");
        }
    }
}
