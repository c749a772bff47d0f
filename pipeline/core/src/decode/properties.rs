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

/// Properties of one event, being read.
#[derive(Debug, Default)]
pub(super) struct PropertyList<'a> {
    properties: Properties<'a>,
    without_value: SmallVec<[Cow<'a, str>; 2]>,
}

impl<'a> PropertyList<'a> {
    /// Adds a key with its value; `None` is a null.
    pub(super) fn push(&mut self, key: Cow<'a, str>, value: Option<Cow<'a, str>>) {
        match value {
            Some(value) => self.properties.push((key, value)),
            None => self.without_value.push(key),
        }
    }

    /// The properties, or a key that was written twice.
    pub(super) fn finish(self) -> Result<Properties<'a>, String> {
        match self.duplicate() {
            Some(key) => Err(key.to_owned()),
            None => Ok(self.properties),
        }
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
