//! What may be given as a quantity: whole numbers, exact decimals, decimal text.
//!
//! Refuses floats when the program is compiled: `0.1 + 0.2` has no exact value, and usage becomes
//! money.

use meterline_core::quantity::Quantity;
use std::borrow::Cow;

/// An exact number.
///
/// Implemented for whole numbers up to 64 bits, [`Quantity`] and decimal text. There is none for
/// floats:
///
/// ```compile_fail,E0277
/// use meterline_client::Usage;
/// let usage = Usage::new("call.ended", "acme").quantity(5.25);
/// ```
///
/// Text that is no decimal number, or does not fit 29 integer digits and 9 decimals, is refused
/// when the event is emitted.
pub trait IntoQuantity<'a> {
    /// The number as an event carries it.
    fn into_quantity(self) -> Given<'a>;
}

/// A number as it was given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Given<'a> {
    /// An exact number.
    Exact(Quantity),
    /// Text that is read when the event is emitted.
    Text(Cow<'a, str>),
}

impl<'a> IntoQuantity<'a> for Quantity {
    fn into_quantity(self) -> Given<'a> {
        Given::Exact(self)
    }
}

impl<'a> IntoQuantity<'a> for &'a str {
    fn into_quantity(self) -> Given<'a> {
        Given::Text(Cow::Borrowed(self))
    }
}

impl<'a> IntoQuantity<'a> for String {
    fn into_quantity(self) -> Given<'a> {
        Given::Text(Cow::Owned(self))
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl<'a> IntoQuantity<'a> for $number {
            fn into_quantity(self) -> Given<'a> {
                Given::Exact(whole(i128::from(self)))
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, u64, i8, i16, i32, i64);

impl<'a> IntoQuantity<'a> for usize {
    fn into_quantity(self) -> Given<'a> {
        // There is no `From`, but no platform has a wider one.
        let number = u64::try_from(self).expect("a usize has 64 bits or fewer");
        number.into_quantity()
    }
}

fn whole(number: i128) -> Quantity {
    Quantity::from_unscaled(number, 0).expect("64 bits have 20 digits, a quantity holds 29")
}
