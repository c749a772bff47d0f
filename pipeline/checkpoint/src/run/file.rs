//! An open run: its directory and filters in memory, its pages read and checked one by one.

use super::directory::{Directory, Entry, Page, Reader, Section};
use super::{FOOTER_LENGTH, HEADER_LENGTH, MAGIC, RUN_FORMAT, filter, page};
use crate::error::StoreError;
use crate::manifest::FileRef;
use meterline_core::hash::Identity;
use meterline_core::runs::{BucketEntry, IdEntry};
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// An open run: immutable, cheap to clone, readable from any thread.
#[derive(Clone, Debug)]
pub struct RunFile(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    reference: FileRef,
    path: PathBuf,
    file: File,
    directory: Directory,
    filters: Vec<u8>,
}

/// Tells whether a run is still open anywhere in this process.
#[derive(Debug)]
pub(crate) struct OpenRun(Weak<Opened>);

impl OpenRun {
    pub(crate) fn is_open(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl RunFile {
    /// What a manifest says of it.
    #[must_use]
    pub fn file(&self) -> &FileRef {
        &self.0.reference
    }

    /// Memory that its filters take, in bytes.
    pub(crate) fn filter_bytes(&self) -> usize {
        self.0.filters.len()
    }

    /// Opens a run and reads its directory and filters.
    pub(crate) fn open(path: &Path, reference: FileRef) -> Result<Self, StoreError> {
        let failed = |source: std::io::Error| StoreError::Io {
            action: "open run",
            path: path.to_owned(),
            source,
        };
        let file = match File::open(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(reference.incomplete(None));
            }
            opened => opened.map_err(failed)?,
        };
        let length = file.metadata().map_err(failed)?.len();
        if length != reference.length {
            return Err(reference.incomplete(Some(length)));
        }
        let source = Source {
            path,
            file: &file,
            length,
        };
        source.check_header()?;
        let directory = source.directory()?;
        let filters = source.filters(&directory)?;
        if totals(&directory) != (reference.ids, reference.buckets) {
            return Err(source.damaged("directory".to_owned(), "it holds other entries than named"));
        }
        let path = path.to_owned();
        Ok(Self(Arc::new(Opened {
            reference,
            path,
            file,
            directory,
            filters,
        })))
    }

    /// Watches how long the run stays open.
    pub(crate) fn watch(&self) -> OpenRun {
        OpenRun(Arc::downgrade(&self.0))
    }

    /// The sections of one kind of entry, ascending.
    pub(crate) fn sections<E: Entry>(&self) -> &[Section<E>] {
        E::sections(&self.0.directory)
    }

    /// Whether the id is in one of these sections, which are all of one hour.
    pub(crate) fn has_id(&self, of: Range<usize>, id: Identity) -> Result<bool, StoreError> {
        let Some((section, page)) = self.id_page(of, id) else {
            return Ok(false);
        };
        let bytes = self.read(section, page)?;
        page::id_page_has(&bytes, id).ok_or_else(|| self.malformed(section, page))
    }

    /// The id's note, where it is in one of these sections, which are all of one hour.
    pub(crate) fn note(
        &self,
        of: Range<usize>,
        id: Identity,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let Some((section, page)) = self.id_page(of, id) else {
            return Ok(None);
        };
        let bytes = self.read(section, page)?;
        page::find_note(&bytes, section.group, id).ok_or_else(|| self.malformed(section, page))
    }

    /// The only page of these sections that may hold the id.
    fn id_page(&self, of: Range<usize>, id: Identity) -> Option<(&Section<IdEntry>, &Page<u128>)> {
        let sections = &self.sections::<IdEntry>()[of];
        let section = last_at_or_before(sections, |section| *section.first() <= id.0)?;
        if !filter::may_hold(self.filter(section), filter::id_key(id.0)) {
            return None;
        }
        let page = last_at_or_before(&section.pages, |page| page.first <= id.0)
            .expect("the first page begins as its section does");
        Some((section, page))
    }

    /// Version and state of a bucket in one of these sections, which are all of one window.
    ///
    /// `filter_key` is [`filter::bucket_key`] of the key, so that it is made once for all runs.
    pub(crate) fn bucket(
        &self,
        of: Range<usize>,
        key: &[u8],
        filter_key: u64,
    ) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let sections = &self.sections::<BucketEntry>()[of];
        let Some(section) = last_at_or_before(sections, |section| &**section.first() <= key) else {
            return Ok(None);
        };
        if !filter::may_hold(self.filter(section), filter_key) {
            return Ok(None);
        }
        let page = last_at_or_before(&section.pages, |page| &*page.first <= key)
            .expect("the first page begins as its section does");
        let bytes = self.read(section, page)?;
        let found = page::find_bucket(&bytes, key).ok_or_else(|| self.malformed(section, page))?;
        Ok(found.map(|bucket| (bucket.version, bucket.state.to_vec())))
    }

    /// Reads all entries of the sections that are wanted, in order.
    pub(crate) fn entries<E: Entry>(&self, wanted: impl Fn(&Section<E>) -> bool) -> Cursor<E> {
        let pages = self
            .sections::<E>()
            .iter()
            .enumerate()
            .filter(|(_, section)| wanted(section));
        let mut pages: Vec<_> = pages
            .map(|(at, section)| (at, 0..section.pages.len()))
            .collect();
        pages.reverse();
        Cursor {
            run: self.clone(),
            pages,
            entries: Vec::new().into_iter(),
        }
    }

    fn filter<E: Entry>(&self, section: &Section<E>) -> &[u8] {
        &self.0.filters[section.filter.clone()]
    }

    /// Reads a page and checks it.
    fn read<E: Entry>(
        &self,
        section: &Section<E>,
        page: &Page<E::Key>,
    ) -> Result<Vec<u8>, StoreError> {
        let mut bytes = vec![0; usize::try_from(page.length).expect("pages fit in memory")];
        self.0
            .file
            .read_exact_at(&mut bytes, page.offset)
            .map_err(|source| StoreError::Io {
                action: "read a page of run",
                path: self.0.path.clone(),
                source,
            })?;
        if crc32c::crc32c(&bytes) != page.crc {
            return Err(self.damaged(section, page, "the checksum does not fit"));
        }
        Ok(bytes)
    }

    fn malformed<E: Entry>(&self, section: &Section<E>, page: &Page<E::Key>) -> StoreError {
        self.damaged(section, page, "it is no page")
    }

    fn damaged<E: Entry>(
        &self,
        section: &Section<E>,
        page: &Page<E::Key>,
        reason: &'static str,
    ) -> StoreError {
        StoreError::Damaged {
            object: self.0.path.display().to_string(),
            place: format!(
                "the page at byte {}, {}",
                page.offset,
                E::group_name(section.group)
            ),
            reason,
        }
    }
}

/// The last element that begins at or before what is looked for, in an ascending list.
fn last_at_or_before<T>(list: &[T], begins: impl Fn(&T) -> bool) -> Option<&T> {
    list.partition_point(begins)
        .checked_sub(1)
        .map(|at| &list[at])
}

fn totals(directory: &Directory) -> (u64, u64) {
    let ids = directory
        .ids
        .iter()
        .map(|section| u64::from(section.entries))
        .sum();
    let buckets = directory
        .buckets
        .iter()
        .map(|section| u64::from(section.entries))
        .sum();
    (ids, buckets)
}

/// A file of the right length that may or may not hold a run.
struct Source<'a> {
    path: &'a Path,
    file: &'a File,
    length: u64,
}

impl Source<'_> {
    fn check_header(&self) -> Result<(), StoreError> {
        let header = self.read("header", 0, HEADER_LENGTH)?;
        let mut reader = Reader(&header);
        if reader.array() != Some(MAGIC) {
            return Err(self.damaged("header".to_owned(), "it is no run"));
        }
        match reader.u32() {
            Some(RUN_FORMAT) => Ok(()),
            found => Err(StoreError::UnknownFormat {
                object: self.path.display().to_string(),
                found: found.unwrap_or(0),
                known: RUN_FORMAT,
            }),
        }
    }

    fn directory(&self) -> Result<Directory, StoreError> {
        let bad_footer = |reason| self.damaged("footer".to_owned(), reason);
        let at = self.length.saturating_sub(FOOTER_LENGTH);
        let footer = self.read("footer", at, FOOTER_LENGTH)?;
        let mut reader = Reader(&footer);
        let parse = |reader: &mut Reader<'_>| {
            let offset = u64::from_le_bytes(reader.array()?);
            let length = u64::from_le_bytes(reader.array()?);
            Some((offset, length, reader.u32()?, reader.u32()?))
        };
        let (offset, length, crc, footer_crc) = parse(&mut reader).expect("it has 24 bytes");
        if crc32c::crc32c(&footer[..20]) != footer_crc {
            return Err(bad_footer("the checksum does not fit"));
        }
        if offset.checked_add(length) != Some(at) {
            return Err(bad_footer("its lengths do not add up to the file's"));
        }
        let bytes = self.read("directory", offset, length)?;
        if crc32c::crc32c(&bytes) != crc {
            return Err(self.damaged("directory".to_owned(), "the checksum does not fit"));
        }
        Directory::decode(&bytes, offset)
            .map_err(|reason| self.damaged("directory".to_owned(), reason))
    }

    fn filters(&self, directory: &Directory) -> Result<Vec<u8>, StoreError> {
        let filters = self.read(
            "filters",
            directory.filters_offset,
            directory.filters_length as u64,
        )?;
        self.check_filters(&directory.ids, &filters)?;
        self.check_filters(&directory.buckets, &filters)?;
        Ok(filters)
    }

    fn check_filters<E: Entry>(&self, of: &[Section<E>], filters: &[u8]) -> Result<(), StoreError> {
        match of.iter().find(|section| !section.filter_is_sound(filters)) {
            None => Ok(()),
            Some(section) => {
                let place = format!("the filter of {}", E::group_name(section.group));
                Err(self.damaged(place, "the checksum does not fit"))
            }
        }
    }

    /// Reads a part whose length is bounded by the file's.
    fn read(&self, part: &'static str, offset: u64, length: u64) -> Result<Vec<u8>, StoreError> {
        let end = offset.checked_add(length);
        if end.is_none_or(|end| end > self.length) {
            return Err(self.damaged(part.to_owned(), "it ends behind the file"));
        }
        let mut bytes = vec![0; usize::try_from(length).expect("parts fit in memory")];
        self.file
            .read_exact_at(&mut bytes, offset)
            .map_err(|source| StoreError::Io {
                action: "read run",
                path: self.path.to_owned(),
                source,
            })?;
        Ok(bytes)
    }

    fn damaged(&self, place: String, reason: &'static str) -> StoreError {
        StoreError::Damaged {
            object: self.path.display().to_string(),
            place,
            reason,
        }
    }
}

/// Reads entries page by page: what is in memory is one page.
pub(crate) struct Cursor<E: Entry> {
    run: RunFile,
    /// Sections still to be read with their pages, last first.
    pages: Vec<(usize, Range<usize>)>,
    entries: std::vec::IntoIter<E>,
}

impl<E: Entry> Cursor<E> {
    /// The entries of the next page; `None` at the end.
    fn next_page(&mut self) -> Option<Result<Vec<E>, StoreError>> {
        let (at, page) = loop {
            let (section, pages) = self.pages.last_mut()?;
            match pages.next() {
                Some(page) => break (*section, page),
                None => self.pages.pop(),
            };
        };
        let section = &self.run.sections::<E>()[at];
        let page = &section.pages[page];
        let decoded = self.run.read(section, page).and_then(|bytes| {
            E::decode_page(&bytes, section.group).ok_or_else(|| self.run.malformed(section, page))
        });
        Some(decoded)
    }
}

impl<E: Entry> Iterator for Cursor<E> {
    type Item = Result<E, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.entries.next() {
                return Some(Ok(entry));
            }
            match self.next_page()? {
                Ok(entries) => self.entries = entries.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
