//! The stages that one process can run, by their public names.
//!
//! A name of the contract whose stage is not built yet is refused by that name, so that nobody
//! believes that it runs.

use std::fmt;
use std::str::FromStr;

/// A stage that this binary can run.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Stage {
    /// Rolls usage up into buckets.
    Rollup,
    /// Gives incoming usage to the partitions of its tenants.
    Rekey,
    /// Keeps every record of the usage log in ClickHouse.
    Archive,
    /// Compares use with plans.
    Limits,
    /// Serves the HTTP API.
    Api,
}

/// Names of the contract whose stages are not built yet.
const NOT_BUILT: [&str; 1] = ["stripe"];

/// The stages of this binary, for messages.
const BUILT: &str = "rollup, rekey, archive, limits, api";

/// A stage name that cannot be run.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StageError {
    /// A stage of the contract that this binary lacks.
    #[error("the stage `{0}` is not built yet; this binary runs: {BUILT}")]
    NotBuilt(String),
    /// No stage of the contract.
    #[error("there is no stage `{0}`; this binary runs: {BUILT}")]
    Unknown(String),
}

impl Stage {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollup => "rollup",
            Self::Rekey => "rekey",
            Self::Archive => "archive",
            Self::Limits => "limits",
            Self::Api => "api",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Stage {
    type Err = StageError;

    fn from_str(name: &str) -> Result<Self, StageError> {
        match name {
            "rollup" => Ok(Self::Rollup),
            "rekey" => Ok(Self::Rekey),
            "archive" => Ok(Self::Archive),
            "limits" => Ok(Self::Limits),
            "api" => Ok(Self::Api),
            _ if NOT_BUILT.contains(&name) => Err(StageError::NotBuilt(name.to_owned())),
            _ => Err(StageError::Unknown(name.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_refused_by_name() {
        for stage in [
            Stage::Rollup,
            Stage::Rekey,
            Stage::Archive,
            Stage::Limits,
            Stage::Api,
        ] {
            assert_eq!(stage.name().parse(), Ok(stage));
        }
        assert_eq!(
            "stripe".parse::<Stage>(),
            Err(StageError::NotBuilt("stripe".to_owned()))
        );
        assert_eq!(
            "Rollup".parse::<Stage>(),
            Err(StageError::Unknown("Rollup".to_owned()))
        );
    }
}
