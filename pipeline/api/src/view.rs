//! Standings in memory: what the quota check answers from.
//!
//! The highest version per tenant and meter is kept, whatever the order that they come in, so that
//! rows of the table, records of the topic and repeats of both may be mixed. Readers share a lock
//! of one in 256 shards with a writer that holds it for one insert; a check waits for nobody
//! longer than that. How old what is known is comes from progress records alone: silence is not
//! freshness.

use crate::names::Names;
use hashbrown::HashMap;
use meterline_core::catalog::plans::Cap;
use meterline_core::limits::Held;
use meterline_core::quantity::Quantity;
use meterline_core::standing::{Health, Standing};
use meterline_core::time::{EventTime, LogTime};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};

/// Locks: many more than there are cores.
const SHARDS: usize = 256;

/// Unix milliseconds that stand for "never".
const NEVER: i64 = i64::MIN;

type Shard = HashMap<Box<str>, Vec<Entry>, foldhash::quality::RandomState>;

/// All standings.
#[derive(Debug)]
pub(crate) struct Standings {
    shards: Box<[RwLock<Shard>]>,
    hasher: foldhash::quality::RandomState,
    /// Meters and plans: a catalog's worth of names.
    names: Names,
    entries: AtomicUsize,
}

/// One tenant and meter, in a third of the space of a [`Standing`] and without its heap.
#[derive(Clone, Debug)]
struct Entry {
    version: u128,
    used: Quantity,
    included: Quantity,
    limit: Quantity,
    period_start: EventTime,
    period_end: EventTime,
    crossed_at: i64,
    meter: u32,
    plan: u32,
    cap: Cap,
    health: Health,
    has_included: bool,
    has_limit: bool,
}

/// What is known of one tenant on one meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Known {
    /// The meter or derived quantity.
    pub(crate) meter: String,
    /// When the running period started.
    pub(crate) period_start: EventTime,
    /// First moment after it.
    pub(crate) period_end: EventTime,
    /// Use in it so far.
    pub(crate) used: Quantity,
    /// What is included; `None`: nothing is said.
    pub(crate) included: Option<Quantity>,
    /// The limit; `None`: unlimited.
    pub(crate) limit: Option<Quantity>,
    /// What a check does beyond it.
    pub(crate) cap: Cap,
    /// How well the tenant is, by this meter.
    pub(crate) health: Health,
    /// When use first passed the limit in the period.
    pub(crate) crossed_at: Option<LogTime>,
    /// The plan that it was judged by; empty: none.
    pub(crate) plan: String,
}

impl Standings {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: foldhash::quality::RandomState::default(),
            names: Names::default(),
            entries: AtomicUsize::new(0),
        }
    }

    /// Takes a standing; false where the same or a higher version is known.
    pub(crate) fn take(&self, standing: &Standing) -> bool {
        let entry = self.entry(standing);
        let shard = self.shard(&standing.tenant);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        let Some(entries) = shard.get_mut(standing.tenant.as_str()) else {
            shard.insert(standing.tenant.as_str().into(), vec![entry]);
            self.entries.fetch_add(1, Ordering::Relaxed);
            return true;
        };
        match entries.iter_mut().find(|known| known.meter == entry.meter) {
            Some(known) if known.version >= entry.version => return false,
            Some(known) => *known = entry,
            None => {
                // A plan has a handful of meters: doubling would waste half of the space.
                entries.reserve_exact(1);
                entries.push(entry);
                self.entries.fetch_add(1, Ordering::Relaxed);
            }
        }
        true
    }

    /// What a check needs of a tenant's meter.
    pub(crate) fn held(&self, tenant: &str, meter: &str) -> Option<Held> {
        let id = self.names.find(meter)?;
        let shard = self.shard(tenant);
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let entries = shard.get(tenant)?;
        let entry = entries.iter().find(|entry| entry.meter == id)?;
        Some(Held {
            used: entry.used,
            period_start: entry.period_start,
            period_end: entry.period_end,
            crossed_at: crossed_at(entry),
        })
    }

    /// What is known of a tenant, by meter; empty where nothing is.
    pub(crate) fn of_tenant(&self, tenant: &str) -> Vec<Known> {
        let shard = self.shard(tenant);
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        let entries = shard.get(tenant).map_or(&[][..], Vec::as_slice);
        let mut known: Vec<_> = entries.iter().map(|entry| self.known(entry)).collect();
        known.sort_by(|a, b| a.meter.cmp(&b.meter));
        known
    }

    /// How well a tenant is, by its worst meter; `None` where nothing is known of it.
    pub(crate) fn health(&self, tenant: &str) -> Option<Health> {
        let shard = self.shard(tenant);
        let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
        shard.get(tenant).map(|entries| worst(entries))
    }

    /// Calls `each` with every tenant that anything is known of and its health, in no order.
    ///
    /// A shard's lock is held meanwhile: `each` must be short, and must not ask for standings. A
    /// writer that waits in between would have it wait for its own lock, for ever.
    pub(crate) fn each_tenant(&self, mut each: impl FnMut(&str, Health)) {
        for shard in &self.shards {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            let tenants = shard.iter();
            tenants.for_each(|(tenant, entries)| each(tenant, worst(entries)));
        }
    }

    /// Number of tenant-meters.
    pub(crate) fn len(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }

    fn shard(&self, tenant: &str) -> &RwLock<Shard> {
        let hash = self.hasher.hash_one(tenant) % SHARDS as u64;
        &self.shards[usize::try_from(hash).expect("below 256")]
    }

    fn entry(&self, standing: &Standing) -> Entry {
        Entry {
            version: standing.version(),
            used: standing.used,
            included: standing.included.unwrap_or_default(),
            limit: standing.limit.unwrap_or_default(),
            period_start: standing.period_start,
            period_end: standing.period_end,
            crossed_at: standing.crossed_at.map_or(NEVER, |at| at.0),
            meter: self.names.id(&standing.meter),
            plan: self.names.id(&standing.plan),
            cap: standing.cap,
            health: standing.health,
            has_included: standing.included.is_some(),
            has_limit: standing.limit.is_some(),
        }
    }

    fn known(&self, entry: &Entry) -> Known {
        Known {
            meter: self.names.name(entry.meter).to_string(),
            period_start: entry.period_start,
            period_end: entry.period_end,
            used: entry.used,
            included: entry.has_included.then_some(entry.included),
            limit: entry.has_limit.then_some(entry.limit),
            cap: entry.cap,
            health: entry.health,
            crossed_at: crossed_at(entry),
            plan: self.names.name(entry.plan).to_string(),
        }
    }
}

/// The worst health of a tenant's meters.
fn worst(entries: &[Entry]) -> Health {
    let health = entries.iter().map(|entry| entry.health);
    health.max().unwrap_or_default()
}

fn crossed_at(entry: &Entry) -> Option<LogTime> {
    (entry.crossed_at != NEVER).then_some(LogTime(entry.crossed_at))
}

#[cfg(test)]
mod tests;
