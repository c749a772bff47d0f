//! How a command can fail: the exit code, and the error with its chain.

use std::error::Error;
use std::fmt;

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong usage or settings: exit code 2. Trying again cannot help.
    Usage(anyhow::Error),
    /// Everything else: exit code 1.
    Failed(anyhow::Error),
}

impl Failure {
    /// Wrong usage, in one sentence.
    pub(crate) fn usage(reason: impl Into<String>) -> Self {
        Self::Usage(anyhow::anyhow!(reason.into()))
    }

    /// The process's exit code.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Usage(error) | Self::Failed(error)) = self;
        let mut causes = error.chain();
        if let Some(first) = causes.next() {
            write!(f, "error: {first}")?;
        }
        for cause in causes {
            write!(f, "\n  caused by: {cause}")?;
        }
        Ok(())
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
