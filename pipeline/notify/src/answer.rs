//! What a receiver answered, and what follows: decided here for every kind of target.

use std::error::Error;
use std::time::Duration;

/// What became of one attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Answer {
    pub verdict: Verdict,
    /// What was answered, or why there was no answer, in our words: nothing of the receiver's text
    /// and no part of a URL is in it.
    pub detail: String,
}

/// What follows from an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The receiver has it.
    Delivered,
    /// Another attempt, not before this long where the receiver says so.
    Retry(Option<Duration>),
    /// No further attempt: it would be refused for ever.
    Park,
}

impl Answer {
    pub(crate) fn delivered(detail: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Delivered,
            detail: detail.into(),
        }
    }

    pub(crate) fn retry(detail: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Retry(None),
            detail: detail.into(),
        }
    }

    pub(crate) fn park(detail: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Park,
            detail: detail.into(),
        }
    }
}

/// What TLS says of a failed connection: the library's words, such as that a certificate is not
/// trusted.
pub(crate) fn tls_error<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        next = cause.source();
        // What an IO error holds is not what it names as its source.
        let inner = cause.downcast_ref::<std::io::Error>();
        let inner = inner.and_then(std::io::Error::get_ref);
        let found = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
        if found.is_some() {
            return found;
        }
    }
    None
}
