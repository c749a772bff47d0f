//! A meter's filter, prepared: lists are sorted, so that one event costs one search per condition.
//!
//! The same code decides what an event matches and whether a filter can match anything at all,
//! so the two can never disagree.

use super::{Condition, Test};
use crate::quantity::Quantity;

/// The conditions of one meter; all of them must hold.
#[derive(Debug)]
pub(super) struct Filter {
    conditions: Vec<(String, Prepared)>,
}

/// One test with its list sorted.
#[derive(Debug)]
enum Prepared {
    In(Box<[String]>),
    NotIn(Box<[String]>),
    Above(Quantity),
    Exists(bool),
}

impl Filter {
    pub(super) fn new(conditions: &[Condition]) -> Self {
        let prepare = |c: &Condition| (c.property.clone(), Prepared::new(&c.test));
        Self {
            conditions: conditions.iter().map(prepare).collect(),
        }
    }

    /// Whether every condition holds; `property` gives a property's text, if it is there.
    pub(super) fn holds<'e>(&self, property: impl Fn(&str) -> Option<&'e str>) -> bool {
        let mut conditions = self.conditions.iter();
        conditions.all(|(name, test)| test.holds(property(name)))
    }
}

impl Prepared {
    fn new(test: &Test) -> Self {
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort_unstable();
            list.into_boxed_slice()
        };
        match test {
            Test::In(list) => Self::In(sorted(list)),
            Test::NotIn(list) => Self::NotIn(sorted(list)),
            Test::Above(bound) => Self::Above(*bound),
            Test::Exists(wanted) => Self::Exists(*wanted),
        }
    }

    fn holds(&self, text: Option<&str>) -> bool {
        let listed = |list: &[String], text: &str| {
            let found = list.binary_search_by(|item| item.as_str().cmp(text));
            found.is_ok()
        };
        match self {
            Self::In(list) => text.is_some_and(|t| listed(list, t)),
            Self::NotIn(list) => !text.is_some_and(|t| listed(list, t)),
            Self::Above(bound) => {
                text.is_some_and(|t| Quantity::parse(t).is_ok_and(|q| q > *bound))
            }
            Self::Exists(wanted) => text.is_some() == *wanted,
        }
    }
}

/// Whether some value of one property, or its absence, passes all of these tests.
///
/// Exact: with an `In` only its values can pass, so they are tried; without one, the property's
/// absence passes unless a test wants it there, and its presence passes unless a test wants it
/// missing, because `NotIn` lists are finite and numbers above a bound are many.
pub(super) fn satisfiable(tests: &[&Test]) -> bool {
    let prepared: Vec<_> = tests.iter().map(|test| Prepared::new(test)).collect();
    let passes = |text: Option<&str>| prepared.iter().all(|test| test.holds(text));
    let candidates = tests.iter().find_map(|test| match test {
        Test::In(list) => Some(list),
        _ => None,
    });
    if let Some(candidates) = candidates {
        return candidates.iter().any(|text| passes(Some(text)));
    }
    let wants_missing = tests.iter().any(|t| matches!(t, Test::Exists(false)));
    passes(None) || !wants_missing
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[&str]) -> Vec<String> {
        list.iter().map(|&t| t.to_owned()).collect()
    }

    fn above(bound: &str) -> Test {
        Test::Above(Quantity::parse(bound).expect("a quantity"))
    }

    #[test]
    fn each_test_judges_text_and_absence() {
        let cases: [(Test, &[&str], &[&str], bool); 5] = [
            (
                Test::In(texts(&["b", "a", ""])),
                &["a", "b", ""],
                &["c", "A"],
                false,
            ),
            (
                Test::NotIn(texts(&["b", "a"])),
                &["c", ""],
                &["a", "b"],
                true,
            ),
            (
                above("1.5"),
                &["1.500000001", "2", "1e3"],
                &["1.5", "1", "-2", "", "x", "NaN", "1e40"],
                false,
            ),
            (Test::Exists(true), &["", "x"], &[], false),
            (Test::Exists(false), &[], &["", "x"], true),
        ];
        for (test, passing, failing, missing) in cases {
            let prepared = Prepared::new(&test);
            for text in passing {
                assert!(prepared.holds(Some(text)), "{test:?} {text}");
            }
            for text in failing {
                assert!(!prepared.holds(Some(text)), "{test:?} {text}");
            }
            assert_eq!(prepared.holds(None), missing, "{test:?}");
        }
    }

    #[test]
    fn knows_what_can_match() {
        let cases: [(&[Test], bool); 11] = [
            (&[Test::In(texts(&["a", "b"]))], true),
            (&[Test::In(texts(&["a"])), Test::In(texts(&["b"]))], false),
            (
                &[Test::In(texts(&["a", "b"])), Test::NotIn(texts(&["a"]))],
                true,
            ),
            (
                &[Test::In(texts(&["a"])), Test::NotIn(texts(&["a", "b"]))],
                false,
            ),
            (&[Test::In(texts(&["1", "3"])), above("2")], true),
            (&[Test::In(texts(&["1", "x"])), above("2")], false),
            (&[Test::In(texts(&["a"])), Test::Exists(false)], false),
            (&[Test::NotIn(texts(&["a"])), Test::Exists(false)], true),
            (&[Test::NotIn(texts(&["a"])), Test::Exists(true)], true),
            (&[above("0"), Test::Exists(false)], false),
            (&[Test::Exists(true), Test::Exists(false)], false),
        ];
        for (tests, expected) in cases {
            let tests: Vec<_> = tests.iter().collect();
            assert_eq!(satisfiable(&tests), expected, "{tests:?}");
        }
    }
}
