//! What a reader of the control log knows at one position.
//!
//! A pure fold of the log's records by rule 2 ([`crate::chain`]): every reader that has read up
//! to the same position has the same view (INV-CHAIN). A record that cannot be read halts the
//! view at that record and leaves it as it was (INV-HALT); a record that is not in force changes
//! nothing but the position, whatever its content.

use super::{
    Adoption, CatalogContent, CatalogDecision, ChainKey, ControlRecord, Decision, Pointer,
    TopicCreated, Verdict, Void, VoidDecision,
};
use crate::catalog::{CompiledCatalog, NEWEST_FOLD};
use crate::chain::{Chains, Ruling};
use crate::halt::Halt;
use crate::position::{LogPartition, Offset};
use crate::record::Placement;
use crate::time::LogTime;
use hashbrown::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The control log up to one position.
#[derive(Clone, Debug, Default)]
pub struct View {
    chains: Chains<ChainKey>,
    links: BTreeMap<Offset, Link>,
    by_write_id: HashMap<u128, Offset, foldhash::fast::FixedState>,
    catalogs: Vec<Arc<CatalogDecision>>,
    topics: BTreeMap<String, TopicCreated>,
    adoptions: BTreeMap<LogPartition, Adoption>,
    verdicts: BTreeMap<LogPartition, Vec<(Offset, Verdict)>>,
    voids: BTreeMap<Offset, Arc<VoidDecision>>,
    voids_of: BTreeMap<LogPartition, Vec<Arc<VoidDecision>>>,
}

/// A record in force, as the audit trail shows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Link {
    /// The chain it belongs to.
    pub chain: ChainKey,
    /// The record before it in its chain.
    pub follows: Option<Offset>,
    /// Chosen by its writer.
    pub write_id: u128,
    /// Who wrote it.
    pub actor: String,
    /// Why, in the actor's words.
    pub note: String,
    /// When the broker took it.
    pub append_time: LogTime,
}

/// What one record did to the view.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Applied {
    /// The chain it belongs to.
    pub chain: ChainKey,
    /// Whether it is in force.
    pub ruling: Ruling,
}

impl View {
    /// Folds the record at `offset`, whose bytes have the content hash `hash`.
    ///
    /// # Errors
    /// The record's own halt; [`Halt::Order`] for a record at or below one already read;
    /// [`Halt::UnknownFold`] and [`Halt::UnknownFormat`] for a catalog in force that this binary
    /// cannot fold by. The view is unchanged then, and must not be used past this record.
    pub fn apply(
        &mut self,
        offset: Offset,
        hash: u128,
        append_time: LogTime,
        record: Result<ControlRecord, Halt>,
    ) -> Result<Applied, Halt> {
        let record = record?;
        let chain = ChainKey::of(&record.decision);
        if record.decision.is_of_accounts() {
            self.pass(offset, append_time)?;
            let ruling = Ruling::Ignored { head: None };
            return Ok(Applied { chain, ruling });
        }
        let ruling = self.chains.rule(&chain, record.head, offset, append_time)?;
        if ruling == Ruling::InForce {
            self.take(offset, hash, record.head, record.decision)?;
            self.by_write_id.entry(record.write_id).or_insert(offset);
            let link = Link {
                chain: chain.clone(),
                follows: record.head,
                write_id: record.write_id,
                actor: record.actor,
                note: record.note,
                append_time,
            };
            self.links.insert(offset, link);
        }
        self.chains
            .offer(chain.clone(), record.head, offset, append_time)?;
        Ok(Applied { chain, ruling })
    }

    /// Moves past a record that is not this view's: [`Decision::is_of_accounts`].
    ///
    /// `accounts::Accounts` rules on it, and a worker without them is spared a million heads. Of
    /// records in a row, the last with the highest append time stands for all.
    ///
    /// # Errors
    /// [`Halt::Order`] for a record at or below one already read.
    pub fn pass(&mut self, offset: Offset, append_time: LogTime) -> Result<(), Halt> {
        self.chains.pass(offset, append_time)
    }

    /// Takes a decision in force into the view; nothing has changed on an error.
    fn take(
        &mut self,
        offset: Offset,
        hash: u128,
        head: Option<Offset>,
        decision: Decision,
    ) -> Result<(), Halt> {
        match decision {
            Decision::Catalog(content) => {
                let version = u32::try_from(self.catalogs.len() + 1)
                    .map_err(|_| Halt::UnknownFormat("2³² catalog versions".to_owned()))?;
                let compiled = compile(content, offset)?;
                self.catalogs.push(Arc::new(CatalogDecision {
                    version,
                    offset,
                    hash,
                    compiled,
                }));
            }
            Decision::Topic(created) => {
                self.topics.insert(created.topic.clone(), created);
            }
            Decision::Adoption(adoption) => {
                self.adoptions.insert(adoption.log_partition, adoption);
            }
            Decision::Verdict(verdict) => {
                let verdicts = self.verdicts.entry(verdict.log_partition).or_default();
                verdicts.push((offset, verdict));
            }
            Decision::Void(void) => self.take_void(offset, hash, head, *void),
            Decision::Account(_) | Decision::ApiKey(_) | Decision::Route(_) => {
                unreachable!("decisions about accounts were passed")
            }
        }
        Ok(())
    }

    fn take_void(&mut self, offset: Offset, hash: u128, head: Option<Offset>, void: Void) {
        let of_partition = self.voids_of.entry(void.log_partition).or_default();
        let decision = Arc::new(VoidDecision {
            offset,
            hash,
            follows: of_partition.last().map(|before| before.offset),
            earlier: head.and_then(|head| self.voids.get(&head).cloned()),
            void,
        });
        of_partition.push(Arc::clone(&decision));
        self.voids.insert(offset, decision);
    }

    /// The next record to read.
    #[must_use]
    pub fn position(&self) -> Offset {
        self.chains.position()
    }

    /// The head of a chain, which the next decision in it must name.
    #[must_use]
    pub fn head_of(&self, chain: &ChainKey) -> Option<Offset> {
        self.chains.head(chain)
    }

    /// The record in force at an offset; `None` where there is none.
    #[must_use]
    pub fn link(&self, offset: Offset) -> Option<&Link> {
        self.links.get(&offset)
    }

    /// The record in force that carries a write id: what a writer reads back.
    #[must_use]
    pub fn written(&self, write_id: u128) -> Option<Offset> {
        self.by_write_id.get(&write_id).copied()
    }

    /// The record in force that follows `head` in a chain; `None` where `head` is the head.
    #[must_use]
    pub fn successor(&self, chain: &ChainKey, head: Option<Offset>) -> Option<Offset> {
        let mut at = self.head_of(chain)?;
        while Some(at) != head {
            let follows = self.links.get(&at)?.follows;
            if follows == head {
                return Some(at);
            }
            at = follows?;
        }
        None
    }

    /// Catalog versions in force so far, version 1 first.
    #[must_use]
    pub fn catalogs(&self) -> &[Arc<CatalogDecision>] {
        &self.catalogs
    }

    /// The newest catalog version in force.
    #[must_use]
    pub fn catalog(&self) -> Option<&Arc<CatalogDecision>> {
        self.catalogs.last()
    }

    /// A catalog version by its number, from 1.
    #[must_use]
    pub fn catalog_version(&self, version: u32) -> Option<&Arc<CatalogDecision>> {
        let index = usize::try_from(version).ok()?.checked_sub(1)?;
        self.catalogs.get(index)
    }

    /// The catalog version in force that a pointer names; `None` where there is none.
    #[must_use]
    pub fn catalog_by_pointer(&self, offset: Offset, hash: u128) -> Option<Arc<CatalogDecision>> {
        let place = self.catalogs.binary_search_by_key(&offset, |c| c.offset);
        let decision = &self.catalogs[place.ok()?];
        (decision.hash == hash).then(|| Arc::clone(decision))
    }

    /// What a `meterline-control` header stands for at this position.
    ///
    /// `None` where the record it names is still to be read: read the log to its end first, then
    /// ask [`View::placement_at_end`].
    #[must_use]
    pub fn placement(&self, header: &[u8]) -> Option<Placement> {
        match Pointer::parse(header) {
            Some(Pointer::Record { offset, .. }) if offset >= self.position() => None,
            _ => Some(self.placement_at_end(header)),
        }
    }

    /// What a `meterline-control` header stands for, where this view is at the log's end.
    ///
    /// The end must have been asked for after the header was read.
    #[must_use]
    pub fn placement_at_end(&self, header: &[u8]) -> Placement {
        let (offset, hash) = match Pointer::parse(header) {
            Some(Pointer::Tick) => return Placement::Tick,
            Some(Pointer::Record { offset, hash }) => (offset, hash),
            None => return Placement::Bad("neither `tick` nor `<offset>:<hash>`".to_owned()),
        };
        if let Some(decision) = self.catalog_by_pointer(offset, hash) {
            return Placement::Catalog(decision);
        }
        match self.voids.get(&offset).filter(|void| void.hash == hash) {
            Some(decision) => Placement::Void {
                decision: Arc::clone(decision),
                catalogs: self.catalogs_before(offset).into(),
            },
            None => Placement::Bad(format!(
                "no catalog version or void in force has offset {offset} and hash {hash:032x} in \
                 the control log"
            )),
        }
    }

    fn catalogs_before(&self, offset: Offset) -> &[Arc<CatalogDecision>] {
        let end = self.catalogs.partition_point(|c| c.offset < offset);
        &self.catalogs[..end]
    }

    /// Voids and amends in force on a partition above a control offset, in the order in which they
    /// act: all of them above `None`.
    #[must_use]
    pub fn voids_after(
        &self,
        log_partition: &LogPartition,
        taken: Option<Offset>,
    ) -> &[Arc<VoidDecision>] {
        let all = self
            .voids_of
            .get(log_partition)
            .map_or(&[][..], Vec::as_slice);
        let first = all.partition_point(|void| Some(void.offset) <= taken);
        &all[first..]
    }

    /// What `init` created, by topic name.
    #[must_use]
    pub fn topic_created(&self, topic: &str) -> Option<&TopicCreated> {
        self.topics.get(topic)
    }

    /// How a usage partition begins; `None` where it is not adopted.
    #[must_use]
    pub fn adoption(&self, log_partition: &LogPartition) -> Option<&Adoption> {
        self.adoptions.get(log_partition)
    }

    /// All adoptions in force, by topic id and partition.
    pub fn adoptions(&self) -> impl Iterator<Item = &Adoption> {
        self.adoptions.values()
    }

    /// Verdicts in force on a partition, in the order of the control log, with their offsets there.
    #[must_use]
    pub fn verdicts(&self, log_partition: &LogPartition) -> &[(Offset, Verdict)] {
        self.verdicts.get(log_partition).map_or(&[], Vec::as_slice)
    }
}

fn compile(content: CatalogContent, offset: Offset) -> Result<Arc<CompiledCatalog>, Halt> {
    let fold = content.catalog.fold;
    if fold > NEWEST_FOLD {
        return Err(Halt::UnknownFold(format!(
            "the catalog at control offset {offset} needs fold {fold}, this binary has folds up \
             to {NEWEST_FOLD}; run a newer release"
        )));
    }
    CompiledCatalog::new(content.catalog)
        .map(Arc::new)
        .map_err(|problem| {
            Halt::UnknownFormat(format!(
                "the catalog at control offset {offset} is not one this binary folds by: {problem}"
            ))
        })
}

#[cfg(test)]
mod tests;
