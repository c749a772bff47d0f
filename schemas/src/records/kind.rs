//! The kind of a control record, by its envelope alone.
//!
//! A reader that passes accounts reads millions of them: it needs their kind, and must not pay for
//! bodies that it throws away. Decoding both takes microseconds a record, this tens of nanoseconds.
//! Nothing is judged here: where the envelope does not read, the full decoder says why.

use super::control::CODEC;

/// The kind in the envelope of a control record; `None` where these bytes are not one, which
/// [`super::decode_control`] explains.
#[must_use]
pub fn control_kind(bytes: &[u8]) -> Option<&str> {
    let rest = bytes.strip_prefix(CODEC.frame())?;
    let (_write_id, rest) = rest.split_at_checked(16)?;
    let (_actor, rest) = text(rest)?;
    let (_note, rest) = text(rest)?;
    let rest = match long(rest)? {
        (0, rest) => rest,
        (1, rest) => long(rest)?.1,
        _ => return None,
    };
    let (kind, rest) = text(rest)?;
    let (_body, rest) = text(rest)?;
    rest.is_empty().then_some(std::str::from_utf8(kind).ok()?)
}

/// An Avro string: its length as a long, then its bytes.
fn text(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = long(rest)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// An Avro long: zigzag, seven bits a byte, least significant first.
fn long(rest: &[u8]) -> Option<(i64, &[u8])> {
    let mut zigzag = 0u64;
    for (place, byte) in rest.iter().take(10).enumerate() {
        zigzag |= u64::from(byte & 0x7f).checked_shl(u32::try_from(place).ok()? * 7)?;
        if byte & 0x80 == 0 {
            let half = i64::try_from(zigzag >> 1).ok()?;
            let value = if zigzag & 1 == 0 { half } else { !half };
            return Some((value, &rest[place + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{decode_control, encode_control};
    use meterline_core::control::{ControlRecord, Decision, TopicCreated};
    use meterline_core::position::TopicId;

    fn encoded(head: Option<u64>, note: &str) -> Vec<u8> {
        let record = ControlRecord {
            write_id: u128::MAX / 3,
            actor: "admin".to_owned(),
            note: note.to_owned(),
            head,
            decision: Decision::Topic(TopicCreated {
                topic: "usage.events".to_owned(),
                topic_id: TopicId(7),
                partitions: 4,
            }),
        };
        let mut bytes = Vec::new();
        encode_control(&record, &mut bytes);
        bytes
    }

    #[test]
    fn the_envelope_says_the_kind() {
        let long = "because ".repeat(1_000);
        for head in [
            None,
            Some(0),
            Some(1),
            Some(63),
            Some(64),
            Some((1 << 48) - 1),
        ] {
            for note in ["", "première", &long] {
                let bytes = encoded(head, note);
                assert_eq!(control_kind(&bytes), Some("topic"), "{head:?}");
                decode_control(&bytes).expect("the decoder reads it too");
            }
        }
    }

    #[test]
    fn what_is_cut_or_longer_has_no_kind() {
        let mut bytes = encoded(Some(300), "why");
        for length in 0..bytes.len() {
            assert_eq!(control_kind(&bytes[..length]), None, "{length} bytes");
        }
        bytes.push(0);
        assert_eq!(control_kind(&bytes), None);
        let foreign = [[0xff; 10].as_slice(), &bytes[10..]].concat();
        assert_eq!(control_kind(&foreign), None);
        let endless = [CODEC.frame().as_slice(), &[0xff; 64]].concat();
        assert_eq!(control_kind(&endless), None);
    }
}
