//! Arguments of `route`: who is told of which alerts, and how.

use super::Output;
use super::account::{AuthorArgs, Head, parse_head};
use super::output::ResultArgs;
use crate::units::Length;
use clap::{Args, Subcommand, ValueEnum};
use meterline_core::catalog::plans::Severity;

/// Commands on notification routes.
#[derive(Debug, Subcommand)]
pub(crate) enum RouteCommand {
    /// Make a route or change one: what is not given stays as it is.
    Set(Box<SetArgs>),
    /// List routes.
    List(ListArgs),
    /// Show a route.
    Show(ShowArgs),
    /// Switch a route off: nothing is sent by it any more.
    Remove(RemoveArgs),
    /// Print the secret that a webhook's receiver checks signatures with.
    Secret(SecretArgs),
    /// Give a webhook a new secret and print it; requests carry both signatures for a while.
    Rotate(RotateArgs),
}

/// Arguments of `route set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The route's id: lower-case letters, digits, `_` and `-`.
    pub id: String,
    /// Alerts of this account only.
    #[arg(long, conflicts_with = "all_accounts")]
    pub account: Option<String>,
    /// Alerts of all accounts; so it is for a new route.
    #[arg(long)]
    pub all_accounts: bool,
    /// Alerts of these meters only; all that are given replace all there were.
    #[arg(long = "meter", value_name = "METER", value_delimiter = ',')]
    pub meters: Vec<String>,
    /// Alerts of all meters; so it is for a new route.
    #[arg(long, conflicts_with = "meters")]
    pub all_meters: bool,
    /// Alerts of at least this severity; `info`, that is all, for a new route.
    #[arg(long, value_enum)]
    pub severity: Option<SeverityArg>,
    /// Tell by an HTTP POST to this URL.
    #[arg(long, value_name = "URL", conflicts_with_all = ["email", "contacts", "kafka"])]
    pub webhook: Option<String>,
    /// Tell by e-mail to these addresses.
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', conflicts_with_all = ["contacts", "kafka"])]
    pub email: Vec<String>,
    /// Tell by e-mail to the account's contacts.
    #[arg(long, conflicts_with = "kafka")]
    pub contacts: bool,
    /// Tell by a record on this Kafka topic, keyed by tenant.
    #[arg(long, value_name = "TOPIC")]
    pub kafka: Option<String>,
    /// Switch it on or off.
    #[arg(long, value_name = "true|false")]
    pub enabled: Option<bool>,
    /// Refuse the change unless the route's newest version is at this control offset, as
    /// `route show` shows it; `none`: unless there is no route.
    #[arg(long, value_name = "OFFSET|none", value_parser = parse_head)]
    pub head: Option<Head>,
    /// Who and why.
    #[command(flatten)]
    pub author: AuthorArgs,
}

/// Arguments of `route list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Also show routes that are switched off.
    #[arg(long)]
    pub all: bool,
    /// Form and place of the output.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Arguments of `route show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The route's id.
    pub id: String,
    /// Form of the output; CSV and parquet are refused.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Arguments of `route remove`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The route's id.
    pub id: String,
    /// Who and why.
    #[command(flatten)]
    pub author: AuthorArgs,
}

/// Arguments of `route secret`.
#[derive(Debug, Args)]
pub(crate) struct SecretArgs {
    /// The route's id.
    pub id: String,
    /// The secret of this generation; the newest if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub generation: Option<u32>,
}

/// Arguments of `route rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The route's id.
    pub id: String,
    /// How long requests are signed with the old secret too.
    #[arg(long, value_name = "DURATION", default_value = "24h")]
    pub keep_old: Length,
    /// Who and why.
    #[command(flatten)]
    pub author: AuthorArgs,
}

/// A severity, as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum SeverityArg {
    /// For the record.
    Info,
    /// Somebody should look some day.
    Medium,
    /// The limit is near.
    Warning,
    /// The limit is there.
    Critical,
}

impl From<SeverityArg> for Severity {
    fn from(severity: SeverityArg) -> Self {
        match severity {
            SeverityArg::Info => Self::Info,
            SeverityArg::Medium => Self::Medium,
            SeverityArg::Warning => Self::Warning,
            SeverityArg::Critical => Self::Critical,
        }
    }
}
