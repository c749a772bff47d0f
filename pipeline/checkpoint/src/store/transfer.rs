//! Runs on their way between the local disk and an object store, in parts.
//!
//! A run can be many gigabytes: what is in memory is a few parts, and a request never lasts longer
//! than a part takes, so that its timeout tells a slow store from a dead one. What arrives is
//! hashed on the way and refused where it is not what its name says.

use super::blocking;
use super::manifests::failed;
use crate::error::StoreError;
use crate::manifest::FileRef;
use bytes::Bytes;
use futures::StreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of one request: above the 5 MiB that S3 asks for, and with its 10,000 parts at most
/// enough for runs of 160 GB.
const PART: u64 = 16 << 20;
/// Parts on their way at once: fills a link of some gigabits, and bounds memory to 64 MiB a run.
const PARTS_AT_ONCE: usize = 4;

/// Writes a local file as an object.
pub(super) async fn upload(
    objects: &dyn ObjectStore,
    path: &Path,
    to: &ObjectPath,
    length: u64,
) -> Result<(), StoreError> {
    let stored = |source| failed("store run", to, source);
    let file = Arc::new(open(path)?);
    if length <= PART {
        let whole = read_part(&file, path, 0, length).await?;
        return objects
            .put(to, whole.into())
            .await
            .map(drop)
            .map_err(stored);
    }
    let upload = objects.put_multipart(to).await.map_err(stored)?;
    let part = usize::try_from(PART).expect("a part fits in memory");
    let mut writer = WriteMultipart::new_with_chunk_size(upload, part);
    for (from, length) in parts(length) {
        let next = match read_part(&file, path, from, length).await {
            Ok(bytes) => writer
                .wait_for_capacity(PARTS_AT_ONCE)
                .await
                .map(|()| bytes)
                .map_err(stored),
            Err(error) => Err(error),
        };
        match next {
            Ok(bytes) => writer.put(bytes),
            Err(error) => {
                // Parts of an upload that is not completed cost until the store forgets them.
                let _ = writer.abort().await;
                return Err(error);
            }
        }
    }
    writer.finish().await.map(drop).map_err(stored)
}

/// Brings an object into a new local file, verified; what could not be finished is removed.
pub(super) async fn download(
    objects: &dyn ObjectStore,
    from: &ObjectPath,
    file: &FileRef,
    to: PathBuf,
) -> Result<(), StoreError> {
    let fetched = fetch(objects, from, file, &to).await;
    if fetched.is_err() {
        // Collected later where this fails too.
        let _ = std::fs::remove_file(&to);
    }
    fetched
}

async fn fetch(
    objects: &dyn ObjectStore,
    from: &ObjectPath,
    file: &FileRef,
    to: &Path,
) -> Result<(), StoreError> {
    let requests =
        parts(file.length).map(|(start, length)| objects.get_range(from, start..start + length));
    let mut arriving = futures::stream::iter(requests.collect::<Vec<_>>()).buffered(PARTS_AT_ONCE);
    let mut writer = Writer::create(to)?;
    while let Some(part) = arriving.next().await {
        let part = match part {
            Err(object_store::Error::NotFound { .. }) => return Err(file.incomplete(None)),
            part => part.map_err(|source| failed("fetch run", from, source))?,
        };
        writer = blocking("write the local copy of a run", move || writer.add(&part)).await?;
    }
    let hash = blocking("write the local copy of a run", move || writer.finish()).await?;
    if hash != file.checksum {
        return Err(StoreError::Damaged {
            object: from.to_string(),
            place: "its content".to_owned(),
            reason: "its hash is not the one it is named by",
        });
    }
    Ok(())
}

/// Start and length of each part.
fn parts(length: u64) -> impl Iterator<Item = (u64, u64)> {
    let count = length.div_ceil(PART);
    (0..count).map(move |n| (n * PART, PART.min(length - n * PART)))
}

async fn read_part(
    file: &Arc<File>,
    path: &Path,
    from: u64,
    length: u64,
) -> Result<Bytes, StoreError> {
    let (file, path) = (Arc::clone(file), path.to_owned());
    blocking("read a run to store it", move || {
        let mut bytes = vec![0; usize::try_from(length).expect("a part fits in memory")];
        match file.read_exact_at(&mut bytes, from) {
            Ok(()) => Ok(bytes.into()),
            Err(source) => Err(io_failed("read run", &path, source)),
        }
    })
    .await
}

fn open(path: &Path) -> Result<File, StoreError> {
    File::open(path).map_err(|source| io_failed("open run", path, source))
}

fn io_failed(action: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// A local file that is being written and hashed.
struct Writer {
    path: PathBuf,
    file: File,
    hasher: blake3::Hasher,
}

impl Writer {
    fn create(path: &Path) -> Result<Self, StoreError> {
        let file = super::create(path).map_err(|e| io_failed("create the copy", path, e))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            hasher: blake3::Hasher::new(),
        })
    }

    fn add(mut self, part: &[u8]) -> Result<Self, StoreError> {
        self.hasher.update(part);
        match self.file.write_all(part) {
            Ok(()) => Ok(self),
            Err(source) => Err(io_failed("write the copy", &self.path, source)),
        }
    }

    /// Makes the file durable; its hash, as manifests write it.
    fn finish(self) -> Result<String, StoreError> {
        let synced = self.file.sync_all();
        synced.map_err(|source| io_failed("write the copy", &self.path, source))?;
        Ok(self.hasher.finalize().to_hex().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_file_once() {
        for (length, expected) in [
            (0, vec![]),
            (5, vec![(0, 5)]),
            (PART, vec![(0, PART)]),
            (2 * PART + 1, vec![(0, PART), (PART, PART), (2 * PART, 1)]),
        ] {
            assert_eq!(parts(length).collect::<Vec<_>>(), expected, "{length}");
        }
    }
}
