//! Arguments of `resolve`.

use super::Output;
use crate::units::Length;
use clap::Args;
use meterline_core::position::Offset;

/// Arguments of `resolve`.
#[derive(Debug, Args)]
pub(crate) struct ResolveArgs {
    /// One partition only.
    #[arg(long)]
    pub partition: Option<u32>,
    /// Do what the table says; without it nothing is changed.
    #[arg(long)]
    pub yes: bool,
    /// Give up what was folded at or behind this offset and fold the log again from there, in a
    /// new epoch: for records that were replaced, or an exit that you know better.
    #[arg(long, value_name = "OFFSET", requires = "partition")]
    pub back_to: Option<Offset>,
    /// Where workers listen (`http.listen`); the one of the settings if not given. Name all of
    /// them: each knows its own partitions only.
    #[arg(long, value_delimiter = ',', value_name = "HOST:PORT,…")]
    pub workers: Vec<String>,
    /// Act although no worker was asked: only while none runs.
    #[arg(long)]
    pub without_workers: bool,
    /// Who decides, for the audit trail; the login name if not given.
    #[arg(long)]
    pub actor: Option<String>,
    /// Why, for the audit trail.
    #[arg(long, default_value = "")]
    pub note: String,
    /// How long to wait for workers to go on, where rows must be restated after that.
    #[arg(long, default_value = "2m", value_name = "DURATION")]
    pub timeout: Length,
    /// Form of the output.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}
