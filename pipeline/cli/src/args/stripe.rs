//! Arguments of `stripe`: setting it up, what it was told of usage, and what it made of it.

use super::Output;
use crate::units::{Length, Month, parse_moment};
use clap::{Args, Subcommand};
use meterline_core::time::EventTime;
use std::path::PathBuf;

/// Commands on Stripe.
#[derive(Debug, Subcommand)]
pub(crate) enum StripeCommand {
    /// Make meters, products and prices at Stripe as the catalog in force wants them; shows what it
    /// would do, and does it with --apply.
    ///
    /// May be repeated: what is there as it should be is kept. Nothing is ever deleted, archived or
    /// deactivated. What cannot be billed exactly is refused with its figures; with --apply the rest
    /// is done and the exit code is 1.
    #[command(after_help = SETUP_EXAMPLES)]
    Setup(SetupArgs),
    /// Link accounts to customers at Stripe.
    #[command(subcommand)]
    Customer(CustomerCommand),
    /// Show how far pushes are: hour windows by what became of them, the oldest that is not
    /// confirmed, what Stripe refuses and why, and what is billed with a later window.
    ///
    /// From the tables, which follow the log within seconds.
    Status(StatusArgs),
    /// Compare a month's buckets, ledger, summaries at Stripe and invoice lines; exit code 1 where they
    /// differ.
    ///
    /// Windows that are open or changed a moment ago are left out. A run that was stopped goes on
    /// where it was. Differences are in the table `stripe_differences`, open ones in the view
    /// `stripe_differences_open`; one that is no longer found is closed. Nothing changes at Stripe.
    #[command(after_help = "Examples:\n  \
                            meterline stripe reconcile --period 2026-10\n  \
                            meterline stripe reconcile --period 2026-10 --tenant acme --restart\n\n\
                            Exit codes: 0 no difference, 1 differences or failed, 2 wrong usage.")]
    Reconcile(ReconcileArgs),
    /// Write a tenant's month: each hour from the events that it counts to the invoice that bills it.
    ///
    /// Per meter and hour: events and value of the buckets, the records of the last change, what was
    /// pushed and confirmed at which offsets, under which identifier, what Stripe shows, and which
    /// invoice bills it; then invoice lines, carries with what they correct, and totals. It judges
    /// nothing; `stripe reconcile` does.
    #[command(after_help = "Examples:\n  \
                            meterline stripe statement --period 2026-10 --tenant acme\n  \
                            meterline stripe statement --period 2026-10 --tenant acme --output csv \
                            --output-file acme.csv")]
    Statement(StatementArgs),
}

/// Arguments of `stripe statement`.
#[derive(Debug, Args)]
pub(crate) struct StatementArgs {
    /// The month, UTC.
    #[arg(long, value_name = "YYYY-MM")]
    pub period: Month,
    /// Whose month.
    #[arg(long)]
    pub tenant: String,
    /// Form of the output; tables and parquet are refused.
    #[arg(long, default_value = "json", value_enum)]
    pub output: Output,
    /// Write to this file instead of standard output. It is there only once it is whole, and then
    /// replaces what was there.
    #[arg(long, value_name = "FILE")]
    pub output_file: Option<PathBuf>,
}

/// Arguments of `stripe reconcile`.
#[derive(Debug, Args)]
pub(crate) struct ReconcileArgs {
    /// The month, UTC.
    #[arg(long, value_name = "YYYY-MM")]
    pub period: Month,
    /// One tenant only.
    #[arg(long)]
    pub tenant: Option<String>,
    /// One meter only.
    #[arg(long)]
    pub meter: Option<String>,
    /// Begin again, also where a run of the same month, tenant and meter was stopped within a day.
    #[arg(long)]
    pub restart: bool,
    /// Leave out windows that changed within this time: they are being pushed.
    #[arg(long, default_value = "15m", value_name = "DURATION")]
    pub in_work: Length,
    /// Most differences to show; the table has all.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=9_999))]
    pub limit: u32,
    /// Form of the output; CSV and parquet are refused.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

const SETUP_EXAMPLES: &str = "Examples:
  meterline stripe setup                          what would be made
  meterline stripe setup --catalog catalog.yaml   the same of a file, before it is in force
  meterline stripe setup --apply                  make it
  meterline stripe setup --output json            with the ids of what is there";

/// Arguments of `stripe setup`.
#[derive(Debug, Args)]
pub(crate) struct SetupArgs {
    /// Do it. Needs a key that may write billing meters, products and prices.
    #[arg(long)]
    pub apply: bool,
    /// Show what this file would need, in YAML, in the place of the catalog in force.
    #[arg(long, value_name = "FILE", conflicts_with = "apply")]
    pub catalog: Option<PathBuf>,
    /// Form of the output; parquet is refused.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Commands on customers.
#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Find or make the customer of each account that has none, and link it; shows what it would do,
    /// and does it with --apply.
    ///
    /// A customer is an account's whose id its metadata `meterline_tenant` names; where none does, one
    /// is made, with the account's name and its first contact. A link is for ever, so where two
    /// customers name one account, neither is taken. Closed accounts are left out unless named. Also
    /// lists subscriptions of linked customers whose periods do not begin on a whole UTC hour.
    #[command(after_help = SYNC_EXAMPLES)]
    Sync(SyncArgs),
}

const SYNC_EXAMPLES: &str = "Examples:
  meterline stripe customer sync                         what would be linked and made
  meterline stripe customer sync --tenant acme --apply   one account
  meterline stripe customer sync --apply                 all; may be repeated";

/// Arguments of `stripe customer sync`.
#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Do it. Needs a key that may write customers and read subscriptions.
    #[arg(long)]
    pub apply: bool,
    /// One account only.
    #[arg(long)]
    pub tenant: Option<String>,
    /// Who links, for the audit trail; the login name if not given.
    #[arg(long)]
    pub actor: Option<String>,
    /// Why, for the audit trail.
    #[arg(long, default_value = "linked by `stripe customer sync`")]
    pub note: String,
    /// Form of the output; CSV and parquet are refused.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
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
