//! Whether the checkpoint that is loaded next was made beside another control log or identity key.
//!
//! Nothing is wrong with such a manifest, so the store alone does not show it; a worker that loads
//! it halts, and would again after any verdict.

use super::facts::Scene;
use crate::commands::KAFKA_TIMEOUT;
use crate::failure::Failure;
use meterline_checkpoint::{Inspected, Manifest};
use meterline_core::control::View;
use meterline_core::position::LogPartition;
use meterline_core::resolve::{Foreign, Lack};
use meterline_core::verdicts::{self, Standing};
use std::sync::Arc;

/// What the manifest that is loaded next does not find here; `None` where it finds all.
pub(super) fn foreign(
    scene: &Scene<'_>,
    log_partition: LogPartition,
    inspected: &[Inspected],
) -> Result<Option<Foreign>, Failure> {
    let mut view = Arc::clone(&scene.view);
    let newest_decisions = inspected
        .iter()
        .filter_map(|one| Some(one.manifest.as_ref()?.control_offset))
        .max();
    if newest_decisions > Some(view.position()) {
        // Written since, by a worker that knew of a decision since.
        view = scene.control.read_to_end(KAFKA_TIMEOUT)?;
    }
    let sound = inspected.iter().filter(|one| one.problem.is_none());
    let standing =
        |manifest: &Manifest| verdicts::standing(view.verdicts(&log_partition), manifest.stamp());
    let mut sound = sound.filter_map(|one| one.manifest.as_ref());
    let is_next = |manifest: &&Manifest| !matches!(standing(manifest), Standing::GoBack(_));
    let Some(manifest) = sound.find(is_next) else {
        return Ok(None);
    };
    let lacks = |lacks, what: &str| {
        let what = format!("the checkpoint {} {what}", manifest.path());
        Some(Foreign { lacks, what })
    };
    let (made, here) = (manifest.control_topic_id, scene.control.topic_id());
    if here.is_some_and(|here| here != made) {
        let what = format!("was made beside control log {made}, this is another");
        return Ok(lacks(Lack::ControlLog, &what));
    }
    if let Some(what) = decisions(&view, manifest, standing(manifest)) {
        return Ok(lacks(Lack::Decisions, &what));
    }
    let key = scene.store.known_identity_key();
    let key = scene.session.runtime.block_on(key)?;
    if key.is_some_and(|key| key.digest() == manifest.header.identity_key) {
        return Ok(None);
    }
    let what = format!(
        "was made with the identity key of digest {}, which is not the store's",
        manifest.header.identity_key
    );
    Ok(lacks(Lack::IdentityKey, &what))
}

/// What of the manifest's decisions the control log does not have.
fn decisions(view: &View, manifest: &Manifest, standing: Standing) -> Option<String> {
    let (needed, read) = (manifest.control_offset, view.position());
    if needed > read || standing == Standing::Ahead {
        return Some(format!(
            "needs the control log to offset {needed} and epoch {}; it ends at {read}",
            manifest.header.epoch
        ));
    }
    let place = manifest.header.catalogs.last()?;
    let known = view.catalog_version(place.version);
    let is_known = known.is_some_and(|catalog| catalog.offset == place.control_offset);
    (!is_known).then(|| {
        format!(
            "names catalog version {} at control offset {}, which the control log does not have",
            place.version, place.control_offset
        )
    })
}
