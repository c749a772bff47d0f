//! Arguments of `stripe`: what Stripe was told of usage, and what it made of it.

use super::Output;
use crate::units::parse_moment;
use clap::{Args, Subcommand};
use meterline_core::time::EventTime;

/// Commands on Stripe.
#[derive(Debug, Subcommand)]
pub(crate) enum StripeCommand {
    /// Show how far pushes are: hour windows by what became of them, the oldest that is not
    /// confirmed, what Stripe refuses and why, and what is billed with a later window.
    ///
    /// From the tables, which follow the log within seconds.
    Status(StatusArgs),
}

/// Arguments of `stripe status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// One tenant only.
    #[arg(long)]
    pub tenant: Option<String>,
    /// One meter only.
    #[arg(long)]
    pub meter: Option<String>,
    /// First moment at which windows may start, RFC 3339 or a date; 35 days ago if not given, which
    /// is how far back Stripe takes usage.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub from: Option<EventTime>,
    /// First moment at which windows may no longer start, RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub to: Option<EventTime>,
    /// Most refused windows and most carries to show.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=9_999))]
    pub limit: u32,
    /// Form of the output; CSV and parquet are refused.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}
