//! Where a partition is read from: its newest checkpoint that the verdicts allow, or the
//! beginning of its adoption.

use crate::shared::Edges;
use meterline_checkpoint::{Manifest, StoreError};
use meterline_core::control::{Adoption, Verdict, View};
use meterline_core::halt::Halt;
use meterline_core::position::{LogPartition, Offset, Stamp};
use meterline_core::verdicts::{self, Standing};

/// Where a partition begins in this process.
pub(super) struct Start {
    /// How it began at all.
    pub(super) adoption: Adoption,
    /// What it goes on from; `None`: from its adoption's first offset.
    pub(super) manifest: Option<Manifest>,
    /// The first record to read.
    pub(super) offset: Offset,
}

/// Why a partition cannot be read yet.
pub(super) enum NotPlaced {
    /// A person must decide.
    Halted(Halt),
    /// It may pass.
    Later(String),
}

/// Finds where to read the partition from. Reads manifests only, so that it is quick.
#[tracing::instrument(skip_all, fields(partition = log_partition.partition))]
pub(super) async fn place(
    edges: &Edges,
    view: &View,
    log_partition: LogPartition,
) -> Result<Start, NotPlaced> {
    let verdicts = view.verdicts(&log_partition);
    verdicts::check_order(verdicts).map_err(NotPlaced::Halted)?;
    let adoption = view.adoption(&log_partition).ok_or_else(|| {
        NotPlaced::Halted(Halt::PartitionsChanged(format!(
            "partition {} was not there when the topic was adopted",
            log_partition.partition
        )))
    })?;
    let manifest = find(edges, verdicts, log_partition).await?;
    let position = manifest.as_ref().map_or(
        Stamp {
            epoch: 0,
            offset: adoption.first_offset,
        },
        Manifest::stamp,
    );
    Ok(Start {
        adoption: adoption.clone(),
        manifest,
        offset: verdicts::first_record(verdicts, position),
    })
}

async fn find(
    edges: &Edges,
    verdicts: &[(Offset, Verdict)],
    log_partition: LogPartition,
) -> Result<Option<Manifest>, NotPlaced> {
    let mut at_or_before = None;
    loop {
        let newest = edges.store.newest(log_partition, at_or_before).await;
        let Some(manifest) = newest.map_err(|error| failed(&error))? else {
            return Ok(None);
        };
        match verdicts::standing(verdicts, manifest.stamp()) {
            Standing::Good => return Ok(Some(manifest)),
            Standing::GoBack(position) => at_or_before = Some(position),
            Standing::Ahead => {
                let path = manifest.path();
                return Err(NotPlaced::Later(format!(
                    "{path} knows verdicts that were not read from the control log yet"
                )));
            }
        }
    }
}

fn failed(error: &StoreError) -> NotPlaced {
    error
        .halt()
        .map_or_else(|| NotPlaced::Later(error.chain()), NotPlaced::Halted)
}
