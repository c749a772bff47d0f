//! What the `meterline-control` header of a usage record says.
//!
//! A pointer grants nothing: it names a control record by offset and hash, and whoever reads it
//! looks that record up in the control log. The form is strict, because what is no pointer is a
//! dead letter in every replay: decimal digits without a leading zero, a colon, 32 lowercase
//! hexadecimal digits.

use crate::position::Offset;
use std::fmt;

/// The value of a `meterline-control` header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pointer {
    /// Moves log time, nothing else.
    Tick,
    /// Names a record of the control log.
    Record {
        /// Its offset.
        offset: Offset,
        /// [`crate::hash::content_hash`] of its bytes, write id included.
        hash: u128,
    },
}

impl Pointer {
    /// Reads a header's value; `None` where it is no pointer.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        if text == "tick" {
            return Some(Self::Tick);
        }
        let (offset, hash) = text.split_once(':')?;
        let pointer = Self::Record {
            offset: offset.parse().ok()?,
            hash: u128::from_str_radix(hash, 16).ok()?,
        };
        // Only the canonical text is a pointer: no sign, no padding, no capitals.
        (pointer.to_string() == text).then_some(pointer)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tick => f.write_str("tick"),
            Self::Record { offset, hash } => write!(f, "{offset}:{hash:032x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_survive_their_text() {
        for pointer in [
            Pointer::Tick,
            Pointer::Record { offset: 0, hash: 0 },
            Pointer::Record {
                offset: u64::MAX,
                hash: u128::MAX,
            },
        ] {
            assert_eq!(
                Pointer::parse(pointer.to_string().as_bytes()),
                Some(pointer)
            );
        }
    }

    #[test]
    fn only_the_canonical_text_is_a_pointer() {
        let hash = "0123456789abcdef0123456789abcdef";
        for text in [
            String::new(),
            "Tick".to_owned(),
            "tick ".to_owned(),
            format!("+5:{hash}"),
            format!("05:{hash}"),
            format!("5:{}", hash.to_uppercase()),
            format!("5:{}", &hash[1..]),
            format!("5:0{hash}"),
            format!("5:+{}", &hash[1..]),
            format!("18446744073709551616:{hash}"),
            format!("5:{hash}:"),
            format!(":{hash}"),
        ] {
            assert_eq!(Pointer::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Pointer::parse(b"\xff"), None);
    }
}
