//! Writing a run: entries in ascending order in, one file out, in one pass.
//!
//! What is held in memory is one page, the keys of one section, and the directory and filters of
//! the whole run (about 10 bits per id), whatever the number of entries.

use super::directory::{Directory, Entry, Page, Section};
use super::page::{IdPage, push_bucket};
use super::{
    HEADER_LENGTH, MAGIC, PAGE_LENGTH_TARGET, PART_LENGTH_MAX, RUN_FORMAT, SECTION_ENTRIES_MAX,
    filter,
};
use crate::error::StoreError;
use meterline_core::runs::{BucketEntry, IdEntry};
use std::io::{self, Write};

/// Writes one run. All ids come first, then all buckets, each strictly ascending.
pub(crate) struct RunWriter<W: Write> {
    out: Sink<W>,
    filters: Vec<u8>,
    id_page: IdPage,
    bucket_page: Vec<u8>,
    ids: Open<IdEntry>,
    buckets: Open<BucketEntry>,
}

/// What was written.
pub(crate) struct Written {
    /// Hash of the whole content.
    pub(crate) hash: blake3::Hash,
    /// Length of the file.
    pub(crate) length: u64,
    /// Number of ids.
    pub(crate) ids: u64,
    /// Number of buckets.
    pub(crate) buckets: u64,
}

/// Why a run could not be written.
pub(crate) enum WriteFailed {
    /// An entry does not fit the format, or could not be read.
    Store(StoreError),
    /// The file could not be written.
    Io(io::Error),
}

impl From<io::Error> for WriteFailed {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<W: Write> RunWriter<W> {
    /// Begins a run.
    pub(crate) fn new(out: W) -> io::Result<Self> {
        let mut out = Sink::new(out);
        out.write(&MAGIC)?;
        out.write(&RUN_FORMAT.to_le_bytes())?;
        debug_assert_eq!(out.length, HEADER_LENGTH, "the layout says so");
        Ok(Self {
            out,
            filters: Vec::new(),
            id_page: IdPage::default(),
            bucket_page: Vec::new(),
            ids: Open::new(),
            buckets: Open::new(),
        })
    }

    /// Adds an id.
    pub(crate) fn id(&mut self, entry: &IdEntry) -> Result<(), WriteFailed> {
        check_length("a note", &entry.note)?;
        if self.id_page.is_full() || self.ids.is_other_section(entry) {
            self.close_id_page()?;
        }
        if self.ids.is_other_section(entry) {
            self.ids.close_section(&mut self.filters);
        }
        self.ids.push(entry, filter::id_key(entry.id.0));
        self.id_page.push(entry);
        Ok(())
    }

    /// Adds a bucket.
    pub(crate) fn bucket(&mut self, entry: &BucketEntry) -> Result<(), WriteFailed> {
        check_length("a bucket's key", &entry.key)?;
        check_length("a bucket's state", &entry.state)?;
        self.end_ids()?;
        let is_full = self.bucket_page.len() >= PAGE_LENGTH_TARGET;
        if is_full || self.buckets.is_other_section(entry) {
            self.close_bucket_page()?;
        }
        if self.buckets.is_other_section(entry) {
            self.buckets.close_section(&mut self.filters);
        }
        self.buckets.push(entry, filter::bucket_key(&entry.key));
        push_bucket(&mut self.bucket_page, entry);
        Ok(())
    }

    /// Ends the run; gives back what it was written to.
    pub(crate) fn finish(mut self) -> io::Result<(W, Written)> {
        self.end_ids()?;
        self.close_bucket_page()?;
        self.buckets.close_section(&mut self.filters);
        let filters = self.filters;
        let (ids, buckets) = (self.ids.total, self.buckets.total);
        let directory = Directory {
            ids: self.ids.closed,
            buckets: self.buckets.closed,
            filters_offset: self.out.length,
            filters_length: filters.len(),
        };
        self.out.write(&filters)?;
        let directory = directory.encode();
        let footer = footer(&directory, self.out.length);
        self.out.write(&directory)?;
        self.out.write(&footer)?;
        let (out, hash, length) = self.out.finish()?;
        Ok((
            out,
            Written {
                hash,
                length,
                ids,
                buckets,
            },
        ))
    }

    /// Closes what is open of the ids: pages and filters lie in the directory's order.
    fn end_ids(&mut self) -> io::Result<()> {
        self.close_id_page()?;
        self.ids.close_section(&mut self.filters);
        Ok(())
    }

    fn close_id_page(&mut self) -> io::Result<()> {
        let mut page = Vec::new();
        if self.ids.page_first.is_some() {
            self.id_page.take_into(&mut page);
            self.ids.close_page(&page, &mut self.out)?;
        }
        Ok(())
    }

    fn close_bucket_page(&mut self) -> io::Result<()> {
        if self.buckets.page_first.is_some() {
            self.buckets.close_page(&self.bucket_page, &mut self.out)?;
            self.bucket_page.clear();
        }
        Ok(())
    }
}

fn check_length(what: &'static str, part: &[u8]) -> Result<(), WriteFailed> {
    let (length, limit) = (part.len(), PART_LENGTH_MAX);
    if length > limit {
        return Err(WriteFailed::Store(StoreError::TooLong {
            what,
            length,
            limit,
        }));
    }
    Ok(())
}

fn footer(directory: &[u8], offset: u64) -> Vec<u8> {
    let mut footer = Vec::with_capacity(24);
    footer.extend_from_slice(&offset.to_le_bytes());
    footer.extend_from_slice(&(directory.len() as u64).to_le_bytes());
    footer.extend_from_slice(&crc32c::crc32c(directory).to_le_bytes());
    footer.extend_from_slice(&crc32c::crc32c(&footer).to_le_bytes());
    footer
}

/// The sections of one kind of entry: those that are closed, and the one that is being filled.
struct Open<E: Entry> {
    closed: Vec<Section<E>>,
    group: Option<E::Group>,
    /// Key of the first entry of the page that is being filled.
    page_first: Option<E::Key>,
    pages: Vec<Page<E::Key>>,
    filter_keys: Vec<u64>,
    entries: usize,
    highest: u64,
    total: u64,
}

impl<E: Entry> Open<E> {
    fn new() -> Self {
        Self {
            closed: Vec::new(),
            group: None,
            page_first: None,
            pages: Vec::new(),
            filter_keys: Vec::new(),
            entries: 0,
            highest: 0,
            total: 0,
        }
    }

    /// Whether the entry is the first of another section than the open one.
    fn is_other_section(&self, entry: &E) -> bool {
        let is_other_group = self.group.is_some_and(|group| group != entry.group());
        is_other_group || self.entries == SECTION_ENTRIES_MAX
    }

    fn push(&mut self, entry: &E, filter_key: u64) {
        self.group = Some(entry.group());
        if self.page_first.is_none() {
            self.page_first = Some(entry.key());
        }
        self.filter_keys.push(filter_key);
        self.entries += 1;
        self.total += 1;
        self.highest = self.highest.max(entry.version());
    }

    fn close_page<W: Write>(&mut self, bytes: &[u8], out: &mut Sink<W>) -> io::Result<()> {
        let first = self
            .page_first
            .take()
            .expect("only pages with entries are closed");
        let length = u32::try_from(bytes.len()).expect("pages are closed at their target");
        let (offset, crc) = (out.length, crc32c::crc32c(bytes));
        self.pages.push(Page {
            first,
            offset,
            length,
            crc,
        });
        out.write(bytes)
    }

    /// Closes the open section, if there is one, after its last page; its filter is appended.
    fn close_section(&mut self, filters: &mut Vec<u8>) {
        let Some(group) = self.group.take() else {
            return;
        };
        let start = filters.len();
        filter::write(&mut self.filter_keys, filters);
        self.filter_keys.clear();
        let entries = std::mem::take(&mut self.entries);
        self.closed.push(Section {
            group,
            entries: u32::try_from(entries).expect("SECTION_ENTRIES_MAX fits 32 bits"),
            highest: std::mem::take(&mut self.highest),
            filter: start..filters.len(),
            filter_crc: crc32c::crc32c(&filters[start..]),
            pages: std::mem::take(&mut self.pages),
        });
    }
}

/// Length of what is hashed and written at once: enough for the hash's widest instructions.
const SINK_BUFFER_LENGTH: usize = 128 << 10;

/// Buffers, counts and hashes what passes through.
struct Sink<W: Write> {
    out: W,
    buffer: Vec<u8>,
    hasher: blake3::Hasher,
    length: u64,
}

impl<W: Write> Sink<W> {
    fn new(out: W) -> Self {
        let buffer = Vec::with_capacity(SINK_BUFFER_LENGTH);
        let hasher = blake3::Hasher::new();
        Self {
            out,
            buffer,
            hasher,
            length: 0,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        self.length += bytes.len() as u64;
        if self.buffer.len() >= SINK_BUFFER_LENGTH {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.update(&self.buffer);
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<(W, blake3::Hash, u64)> {
        self.flush()?;
        Ok((self.out, self.hasher.finalize(), self.length))
    }
}
