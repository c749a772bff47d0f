//! Arguments of the `meterline` command, as clap reads them.
//!
//! What is written here is the public contract and its help text; nothing is decided here. Values
//! are parsed into types with units at once, so that a command never meets a text it cannot use.

use crate::args::account::AccountCommand;
use crate::args::checkpoint::CheckpointCommand;
use crate::args::dead_letters::DeadLettersCommand;
use crate::args::event::EventCommand;
use crate::args::key::KeyCommand;
use crate::args::limits::LimitsCommand;
use crate::args::produce::ProduceArgs;
use crate::args::resolve::ResolveArgs;
use crate::args::route::RouteCommand;
use crate::args::simulate::SimulateArgs;
use crate::args::stripe::StripeCommand;
use crate::args::verify::VerifyArgs;
use crate::units::Length;
use clap::{Args, Parser, Subcommand, ValueEnum};
use meterline_control::AdoptStart;
use meterline_core::time::{EventTime, Level};
use std::path::PathBuf;

pub(crate) mod account;
pub(crate) mod checkpoint;
pub(crate) mod dead_letters;
pub(crate) mod event;
pub(crate) mod key;
pub(crate) mod limits;
pub(crate) mod output;
pub(crate) mod produce;
pub(crate) mod resolve;
pub(crate) mod route;
pub(crate) mod schema;
pub(crate) mod simulate;
pub(crate) mod stripe;
pub(crate) mod verify;

/// Turns usage events in Kafka into exact hourly, daily and monthly buckets in ClickHouse.
#[derive(Debug, Parser)]
#[command(name = "meterline", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// Settings file; without it `./meterline.toml` is read if it is there. Variables named
    /// `METERLINE__SECTION__KEY` go before the file.
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create topics, tables and views, or adopt a topic that was there before; may be repeated.
    Init(InitArgs),
    /// Check, apply and show the catalog of meters.
    #[command(subcommand)]
    Catalog(CatalogCommand),
    /// Set, show, list, import and trace accounts: who is on which plan.
    #[command(subcommand)]
    Account(AccountCommand),
    /// Make, list, rotate and revoke API keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Say who is told of which alerts, and how.
    #[command(subcommand)]
    Route(RouteCommand),
    /// Show how tenants stand against their limits, and why.
    #[command(subcommand)]
    Limits(LimitsCommand),
    /// Set Stripe up, show what it was told of usage, and compare it with the buckets.
    #[command(subcommand)]
    Stripe(StripeCommand),
    /// Run stages until SIGTERM or Ctrl-C.
    Run(RunArgs),
    /// Publish the records of a file as usage events.
    Produce(Box<ProduceArgs>),
    /// Publish made-up usage events that fit a catalog.
    Simulate(Box<SimulateArgs>),
    /// Show a tenant's usage by hour, day or month.
    Usage(UsageArgs),
    /// Take back an event that was counted, or put another in its place.
    #[command(subcommand)]
    Event(EventCommand),
    /// List, show, replay and remove records that could not be counted.
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Show lag, log time, checkpoints and halts of every partition.
    Status(StatusArgs),
    /// Show what is halted or stalled and what each exit does; with --yes, take the exits.
    Resolve(ResolveArgs),
    /// Compare buckets, counters, levels and dead letters; exit code 1 where they differ.
    ///
    /// More dead letters than were counted are a difference. Fewer are only noted, with exit code 0:
    /// retention and `dead-letters purge` take some, and neither is recorded, so letters that were
    /// lost otherwise look the same.
    Verify(VerifyArgs),
    /// List checkpoints, and set aside those that cannot be used.
    #[command(subcommand)]
    Checkpoint(CheckpointCommand),
    /// Show or check the settings.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Adopt a usage topic that `init` did not create: `end`, or `PARTITION=OFFSET,…` with the
    /// first offset to count of each partition. Needs a catalog in force.
    #[arg(long, value_name = "end|PARTITION=OFFSET,…", value_parser = crate::units::parse_adopt)]
    pub adopt: Option<AdoptStart>,
    /// Partitions of the usage topic and of the topics that share its numbering, if created now; 4
    /// if not given. A topic that is there with another number is an error.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub partitions: Option<u32>,
    /// Replicas of topics created now; if not given three, or one per broker where there are fewer.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub replication_factor: Option<u16>,
}

/// Commands on the catalog.
#[derive(Debug, Subcommand)]
pub(crate) enum CatalogCommand {
    /// Read a catalog file and say what is wrong with it; publishes nothing.
    Check {
        /// The catalog, in YAML.
        file: PathBuf,
        /// Also check that it may follow the versions in force; reads the control log.
        #[arg(long)]
        in_force: bool,
    },
    /// Put a catalog in force; returns when the control log has it.
    Apply(ApplyArgs),
    /// Show a catalog version.
    Show(ShowArgs),
    /// Add writer schemas to the catalog in force, or list them.
    #[command(subcommand)]
    Schema(schema::SchemaCommand),
}

/// Arguments of `catalog show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The version; the one in force if not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub version: Option<u32>,
    /// List the versions instead.
    #[arg(long, conflicts_with = "version")]
    pub list: bool,
    /// Form of the output; `json` is the catalog as the control log has it.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Arguments of `catalog apply`.
#[derive(Debug, Args)]
pub(crate) struct ApplyArgs {
    /// The catalog, in YAML.
    pub file: PathBuf,
    /// Also wait until the version is placed in every partition of the usage topic.
    #[arg(long)]
    pub wait: bool,
    /// Who applies it, for the audit trail; the login name if not given.
    #[arg(long)]
    pub actor: Option<String>,
    /// Why, for the audit trail.
    #[arg(long, default_value = "")]
    pub note: String,
    /// How long `--wait` waits.
    #[arg(long, default_value = "60s", value_name = "DURATION")]
    pub timeout: Length,
    /// Drop writer schemas in force that the file lacks; they are taken over without it.
    #[arg(long)]
    pub drop_schemas: bool,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Stages to run.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "rollup",
        value_name = "STAGE,…"
    )]
    pub stages: Vec<String>,
}

/// Arguments of `usage`.
#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// Whose usage.
    #[arg(long)]
    pub tenant: String,
    /// One meter only.
    #[arg(long)]
    pub meter: Option<String>,
    /// Length of the windows.
    #[arg(long, default_value = "day", value_enum)]
    pub level: LevelArg,
    /// First moment, RFC 3339 or a date; windows that start before it are left out.
    #[arg(long, value_name = "TIME", value_parser = crate::units::parse_moment)]
    pub from: Option<EventTime>,
    /// First moment no longer shown, RFC 3339 or a date.
    #[arg(long, value_name = "TIME", value_parser = crate::units::parse_moment)]
    pub to: Option<EventTime>,
    /// Most rows to show, by meter, window and dimensions.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Show all rows, however many; not as a table.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Form and place of the output.
    #[command(flatten)]
    pub result: output::ResultArgs,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Show it live, until `q`; needs a terminal.
    #[arg(long, conflicts_with = "output")]
    pub watch: bool,
    /// Form of the output.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Commands on the settings.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print all settings in force with where each came from; secrets are masked.
    Show,
    /// Say whether the settings are right.
    Check,
}

/// Form of the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Output {
    /// Aligned columns for people.
    Table,
    /// One JSON array; decimals as strings.
    Json,
    /// Comma-separated, with a header line.
    Csv,
    /// Apache Parquet, for long results; needs `--output-file`.
    Parquet,
}

/// Length of a usage window, as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum LevelArg {
    /// Hours.
    Hour,
    /// Days, UTC.
    Day,
    /// Calendar months, UTC.
    Month,
}

impl From<LevelArg> for Level {
    fn from(level: LevelArg) -> Self {
        match level {
            LevelArg::Hour => Self::Hour,
            LevelArg::Day => Self::Day,
            LevelArg::Month => Self::Month,
        }
    }
}
