//! Rows of `stripe_differences` and `stripe_reconciliations`: what reconciliations found, and how
//! far they are.

use super::{codes, columns};
use clickhouse::Row;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};
use serde::{Deserialize, Serialize};

/// What kind of difference one is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum DifferenceKind {
    /// A bucket has a value that Stripe never took.
    NotPushed,
    /// What was pushed last is an older value.
    Stale,
    /// No summary has shown what was pushed.
    Unconfirmed,
    /// A summary shows something else than what was pushed.
    StripeDiffers,
    /// A summary shows what was never pushed.
    Foreign,
    /// Stripe refuses to show summaries.
    Unreadable,
    /// A final invoice and its carries bill something else than the windows come to.
    InvoiceDiffers,
}

impl DifferenceKind {
    /// All kinds, in the order of the path.
    pub const ALL: [Self; 7] = [
        Self::NotPushed,
        Self::Stale,
        Self::Unconfirmed,
        Self::StripeDiffers,
        Self::Foreign,
        Self::Unreadable,
        Self::InvoiceDiffers,
    ];

    /// The name in tables, metrics and commands.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotPushed => "not_pushed",
            Self::Stale => "stale",
            Self::Unconfirmed => "unconfirmed",
            Self::StripeDiffers => "stripe_differs",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
            Self::InvoiceDiffers => "invoice_differs",
        }
    }
}

/// What tells differences apart.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DifferenceKey {
    /// Who is billed; empty where Stripe bills a customer that no account has.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// First second of the hour window; of an invoice line that of its first hour.
    pub window_start: EventTime,
    /// What kind it is.
    pub kind: DifferenceKind,
    /// The customer of summaries, the invoice of a line, else empty.
    pub subject: String,
}

/// A difference, as it was judged last.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct DifferenceRow {
    /// Who is billed.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// First second of the first window.
    #[serde(with = "columns::seconds")]
    pub window_start: EventTime,
    /// What kind it is.
    #[serde(with = "codes::difference_kind")]
    pub kind: DifferenceKind,
    /// What it is about beside the window.
    pub subject: String,
    /// First second after the windows.
    #[serde(with = "columns::seconds")]
    pub window_end: EventTime,
    /// Hour windows that the row stands for.
    pub windows: u64,
    /// Why, in words.
    pub reason: String,
    /// What Stripe should have, in the meter's base unit.
    #[serde(with = "columns::optional_quantity")]
    pub bucket: Option<Quantity>,
    /// What was pushed last.
    #[serde(with = "columns::optional_quantity")]
    pub ledger: Option<Quantity>,
    /// What a summary shows.
    #[serde(with = "columns::optional_quantity")]
    pub stripe: Option<Quantity>,
    /// What an invoice line bills, with its carries.
    #[serde(with = "columns::optional_quantity")]
    pub billed: Option<Quantity>,
    /// When a reconciliation found it first.
    pub first_seen: LogTime,
    /// When a reconciliation found it last.
    pub last_seen: LogTime,
    /// Whether the newest reconciliation of its windows found it.
    pub is_open: bool,
    /// The reconciliation that judged last.
    pub run: u128,
    /// When it did.
    pub judged_at: LogTime,
}

impl DifferenceRow {
    /// What tells it apart.
    #[must_use]
    pub fn key(&self) -> DifferenceKey {
        DifferenceKey {
            tenant: self.tenant.clone(),
            meter: self.meter.clone(),
            window_start: self.window_start,
            kind: self.kind,
            subject: self.subject.clone(),
        }
    }
}

/// How many open differences there are of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct DifferenceCountRow {
    /// The kind.
    #[serde(with = "codes::difference_kind")]
    pub kind: DifferenceKind,
    /// Windows and invoice lines.
    pub differences: u64,
    /// When the oldest of them was found first.
    pub since: LogTime,
}

/// How far a reconciliation is.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ReconciliationRow {
    /// Chosen at random when it began.
    pub run: u128,
    /// First second of the period.
    #[serde(with = "columns::seconds")]
    pub period_start: EventTime,
    /// First second after it.
    #[serde(with = "columns::seconds")]
    pub period_end: EventTime,
    /// Which tenants and meters.
    pub scope: String,
    /// When it began.
    pub started_at: LogTime,
    /// When this was so.
    pub updated_at: LogTime,
    /// Whether everything of its scope was compared.
    pub is_finished: bool,
    /// Up to which tenant, in key order.
    pub after_tenant: String,
    /// Up to which meter of that tenant.
    pub after_meter: String,
    /// Slices that are finished.
    pub slices: u32,
    /// Tenants' meters that were compared.
    pub pairs: u64,
    /// Hour windows that were compared.
    pub windows: u64,
    /// Hour windows that were left out: open, or changed a moment ago.
    pub in_work: u64,
    /// Customers' meters whose summaries were read.
    pub readings: u64,
    /// Lines of final invoices that were compared.
    pub invoice_lines: u64,
    /// Differing windows and invoice lines that it found.
    pub found: u64,
}

/// A customer's windows at a meter in a period, compared with the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct PairRow {
    /// Who is billed.
    pub tenant: String,
    /// The meter.
    pub meter: String,
    /// The customer of the ledger's windows; empty of windows that were never pushed.
    pub customer: String,
    /// The event name of the ledger's windows; empty of windows that were never pushed.
    pub event_name: String,
    /// Hour windows.
    pub windows: u64,
    /// Of them, those that are left out.
    pub in_work: u64,
    /// Of them, those that differ.
    pub differing: u64,
    /// What those come to that differ.
    #[serde(with = "columns::quantity")]
    pub differing_sum: Quantity,
    /// The first of those that differ, by their start.
    pub differences: Vec<WindowDifference>,
    /// What was pushed last, by first second: of whole days, and then of hours.
    pub pushed: (Vec<u32>, Vec<Amount>),
}

/// A window whose bucket and ledger differ.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(from = "Columns", into = "Columns")]
pub struct WindowDifference {
    /// First second of the window.
    pub window_start: EventTime,
    /// What kind of difference it is.
    pub kind: DifferenceKind,
    /// What Stripe should have.
    pub wanted: Quantity,
    /// What was pushed last; nothing where it was never pushed.
    pub pushed: Option<Quantity>,
    /// Words of the ledger.
    pub detail: String,
}

/// As the wire has it: `Tuple(DateTime, Int8, Decimal, Nullable(Decimal), String)`.
type Columns = (Seconds, Code, Amount, OptionalAmount, String);

#[derive(Serialize, Deserialize)]
struct Seconds(#[serde(with = "columns::seconds")] EventTime);

#[derive(Serialize, Deserialize)]
struct Code(#[serde(with = "codes::difference_kind")] DifferenceKind);

#[derive(Serialize, Deserialize)]
struct OptionalAmount(#[serde(with = "columns::optional_quantity")] Option<Quantity>);

impl From<Columns> for WindowDifference {
    fn from((window, kind, wanted, pushed, detail): Columns) -> Self {
        Self {
            window_start: window.0,
            kind: kind.0,
            wanted: wanted.0,
            pushed: pushed.0,
            detail,
        }
    }
}

impl From<WindowDifference> for Columns {
    fn from(window: WindowDifference) -> Self {
        (
            Seconds(window.window_start),
            Code(window.kind),
            Amount(window.wanted),
            OptionalAmount(window.pushed),
            window.detail,
        )
    }
}

/// A quantity within an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Amount(#[serde(with = "columns::quantity")] pub Quantity);

/// One hour window of a tenant's meter on all sides that the tables know.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct WindowRow {
    /// First second of the window.
    #[serde(with = "columns::seconds")]
    pub window_start: EventTime,
    /// The customer of the ledger; empty where it was never pushed.
    pub customer: String,
    /// What Stripe should have.
    #[serde(with = "columns::quantity")]
    pub wanted: Quantity,
    /// What was pushed last; nothing where it was never pushed.
    #[serde(with = "columns::optional_quantity")]
    pub pushed: Option<Quantity>,
    /// Whether it is left out: open, or changed a moment ago.
    pub is_in_work: bool,
    /// Whether Stripe need not show what was pushed, since it refused it or nothing confirmed it.
    pub is_told: bool,
}
