//! The directory of a run: where the pages of each hour and window lie, and how to check them.
//!
//! Pure encoding and decoding. What is decoded is checked as a whole: sections and pages ascend
//! strictly, and pages and filters fill the space between header and directory exactly.

use super::{HEADER_LENGTH, PAGE_LENGTH_MAX, filter, page};
use crate::merge::Keep;
use meterline_core::runs::{BucketEntry, IdEntry};
use meterline_core::time::{EventTime, Hour, Level, Window};
use std::cmp::Ordering;
use std::fmt::Debug;
use std::ops::Range;

/// What runs hold, in sorted order: ids and buckets.
pub(crate) trait Entry: Sized + Send + 'static {
    /// What entries are grouped by: an hour, a window.
    type Group: Copy + Ord + Debug + Send + Sync + 'static;
    /// What entries of one group are sorted by, as the directory keeps it.
    type Key: Clone + Ord + Debug + Send + Sync + 'static;

    /// The entry's group.
    fn group(&self) -> Self::Group;
    /// The entry's key.
    fn key(&self) -> Self::Key;
    /// Order by group and key.
    fn by_key(&self, other: &Self) -> Ordering;
    /// The entry's version; 0 for entries that have none.
    fn version(&self) -> u64;
    /// Whether nobody can ask for a section any more.
    fn is_expired(section: &Section<Self>, keep: Keep) -> bool;
    /// The group's name, for errors.
    fn group_name(group: Self::Group) -> String;
    /// All entries of a page of the group; `None` where the bytes are no such page.
    fn decode_page(page: &[u8], group: Self::Group) -> Option<Vec<Self>>;

    /// The sections of this kind of entry.
    fn sections(directory: &Directory) -> &[Section<Self>];

    /// Appends group and key as the directory holds them.
    fn write_group(group: Self::Group, out: &mut Vec<u8>);
    fn write_key(key: &Self::Key, out: &mut Vec<u8>);
    /// Reads them back.
    fn read_group(reader: &mut Reader<'_>) -> Option<Self::Group>;
    fn read_key(reader: &mut Reader<'_>) -> Option<Self::Key>;
}

impl Entry for IdEntry {
    type Group = Hour;
    type Key = u128;

    fn group(&self) -> Hour {
        self.hour
    }

    fn key(&self) -> u128 {
        self.id.0
    }

    fn by_key(&self, other: &Self) -> Ordering {
        (self.hour, self.id).cmp(&(other.hour, other.id))
    }

    fn version(&self) -> u64 {
        0
    }

    fn is_expired(section: &Section<Self>, keep: Keep) -> bool {
        section.group.end() < keep.answer_floor
    }

    fn group_name(group: Hour) -> String {
        format!("ids of hour {}", group.start())
    }

    fn decode_page(page: &[u8], group: Hour) -> Option<Vec<Self>> {
        page::decode_id_page(page, group)
    }

    fn sections(directory: &Directory) -> &[Section<Self>] {
        &directory.ids
    }

    fn write_group(group: Hour, out: &mut Vec<u8>) {
        out.extend_from_slice(&group.0.to_le_bytes());
    }

    fn write_key(key: &u128, out: &mut Vec<u8>) {
        out.extend_from_slice(&key.to_le_bytes());
    }

    fn read_group(reader: &mut Reader<'_>) -> Option<Hour> {
        reader.array().map(i32::from_le_bytes).map(Hour)
    }

    fn read_key(reader: &mut Reader<'_>) -> Option<u128> {
        reader.array().map(u128::from_le_bytes)
    }
}

impl Entry for BucketEntry {
    type Group = Window;
    type Key = Box<[u8]>;

    fn group(&self) -> Window {
        self.window
    }

    fn key(&self) -> Box<[u8]> {
        self.key.as_slice().into()
    }

    fn by_key(&self, other: &Self) -> Ordering {
        (self.window, &self.key).cmp(&(other.window, &other.key))
    }

    fn version(&self) -> u64 {
        self.version
    }

    fn is_expired(section: &Section<Self>, keep: Keep) -> bool {
        let is_published = section.highest < keep.levels_to.version();
        is_published && section.group.end_time() < keep.answer_floor
    }

    fn group_name(group: Window) -> String {
        let start = EventTime(group.start.saturating_mul(1_000_000));
        format!("buckets of {} {start}", group.level.name())
    }

    fn decode_page(page: &[u8], group: Window) -> Option<Vec<Self>> {
        page::decode_bucket_page(page, group)
    }

    fn sections(directory: &Directory) -> &[Section<Self>] {
        &directory.buckets
    }

    fn write_group(group: Window, out: &mut Vec<u8>) {
        out.push(group.level as u8);
        out.extend_from_slice(&group.start.to_le_bytes());
    }

    fn write_key(key: &Box<[u8]>, out: &mut Vec<u8>) {
        let length = u16::try_from(key.len()).expect("the writer refuses longer keys");
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(key);
    }

    fn read_group(reader: &mut Reader<'_>) -> Option<Window> {
        let [level] = reader.array()?;
        let start = i64::from_le_bytes(reader.array()?);
        let level = Level::from_u8(level)?;
        Some(Window { level, start })
    }

    fn read_key(reader: &mut Reader<'_>) -> Option<Box<[u8]>> {
        let length = u16::from_le_bytes(reader.array()?);
        reader.take(usize::from(length)).map(Into::into)
    }
}

/// A stretch of one group's entries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Section<E: Entry> {
    /// The hour or window.
    pub(crate) group: E::Group,
    /// Number of entries.
    pub(crate) entries: u32,
    /// Highest version of an entry; 0 for ids.
    pub(crate) highest: u64,
    /// Where the section's filter lies among the run's filters.
    pub(super) filter: Range<usize>,
    /// The filter's checksum.
    pub(super) filter_crc: u32,
    /// The pages, ascending; never empty.
    pub(super) pages: Vec<Page<E::Key>>,
}

/// Where a page lies, and how to check it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Page<K> {
    pub(super) first: K,
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) crc: u32,
}

impl<E: Entry> Section<E> {
    /// The key of the first entry.
    pub(super) fn first(&self) -> &E::Key {
        &self.pages[0].first
    }
}

/// All sections of a run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Directory {
    pub(super) ids: Vec<Section<IdEntry>>,
    pub(super) buckets: Vec<Section<BucketEntry>>,
    /// Where the filters begin: the end of the pages.
    pub(super) filters_offset: u64,
    /// Length of all filters.
    pub(super) filters_length: usize,
}

impl Directory {
    /// The directory's bytes.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        encode_sections(&self.ids, &mut out);
        encode_sections(&self.buckets, &mut out);
        out
    }

    /// Reads [`Directory::encode`] back, for a directory that begins at `directory_offset`.
    ///
    /// The error says what does not fit.
    pub(super) fn decode(bytes: &[u8], directory_offset: u64) -> Result<Self, &'static str> {
        let mut reader = Reader(bytes);
        let mut offset = HEADER_LENGTH;
        let mut filters = 0;
        let ids = decode_sections(&mut reader, &mut offset, &mut filters)?;
        let buckets = decode_sections(&mut reader, &mut offset, &mut filters)?;
        let filters_end = u64::try_from(filters)
            .ok()
            .and_then(|f| offset.checked_add(f));
        if !reader.0.is_empty() || filters_end != Some(directory_offset) {
            return Err("its lengths do not add up to the file's");
        }
        Ok(Self {
            ids,
            buckets,
            filters_offset: offset,
            filters_length: filters,
        })
    }
}

fn encode_sections<E: Entry>(sections: &[Section<E>], out: &mut Vec<u8>) {
    out.extend_from_slice(&count(sections.len()));
    for section in sections {
        E::write_group(section.group, out);
        out.extend_from_slice(&section.entries.to_le_bytes());
        out.extend_from_slice(&section.highest.to_le_bytes());
        out.extend_from_slice(&count(section.filter.len()));
        out.extend_from_slice(&section.filter_crc.to_le_bytes());
        out.extend_from_slice(&count(section.pages.len()));
        for page in &section.pages {
            E::write_key(&page.first, out);
            out.extend_from_slice(&page.length.to_le_bytes());
            out.extend_from_slice(&page.crc.to_le_bytes());
        }
    }
}

fn count(length: usize) -> [u8; 4] {
    let length = u32::try_from(length).expect("sections, pages and filters of a run fit 32 bits");
    length.to_le_bytes()
}

fn decode_sections<E: Entry>(
    reader: &mut Reader<'_>,
    offset: &mut u64,
    filters: &mut usize,
) -> Result<Vec<Section<E>>, &'static str> {
    const SHORT: &str = "it ends too early";
    let mut sections: Vec<Section<E>> = Vec::new();
    for _ in 0..reader.u32().ok_or(SHORT)? {
        let section = decode_section::<E>(reader, offset, filters).ok_or(SHORT)?;
        let Some(last_page) = section.pages.last() else {
            return Err("a section has no pages");
        };
        let pages_ascend = section.pages.is_sorted_by(|a, b| a.first < b.first);
        let previous = sections
            .last()
            .and_then(|s| Some((s.group, &s.pages.last()?.first)));
        if !pages_ascend || previous.is_some_and(|p| p >= (section.group, section.first())) {
            return Err("its keys do not ascend");
        }
        if section
            .pages
            .iter()
            .any(|page| page.length > PAGE_LENGTH_MAX)
            || last_page.length == 0
        {
            return Err("a page has an impossible length");
        }
        sections.push(section);
    }
    Ok(sections)
}

fn decode_section<E: Entry>(
    reader: &mut Reader<'_>,
    offset: &mut u64,
    filters: &mut usize,
) -> Option<Section<E>> {
    let group = E::read_group(reader)?;
    let (entries, highest) = (reader.u32()?, u64::from_le_bytes(reader.array()?));
    let filter_end = filters.checked_add(usize::try_from(reader.u32()?).ok()?)?;
    let filter = std::mem::replace(filters, filter_end)..filter_end;
    let filter_crc = reader.u32()?;
    let mut pages = Vec::new();
    for _ in 0..reader.u32()? {
        let first = E::read_key(reader)?;
        let (length, crc) = (reader.u32()?, reader.u32()?);
        let end = offset.checked_add(u64::from(length))?;
        let offset = std::mem::replace(offset, end);
        pages.push(Page {
            first,
            offset,
            length,
            crc,
        });
    }
    Some(Section {
        group,
        entries,
        highest,
        filter,
        filter_crc,
        pages,
    })
}

impl<E: Entry> Section<E> {
    /// Whether the section's filter, among all `filters` of its run, fits its checksum and form.
    pub(super) fn filter_is_sound(&self, filters: &[u8]) -> bool {
        filters.get(self.filter.clone()).is_some_and(|bytes| {
            crc32c::crc32c(bytes) == self.filter_crc && filter::is_valid(bytes)
        })
    }
}

/// Takes bounded parts from the front of a slice.
pub(crate) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}
