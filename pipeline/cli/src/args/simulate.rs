//! Arguments of `simulate`, and what it shares with `produce`: what is mixed in.

use crate::units::{Length, Rate, Share, Span};
use clap::{ArgGroup, Args};
use std::path::PathBuf;

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("amount").required(true).args(["count", "duration"]))]
pub(crate) struct SimulateArgs {
    /// Catalog file whose meters the events fit; the catalog in force if not given.
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
    /// Number of tenants; the first are far busier than the last (Zipf).
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tenants: u32,
    /// Number of events, before duplicates and broken records.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// How long to publish at `--rate`.
    #[arg(long, value_name = "DURATION", requires = "rate")]
    pub duration: Option<Length>,
    /// Events a second, such as `20000/s`; as fast as the broker takes them if not given.
    #[arg(long, value_name = "N/s")]
    pub rate: Option<Rate>,
    /// Event times, ascending over `FROM..TO`: RFC 3339, or `now` with a distance (`now-7d..now`).
    /// If not given: the time of sending with `--rate`, else `now-1h..now`.
    #[arg(long, value_name = "FROM..TO")]
    pub span: Option<Span>,
    /// The present that `--span` and the broken records go by, RFC 3339; the clock if not given.
    /// With it and the same arguments the same bytes are published.
    #[arg(long, value_name = "TIME", value_parser = crate::units::parse_event_time)]
    pub now: Option<meterline_core::time::EventTime>,
    /// Share of events that are hours to weeks older than the log (but still acceptable).
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    pub late: Share,
    /// What is mixed in.
    #[command(flatten)]
    pub mixing: Mixing,
    /// Record forms, in equal shares: json, binary, avro, confluent; or `all`. `confluent` needs a
    /// writer schema with a `confluent_id` in the catalog.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "json",
        value_name = "FORM,…"
    )]
    pub encoding: Vec<String>,
    /// Text that ids begin with, so that several runs do not repeat each other's ids;
    /// `sim-SEED` if not given.
    #[arg(long, value_name = "TEXT")]
    pub id_prefix: Option<String>,
    /// Write one JSON line for every record sent: what it was meant to be.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
}

/// What is mixed in between the events. Shares are percentages (`2%`, `0.1%`).
#[derive(Clone, Debug, Args)]
pub(crate) struct Mixing {
    /// Share of events that are sent again, at once or up to thousands of records later.
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    pub duplicates: Share,
    /// Share of events that are held back for up to thousands of records.
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    pub out_of_order: Share,
    /// Broken records of many kinds, as a share of the events; they come on top.
    #[arg(long, value_name = "SHARE", default_value = "0%")]
    pub broken: Share,
    /// Seed of every choice.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}
