//! Arguments of `limits`: how tenants stand, why, and what was told of it.

use super::Output;
use super::account::AuthorArgs;
use super::output::ResultArgs;
use clap::{Args, Subcommand, ValueEnum};
use meterline_core::quantity::Quantity;
use meterline_core::standing::Health;

/// Commands on limits.
#[derive(Debug, Subcommand)]
pub(crate) enum LimitsCommand {
    /// List standings: use against limits, by tenant and meter.
    List(ListArgs),
    /// Show one tenant's standings and alerts.
    Show(ShowArgs),
    /// Show why a tenant stands where it does: buckets, plan row, override, thresholds, positions,
    /// and what a check would answer now.
    Explain(ExplainArgs),
    /// List and replay notifications.
    #[command(subcommand)]
    Notifications(NotificationsCommand),
}

/// Arguments of `limits list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// One tenant only.
    #[arg(long)]
    pub tenant: Option<String>,
    /// One meter or derived quantity only.
    #[arg(long)]
    pub meter: Option<String>,
    /// Standings at least this bad only.
    #[arg(long, value_enum)]
    pub health: Option<HealthArg>,
    /// Most rows to show, by tenant and meter.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Form and place of the output.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Arguments of `limits show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The tenant.
    pub tenant: String,
    /// Form of the output.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Arguments of `limits explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The tenant.
    pub tenant: String,
    /// The meter or derived quantity.
    pub meter: String,
    /// What the check at the end asks for, in the meter's base unit.
    #[arg(long, default_value = "1", value_parser = parse_wanted)]
    pub wanted: Quantity,
    /// Form of the output; CSV and parquet are refused.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Commands on notifications.
#[derive(Debug, Subcommand)]
pub(crate) enum NotificationsCommand {
    /// List the newest attempts to tell somebody.
    List(AttemptsArgs),
    /// Ask for notifications to be sent again.
    Replay(ReplayArgs),
}

/// Arguments of `limits notifications list`.
#[derive(Debug, Args)]
pub(crate) struct AttemptsArgs {
    /// Only those that were given up, until somebody asks for them again.
    #[arg(long, conflicts_with = "notification")]
    pub parked: bool,
    /// All attempts for one notification.
    #[arg(long, value_name = "ID")]
    pub notification: Option<String>,
    /// One tenant only.
    #[arg(long)]
    pub tenant: Option<String>,
    /// Most rows to show.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Form and place of the output.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Arguments of `limits notifications replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The notification.
    #[arg(
        value_name = "ID",
        required_unless_present = "parked",
        conflicts_with = "parked"
    )]
    pub notification: Option<String>,
    /// By this route only.
    #[arg(long)]
    pub route: Option<String>,
    /// All that were given up.
    #[arg(long)]
    pub parked: bool,
    /// Who and why.
    #[command(flatten)]
    pub author: AuthorArgs,
}

/// A health, as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum HealthArg {
    /// Far from its limits.
    Healthy,
    /// At three quarters, or as the catalog says.
    Caution,
    /// At nine tenths, or as the catalog says.
    Warning,
    /// Above its limit.
    Critical,
}

impl From<HealthArg> for Health {
    fn from(health: HealthArg) -> Self {
        match health {
            HealthArg::Healthy => Self::Healthy,
            HealthArg::Caution => Self::Caution,
            HealthArg::Warning => Self::Warning,
            HealthArg::Critical => Self::Critical,
        }
    }
}

fn parse_wanted(text: &str) -> Result<Quantity, String> {
    let wanted = Quantity::parse(text).map_err(|error| format!("`{text}` {error}"))?;
    if wanted < Quantity::ZERO {
        return Err(format!("`{text}` is below zero"));
    }
    Ok(wanted)
}
