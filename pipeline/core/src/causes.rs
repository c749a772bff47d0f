//! An error with its causes as one text, for places that hold a text only: logs and health.
//!
//! It refuses nothing and adds nothing: each error says its own text, and names no secret. Commands
//! have a form of their own, which leaves out what a parent repeats. Invariant: the order is that
//! of the causes, the outermost first.

use std::error::Error;

/// The texts of an error and of its sources, separated by `: `.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn causes_follow_what_they_caused() {
        let layer = |text, source: Option<Layer>| Layer {
            text,
            source: source.map(Box::new),
        };
        let error = layer("ask", Some(layer("connect", Some(layer("refused", None)))));
        assert_eq!(chain(&error), "ask: connect: refused");
        assert_eq!(chain(&layer("ask", None)), "ask");
    }
}
