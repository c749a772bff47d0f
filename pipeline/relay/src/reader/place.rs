//! Where a partition is read from, of what is saved and what the log has.
//!
//! Pure. A saved position that the log does not have is never used silently: either way something
//! is missing, and the start says what.

use meterline_core::position::Offset;

/// What the brokers say of a log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ends {
    /// Its first record.
    pub(crate) low: Offset,
    /// One after its last.
    pub(crate) end: Offset,
}

/// Where reading starts, and why there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Start {
    /// At the saved position.
    Saved(Offset),
    /// At the log's first record, because nothing is saved.
    Fresh(Offset),
    /// At the log's first record: those from the saved position on are gone.
    Gone {
        /// The saved position.
        from: Offset,
        /// The log's first record.
        to: Offset,
    },
    /// At the log's first record: it ends before the saved position, so it lost its end and gives
    /// those offsets again, from nobody knows where on.
    Truncated {
        /// The log's first record.
        low: Offset,
        /// The log's end.
        end: Offset,
        /// The saved position.
        saved: Offset,
    },
}

impl Start {
    pub(crate) fn of(saved: Option<Offset>, ends: Ends) -> Self {
        match saved {
            None => Self::Fresh(ends.low),
            Some(from) if from < ends.low => Self::Gone { from, to: ends.low },
            Some(saved) if saved > ends.end => Self::Truncated {
                low: ends.low,
                end: ends.end,
                saved,
            },
            Some(saved) => Self::Saved(saved),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_does_not_have_is_named() {
        let ends = Ends { low: 100, end: 200 };
        let check = |saved, expected| assert_eq!(Start::of(saved, ends), expected, "{saved:?}");
        check(None, Start::Fresh(100));
        check(Some(100), Start::Saved(100));
        check(Some(200), Start::Saved(200));
        check(Some(99), Start::Gone { from: 99, to: 100 });
        let truncated = Start::Truncated {
            low: 100,
            end: 200,
            saved: 201,
        };
        check(Some(201), truncated);
    }
}
