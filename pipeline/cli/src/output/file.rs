//! Results in files: whole, or not there.
//!
//! Written beside the place under a temporary name, made durable, then renamed. A full disk, a
//! failed query or a kill leaves what was there before; after a kill the temporary file stays.

use anyhow::{Context as _, Result};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is being written.
#[derive(Debug)]
pub(crate) struct WholeFile {
    path: PathBuf,
    temporary: PathBuf,
    out: BufWriter<File>,
    is_finished: bool,
}

impl WholeFile {
    /// Begins; nothing is at `path` yet that was not there before.
    ///
    /// # Errors
    /// When no file can be made in its folder.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let refused = || format!("failed to write {}: it names no file", path.display());
        let name = path.file_name().with_context(refused)?;
        let mut temporary = name.to_owned();
        temporary.push(format!(".{}.part", std::process::id()));
        let temporary = path.with_file_name(temporary);
        let file = File::create_new(&temporary)
            .with_context(|| format!("failed to create {}", temporary.display()))?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
            out: BufWriter::new(file),
            is_finished: false,
        })
    }

    /// Puts the whole file in its place.
    ///
    /// # Errors
    /// When it cannot be made durable or renamed; then nothing changed at its place. Or when its
    /// name cannot be made durable; then it is in its place, and a power cut may undo that.
    pub(crate) fn finish(self) -> Result<()> {
        self.finish_with(|folder| File::open(folder)?.sync_all())
    }

    fn finish_with(mut self, sync: impl FnOnce(&Path) -> std::io::Result<()>) -> Result<()> {
        self.put_in_place().with_context(|| self.failed())?;
        self.is_finished = true;
        let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
        // The name is durable once its folder is.
        sync(folder.unwrap_or(Path::new("."))).with_context(|| {
            let path = self.path.display();
            format!("{path} is written and whole, but a power cut may still undo it")
        })
    }

    fn put_in_place(&mut self) -> std::io::Result<()> {
        self.out.flush()?;
        self.out.get_ref().sync_all()?;
        std::fs::rename(&self.temporary, &self.path)
    }

    /// What to say where writing fails.
    pub(crate) fn failed(&self) -> String {
        let path = self.path.display();
        format!("failed to write {path}; what was there before is still there")
    }
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}

impl Drop for WholeFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // Nothing reads the temporary file; one that cannot be removed does no harm.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<_> = names
            .map(|name| name.into_string().expect("text"))
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_there_only_once_it_is_whole() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("usage.csv");
        std::fs::write(&path, "before").expect("written");
        let mut file = WholeFile::create(&path).expect("created");
        file.write_all(b"after").expect("written");
        file.flush().expect("flushed");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "before");
        file.finish().expect("in place");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "after");
        assert_eq!(names(folder.path()), ["usage.csv"]);
    }

    #[test]
    fn a_name_that_cannot_be_made_durable_is_not_said_to_be_unchanged() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("usage.csv");
        std::fs::write(&path, "before").expect("written");
        let mut file = WholeFile::create(&path).expect("created");
        file.write_all(b"after").expect("written");
        let sync = |synced: &Path| {
            assert_eq!(synced, folder.path());
            Err(std::io::Error::other("no disk"))
        };
        let refused = file.finish_with(sync).expect_err("it is said");
        let refused = format!("{refused:#}");
        assert!(refused.contains("usage.csv is written"), "{refused}");
        assert!(refused.ends_with("undo it: no disk"), "{refused}");
        assert_eq!(std::fs::read_to_string(&path).expect("read"), "after");
        assert_eq!(names(folder.path()), ["usage.csv"]);
    }

    #[test]
    fn one_that_was_not_finished_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("usage.csv");
        let mut file = WholeFile::create(&path).expect("created");
        file.write_all(b"half").expect("written");
        drop(file);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = WholeFile::create(&folder.path().join("no/usage.csv"));
        let refused = refused.expect_err("no folder").to_string();
        assert!(refused.contains("/no/usage.csv."), "{refused}");
        let refused = WholeFile::create(Path::new("/")).expect_err("no name");
        assert!(refused.to_string().contains("names no file"), "{refused}");
    }
}
