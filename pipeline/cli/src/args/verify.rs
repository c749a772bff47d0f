//! Arguments of `verify`.

use super::Output;
use crate::units::Length;
use clap::Args;
use meterline_core::time::EventTime;

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Compare the levels of one tenant only; counters know no tenants and are left out then.
    #[arg(long)]
    pub tenant: Option<String>,
    /// First moment, RFC 3339 or a date: days and months that start before it are not compared.
    #[arg(long, value_name = "TIME", value_parser = crate::units::parse_moment)]
    pub from: Option<EventTime>,
    /// First moment no longer compared, RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = crate::units::parse_moment)]
    pub to: Option<EventTime>,
    /// How long to look for a moment at which a busy partition can be compared.
    #[arg(long, default_value = "30s", value_name = "DURATION")]
    pub timeout: Length,
    /// Form of the output.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}
