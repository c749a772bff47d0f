//! Arguments of `account`.

use super::Output;
use super::output::ResultArgs;
use crate::units::{Length, parse_moment};
use clap::{Args, Subcommand, ValueEnum};
use meterline_core::account::{AccountStatus, RunningPeriod};
use meterline_core::position::Offset;
use meterline_core::time::EventTime;
use std::path::PathBuf;

/// Commands on accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Open an account or change one: what is not given stays as it is.
    Set(Box<SetArgs>),
    /// Show an account: its plan, overrides, and what is still to take effect.
    Get(GetArgs),
    /// List accounts by id.
    List(ListArgs),
    /// Set the accounts of a file; repeating it writes only what is not in force yet.
    Import(ImportArgs),
    /// Show who changed an account, when, why and from where, newest first.
    History(HistoryArgs),
}

/// Arguments of `account set`.
#[derive(Debug, Args)]
pub(crate) struct SetArgs {
    /// The account's id: the tenant in usage events.
    pub id: String,
    /// Its plan; needed for a new account.
    #[arg(long)]
    pub plan: Option<String>,
    /// Its name, shown to people.
    #[arg(long)]
    pub name: Option<String>,
    /// Its first day, on whose day of the month billing months begin; today (UTC) for a new one.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub start: Option<String>,
    /// IANA name of its time zone, such as Europe/Berlin; UTC for a new one.
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Whether it is served; checks refuse all that is not active.
    #[arg(long, value_enum)]
    pub status: Option<StatusArg>,
    /// What differs from the plan for a meter, in the place of what differed before:
    /// `limit=N|unlimited`, `included=N`, `cap=none|soft|hard`, `grace=DURATION/PERCENT`. Where the
    /// catalog names a unit for the meter's plans, N is written with it or with the base unit
    /// (`limit=5GB`, `limit=5000000000byte`); elsewhere it is in the base unit.
    #[arg(long = "override", value_name = "METER:FIELD=VALUE,…")]
    pub overrides: Vec<String>,
    /// Drop what differs from the plan for a meter.
    #[arg(long, value_name = "METER")]
    pub drop_override: Vec<String>,
    /// E-mail address of somebody to tell; all that are given replace all there were.
    #[arg(long = "contact", value_name = "EMAIL")]
    pub contacts: Vec<String>,
    /// Tell nobody.
    #[arg(long, conflicts_with = "contacts")]
    pub no_contacts: bool,
    /// Id of its customer at Stripe, which its use is pushed to, or `none`. A customer that was
    /// linked once is never another account's.
    #[arg(long, value_name = "cus_…|none")]
    pub stripe_customer: Option<String>,
    /// The whole account from a file, in YAML or JSON, as `account get --output json` shows it
    /// under `terms`; quantities without a unit are in base units.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "name", "start", "time_zone",
        "status", "overrides", "drop_override", "contacts", "no_contacts", "stripe_customer"])]
    pub file: Option<PathBuf>,
    /// How and when it takes effect, and who says so.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Refuse the change unless the account's newest version is at this control offset, as
    /// `account get` shows it; `none`: unless there is no account.
    #[arg(long, value_name = "OFFSET|none", value_parser = parse_head)]
    pub head: Option<Head>,
}

impl SetArgs {
    /// Whether nothing is given that could change an account.
    pub(crate) fn says_nothing(&self) -> bool {
        let texts = [
            &self.plan,
            &self.name,
            &self.start,
            &self.time_zone,
            &self.stripe_customer,
        ];
        let lists = [&self.overrides, &self.drop_override, &self.contacts];
        texts.iter().all(|text| text.is_none())
            && lists.iter().all(|list| list.is_empty())
            && self.status.is_none()
            && !self.no_contacts
            && self.file.is_none()
            && self.change.at.is_none()
    }
}

/// How and when changes of accounts take effect, and who says so.
#[derive(Debug, Args)]
pub(crate) struct ChangeArgs {
    /// When it takes effect, RFC 3339 or a date; at once if not given or in the past. Versions that
    /// were to take effect then or later are replaced.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub at: Option<EventTime>,
    /// What becomes of the running period: `keep` lets it end when it would have ended, with its
    /// use against the new limits; `restart` ends it with the full UTC hour before the change.
    #[arg(long, value_enum, default_value = "keep")]
    pub running: RunningArg,
    /// Who and why.
    #[command(flatten)]
    pub author: AuthorArgs,
}

/// Who decides, and why.
#[derive(Debug, Args)]
pub(crate) struct AuthorArgs {
    /// Who decides it, for the audit trail; the login name if not given.
    #[arg(long)]
    pub actor: Option<String>,
    /// Why, for the audit trail.
    #[arg(long, default_value = "")]
    pub note: String,
}

/// A head that was seen; `None`: that there was none.
pub(crate) type Head = Option<Offset>;

/// Arguments of `account get`.
#[derive(Debug, Args)]
pub(crate) struct GetArgs {
    /// The account's id.
    pub id: String,
    /// Form of the output; `json` is what `account set --file` reads, under `terms`. CSV and
    /// parquet are refused.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

/// Arguments of `account list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Accounts of this plan only.
    #[arg(long)]
    pub plan: Option<String>,
    /// Accounts of this status only.
    #[arg(long, value_enum)]
    pub status: Option<StatusArg>,
    /// Begin behind this id: the last of the page before.
    #[arg(long, value_name = "ID")]
    pub after: Option<String>,
    /// Most accounts to show.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Show all accounts, however many.
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,
    /// Form and place of the output.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Arguments of `account import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// CSV with a header line, or one JSON object a line (`.ndjson`, `.jsonl`, `.json`). Columns:
    /// `account` (or `id`), `plan`, `name`, `start`, `time_zone`, `status`, `contacts` (separated
    /// by spaces), `overrides` (as --override, separated by spaces), `stripe_customer` (or `none`);
    /// in JSON the fields of an account as `account get` shows them. What a line does not have
    /// stays as it is.
    pub file: PathBuf,
    /// How and when all of them take effect, and who says so.
    #[command(flatten)]
    pub change: ChangeArgs,
    /// Check every line and write nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// List unchanged accounts too.
    #[arg(long)]
    pub verbose: bool,
    /// How long one batch may take.
    #[arg(long, default_value = "60s", value_name = "DURATION")]
    pub timeout: Length,
    /// Form and place of the list of results.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Arguments of `account history`.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The account's id.
    pub id: String,
    /// Most versions to show.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
    /// Form and place of the output.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Status of an account, as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum StatusArg {
    /// It is served.
    Active,
    /// Checks refuse it; its use is counted.
    Suspended,
    /// It has ended: checks refuse it, and nobody is told of its use.
    Closed,
}

impl From<StatusArg> for AccountStatus {
    fn from(status: StatusArg) -> Self {
        match status {
            StatusArg::Active => Self::Active,
            StatusArg::Suspended => Self::Suspended,
            StatusArg::Closed => Self::Closed,
        }
    }
}

/// What becomes of the running period, as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum RunningArg {
    /// It ends when it would have ended.
    Keep,
    /// It ends with the full UTC hour before the change.
    Restart,
}

impl From<RunningArg> for RunningPeriod {
    fn from(running: RunningArg) -> Self {
        match running {
            RunningArg::Keep => Self::Keep,
            RunningArg::Restart => Self::Restart,
        }
    }
}

/// Reads a head that was seen: a control offset, or `none`.
pub(crate) fn parse_head(text: &str) -> Result<Head, String> {
    if text == "none" {
        return Ok(None);
    }
    let offset = text.parse().map(Some);
    offset.map_err(|_| format!("`{text}` is neither a control offset nor `none`"))
}
