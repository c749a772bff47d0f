//! What a replicated cluster needs of every table and request.
//!
//! The names are ClickHouse's own. Nothing here changes a result: rows are absolute and stamped,
//! so a replica that lags shows an older value, never a wrong one.

use super::SettingsError;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

/// How tables are replicated, and what an acknowledged row and a read promise.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replication {
    /// The cluster on which tables are made replicated; `None`, the default: on this server only.
    pub cluster: Option<String>,
    /// Replicas that must have a row before it counts as written; `None`, the default: one.
    pub insert_quorum: Option<Quorum>,
    /// Whether a read sees every row of the quorum, or fails. Inserts into one table then wait for
    /// each other, because ClickHouse counts quorums one after another only. Default no.
    pub sequential_reads: bool,
}

/// A number of replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quorum {
    /// A majority.
    Auto,
    /// So many.
    Replicas(NonZeroU32),
}

impl Replication {
    /// Whether these settings can be used.
    ///
    /// # Errors
    /// Names the setting and what is wrong with it.
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        let bad = |name: &&String| name.is_empty() || !name.chars().all(in_name);
        if let Some(name) = self.cluster.as_ref().filter(bad) {
            let name = name.clone();
            return Err(SettingsError::Cluster { name });
        }
        if self.sequential_reads && self.insert_quorum.is_none() {
            return Err(SettingsError::NoQuorum);
        }
        Ok(())
    }

    /// Settings of every request.
    pub(crate) fn request_settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        if self.cluster.is_some() {
            // A statement for a cluster is answered once every server has run it, or failed.
            settings.push(("distributed_ddl_output_mode", "throw".to_owned()));
        }
        if let Some(quorum) = self.insert_quorum {
            settings.push(("insert_quorum", quorum.to_string()));
            let is_parallel = u8::from(!self.sequential_reads);
            settings.push(("insert_quorum_parallel", is_parallel.to_string()));
        }
        if self.sequential_reads {
            settings.push(("select_sequential_consistency", "1".to_owned()));
        }
        settings
    }
}

impl FromStr for Quorum {
    type Err = SettingsError;

    fn from_str(text: &str) -> Result<Self, SettingsError> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        match text.parse::<NonZeroU32>() {
            Ok(count) if count.get() >= 2 => Ok(Self::Replicas(count)),
            _ => Err(SettingsError::Quorum {
                text: text.to_owned(),
            }),
        }
    }
}

impl fmt::Display for Quorum {
    /// Writes what [`Quorum::from_str`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Replicas(count) => count.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quorum_is_a_majority_or_at_least_two() {
        for text in ["auto", "2", "3"] {
            let quorum = text.parse::<Quorum>();
            assert_eq!(quorum.map(|quorum| quorum.to_string()), Ok(text.into()));
        }
        for text in ["", "0", "1", "-2", "all"] {
            assert!(text.parse::<Quorum>().is_err(), "{text}");
        }
    }

    #[test]
    fn requests_carry_what_the_settings_promise() {
        let of = |cluster: Option<&str>, quorum, sequential_reads| Replication {
            cluster: cluster.map(str::to_owned),
            insert_quorum: quorum,
            sequential_reads,
        };
        let check = |replication: &Replication, expected: &[(&str, &str)]| {
            let actual = replication.request_settings();
            let actual: Vec<_> = actual.iter().map(|(k, v)| (*k, v.as_str())).collect();
            assert_eq!(actual, expected);
            assert_eq!(replication.check(), Ok(()));
        };
        let quorum = Some(Quorum::Auto);
        check(&of(None, None, false), &[]);
        check(
            &of(Some("main"), None, false),
            &[("distributed_ddl_output_mode", "throw")],
        );
        check(
            &of(None, quorum, false),
            &[("insert_quorum", "auto"), ("insert_quorum_parallel", "1")],
        );
        check(
            &of(None, quorum, true),
            &[
                ("insert_quorum", "auto"),
                ("insert_quorum_parallel", "0"),
                ("select_sequential_consistency", "1"),
            ],
        );
        assert_eq!(of(None, None, true).check(), Err(SettingsError::NoQuorum));
        for name in ["", "a'b", "a b"] {
            assert!(of(Some(name), None, false).check().is_err(), "{name}");
        }
    }
}
