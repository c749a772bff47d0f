//! Arguments of `event`: corrections of what was counted.

use super::Output;
use crate::units::Length;
use clap::{Args, Subcommand};
use meterline_core::quantity::Quantity;
use std::path::PathBuf;

/// Commands on an event that was counted.
#[derive(Debug, Subcommand)]
pub(crate) enum EventCommand {
    /// Take an event back: its buckets, totals and limits follow. Its id is never accepted again.
    Void(VoidArgs),
    /// Put another event in the place of one, under the same id and event time.
    Amend(AmendArgs),
}

/// Arguments of `event void`.
#[derive(Debug, Args)]
pub(crate) struct VoidArgs {
    /// Which event, and how.
    #[command(flatten)]
    pub of: CorrectionArgs,
}

/// Arguments of `event amend`.
#[derive(Debug, Args)]
pub(crate) struct AmendArgs {
    /// The right quantity; everything else stays.
    #[arg(long, value_name = "QUANTITY", value_parser = parse_quantity, allow_hyphen_values = true,
        required_unless_present = "file")]
    pub quantity: Option<Quantity>,
    /// The right event, one CloudEvent in JSON with the same id, source, tenant and time.
    #[arg(long, value_name = "FILE", conflicts_with = "quantity")]
    pub file: Option<PathBuf>,
    /// Which event, and how.
    #[command(flatten)]
    pub of: CorrectionArgs,
}

/// Which event is corrected, and how the command goes about it.
#[derive(Debug, Args)]
pub(crate) struct CorrectionArgs {
    /// The event's id.
    pub id: String,
    /// The event's tenant.
    #[arg(long)]
    pub tenant: String,
    /// The event's source.
    #[arg(long)]
    pub source: String,
    /// Why, for the audit trail.
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// Who decides it, for the audit trail; the login name if not given.
    #[arg(long)]
    pub actor: Option<String>,
    /// Only show what would change.
    #[arg(long)]
    pub dry_run: bool,
    /// Return when the partition has taken it, and fail where it was refused. Needs
    /// `checkpoint.url`: that it was taken is known from the next checkpoint.
    #[arg(long)]
    pub wait: bool,
    /// How long to wait.
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    pub timeout: Length,
    /// Form of the table of what changes.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

fn parse_quantity(text: &str) -> Result<Quantity, String> {
    Quantity::parse(text).map_err(|error| error.to_string())
}
