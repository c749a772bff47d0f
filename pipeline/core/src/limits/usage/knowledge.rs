//! What is known of usage beside its hours: what was judged before, and which topics are gone.

use super::TenantId;
use crate::position::{LogPartition, Stamp, TopicId};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// Stamps that no hour in memory has any more, and the incarnations of topics.
#[derive(Debug, Default)]
pub(super) struct Knowledge {
    /// By tenant, of a meter's number; few tenants have any.
    stamps: HashMap<TenantId, SmallVec<[Known; 1]>, foldhash::fast::FixedState>,
    /// By the topic's name, the id of the newest topic that partitions of were adopted.
    newest: BTreeMap<String, TopicId>,
    gone: BTreeSet<TopicId>,
}

/// A change of a meter.
#[derive(Clone, Copy, Debug)]
struct Known {
    meter: u32,
    log_partition: LogPartition,
    stamp: Stamp,
}

impl Knowledge {
    /// Adds a change that a meter of a tenant was judged by.
    pub(super) fn add(
        &mut self,
        tenant: TenantId,
        meter: u32,
        log_partition: LogPartition,
        stamp: Stamp,
    ) {
        self.stamps.entry(tenant).or_default().push(Known {
            meter,
            log_partition,
            stamp,
        });
    }

    /// The changes of a meter, or of all meters of a tenant.
    pub(super) fn of(
        &self,
        tenant: TenantId,
        meter: Option<u32>,
    ) -> impl Iterator<Item = (LogPartition, Stamp)> {
        let all = self.stamps.get(&tenant).into_iter().flatten();
        let of_meter = all.filter(move |known| meter.is_none_or(|meter| known.meter == meter));
        of_meter.map(|known| (known.log_partition, known.stamp))
    }

    /// Takes an adoption; the id of the topic that it takes the place of. One that another has
    /// taken the place of never comes back.
    pub(super) fn adopted(&mut self, topic: &str, id: TopicId) -> Option<TopicId> {
        if self.gone.contains(&id) {
            return None;
        }
        let before = self.newest.insert(topic.to_owned(), id);
        let gone = before.filter(|before| *before != id)?;
        self.gone.insert(gone);
        Some(gone)
    }

    pub(super) fn is_gone(&self, id: TopicId) -> bool {
        self.gone.contains(&id)
    }
}
