//! The rules of products that no filter of a catalog can say.
//!
//! A catalog filters by what an event says; these decide what it says: that a message with media
//! is another resource, that a call's length comes from two moments, that an e-mail counts its
//! recipients, and that nothing is emitted before a use has succeeded. The last matters because an
//! event that no filter fits leaves its id all the same, and the later event of that id would be
//! a duplicate.
//!
//! Everything here is a pure function of its arguments; emitting is the caller's next line. The
//! event types and properties are those of the catalogs `irisx`, `pulse`, `provider` and
//! `operate`. Phone numbers and addresses have no place in them.

pub mod irisx;
pub mod operate;
pub mod provider;
pub mod pulse;

use meterline_core::quantity::Quantity;
use std::time::SystemTime;

/// An end that lies before its beginning: one of two clocks is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the use ended before it began: the clocks that told the two moments differ")]
pub struct Backwards;

/// The seconds from one moment to another, exact to the nanosecond: never rounded up.
///
/// ```
/// use meterline_client::recorders::seconds_between;
/// use std::time::{Duration, SystemTime};
///
/// let start = SystemTime::UNIX_EPOCH;
/// let seconds = seconds_between(start, start + Duration::from_millis(315_250))?;
/// assert_eq!(seconds.to_string(), "315.25");
/// # Ok::<(), meterline_client::recorders::Backwards>(())
/// ```
///
/// # Errors
/// The end lies before the beginning.
pub fn seconds_between(start: SystemTime, end: SystemTime) -> Result<Quantity, Backwards> {
    let length = end.duration_since(start).map_err(|_| Backwards)?;
    let nanos = i128::try_from(length.as_nanos()).expect("a duration has 95 bits of nanoseconds");
    Ok(Quantity::from_raw(nanos).expect("2⁶⁴ seconds have 20 digits, a quantity holds 29"))
}
