//! Looking at checkpoints from outside, and setting aside those that nobody may load any more.
//!
//! For commands. Nothing is passed over here: every manifest is shown with what is wrong with it.
//! What is refused: to delete one. A manifest that is set aside keeps its files, under `set-aside/`
//! and its own path, until a person removes it.

use super::Store;
use super::manifests::{failed, samples};
use crate::error::StoreError;
use crate::manifest::{FileRef, Manifest};
use futures::TryStreamExt;
use meterline_core::position::{LogPartition, Offset, Stamp, TopicId};
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt};
use std::collections::{BTreeMap, BTreeSet};

/// Where manifests go that were set aside.
pub(super) const SET_ASIDE: &str = "set-aside";

/// A manifest as it lies in the store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Inspected {
    /// Its path in the store.
    pub path: String,
    /// Epoch and position, by its name.
    pub stamp: Stamp,
    /// What it says; `None` where it cannot be read.
    pub manifest: Option<Manifest>,
    /// Why it cannot be used; `None` where it can.
    pub problem: Option<Problem>,
}

/// Why a manifest cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// Its text, or one of its files, does not fit its checksum.
    #[error("damaged: {0}")]
    Damaged(String),
    /// A file is missing or has another length.
    #[error("incomplete: {0}")]
    Incomplete(String),
    /// This binary does not read its format.
    #[error("unknown format: {0}")]
    UnknownFormat(String),
    /// Another manifest of its epoch says something else of the same records.
    #[error("disputed: {0}")]
    Disputed(String),
}

/// Files that no manifest names.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Orphans {
    /// Their number.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Every manifest of a partition, newest first, with what is wrong with it.
    ///
    /// With `read`, every byte of every file is compared with its checksum.
    ///
    /// # Errors
    /// When the store fails; what a manifest lacks is an answer, not an error.
    pub async fn inspect(
        &self,
        partition: LogPartition,
        read: bool,
    ) -> Result<Vec<Inspected>, StoreError> {
        let mut inspected = Vec::new();
        for listed in self.manifests_of(partition).await? {
            let path = listed.path.to_string();
            let (manifest, problem) = self.look_at(&path, read).await?;
            inspected.push(Inspected {
                path,
                stamp: listed.stamp,
                manifest,
                problem,
            });
        }
        mark_disputed(&mut inspected);
        Ok(inspected)
    }

    async fn look_at(
        &self,
        path: &str,
        read: bool,
    ) -> Result<(Option<Manifest>, Option<Problem>), StoreError> {
        let Some(text) = self.read(&ObjectPath::from(path)).await? else {
            return Ok((None, Some(Problem::Incomplete("it was deleted".to_owned()))));
        };
        let manifest = match Manifest::decode(&text, path) {
            Ok(manifest) => manifest,
            Err(error) => return Ok((None, Some(problem_of(error)?))),
        };
        for file in &manifest.files {
            let checked = match self.check_file(file).await {
                Ok(()) if read => self.check_content(file).await,
                checked => checked,
            };
            if let Err(error) = checked {
                return Ok((Some(manifest), Some(problem_of(error)?)));
            }
        }
        Ok((Some(manifest), None))
    }

    /// Reads a file whole and compares it with the checksum that its manifest names.
    async fn check_content(&self, file: &FileRef) -> Result<(), StoreError> {
        let path = ObjectPath::from(file.path());
        let objects = &self.0.objects;
        let found = objects.get(&path).await;
        let found = found.map_err(|source| failed("read", &path, source))?;
        let hash = found
            .into_stream()
            .try_fold(blake3::Hasher::new(), |mut hasher, bytes| {
                hasher.update(&bytes);
                std::future::ready(Ok(hasher))
            });
        let hash = hash.await.map_err(|source| failed("read", &path, source))?;
        if hash.finalize().to_hex().as_str() == file.checksum {
            return Ok(());
        }
        Err(StoreError::Damaged {
            object: file.path(),
            place: "its content".to_owned(),
            reason: "the checksum does not fit",
        })
    }

    /// The partitions that the store has manifests of.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn partitions(&self) -> Result<BTreeSet<LogPartition>, StoreError> {
        let paths = self.list(&ObjectPath::from("manifests")).await?;
        Ok(paths.iter().filter_map(partition_of).collect())
    }

    /// Moves a manifest out of the way; its files stay. Returns where it is now.
    ///
    /// # Errors
    /// When the store fails, or has no such manifest.
    pub async fn set_aside(&self, path: &str) -> Result<String, StoreError> {
        let from = ObjectPath::from(path);
        let to = ObjectPath::from(format!("{SET_ASIDE}/{path}"));
        let moved = self.0.objects.rename(&from, &to).await;
        moved.map_err(|source| failed("set aside", &from, source))?;
        Ok(to.to_string())
    }

    /// Files that no manifest names, set aside or not; `None` while a manifest cannot be read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn orphans(&self) -> Result<Option<Orphans>, StoreError> {
        let prefix = ObjectPath::from("files");
        let files: Vec<_> = self
            .0
            .objects
            .list(Some(&prefix))
            .try_collect()
            .await
            .map_err(|source| failed("list", &prefix, source))?;
        let Some(named) = self.named_files().await? else {
            return Ok(None);
        };
        let mut orphans = Orphans::default();
        for file in files
            .iter()
            .filter(|f| !named.contains(f.location.as_ref()))
        {
            orphans.files += 1;
            orphans.bytes += file.size;
        }
        Ok(Some(orphans))
    }

    /// Paths of the files that manifests name which were set aside; what cannot be read names none.
    pub(super) async fn files_set_aside(&self) -> Result<Vec<String>, StoreError> {
        let mut named = Vec::new();
        for path in self.list(&ObjectPath::from(SET_ASIDE)).await? {
            let Some(text) = self.read(&path).await? else {
                continue;
            };
            let home = path.as_ref().trim_start_matches(SET_ASIDE);
            if let Ok(manifest) = Manifest::decode(&text, home.trim_start_matches('/')) {
                named.extend(manifest.files.iter().map(FileRef::path));
            }
        }
        Ok(named)
    }
}

/// What an error says of a manifest; an error that says nothing of it is returned.
fn problem_of(error: StoreError) -> Result<Problem, StoreError> {
    match error {
        StoreError::Damaged { .. } => Ok(Problem::Damaged(error.to_string())),
        StoreError::Incomplete { .. } => Ok(Problem::Incomplete(error.to_string())),
        StoreError::UnknownFormat { .. } => Ok(Problem::UnknownFormat(error.to_string())),
        StoreError::Object {
            source: Error::NotFound { .. },
            ..
        } => Ok(Problem::Incomplete(error.to_string())),
        error => Err(error),
    }
}

/// Reads topic id and partition from `manifests/<topic id>/<partition>/…`.
fn partition_of(path: &ObjectPath) -> Option<LogPartition> {
    let mut parts = path.parts().skip(1);
    let topic_id = TopicId::try_from(parts.next()?.as_ref().to_owned()).ok()?;
    let partition = parts.next()?.as_ref().parse().ok()?;
    Some(LogPartition {
        topic_id,
        partition,
    })
}

/// Marks manifests of an epoch whose histories disagree, from where they do.
///
/// A manifest behind the first disagreement belongs to one of the histories, and nobody can say to
/// which: all of them are disputed. Before it, those up to the last hash that two manifests agree on
/// are good. Where there is no such hash, only the oldest manifest is: the further back, the less
/// may have gone wrong.
fn mark_disputed(inspected: &mut [Inspected]) {
    let epochs: BTreeSet<u16> = inspected.iter().map(|i| i.stamp.epoch).collect();
    for epoch in epochs {
        let of_epoch = |i: &&Inspected| i.stamp.epoch == epoch && i.manifest.is_some();
        let manifests: Vec<&Inspected> = inspected.iter().filter(of_epoch).collect();
        let Some(dispute) = Dispute::find(&manifests) else {
            continue;
        };
        let Dispute { at, text, good_to } = dispute;
        for one in inspected.iter_mut().filter(|i| i.stamp.epoch == epoch) {
            if one.stamp.offset > good_to && one.problem.is_none() {
                let why = if one.stamp.offset >= at {
                    text.clone()
                } else {
                    format!("it is close before a dispute: {text}")
                };
                one.problem = Some(Problem::Disputed(why));
            }
        }
    }
}

struct Dispute {
    /// The first offset whose hash differs.
    at: Offset,
    text: String,
    /// Manifests up to here are good.
    good_to: Offset,
}

impl Dispute {
    fn find(manifests: &[&Inspected]) -> Option<Self> {
        let mut hashes: BTreeMap<Offset, BTreeMap<&str, Vec<&str>>> = BTreeMap::new();
        for one in manifests {
            for (offset, hash) in samples(one.manifest.as_ref()?) {
                let paths = hashes.entry(offset).or_default();
                paths.entry(hash).or_default().push(&one.path);
            }
        }
        let (at, sides) = hashes.iter().find(|(_, sides)| sides.len() > 1)?;
        let paths: Vec<_> = sides.values().filter_map(|paths| paths.first()).collect();
        let paths: Vec<_> = paths.iter().map(|path| format!("`{path}`")).collect();
        let text = format!(
            "{} disagree on what the records before offset {at} did",
            paths.join(" and ")
        );
        let agreed = hashes.range(..at).rev();
        let agreed = agreed.filter(|(_, sides)| sides.values().any(|paths| paths.len() > 1));
        let oldest = manifests.iter().map(|one| one.stamp.offset).min();
        let last_agreed = agreed.map(|(offset, _)| *offset).next();
        let good_to = last_agreed.or(oldest.filter(|oldest| oldest < at));
        Some(Self {
            at: *at,
            text,
            good_to: good_to.unwrap_or(0),
        })
    }
}
