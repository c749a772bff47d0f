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
        write!(
            f,
            "error: {}",
            causes(error.as_ref()).join("\n  caused by: ")
        )
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

/// An error and its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    causes(error).join(": ")
}

/// The texts of an error and its causes. A cause that its parent's text repeats is left out:
/// client libraries do that.
fn causes(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !texts.iter().any(|shown| shown.contains(&text)) {
            texts.push(text);
        }
        source = cause.source();
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn causes_are_shown_once() {
        let error = anyhow!("no route")
            .context("connect: no route")
            .context("failed to ask");
        let failure = Failure::Failed(error);
        assert_eq!(
            failure.to_string(),
            "error: failed to ask\n  caused by: connect: no route"
        );
        assert_eq!(
            (failure.exit_code(), Failure::usage("x").exit_code()),
            (1, 2)
        );
    }
}
