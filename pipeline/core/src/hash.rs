//! The hashes that results depend on, fixed for ever.
//!
//! Changing any of them changes what is a duplicate, a partition or a pointer, and would be a new
//! `fold`. Identities use a keyed hash, so that nobody who chooses ids can make two collide; the
//! others are unkeyed, so that anyone can recompute them.

use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

/// The 128-bit key of a deployment's identity hash; made once in the checkpoint store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct IdentityKey(pub [u8; 16]);

impl IdentityKey {
    /// What manifests name: a digest that does not reveal the key (hex of BLAKE3-128).
    #[must_use]
    pub fn digest(&self) -> String {
        format!("{:032x}", content_hash(&self.0))
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityKey(digest {})", self.digest())
    }
}

/// The identity of an event, (tenant, source, id), as a keyed 128-bit hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity(pub u128);

/// Hashes (tenant, source, id) with SipHash-2-4-128 over length-prefixed parts.
#[must_use]
pub fn identity(key: &IdentityKey, tenant: &str, source: &str, id: &str) -> Identity {
    let mut hasher = SipHasher24::new_with_key(&key.0);
    for part in [tenant, source, id] {
        hasher.write(&(part.len() as u64).to_le_bytes());
        hasher.write(part.as_bytes());
    }
    Identity(hasher.finish128().as_u128())
}

/// The first 128 bits of BLAKE3: pointers, dimensions and files are named by it.
#[must_use]
pub fn content_hash(bytes: &[u8]) -> u128 {
    first_bits(blake3::hash(bytes))
}

fn first_bits(digest: blake3::Hash) -> u128 {
    let (first, _) = digest.as_bytes().split_at(16);
    u128::from_be_bytes(first.try_into().expect("16 bytes were split off"))
}

/// BLAKE3-128 over parts, each length-prefixed: no two lists of parts are the same bytes.
#[derive(Debug, Default)]
pub struct Parts(blake3::Hasher);

impl Parts {
    /// Adds a part.
    pub fn put(&mut self, part: &[u8]) {
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// The hash of all parts.
    #[must_use]
    pub fn hash(&self) -> u128 {
        first_bits(self.0.finalize())
    }
}

/// Hash of a set of dimensions: BLAKE3-128 over sorted pairs, each part length-prefixed.
///
/// The caller passes the pairs sorted by key. No pairs hash to 0, which no set of pairs does in
/// practice, so that dimension-less rows are easy to name in a query.
#[must_use]
pub fn dimensions_hash<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> u128 {
    let mut parts = Parts::default();
    let mut any = false;
    for (key, value) in pairs {
        any = true;
        parts.put(key.as_bytes());
        parts.put(value.as_bytes());
    }
    if any { parts.hash() } else { 0 }
}

/// The partition that Kafka's default partitioner gives a key: murmur2, positive, modulo.
///
/// Source: `org.apache.kafka.common.utils.Utils.murmur2` and `toPositive`.
///
/// # Panics
/// When `partitions` is 0.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions
}

fn murmur2(bytes: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    const SEED: u32 = 0x9747_b28c;
    // Java's array length is 32 bits; record keys are far shorter.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let mut h = SEED ^ length;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        let mut k = u32::from_le_bytes(chunk.try_into().expect("chunks of four"));
        k = k.wrapping_mul(M);
        k ^= k >> 24;
        h = h.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    let rest = chunks.remainder();
    for (i, byte) in rest.iter().enumerate() {
        h ^= u32::from(*byte) << (8 * i);
    }
    if !rest.is_empty() {
        h = h.wrapping_mul(M);
    }
    h ^= h >> 13;
    h = h.wrapping_mul(M);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn murmur2_agrees_with_kafka() {
        // Expected values from org.apache.kafka.common.utils.UtilsTest.testMurmur2.
        let cases: [(&[u8], i32); 7] = [
            (b"21", -973_932_308),
            (b"foobar", -790_332_482),
            (b"a-little-bit-long-string", -985_981_536),
            (b"a-little-bit-longer-string", -1_486_304_829),
            (
                b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            (b"abc", 479_470_107),
            (b"", 275_646_681),
        ];
        for (key, expected) in cases {
            assert_eq!(murmur2(key).cast_signed(), expected, "{key:?}");
        }
    }

    #[test]
    fn identities_do_not_confuse_their_parts() {
        let key = IdentityKey([7; 16]);
        assert_ne!(
            identity(&key, "ab", "c", "d"),
            identity(&key, "a", "bc", "d")
        );
        assert_ne!(
            identity(&key, "a", "b", "c"),
            identity(&IdentityKey([8; 16]), "a", "b", "c")
        );
    }

    #[test]
    fn no_dimensions_hash_to_zero() {
        assert_eq!(dimensions_hash(std::iter::empty()), 0);
        assert_ne!(dimensions_hash([("", "")].into_iter()), 0);
    }
}
