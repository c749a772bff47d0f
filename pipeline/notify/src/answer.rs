//! What a receiver answered, and what follows: decided here for every kind of target.

use std::error::Error;
use std::io;
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
        let found = cause.downcast_ref::<io::Error>().and_then(inside);
        if found.is_some() {
            return found;
        }
        next = cause.source();
    }
    None
}

/// What an IO error holds is not what it names as its source; connectors wrap one in another.
fn inside(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    let deeper = || inside(inner.downcast_ref::<io::Error>()?);
    inner.downcast_ref::<rustls::Error>().or_else(deeper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to connect")]
    struct Failed(#[source] io::Error);

    #[test]
    fn tls_is_found_however_deep_it_lies() {
        let tls = || io::Error::other(rustls::Error::DecryptError);
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        for (source, is_tls) in [
            (tls(), true),
            (io::Error::other(tls()), true),
            (io::Error::other(io::Error::other(tls())), true),
            (refused, false),
            (io::Error::other("something else"), false),
        ] {
            let failed = Failed(source);
            let found = tls_error(&failed).map(ToString::to_string);
            let expected = is_tls.then(|| rustls::Error::DecryptError.to_string());
            assert_eq!(found, expected, "{failed:?}");
        }
    }
}
