//! Filters: a lookup that finds nothing should read nothing.
//!
//! A filter answers "no" only for keys that it was not built from; a wrong "perhaps" (one in 256)
//! costs one page read. Filters are `BinaryFuse8` (Graf and Lemire, "Binary Fuse Filters", 2022).
//! Where one cannot be built, which repeats alone can cause, the section has none: every answer is
//! "perhaps", which is slow and right.

use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use xorf::{BinaryFuse8, BinaryFuse8Ref, DmaSerializable, Filter, FilterRef};

const NONE: u8 = 0;
const BINARY_FUSE_8: u8 = 1;
const DESCRIPTOR_LENGTH: usize = BinaryFuse8::DESCRIPTOR_LEN;

/// The 64 bits of an id that filters answer for: ids are keyed hashes, so any will do, and those
/// of the upper half come sorted.
pub(super) fn id_key(id: u128) -> u64 {
    u64::try_from(id >> 64).expect("64 of 128 bits are left")
}

/// The 64 bits of a bucket's key that filters answer for.
pub(crate) fn bucket_key(key: &[u8]) -> u64 {
    let mut hasher = SipHasher24::new();
    hasher.write(key);
    hasher.finish()
}

/// Appends the filter over the keys, which are sorted and made unique on the way.
pub(super) fn write(keys: &mut Vec<u64>, out: &mut Vec<u8>) {
    keys.sort_unstable();
    keys.dedup();
    let Ok(filter) = BinaryFuse8::try_from(&*keys) else {
        out.push(NONE);
        return;
    };
    out.push(BINARY_FUSE_8);
    let mut descriptor = [0; DESCRIPTOR_LENGTH];
    filter.dma_copy_descriptor_to(&mut descriptor);
    out.extend_from_slice(&descriptor);
    out.extend_from_slice(filter.dma_fingerprints());
}

/// Whether the bytes are a filter that [`may_hold`] can ask without leaving its fingerprints.
pub(super) fn is_valid(filter: &[u8]) -> bool {
    let Some((kind, rest)) = filter.split_first() else {
        return false;
    };
    if *kind == NONE {
        return rest.is_empty();
    }
    let Some((descriptor, fingerprints)) = rest.split_at_checked(DESCRIPTOR_LENGTH) else {
        return false;
    };
    let field = |at: usize| {
        let bytes = descriptor[at..at + 4].try_into().expect("four bytes");
        u64::from(u32::from_le_bytes(bytes))
    };
    let (segment, mask, all) = (field(8), field(12), field(16));
    *kind == BINARY_FUSE_8
        && segment.is_power_of_two()
        && mask == segment - 1
        && all % segment == 0
        && all > 0
        && u64::try_from(fingerprints.len()) == Ok(all + 2 * segment)
}

/// Whether a valid filter's section may hold the key.
pub(super) fn may_hold(filter: &[u8], key: u64) -> bool {
    if filter[0] == NONE {
        return true;
    }
    let (descriptor, fingerprints) = filter[1..].split_at(DESCRIPTOR_LENGTH);
    BinaryFuse8Ref::from_dma(descriptor, fingerprints).contains(&key)
}
