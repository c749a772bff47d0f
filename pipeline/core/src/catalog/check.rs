//! What a catalog must keep to before it may be published.

use super::Catalog;

/// Something wrong with a catalog: where, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    /// Path of the offending part, such as `meters[3].scale`.
    pub path: String,
    /// Why it is refused, and what to do instead.
    pub reason: String,
}

/// All that is wrong with the catalog by itself; empty when it may be published.
#[must_use]
pub fn validate(_catalog: &Catalog) -> Vec<Problem> {
    Vec::new()
}

/// All that is wrong with `next` as the successor of `earlier`, the versions in force so far.
#[must_use]
pub fn succeeds<'a>(_next: &Catalog, _earlier: impl Iterator<Item = &'a Catalog>) -> Vec<Problem> {
    Vec::new()
}
