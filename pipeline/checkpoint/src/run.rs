//! Runs: immutable sorted files of ids and buckets, and lookups in them.
//!
//! A run is written once, by a checkpoint or a merge, and never changed. It holds no log
//! positions but the versions of its buckets; which part of the log it stands for is said by the
//! manifest that names it, and only there.
//!
//! # Byte layout, format 1
//!
//! All integers are little-endian; lengths are in bytes and bounded when read.
//!
//! ```text
//! file       header, id pages, bucket pages, filters, directory, footer
//! header     magic "meterrun" (8 bytes), format u32
//! id page    count u16, note width u16, count × id u128, notes
//!            notes: count × note of that width; for width 0xffff: count × length u16, then bytes
//! bucket     entries up to the page's end: version u64, key length u16, state length u16, key,
//! page       state
//! filter     kind u8: 0 = none, "perhaps" for every key;
//!            1 = BinaryFuse8: seed u64, segment length u32, mask u32, segment count length u32,
//!            fingerprints
//! directory  id section count u32, id sections, bucket section count u32, bucket sections
//! section    group, entries u32, highest version u64 (0 for ids),
//!            filter length u32, filter CRC32C u32, page count u32, pages
//!            group of ids: hour i32; of buckets: level u8, window start i64
//! page       first key, length u32, CRC32C u32; key of ids: u128; of buckets: length u16, bytes
//! footer     directory offset u64, directory length u64, directory CRC32C u32,
//!            CRC32C of the 20 bytes before u32
//! ```
//!
//! Ids are sorted by (hour, id), buckets by (level, window start, key). A section is a stretch of
//! one hour's ids or one window's buckets; a large hour has several, so that a filter is built in
//! bounded memory. Pages and filters lie back to back in the directory's order, so the directory
//! holds their lengths only. Filters answer for the high 64 bits of an id, which is a keyed hash
//! already, and for SipHash-2-4 of a bucket's key. Every byte of the file is covered by the
//! header's fixed text or by a CRC32C.

mod directory;
mod file;
mod filter;
mod page;
mod writer;

pub(crate) use directory::Entry;
pub(crate) use file::Cursor;
pub(crate) use file::OpenRun;
pub use file::RunFile;
pub(crate) use filter::bucket_key;
pub(crate) use writer::{RunWriter, WriteFailed, Written};

/// First bytes of a run.
const MAGIC: [u8; 8] = *b"meterrun";
/// The one format of runs that this binary writes and reads.
const RUN_FORMAT: u32 = 1;
/// Length of magic and format.
const HEADER_LENGTH: u64 = 12;
/// Length of the footer.
const FOOTER_LENGTH: u64 = 24;
/// A page is closed when it has this many ids: with 16 bytes each it is one page of memory.
const PAGE_IDS_MAX: usize = 256;
/// A page is closed when its entries reach this length: what one lookup reads and checks.
const PAGE_LENGTH_TARGET: usize = 8 << 10;
/// No page is longer: the target and one entry of the longest key and state.
const PAGE_LENGTH_MAX: u32 = 256 << 10;
/// Entries of one section: building its filter takes about 40 bytes for each.
const SECTION_ENTRIES_MAX: usize = 1 << 20;
/// Longest note, key and state: their lengths are 16 bits, and a width of 0xffff is a marker.
const PART_LENGTH_MAX: usize = 0xfffe;
