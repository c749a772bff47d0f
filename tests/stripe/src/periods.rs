//! Billing periods: calendar arithmetic from an anchor.
//!
//! "The billing cycle anchor is the reference point that aligns future billing cycle dates." "A
//! monthly subscription with a billing cycle anchor date of January 31 bills the last day of the
//! month closest to the anchor date, so February 28 (or February 29 in a leap year), then March 31,
//! April 30, and so on." (<https://docs.stripe.com/billing/subscriptions/billing-cycle>) So every
//! period is counted from the anchor: a short month does not move those after it.

use crate::form::Form;
use crate::refusal::Refusal;
use chrono::{DateTime, Days, Months};
use serde_json::Value;

/// The unit of an interval.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Day,
    Week,
    Month,
    Year,
}

/// The length of a billing period.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Interval {
    unit: Unit,
    pub(crate) count: u32,
}

impl Interval {
    /// `recurring[interval]` and `recurring[interval_count]`.
    pub(crate) fn requested(form: &Form) -> Result<Self, Refusal> {
        let parameter = "recurring[interval]";
        form.required(parameter)?;
        let unit = match form.one_of(parameter, &["day", "week", "month", "year"])? {
            Some("day") => Unit::Day,
            Some("week") => Unit::Week,
            Some("month") => Unit::Month,
            _ => Unit::Year,
        };
        let parameter = "recurring[interval_count]";
        let count = form.integer(parameter)?.unwrap_or(1);
        let count = u32::try_from(count)
            .ok()
            .filter(|count| (1..=1_095).contains(count));
        let refusal =
            || Refusal::parameter(parameter, "interval_count must be between 1 and 3 years");
        let count = count.ok_or_else(refusal)?;
        Ok(Self { unit, count })
    }

    pub(crate) const fn name(self) -> &'static str {
        match self.unit {
            Unit::Day => "day",
            Unit::Week => "week",
            Unit::Month => "month",
            Unit::Year => "year",
        }
    }

    /// The first cut after a time; all in seconds. The anchor is itself a cut.
    pub(crate) fn next_cut(self, anchor: i64, after: i64) -> i64 {
        if anchor > after {
            return anchor;
        }
        (1..)
            .map(|number| self.cut(anchor, number))
            .find(|cut| *cut > after)
            .expect("cuts rise without end")
    }

    /// The cut that many periods behind the anchor.
    fn cut(self, anchor: i64, number: u32) -> i64 {
        let units = number * self.count;
        let start = DateTime::from_timestamp(anchor, 0).expect("anchors are years of four digits");
        let cut = match self.unit {
            Unit::Day => start.checked_add_days(Days::new(u64::from(units))),
            Unit::Week => start.checked_add_days(Days::new(7 * u64::from(units))),
            Unit::Month => start.checked_add_months(Months::new(units)),
            Unit::Year => start.checked_add_months(Months::new(12 * units)),
        };
        cut.expect("a test's cuts are years of four digits")
            .timestamp()
    }
}

/// A period as lines write it.
pub(crate) fn json(period: &std::ops::Range<i64>) -> Value {
    serde_json::json!({ "end": period.end, "start": period.start })
}
