//! Turns at work that holds memory: bounded for all keys together, and for each key.
//!
//! Whoever gets none is told at once; nobody queues. The bound of a key is below that of all, so
//! that one caller, however slow, leaves turns to the others. A turn ends when it is dropped, also
//! where its caller has gone, and a key without turns is not held.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Turns that are taken.
#[derive(Debug)]
pub(crate) struct Turns {
    most: usize,
    most_of_key: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_key: BTreeMap<String, usize>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    key: String,
}

/// Why there is no turn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Full {
    /// All keys together have as many as there are.
    All,
    /// This key has as many as one may have.
    Key,
}

impl Turns {
    /// At most `most` turns at once, and of one key `most_of_key`.
    pub(crate) fn new(most: usize, most_of_key: usize) -> Self {
        Self {
            most,
            most_of_key,
            taken: Mutex::default(),
        }
    }

    /// Takes a turn for a key.
    ///
    /// # Errors
    /// Which bound is reached; the key's own first.
    pub(crate) fn take(&self, key: &str) -> Result<Turn<'_>, Full> {
        let mut taken = self.lock();
        let own = taken.by_key.get(key).copied().unwrap_or(0);
        if own >= self.most_of_key {
            return Err(Full::Key);
        }
        if taken.all >= self.most {
            return Err(Full::All);
        }
        taken.all += 1;
        taken.by_key.insert(key.to_owned(), own + 1);
        let key = key.to_owned();
        Ok(Turn { turns: self, key })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // Every write leaves it whole, so a panic elsewhere does not spoil it.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = self.turns.lock();
        taken.all -= 1;
        match taken.by_key.get_mut(&self.key) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                taken.by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_no_more_than_its_share_and_gives_back_what_it_took() {
        let turns = Turns::new(3, 2);
        let full = |key: &str| turns.take(key).map(drop).err();
        let first = turns.take("a").expect("free");
        let second = turns.take("a").expect("free");
        assert_eq!(full("a"), Some(Full::Key));
        let third = turns.take("b").expect("the others' share");
        assert_eq!((full("b"), full("a")), (Some(Full::All), Some(Full::Key)));
        drop(first);
        assert_eq!((full("a"), full("c")), (None, None));
        drop((second, third));
        assert!(turns.lock().by_key.is_empty());
        assert_eq!(turns.lock().all, 0);
    }
}
