//! The stages that one process can run, by their public names.
//!
//! Any other name is refused with those that there are.

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
    /// Pushes use to Stripe.
    Stripe,
    /// Serves the HTTP API.
    Api,
}

/// The stages of this binary, for messages.
const BUILT: &str = "rollup, rekey, archive, limits, stripe, api";

/// A name that is no stage's.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no stage `{0}`; this binary runs: {BUILT}")]
pub struct StageError(String);

impl Stage {
    /// The public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rollup => "rollup",
            Self::Rekey => "rekey",
            Self::Archive => "archive",
            Self::Limits => "limits",
            Self::Stripe => "stripe",
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
            "stripe" => Ok(Self::Stripe),
            "api" => Ok(Self::Api),
            _ => Err(StageError(name.to_owned())),
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
            Stage::Stripe,
            Stage::Api,
        ] {
            assert_eq!(stage.name().parse(), Ok(stage));
        }
        let unknown = "Rollup".parse::<Stage>().map_err(|error| error.to_string());
        let expected = format!("there is no stage `Rollup`; this binary runs: {BUILT}");
        assert_eq!(unknown, Err(expected));
    }
}
