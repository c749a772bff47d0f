//! Pages: what one lookup reads.
//!
//! Pure encoding and decoding. A page is only ever looked into after its checksum fitted, yet
//! nothing here trusts it: bytes that are no page are `None`, never a panic.

use super::{PAGE_IDS_MAX, PAGE_LENGTH_TARGET};
use meterline_core::hash::Identity;
use meterline_core::runs::{BucketEntry, IdEntry};
use meterline_core::time::{Hour, Window};

/// Note width of a page whose notes differ in length.
const NOTES_DIFFER: u16 = 0xffff;
const ID_LENGTH: usize = 16;
const ID_PAGE_HEAD: usize = 4;

/// The entries of an id page that is being filled, in ascending order.
#[derive(Default)]
pub(super) struct IdPage {
    ids: Vec<u8>,
    notes: Vec<u8>,
    lengths: Vec<u16>,
}

impl IdPage {
    /// Adds an entry; its note is at most `PART_LENGTH_MAX` long.
    pub(super) fn push(&mut self, entry: &IdEntry) {
        self.ids.extend_from_slice(&entry.id.0.to_le_bytes());
        self.notes.extend_from_slice(&entry.note);
        let length = u16::try_from(entry.note.len()).expect("the writer refuses longer notes");
        self.lengths.push(length);
    }

    /// Whether the next entry belongs to another page.
    pub(super) fn is_full(&self) -> bool {
        self.lengths.len() == PAGE_IDS_MAX
            || self.ids.len() + self.notes.len() >= PAGE_LENGTH_TARGET
    }

    /// Appends the page's bytes and empties it.
    pub(super) fn take_into(&mut self, out: &mut Vec<u8>) {
        let count = u16::try_from(self.lengths.len()).expect("a page has at most PAGE_IDS_MAX ids");
        let first = self.lengths.first().copied().unwrap_or(0);
        let is_even = self.lengths.iter().all(|length| *length == first);
        let width = if is_even { first } else { NOTES_DIFFER };
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&width.to_le_bytes());
        out.append(&mut self.ids);
        if !is_even {
            out.extend(self.lengths.iter().flat_map(|length| length.to_le_bytes()));
        }
        out.append(&mut self.notes);
        self.lengths.clear();
    }
}

/// Whether an id page holds the id; `None` where the bytes are no id page.
pub(super) fn id_page_has(page: &[u8], id: Identity) -> Option<bool> {
    let (ids, _) = split_id_page(page)?;
    Some(
        ids.binary_search_by_key(&id.0, |bytes| u128::from_le_bytes(*bytes))
            .is_ok(),
    )
}

/// The note of an id in an id page, if it is there; the outer `None`: the bytes are no page.
#[expect(
    clippy::option_option,
    reason = "no page and no such id must not be confused"
)]
pub(super) fn find_note(page: &[u8], hour: Hour, id: Identity) -> Option<Option<Vec<u8>>> {
    let mut entries = decode_id_page(page, hour)?;
    let place = entries.binary_search_by_key(&id, |entry| entry.id).ok();
    Some(place.map(|at| entries.swap_remove(at).note))
}

/// All entries of an id page of that hour; `None` where the bytes are no id page.
pub(super) fn decode_id_page(page: &[u8], hour: Hour) -> Option<Vec<IdEntry>> {
    let (ids, mut notes) = split_id_page(page)?;
    let width = u16::from_le_bytes(page[2..ID_PAGE_HEAD].try_into().ok()?);
    let mut lengths = None;
    if width == NOTES_DIFFER {
        let (head, rest) = notes.split_at_checked(ids.len() * 2)?;
        lengths = Some(head.as_chunks::<2>().0);
        notes = rest;
    }
    let mut entries = Vec::with_capacity(ids.len());
    for (i, id) in ids.iter().enumerate() {
        let length = lengths.map_or(width, |lengths| u16::from_le_bytes(lengths[i]));
        let (note, rest) = notes.split_at_checked(usize::from(length))?;
        notes = rest;
        let (id, note) = (Identity(u128::from_le_bytes(*id)), note.to_vec());
        entries.push(IdEntry { hour, id, note });
    }
    notes.is_empty().then_some(entries)
}

/// The ids of a page, and the bytes after them.
fn split_id_page(page: &[u8]) -> Option<(&[[u8; ID_LENGTH]], &[u8])> {
    let (count, rest) = page.split_at_checked(ID_PAGE_HEAD)?;
    let count = u16::from_le_bytes([count[0], count[1]]);
    let (ids, notes) = rest.split_at_checked(usize::from(count) * ID_LENGTH)?;
    Some((ids.as_chunks().0, notes))
}

/// Appends a bucket to a page; key and state are at most `PART_LENGTH_MAX` long.
pub(super) fn push_bucket(page: &mut Vec<u8>, bucket: &BucketEntry) {
    let length = |part: &[u8]| {
        let length = u16::try_from(part.len()).expect("the writer refuses longer parts");
        length.to_le_bytes()
    };
    page.extend_from_slice(&bucket.version.to_le_bytes());
    page.extend_from_slice(&length(&bucket.key));
    page.extend_from_slice(&length(&bucket.state));
    page.extend_from_slice(&bucket.key);
    page.extend_from_slice(&bucket.state);
}

/// One bucket as it lies in a page.
pub(super) struct StoredBucket<'a> {
    pub(super) version: u64,
    pub(super) key: &'a [u8],
    pub(super) state: &'a [u8],
}

/// The bucket of that key in a page, if it is there; the outer `None`: the bytes are no page.
#[expect(
    clippy::option_option,
    reason = "no page and no such bucket must not be confused"
)]
pub(super) fn find_bucket<'a>(mut page: &'a [u8], key: &[u8]) -> Option<Option<StoredBucket<'a>>> {
    while !page.is_empty() {
        let bucket = take_bucket(&mut page)?;
        if bucket.key == key {
            return Some(Some(bucket));
        }
    }
    Some(None)
}

/// All entries of a bucket page of that window; `None` where the bytes are no bucket page.
pub(super) fn decode_bucket_page(mut page: &[u8], window: Window) -> Option<Vec<BucketEntry>> {
    let mut entries = Vec::new();
    while !page.is_empty() {
        let StoredBucket {
            version,
            key,
            state,
        } = take_bucket(&mut page)?;
        let (key, state) = (key.to_vec(), state.to_vec());
        entries.push(BucketEntry {
            window,
            key,
            version,
            state,
        });
    }
    Some(entries)
}

fn take_bucket<'a>(page: &mut &'a [u8]) -> Option<StoredBucket<'a>> {
    let (version, rest) = page.split_first_chunk()?;
    let (key_length, rest) = rest.split_first_chunk()?;
    let (state_length, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_length)))?;
    let (state, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*state_length)))?;
    *page = rest;
    Some(StoredBucket {
        version: u64::from_le_bytes(*version),
        key,
        state,
    })
}
