//! What is wrong with a value, and where: the small error of the parsers.
//!
//! Parsers return it from their hot paths; it becomes a [`Rejection`] where the form is known.

use crate::reason::{Reason, Rejection};
use std::borrow::Cow;

/// Most bytes of a key that a detail quotes; keys come from producers and may be long.
const QUOTED_BYTES: usize = 64;

/// A problem at a byte of the value.
#[derive(Debug)]
pub(super) struct Fault {
    at: usize,
    problem: Cow<'static, str>,
}

impl Fault {
    /// Makes a fault at a byte offset of the value.
    pub(super) fn new(at: usize, problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            at,
            problem: problem.into(),
        }
    }

    /// Names the field that was being read.
    #[cold]
    pub(super) fn within(self, field: &str) -> Self {
        let Self { at, problem } = self;
        Self::new(at, format!("{field}: {problem}"))
    }

    /// The rejection that says which form was read, and where it broke.
    pub(super) fn rejection(self, form: &str) -> Rejection {
        let Self { at, problem } = self;
        Rejection::new(
            Reason::Malformed,
            format!("{form}, at byte {at}: {problem}"),
        )
    }
}

/// A key between backticks, cut at a bound.
pub(super) fn quoted(key: &str) -> String {
    if key.len() <= QUOTED_BYTES {
        return format!("`{key}`");
    }
    let mut end = QUOTED_BYTES;
    while !key.is_char_boundary(end) {
        end -= 1;
    }
    format!("`{}…`", &key[..end])
}
