//! The time inside an id, for sources that promise one.
//!
//! Both forms begin with 48 bits of milliseconds since 1970-01-01 UTC. An id that is not exactly
//! of its form has no time: it is never guessed from what looks similar.

use super::IdTime;
use crate::time::EventTime;

/// The 32 digits of Crockford's base 32, without I, L, O and U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The moment that an id carries, to the millisecond; `None` where it is not of that form.
///
/// - UUID version 7 (RFC 9562, section 5.7): 32 hexadecimal digits of any case, bare or with
///   hyphens as 8-4-4-4-12, version 7 and variant `10`.
/// - ULID (its specification, "Canonical String Representation"): 26 digits of Crockford's base
///   32, of any case, the first at most 7, so that the value fits 128 bits.
#[must_use]
pub fn id_time_of(id: &str, form: IdTime) -> Option<EventTime> {
    let millis = match form {
        IdTime::Uuidv7 => uuid_version_7(id.as_bytes())?,
        IdTime::Ulid => ulid(id.as_bytes())?,
    };
    Some(EventTime(millis * 1_000)) // 48 bits · 1,000 are below 2⁵⁸.
}

/// Milliseconds of a UUID version 7.
fn uuid_version_7(id: &[u8]) -> Option<i64> {
    if !matches!(id.len(), 32 | 36) {
        return None;
    }
    let mut value: u128 = 0;
    for (place, byte) in id.iter().enumerate() {
        if id.len() == 36 && matches!(place, 8 | 13 | 18 | 23) {
            if *byte != b'-' {
                return None;
            }
            continue;
        }
        let digit = char::from(*byte).to_digit(16)?;
        value = value << 4 | u128::from(digit);
    }
    let version = value >> 76 & 0xF;
    let variant = value >> 62 & 0b11;
    (version == 7 && variant == 0b10).then(|| first_48_bits(value))
}

/// Milliseconds of a ULID.
fn ulid(id: &[u8]) -> Option<i64> {
    if id.len() != 26 || id[0] > b'7' {
        return None;
    }
    let mut value: u128 = 0;
    for byte in id {
        let wanted = byte.to_ascii_uppercase();
        let digit = CROCKFORD
            .iter()
            .zip(0u128..)
            .find(|(d, _)| **d == wanted)?
            .1;
        value = value << 5 | digit;
    }
    Some(first_48_bits(value))
}

fn first_48_bits(value: u128) -> i64 {
    i64::try_from(value >> 80).expect("48 bits fit an i64")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, form: IdTime, expected: Option<i64>) {
        let millis = id_time_of(id, form).map(|time| time.0 / 1_000);
        assert_eq!(millis, expected, "{id}");
    }

    #[test]
    fn reads_uuid_version_7() {
        // The example of RFC 9562, appendix A.6: 2022-02-22T14:22:22.00-05:00.
        let example = "017F22E2-79B0-7CC3-98C4-DC0C0C07398F";
        let millis = Some(1_645_557_742_000);
        check(example, IdTime::Uuidv7, millis);
        check(&example.to_lowercase(), IdTime::Uuidv7, millis);
        check(&example.replace('-', ""), IdTime::Uuidv7, millis);
        for id in [
            "",
            "017F22E2-79B0-4CC3-98C4-DC0C0C07398F",
            "017F22E2-79B0-7CC3-18C4-DC0C0C07398F",
            "017F22E2-79B0-7CC3-C8C4-DC0C0C07398F",
            "017F22E279B0-7CC3-98C4-DC0C0C07398F0",
            "{017F22E2-79B0-7CC3-98C4-DC0C0C07398F}",
            "017F22E279B07CC398C4DC0C0C07398",
            "017F22E279B07CC398C4DC0C0C07398F0",
            "017F22E279B07CC398C4DC0C0C07398F0000",
            "017F22E279B07CC398C4DC0C0C07398G",
            "----------------7CC3------------",
            "017F22E2-79B0-7CC3-98C4-DC0C0C0739é",
        ] {
            check(id, IdTime::Uuidv7, None);
        }
    }

    #[test]
    fn reads_ulid() {
        // The example of the ULID specification.
        check(
            "01ARYZ6S41TSV4RRFFQ69G5FAV",
            IdTime::Ulid,
            Some(1_469_918_176_385),
        );
        check(
            "01aryz6s41tsv4rrffq69g5fav",
            IdTime::Ulid,
            Some(1_469_918_176_385),
        );
        check(
            "7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            IdTime::Ulid,
            Some((1 << 48) - 1),
        );
        for id in [
            "",
            "8ZZZZZZZZZZZZZZZZZZZZZZZZZ",
            "01ARYZ6S41TSV4RRFFQ69G5FA",
            "01ARYZ6S41TSV4RRFFQ69G5FAV0",
            "01ARYZ6S41TSV4RRFFQ69G5FAI",
            "01ARYZ6S41TSV4RRFFQ69G5FAU",
            "01ARYZ6S41TSV4RRFFQ69G5F-V",
        ] {
            check(id, IdTime::Ulid, None);
        }
    }
}
