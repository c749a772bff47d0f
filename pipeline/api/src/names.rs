//! Names that repeat a million times, kept once: meters and plans.
//!
//! A name is never forgotten; there are as many as catalogs ever had, which the control log bounds.

use hashbrown::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// All names so far, numbered in the order they came.
#[derive(Debug, Default)]
pub(crate) struct Names {
    inner: RwLock<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    ids: HashMap<Arc<str>, u32, foldhash::quality::RandomState>,
    names: Vec<Arc<str>>,
}

impl Names {
    /// The number of a name, given now where it is new.
    pub(crate) fn id(&self, name: &str) -> u32 {
        if let Some(id) = self.find(name) {
            return id;
        }
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = inner.ids.get(name) {
            return *id;
        }
        let id = u32::try_from(inner.names.len()).expect("catalogs have fewer than 2³² names");
        let name: Arc<str> = name.into();
        inner.names.push(Arc::clone(&name));
        inner.ids.insert(name, id);
        id
    }

    /// The number of a name; `None` where it never came.
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        inner.ids.get(name).copied()
    }

    /// The name of a number that [`Names::id`] gave.
    pub(crate) fn name(&self, id: u32) -> Arc<str> {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(id).expect("a number of ours");
        Arc::clone(&inner.names[at])
    }
}
