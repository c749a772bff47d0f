//! What the engine asks for, and what it is told of the results.

use meterline_core::carry::CarryRecord;
use meterline_core::push::{Intent, Outcome, PushKey, PushRecord};
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, LogTime};
use std::ops::Range;
use std::sync::Arc;

/// The present: by the clock that people read, and by one that never jumps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// Milliseconds since 1970-01-01 UTC.
    pub wall: LogTime,
    /// Milliseconds since some moment; never goes back.
    pub steady: u64,
}

/// Something to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Append to `meterline.pushes`, in the partition of its tenant; where that fails, tell
    /// [`super::Engine::not_appended`].
    Append(Append),
    /// Call Stripe with a meter event, unless it is too late; then [`super::Engine::called`].
    Call(Box<Call>),
    /// Read summaries by hour; then [`super::Engine::seen`].
    Read(Read),
    /// List invoices; then [`super::Engine::listed`].
    List(Listing),
    /// Keep a draft from becoming final by itself (`auto_advance` false); then
    /// [`super::Engine::invoice_changed`], with the invoice as it is then.
    Hold(Arc<str>),
    /// Make a draft final; then [`super::Engine::invoice_changed`].
    Finalize(Arc<str>),
}

/// A record for `meterline.pushes`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Append {
    /// A step of a push.
    Push(Box<PushRecord>),
    /// A carry.
    Carry(Box<CarryRecord>),
}

impl Append {
    /// Whose it is.
    #[must_use]
    pub fn tenant(&self) -> &str {
        match self {
            Self::Push(record) => &record.key.tenant,
            Self::Carry(record) => &record.key.tenant,
        }
    }

    /// Its write id.
    #[must_use]
    pub fn write_id(&self) -> u128 {
        match self {
            Self::Push(record) => record.write_id,
            Self::Carry(record) => record.write_id,
        }
    }
}

/// A call of an intent in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Write id of the intent.
    pub write_id: u128,
    /// Which push.
    pub key: PushKey,
    /// What is pushed.
    pub intent: Intent,
    /// On the steady clock of [`Now`]: from then on not a byte may be written.
    pub deadline: u64,
}

/// What became of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Called {
    /// Write id of the intent.
    pub write_id: u128,
    /// What is known.
    pub outcome: Outcome,
    /// What it says of calls to come.
    pub weather: Weather,
}

/// What a result says of calls to come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weather {
    /// Stripe answers.
    Fine,
    /// Stripe says that there are too many calls (429 for a rate, not for a lock).
    TooMany,
    /// Stripe does not answer, or with an error of its own.
    Away,
    /// Stripe refuses the key, or lacks it a permission: every call fails until that is mended.
    Denied,
}

/// A reading of a customer's summaries at a meter, by hour.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Which reading.
    pub id: u64,
    /// The customer's id.
    pub customer: Arc<str>,
    /// The meter's `event_name`.
    pub event_name: Arc<str>,
    /// The hours.
    pub hours: Range<Hour>,
    /// What they should be, by rising hour; those that are missing should be nothing. A reader may
    /// look at days first, and at hours of days that differ.
    pub expected: Vec<(Hour, Quantity)>,
}

/// What summaries showed: `None` where they could not be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Which reading.
    pub id: u64,
    /// The hours that are not as expected, with what was shown: `None` for what is no quantity.
    pub differing: Option<Vec<(Hour, Option<Quantity>)>>,
    /// What it says of calls to come.
    pub weather: Weather,
}

/// Which invoices are to be listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listing {
    /// Those that were created from then on; of subscriptions, of every status.
    pub created_from: LogTime,
}

/// What invoices there are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// The invoices; `None` where they could not be listed.
    pub listed: Option<Vec<InvoiceSeen>>,
    /// What it says of calls to come.
    pub weather: Weather,
}

/// An invoice as it was listed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InvoiceSeen {
    /// Its id.
    pub id: Arc<str>,
    /// The customer's id.
    pub customer: Arc<str>,
    /// Where it is in its life.
    pub status: Status,
    /// Whether it becomes final by itself.
    pub auto_advance: bool,
    /// When it was made.
    pub created: LogTime,
    /// Lines of prices of our meters.
    pub lines: Vec<LineSeen>,
}

/// A line of an invoice.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LineSeen {
    /// `event_name` of the price's meter.
    pub event_name: Arc<str>,
    /// The hour windows that it bills: an hour that a billing cut divides is the later period's.
    pub hours: Range<Hour>,
    /// What it bills.
    pub quantity: Quantity,
}

/// Where an invoice is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Its lines follow usage.
    Draft,
    /// Its lines never change again.
    Final,
    /// It bills nothing.
    Void,
}
