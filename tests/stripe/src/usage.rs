//! What counts: the meter events that have arrived, and what they come to.
//!
//! Invariant: a quantity depends only on the events that had arrived, and were not cancelled, at
//! the time that is asked for.

use crate::decimal::Decimal;
use crate::meters::{Formula, Meter, Window};
use std::collections::BTreeMap;
use std::ops::Range;

/// An event that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Arrived {
    /// When it happened, in seconds.
    pub(crate) timestamp: i64,
    pub(crate) value: Decimal,
    /// When it arrived, in milliseconds.
    pub(crate) at: i64,
    /// When it was cancelled, in milliseconds.
    pub(crate) cancelled_at: Option<i64>,
}

impl Arrived {
    fn counts(&self, as_of: i64) -> bool {
        self.at <= as_of && self.cancelled_at.is_none_or(|cancelled| cancelled > as_of)
    }
}

/// The events of one customer at one meter, by the start of their window in seconds, in the order
/// of their arrival.
pub(crate) type Series = BTreeMap<i64, Vec<Arrived>>;

/// Where an event is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    meter: String,
    customer: String,
    window: i64,
    index: usize,
}

/// All events that count, by meter and customer.
#[derive(Debug, Default)]
pub(crate) struct Usage(BTreeMap<String, BTreeMap<String, Series>>);

impl Usage {
    pub(crate) fn add(&mut self, meter: &Meter, customer: &str, event: Arrived) -> Place {
        let window = window_start(meter, event.timestamp);
        let customers = self.0.entry(meter.id.clone()).or_default();
        let series = customers.entry(customer.to_owned()).or_default();
        let events = series.entry(window).or_default();
        events.push(event);
        Place {
            meter: meter.id.clone(),
            customer: customer.to_owned(),
            window,
            index: events.len() - 1,
        }
    }

    pub(crate) fn cancel(&mut self, place: &Place, now: i64) {
        let series = self.0.get_mut(&place.meter);
        let series = series.and_then(|customers| customers.get_mut(&place.customer));
        let events = series.and_then(|series| series.get_mut(&place.window));
        if let Some(event) = events.and_then(|events| events.get_mut(place.index)) {
            event.cancelled_at.get_or_insert(now);
        }
    }

    pub(crate) fn series(&self, meter: &str, customer: &str) -> Option<&Series> {
        self.0.get(meter)?.get(customer)
    }

    /// Every series, by meter and customer.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str, &Series)> {
        self.0.iter().flat_map(|(meter, customers)| {
            let series = customers.iter();
            series.map(|(customer, series)| (meter.as_str(), customer.as_str(), series))
        })
    }
}

/// The UTC window that an event belongs to: that of the meter, or an hour, which then is only how
/// events are kept.
///
/// "The hour and day boundaries are based on the meter event timestamp in UTC."
/// (<https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage>)
fn window_start(meter: &Meter, timestamp: i64) -> i64 {
    let length = meter.window.unwrap_or(Window::Hour).seconds();
    timestamp - timestamp.rem_euclid(length)
}

/// The quantity of a span of time in seconds, its end open; `None` if no event counts in it.
///
/// Of a meter with a window, whole windows count whose start is in the span.
pub(crate) fn quantity(
    meter: &Meter,
    series: &Series,
    span: Range<i64>,
    as_of: i64,
) -> Option<Decimal> {
    let first = window_start(meter, span.start);
    let mut total: Option<Decimal> = None;
    for (start, events) in series.range(first..span.end.max(first)) {
        if meter.window.is_some() && *start < span.start {
            continue;
        }
        for event in effective(meter, events, &span, as_of) {
            total = Some(match (meter.formula, total) {
                (Formula::Sum, total) => total.unwrap_or(Decimal::ZERO).plus(event.value),
                (Formula::Count, total) => total.unwrap_or(Decimal::ZERO).plus(Decimal::whole(1)),
                (Formula::Last, _) => event.value,
            });
        }
    }
    total
}

/// The events of a window that count, in the order in which they follow each other.
///
/// "Raw: Handle all meter events as standalone events." "Pre-aggregated (hourly or daily): … Stripe
/// only uses the most recently received meter event. A newer event sent within the same hourly or
/// daily window overwrites the previous one."
/// (<https://docs.stripe.com/billing/subscriptions/usage-based/recording-usage>) If it is cancelled
/// the one before it counts again, which is not documented.
fn effective<'a>(
    meter: &Meter,
    events: &'a [Arrived],
    span: &Range<i64>,
    as_of: i64,
) -> Vec<&'a Arrived> {
    let mut counting = events.iter().filter(|event| event.counts(as_of));
    if meter.window.is_some() {
        return counting.next_back().into_iter().collect();
    }
    let mut inside: Vec<_> = counting
        .filter(|event| span.contains(&event.timestamp))
        .collect();
    if meter.formula == Formula::Last {
        // "Bill based on the most recent usage record": of the same time the one that arrived last.
        inside.sort_by_key(|event| event.timestamp);
    }
    inside
}

/// The span in which a billing period's windows start, when windows are billed whole.
///
/// Stripe bills a pre-aggregated window whole, on one side of a cut that divides it; on which is
/// [`crate::Settings::divided_window`].
pub(crate) fn whole_windows(
    meter: &Meter,
    period: Range<i64>,
    divided_belongs_to_the_earlier: bool,
) -> Range<i64> {
    let Some(window) = meter.window else {
        return period;
    };
    let edge = |cut: i64| {
        let start = cut - cut.rem_euclid(window.seconds());
        if start == cut {
            cut
        } else if divided_belongs_to_the_earlier {
            start + window.seconds()
        } else {
            start
        }
    };
    edge(period.start)..edge(period.end)
}
