//! How the state of a partition begins: at its adoption, or at a manifest's position.
//!
//! Refuses what is not of this binary's format, or of another deployment: a state is never guessed.

use super::buckets::Buckets;
use super::ids::Ids;
use super::moment::Moment;
use super::partition::Partition;
use super::trace::Trace;
use super::{CatalogPlace, Header};
use crate::bucket::{Bucket, Series};
use crate::control::{Adoption, CatalogDecision};
use crate::counters::Counters;
use crate::halt::Halt;
use crate::hash::IdentityKey;
use crate::position::Stamp;
use crate::runs::BucketEntry;
use std::sync::Arc;

impl Partition {
    /// A partition at its adoption's first offset, under the adoption's catalog version.
    #[must_use]
    pub fn begin(adoption: &Adoption, catalog: Arc<CatalogDecision>, key: IdentityKey) -> Self {
        let place = CatalogPlace {
            version: catalog.version,
            control_offset: catalog.offset,
            from: adoption.first_offset,
        };
        Self {
            log_partition: adoption.log_partition,
            partitions: adoption.partitions,
            position: Stamp {
                epoch: 0,
                offset: adoption.first_offset,
            },
            moment: Moment::BEGIN,
            catalogs: vec![place],
            matched: vec![0; catalog.compiled.meters.len()],
            catalog,
            key,
            voids_to: None,
            counters: Counters::default(),
            trace: Trace::begin(adoption.first_offset),
            ids: Ids::default(),
            buckets: Buckets::default(),
            scratch: super::apply::Scratch::default(),
        }
    }

    /// A partition at a manifest's position.
    ///
    /// `catalog` is the version in force, the last of `header.catalogs`. `levels` are the stored
    /// day and month buckets whose version is at or above that of (`header.epoch`,
    /// `header.levels_to`): their rows may not have reached ClickHouse, so they count as changed.
    ///
    /// # Errors
    /// A halt `unknown_format` where the header or an entry is not of this binary's format, or
    /// names another identity key or catalog version.
    pub fn restore(
        header: Header,
        catalog: Arc<CatalogDecision>,
        key: IdentityKey,
        levels: impl Iterator<Item = BucketEntry>,
    ) -> Result<Self, Halt> {
        let unknown =
            |what: String| Halt::UnknownFormat(format!("{}: {what}", header.log_partition));
        if header.identity_key != key.digest() {
            let what = format!(
                "the manifest's identity key {} is not the store's {}",
                header.identity_key,
                key.digest()
            );
            return Err(unknown(what));
        }
        if header
            .catalogs
            .last()
            .is_none_or(|place| place.version != catalog.version)
        {
            return Err(unknown(format!(
                "catalog version {} is not the manifest's",
                catalog.version
            )));
        }
        let trace = Trace::restore(header.position, &header.outcome_hash, &header.hash_samples)
            .ok_or_else(|| unknown("malformed outcome hash".to_owned()))?;
        let mut buckets = Buckets::default();
        for entry in levels {
            let series = Series::from_key(&entry.key);
            let (Some(series), Some(bucket)) = (series, Bucket::decode(&entry.state)) else {
                return Err(unknown(format!(
                    "bucket at version {} cannot be read",
                    entry.version
                )));
            };
            buckets.restore_level(series, entry.window, bucket);
        }
        Ok(Self {
            log_partition: header.log_partition,
            partitions: header.partitions,
            position: Stamp {
                epoch: header.epoch,
                offset: header.position,
            },
            moment: Moment {
                log_time: header.log_time,
                accept_floor: header.accept_floor,
                answer_floor: header.answer_floor,
                sealed_to: header.sealed_to,
            },
            catalogs: header.catalogs,
            matched: vec![0; catalog.compiled.meters.len()],
            catalog,
            key,
            voids_to: header.voids_to,
            counters: header.counters,
            trace,
            ids: Ids::default(),
            buckets,
            scratch: super::apply::Scratch::default(),
        })
    }
}
