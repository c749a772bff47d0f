//! Reading summaries with as few calls as there can be.
//!
//! A page has at most 100 windows, so a month by hours takes eight calls, and by days one: longer
//! spans are read by days first, and by hours only where a day is not what its hours should add up
//! to. A day's float that is not exact differs too, and is then decided by its hours, each of which
//! has at most 15 digits.

use super::Stripe;
use crate::engine::Read;
use meterline_core::quantity::Quantity;
use meterline_core::time::Hour;
use meterline_stripe::Failure;
use meterline_stripe::requests::Period;
use meterline_stripe::requests::event_summaries::{self, EventSummary};
use std::collections::BTreeMap;
use std::ops::Range;

/// Hours that one page holds.
const PAGE_HOURS: i32 = 100;
/// Days that are read again by hours one by one; with more, the whole span is.
const DAYS_AGAIN: usize = 6;

type Differing = Vec<(Hour, Option<Quantity>)>;

impl Stripe {
    /// The first to the last hour of a span whose sums are not as expected, and `None` where all are:
    /// one reading of a month. `sums` are by the first hour of whole days (UTC), and in the span's
    /// last day, if that is not whole, by hours; the span begins with a day. Sums that are missing
    /// should be nothing.
    pub(crate) async fn differing_span(
        &self,
        (event_name, customer): (&str, &str),
        hours: Range<Hour>,
        sums: &BTreeMap<Hour, Quantity>,
    ) -> Result<Option<Range<Hour>>, Failure> {
        let meter = self.meter(event_name).await?;
        let of = (&*meter, customer);
        let last_day = Hour(hours.end.0 - hours.end.0.rem_euclid(24));
        let days = hours.start..last_day;
        let mut spans = Vec::new();
        if days.start < days.end {
            let sum = |day: Range<Hour>| Some(sums.get(&day.start).copied().unwrap_or_default());
            spans = self.days_to_read_again(of, days, sum).await?;
        }
        let last = last_day.max(hours.start)..hours.end;
        if last.start < last.end {
            let differing = self.by_hours(of, last, sums).await?;
            spans.extend(differing.iter().map(|(hour, _)| *hour..Hour(hour.0 + 1)));
        }
        let first = spans.iter().map(|span| span.start).min();
        let end = spans.iter().map(|span| span.end).max();
        Ok(first.zip(end).map(|(first, end)| first..end))
    }

    /// The hours of a span that are not as expected.
    pub(crate) async fn differing(&self, read: &Read) -> Result<Differing, Failure> {
        let meter = self.meter(&read.event_name).await?;
        let of = (&*meter, &*read.customer);
        let expected: BTreeMap<Hour, Quantity> = read.expected.iter().copied().collect();
        let Range { start, end } = read.hours;
        let days =
            Hour(start.0 + (24 - start.0.rem_euclid(24)) % 24)..Hour(end.0 - end.0.rem_euclid(24));
        if end.0 - start.0 <= PAGE_HOURS || days.start >= days.end {
            return self.by_hours(of, start..end, &expected).await;
        }
        let sum = |day| {
            let mut hours = expected.range(day).map(|(_, quantity)| *quantity);
            hours.try_fold(Quantity::ZERO, Quantity::plus).ok()
        };
        let again = self.days_to_read_again(of, days.clone(), sum).await?;
        if again.len() > DAYS_AGAIN {
            return self.by_hours(of, start..end, &expected).await;
        }
        let edges = [start..days.start, days.end..end];
        let mut differing = Vec::new();
        for span in edges.into_iter().chain(again) {
            if span.start < span.end {
                differing.extend(self.by_hours(of, span, &expected).await?);
            }
        }
        Ok(differing)
    }

    /// Days that are not what `sum` says of them; nothing is what `None` says.
    async fn days_to_read_again(
        &self,
        of: (&str, &str),
        days: Range<Hour>,
        sum: impl Fn(Range<Hour>) -> Option<Quantity>,
    ) -> Result<Vec<Range<Hour>>, Failure> {
        let shown = self.summaries(of, days.clone(), false).await?;
        let mut again = Vec::new();
        let mut start = days.start;
        while start < days.end {
            let day = start..Hour(start.0 + 24);
            let sum = sum(day.clone());
            let shown = shown.get(&start).copied().unwrap_or(Some(Quantity::ZERO));
            if sum.is_none() || shown != sum {
                again.push(day.clone());
            }
            start = day.end;
        }
        Ok(again)
    }

    /// What Stripe shows of a customer's meter by hours; `None` for what is no quantity.
    pub(crate) async fn hours_shown(
        &self,
        (event_name, customer): (&str, &str),
        hours: Range<Hour>,
    ) -> Result<BTreeMap<Hour, Option<Quantity>>, Failure> {
        let meter = self.meter(event_name).await?;
        self.summaries((&meter, customer), hours, true).await
    }

    async fn by_hours(
        &self,
        of: (&str, &str),
        span: Range<Hour>,
        expected: &BTreeMap<Hour, Quantity>,
    ) -> Result<Differing, Failure> {
        let shown = self.summaries(of, span.clone(), true).await?;
        let mut differing = Vec::new();
        for (hour, expected) in expected.range(span) {
            let shown = shown.get(hour).copied().unwrap_or(Some(Quantity::ZERO));
            if shown != Some(*expected) {
                differing.push((*hour, shown));
            }
        }
        let unexpected = shown
            .into_iter()
            .filter(|(hour, shown)| !expected.contains_key(hour) && *shown != Some(Quantity::ZERO));
        differing.extend(unexpected);
        Ok(differing)
    }

    /// All summaries of a span, by their first hour; `None` for what is no quantity.
    async fn summaries(
        &self,
        (meter, customer): (&str, &str),
        span: Range<Hour>,
        by_hours: bool,
    ) -> Result<BTreeMap<Hour, Option<Quantity>>, Failure> {
        let seconds = |hour: Hour| i64::from(hour.0) * 3_600;
        let period = Period {
            start: seconds(span.start),
            end: seconds(span.end),
        };
        let mut all = BTreeMap::new();
        let mut after: Option<String> = None;
        loop {
            let after_text = after.as_deref();
            let request = if by_hours {
                event_summaries::list_hours(meter, customer, period, after_text)
            } else {
                event_summaries::list_days(meter, customer, period, after_text)
            };
            let page = self.read("summaries", &request).await?;
            for summary in &page.data {
                let (hour, value) = window(summary)?;
                all.insert(hour, value);
            }
            match page.next() {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(all),
            }
        }
    }
}

fn window(summary: &EventSummary) -> Result<(Hour, Option<Quantity>), Failure> {
    let hour = i32::try_from(summary.start_time.div_euclid(3_600));
    let hour = hour.map_err(|_| Failure::Misunderstood {
        what: "event summaries".to_owned(),
        detail: format!("a window begins at {}", summary.start_time),
    })?;
    Ok((Hour(hour), summary.aggregated_value.quantity().ok()))
}
