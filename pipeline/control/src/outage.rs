//! What keeps the log from being read: said when it begins, changes and ends, not in between.

/// What keeps one topic from being read.
pub(crate) struct Outage<'a> {
    topic: &'a str,
    /// Errors since the last answer, each said once: a client that tries several brokers reports
    /// theirs in turn.
    said: Vec<String>,
}

/// Most errors of one outage that are told apart.
const ERRORS_MAX: usize = 16;

impl<'a> Outage<'a> {
    pub(crate) fn new(topic: &'a str) -> Self {
        let said = Vec::new();
        Self { topic, said }
    }

    /// True where the error is new and was said.
    pub(crate) fn goes_on(&mut self, error: String) -> bool {
        let is_new = !self.said.contains(&error) && self.said.len() < ERRORS_MAX;
        if is_new {
            tracing::warn!(
                topic = self.topic,
                error,
                "cannot read the control log, trying on"
            );
            self.said.push(error);
        }
        is_new
    }

    /// True where there was an outage, and its end was said.
    pub(crate) fn end(&mut self) -> bool {
        let was_out = !self.said.is_empty();
        if was_out {
            tracing::warn!(topic = self.topic, "the control log can be read again");
            self.said.clear();
        }
        was_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_when_it_begins_changes_and_ends() {
        let mut outage = Outage::new("meterline.control");
        assert!(!outage.end());
        for (error, is_said) in [
            ("down", true),
            ("down", false),
            ("slow", true),
            ("down", false),
        ] {
            assert_eq!(outage.goes_on(error.to_owned()), is_said, "{error}");
        }
        assert!(outage.end());
        assert!(!outage.end());
        assert!(outage.goes_on("down".to_owned()));
    }
}
