//! Properties while they are read: in written order, no key twice.
//!
//! A key with a null value is no property, but is still a key: written again it is a duplicate.
//! Duplicates are looked for once, at the end, and the cost stays near linear for any number of
//! keys, since producers choose it.

use crate::event::Properties;
use smallvec::SmallVec;
use std::borrow::Cow;

/// Up to here every pair of keys is compared; above, the keys are sorted.
const PAIRWISE_KEYS: usize = 16;

/// Properties of one event, being read into their place: they are too large to be moved about.
#[derive(Debug)]
pub(super) struct PropertyList<'p, 'a> {
    properties: &'p mut Properties<'a>,
    without_value: SmallVec<[Cow<'a, str>; 2]>,
}

impl<'p, 'a> PropertyList<'p, 'a> {
    /// Reads into properties that are empty so far.
    pub(super) fn into_place(properties: &'p mut Properties<'a>) -> Self {
        debug_assert!(
            properties.is_empty(),
            "one event's properties are read once"
        );
        Self {
            properties,
            without_value: SmallVec::new(),
        }
    }

    /// Adds a key with its value; `None` is a null.
    pub(super) fn push(&mut self, key: Cow<'a, str>, value: Option<Cow<'a, str>>) {
        match value {
            Some(value) => self.properties.push((key, value)),
            None => self.without_value.push(key),
        }
    }

    /// A key that was written twice.
    pub(super) fn finish(self) -> Result<(), String> {
        self.duplicate().map_or(Ok(()), |key| Err(key.to_owned()))
    }

    fn duplicate(&self) -> Option<&str> {
        let count = self.properties.len() + self.without_value.len();
        if count > PAIRWISE_KEYS {
            let mut keys: Vec<&str> = self.keys().collect();
            keys.sort_unstable();
            return keys.windows(2).find(|w| w[0] == w[1]).map(|w| w[0]);
        }
        self.keys()
            .enumerate()
            .find(|(place, key)| self.keys().take(*place).any(|earlier| earlier == *key))
            .map(|(_, key)| key)
    }

    fn keys(&self) -> impl Iterator<Item = &str> {
        let with_value = self.properties.iter().map(|(key, _)| key);
        with_value.chain(&self.without_value).map(Cow::as_ref)
    }
}
