//! What to do next for one window: a function of its chain, its value and the time.
//!
//! It refuses to send while anything sent before can still arrive, and to call a window done by an
//! answer: only a summary does that. Every instance that has read the same records wants the same
//! step; where two take it, the log decides which is in force.

use super::{Head, State};
use crate::push::{Intent, PushKey, Stamps};
use crate::quantity::{DECIMALS, ONE, Quantity};
use crate::time::{EventTime, LogTime, Millis};

/// Stripe takes events of so many calendar days back; one is kept for the way there.
const STRIPE_DAYS_BACK: i64 = 34;

/// Stripe takes values of at most so many significant digits.
pub const STRIPE_DIGITS: u32 = 15;

/// How often a refused push is tried again by itself.
pub const REFUSED_AGAIN: Millis = Millis(6 * 3_600_000);

/// The value of a window as it should be at Stripe.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Value of the whole window, in the meter's base unit.
    pub quantity: Quantity,
    /// The version that has it.
    pub stamps: &'a Stamps,
    /// Whether a value that a summary has shown is to be looked at once more, as before an invoice
    /// becomes final.
    pub recheck: bool,
}

/// Who is billed for a tenant's meter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link<'a> {
    /// Id of the customer at Stripe.
    pub customer: &'a str,
    /// `event_name` of the meter at Stripe.
    pub event_name: &'a str,
}

/// What to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// Stripe has it, or there is nothing to bill.
    Done,
    /// The chain knows a newer version: read on before anything else.
    Behind,
    /// Nothing before this log time.
    Wait(LogTime),
    /// Append this intent; call once it is in force.
    Push(Intent),
    /// Read the summary: confirm the head where it shows its value, else push the [`Next::Push`]
    /// of [`again`].
    ReadSummary,
    /// The account has no customer at Stripe.
    Unlinked,
    /// Stripe would not take it.
    Impossible(CannotPush),
}

/// Why Stripe would not take a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CannotPush {
    /// The window is too long ago.
    #[error("the window is more than {STRIPE_DAYS_BACK} days old, and Stripe takes 35")]
    TooOld,
    /// The value has too many digits.
    #[error("the value has more than {STRIPE_DIGITS} significant digits")]
    TooManyDigits,
}

/// The next step for a window. `now` is a moment that the brokers' clock has passed.
#[must_use]
pub fn next(
    key: &PushKey,
    head: Option<&Head>,
    wanted: &Wanted<'_>,
    link: Option<Link<'_>>,
    call_within: Millis,
    now: LogTime,
) -> Next {
    let Some(head) = head else {
        return match link {
            _ if wanted.quantity == Quantity::ZERO => Next::Done,
            None => Next::Unlinked,
            Some(link) => push(key, link, wanted, 1, call_within, now),
        };
    };
    let is_head = wanted.stamps == &head.intent.stamps;
    if !is_head && !wanted.stamps.is_newer_than(&head.intent.stamps) {
        return Next::Behind;
    }
    // A version of the same value changes nothing at Stripe.
    let has_value = wanted.quantity == head.intent.quantity;
    if has_value && head.state == State::Confirmed && !wanted.recheck {
        return Next::Done;
    }
    if now < head.quiet_at {
        return Next::Wait(head.quiet_at);
    }
    match head.state {
        _ if !has_value => again(key, head, wanted, call_within, now),
        State::NotTaken => again(key, head, wanted, call_within, now),
        State::Refused if now < head.at.after(REFUSED_AGAIN) => {
            Next::Wait(head.at.after(REFUSED_AGAIN))
        }
        State::Refused | State::Called | State::Received | State::Unknown | State::Confirmed => {
            Next::ReadSummary
        }
    }
}

/// The step where Stripe does not have the head's value, as a summary shows, or another is wanted:
/// the next attempt of the head's version, or the first of a newer one.
#[must_use]
pub fn again(
    key: &PushKey,
    head: &Head,
    wanted: &Wanted<'_>,
    call_within: Millis,
    now: LogTime,
) -> Next {
    let attempt = if wanted.stamps == &head.intent.stamps {
        head.intent.attempt + 1
    } else {
        1
    };
    push(key, link_of(head), wanted, attempt, call_within, now)
}

/// A window's customer is fixed by its first intent, whatever the account says today.
fn link_of(head: &Head) -> Link<'_> {
    Link {
        customer: &head.intent.customer,
        event_name: &head.intent.event_name,
    }
}

fn push(
    key: &PushKey,
    link: Link<'_>,
    wanted: &Wanted<'_>,
    attempt: u32,
    call_within: Millis,
    now: LogTime,
) -> Next {
    if let Err(reason) = can_push(key.window, wanted.quantity, now) {
        return Next::Impossible(reason);
    }
    Next::Push(Intent {
        customer: link.customer.to_owned(),
        event_name: link.event_name.to_owned(),
        quantity: wanted.quantity,
        stamps: wanted.stamps.clone(),
        attempt,
        call_within,
    })
}

/// Whether Stripe would take this value for this window.
///
/// # Errors
/// See [`CannotPush`].
pub fn can_push(window: EventTime, quantity: Quantity, now: LogTime) -> Result<(), CannotPush> {
    let age_millis = now.0.saturating_sub(window.0.div_euclid(1_000));
    if age_millis > STRIPE_DAYS_BACK * 24 * 3_600_000 {
        return Err(CannotPush::TooOld);
    }
    if significant_digits(quantity) > STRIPE_DIGITS {
        return Err(CannotPush::TooManyDigits);
    }
    Ok(())
}

/// The value next to this one, towards zero, that has no more digits than Stripe takes.
#[must_use]
pub fn nearest_that_fits(quantity: Quantity) -> Quantity {
    let raw = quantity.raw();
    let mut unit = 1;
    while significant_digits(Quantity::from_raw(raw / unit * unit).unwrap_or_default())
        > STRIPE_DIGITS
        && unit < ONE
    {
        unit *= 10;
    }
    // Of a whole number no digit can be left out.
    let most = 10_i128.pow(STRIPE_DIGITS) - 1;
    let raw = (raw / unit * unit).clamp(-most * ONE, most * ONE);
    Quantity::from_raw(raw).unwrap_or_default()
}

/// Digits from the first that is not 0 to the last, of the shortest text: 1,200.5 has 5. Zeros
/// before the decimal point count: a parser may count them.
fn significant_digits(quantity: Quantity) -> u32 {
    let mut raw = quantity.raw().unsigned_abs();
    if raw == 0 {
        return 1;
    }
    let mut decimals = DECIMALS;
    while decimals > 0 && raw.is_multiple_of(10) {
        raw /= 10;
        decimals -= 1;
    }
    raw.ilog10() + 1
}
