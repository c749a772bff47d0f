//! Arguments of `simulate`, and what it shares with `produce`: what is mixed in.

use crate::units::{Length, Rate, Share, Span};
use clap::builder::ArgPredicate;
use clap::{ArgGroup, Args, ValueEnum};
use meterline_core::time::{EventTime, days_from_civil};
use std::path::PathBuf;
use std::str::FromStr;

/// Arguments of `simulate`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("amount").required(true).args(["count", "duration"]))]
pub(crate) struct SimulateArgs {
    /// Catalog file whose meters the events fit; the catalog in force if not given.
    #[arg(long, value_name = "FILE")]
    pub catalog: Option<PathBuf>,
    /// Behave as the users of one product do, over a month: day and night, weekends, sessions,
    /// retries, changing levels, and a little of everything that can be mixed in. Its events fit
    /// the catalog of the same name in schemas/catalogs.
    #[arg(long, value_name = "PRODUCT", value_enum)]
    pub like: Option<Product>,
    /// The month of `--like`, up to the present where it is not over; the last 30 days if not
    /// given. All of it must still be acceptable.
    #[arg(
        long,
        value_name = "YYYY-MM",
        requires = "like",
        conflicts_with = "span"
    )]
    pub month: Option<CalendarMonth>,
    /// Number of tenants; the first are far busier than the last (Zipf).
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tenants: u32,
    /// Number of events, before duplicates and broken records.
    #[arg(long, visible_alias = "events", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// How long to publish at `--rate`.
    #[arg(long, value_name = "DURATION", requires = "rate")]
    pub duration: Option<Length>,
    /// Events a second, such as `20000/s`; as fast as the broker takes them if not given.
    #[arg(long, value_name = "N/s")]
    pub rate: Option<Rate>,
    /// Event times, ascending over `FROM..TO`: RFC 3339, or `now` with a distance (`now-7d..now`).
    /// If not given: the time of sending with `--rate`, else `now-1h..now`; with `--like` see
    /// `--month`.
    #[arg(long, value_name = "FROM..TO")]
    pub span: Option<Span>,
    /// The present that `--span` and the broken records go by, RFC 3339; the clock if not given.
    /// With it and the same arguments the same bytes are published.
    #[arg(long, value_name = "TIME", value_parser = crate::units::parse_event_time)]
    pub now: Option<meterline_core::time::EventTime>,
    /// Share of events that are hours to weeks older than the log (but still acceptable);
    /// with `--like` those that arrive hours to days after they happened, 1% if not given.
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0%",
        default_value_if("like", ArgPredicate::IsPresent, "1%")
    )]
    pub late: Share,
    /// What is mixed in.
    #[command(flatten)]
    pub mixing: Mixing,
    /// Record forms, in equal shares: json, binary, avro, confluent; or `all` that can carry the
    /// events. `confluent` needs a writer schema with a `confluent_id` in the catalog.
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

/// A product whose users can be made up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Product {
    /// Real-time media: meetings, recordings, API requests.
    Pulse,
    /// Point of sale: requests with status and time, webhooks with retries.
    Provider,
    /// LLM product: tokens, agents, calls, seats.
    Stack,
    /// Communications: calls, text messages, e-mail, WhatsApp, social media.
    Irisx,
    /// Accounting: ten features.
    Operate,
}

impl Product {
    /// The name of its catalog.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pulse => "pulse",
            Self::Provider => "provider",
            Self::Stack => "stack",
            Self::Irisx => "irisx",
            Self::Operate => "operate",
        }
    }
}

/// A calendar month in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct CalendarMonth {
    /// Its first moment.
    pub from: EventTime,
    /// The first moment of the next month.
    pub to: EventTime,
}

impl FromStr for CalendarMonth {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const MICROS_PER_DAY: i64 = 86_400_000_000;
        let refused = || format!("`{text}` is no month: write YYYY-MM, such as 2026-11");
        let (year, month) = text.split_once('-').ok_or_else(refused)?;
        let is_written = year.len() == 4 && month.len() == 2;
        let year: u16 = year.parse().map_err(|_| refused())?;
        let month: u8 = month.parse().map_err(|_| refused())?;
        if !is_written || !(1..=12).contains(&month) || !(1970..2200).contains(&year) {
            return Err(refused());
        }
        let start = |months: i64| {
            let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
            EventTime(days_from_civil(year, month, 1) * MICROS_PER_DAY)
        };
        let months = i64::from(year) * 12 + i64::from(month) - 1;
        Ok(Self {
            from: start(months),
            to: start(months + 1),
        })
    }
}

/// What is mixed in between the events. Shares are percentages (`2%`, `0.1%`).
#[derive(Clone, Debug, Args)]
pub(crate) struct Mixing {
    /// Share of events that are sent again, at once or up to thousands of records later; 2% with
    /// `--like` if not given.
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0%",
        default_value_if("like", ArgPredicate::IsPresent, "2%")
    )]
    pub duplicates: Share,
    /// Share of events that are held back for up to thousands of records; 3% with `--like` if not
    /// given.
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0%",
        default_value_if("like", ArgPredicate::IsPresent, "3%")
    )]
    pub out_of_order: Share,
    /// Broken records of many kinds, as a share of the events; they come on top. 0.1% with
    /// `--like` if not given.
    #[arg(
        long,
        value_name = "SHARE",
        default_value = "0%",
        default_value_if("like", ArgPredicate::IsPresent, "0.1%")
    )]
    pub broken: Share,
    /// Seed of every choice.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_calendar_months() {
        for (text, from, to) in [
            ("2026-11", "2026-11-01T00:00:00Z", "2026-12-01T00:00:00Z"),
            ("2026-12", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2028-02", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z"),
        ] {
            let month: CalendarMonth = text.parse().expect(text);
            let moment = |text| crate::units::parse_event_time(text).expect("a time");
            assert_eq!((month.from, month.to), (moment(from), moment(to)), "{text}");
        }
        for text in [
            "2026", "2026-13", "2026-00", "2026-1", "26-01", "+026-01", "1969-12", "a-b",
        ] {
            assert!(text.parse::<CalendarMonth>().is_err(), "{text}");
        }
    }
}
