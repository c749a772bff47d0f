//! What differs, as rows: of the ledger, of Stripe's summaries, and against what was known before.
//!
//! Pure: it reads nothing and has no clock. A window that is in work is never a difference.

use meterline_clickhouse::{LineKey, LineSum, PairKey};
use meterline_core::pushes::can_push;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Hour, LogTime};
use meterline_schemas::rows::{
    DifferenceKey, DifferenceKind, DifferenceRow, PairRow, WindowDifference, WindowRow,
};
use meterline_stripe::Failure;
use std::collections::BTreeMap;
use std::ops::Range;

/// A reading of a customer's summaries at a meter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reading {
    pub(super) pair: PairKey,
    pub(super) customer: String,
    pub(super) event_name: String,
    /// What was pushed, by days and then by hours, as `Stripe::differing_span` takes it.
    pub(super) sums: BTreeMap<Hour, Quantity>,
}

impl Reading {
    /// That of a customer in the ledger, for hours before `to`.
    pub(super) fn of(row: PairRow, to: Hour) -> Self {
        let (starts, amounts) = row.pushed;
        let starts = starts.into_iter().map(|start| hour(start.into()));
        let sums = starts.zip(amounts.into_iter().map(|amount| amount.0));
        Self {
            pair: PairKey {
                tenant: row.tenant,
                meter: row.meter,
            },
            customer: row.customer,
            event_name: row.event_name,
            sums: sums.filter(|(start, _)| *start < to).collect(),
        }
    }

    /// What was pushed for this customer, by rising hour.
    pub(super) fn pushed(&self, windows: &[WindowRow]) -> Vec<(Hour, Quantity)> {
        let ours = windows.iter().filter(|w| w.customer == self.customer);
        let pushed = ours.filter_map(|w| Some((w.window_start.hour(), w.pushed?)));
        pushed.collect()
    }

    fn difference(&self, kind: DifferenceKind, window: Hour) -> DifferenceRow {
        let (start, end) = (window.start(), window.end());
        let row = difference(&self.pair.tenant, &self.pair.meter, kind, start, end);
        DifferenceRow {
            subject: self.customer.clone(),
            ..row
        }
    }
}

fn hour(seconds: i64) -> Hour {
    EventTime(seconds * 1_000_000).hour()
}

/// A difference of one window that nobody has judged yet.
fn difference(
    tenant: &str,
    meter: &str,
    kind: DifferenceKind,
    window_start: EventTime,
    window_end: EventTime,
) -> DifferenceRow {
    DifferenceRow {
        tenant: tenant.to_owned(),
        meter: meter.to_owned(),
        window_start,
        kind,
        subject: String::new(),
        window_end,
        windows: 1,
        reason: String::new(),
        bucket: None,
        ledger: None,
        stripe: None,
        billed: None,
        first_seen: LogTime(0),
        last_seen: LogTime(0),
        is_open: true,
        run: 0,
        judged_at: LogTime(0),
    }
}

/// Windows of which the ledger says something else than the buckets. `linked` is the customer of the
/// tenant's account: without one, what was never pushed is one row.
pub(super) fn of_ledger(
    row: &PairRow,
    linked: Option<&str>,
    period: &Range<Hour>,
    now: LogTime,
) -> Vec<DifferenceRow> {
    if row.differing > 0 && row.customer.is_empty() && linked.is_none() {
        let (start, end) = (period.start.start(), period.end.start());
        let kind = DifferenceKind::NotPushed;
        return vec![DifferenceRow {
            windows: row.differing,
            reason: "the account has no customer at Stripe; `meterline account set ID \
                     --stripe-customer cus_…` gives it one"
                .to_owned(),
            bucket: Some(row.differing_sum),
            ..difference(&row.tenant, &row.meter, kind, start, end)
        }];
    }
    let of_window = |of: &WindowDifference| {
        let (start, end) = (of.window_start, of.window_start.hour().end());
        DifferenceRow {
            reason: reason(of, now),
            bucket: Some(of.wanted),
            ledger: of.pushed,
            ..difference(&row.tenant, &row.meter, of.kind, start, end)
        }
    };
    let mut found: Vec<_> = row.differences.iter().map(of_window).collect();
    let shown = u64::try_from(found.len()).unwrap_or(u64::MAX);
    let more = row.differing.saturating_sub(shown);
    if let Some(last) = found.last_mut().filter(|_| more > 0) {
        last.windows += more;
        last.reason += &format!("; and {more} more windows of this tenant's meter");
    }
    found
}

fn reason(of: &WindowDifference, now: LogTime) -> String {
    let impossible = can_push(of.window_start, of.wanted, now).err();
    match (of.kind, impossible) {
        (DifferenceKind::NotPushed, _) if of.pushed.is_some() => {
            format!("Stripe refuses it: {}", of.detail)
        }
        (DifferenceKind::NotPushed | DifferenceKind::Stale, Some(impossible)) => {
            impossible.to_string()
        }
        (DifferenceKind::NotPushed, None) => {
            "it was never pushed; the stage `stripe` pushes it, where one runs".to_owned()
        }
        (DifferenceKind::Stale, None) => {
            "the value that was pushed last is an older one; the stage `stripe` pushes the new \
             one, where one runs"
                .to_owned()
        }
        _ if of.detail.is_empty() => "no summary has shown it".to_owned(),
        _ => of.detail.clone(),
    }
}

/// Hours of which Stripe's summaries show something else than was pushed. What the ledger's own rows
/// tell of (nothing was taken, or nothing is confirmed) is not told again.
pub(super) fn of_stripe(
    reading: &Reading,
    windows: &[WindowRow],
    differing: &[(Hour, Option<Quantity>)],
) -> Vec<DifferenceRow> {
    let windows = windows.iter().map(|w| (w.window_start.hour(), w));
    let windows: BTreeMap<Hour, &WindowRow> = windows.collect();
    let mut found = Vec::new();
    for (hour, shown) in differing {
        let window = windows.get(hour);
        if window.is_some_and(|window| window.is_in_work) {
            continue;
        }
        let ours = window.filter(|window| window.customer == reading.customer);
        let pushed = ours.and_then(|window| window.pushed);
        let is_told = ours.is_some_and(|window| window.is_told);
        if is_told || pushed == *shown && shown.is_some() {
            continue;
        }
        let kind = match pushed {
            Some(_) => DifferenceKind::StripeDiffers,
            None => DifferenceKind::Foreign,
        };
        let mut row = DifferenceRow {
            bucket: ours.map(|window| window.wanted),
            ledger: pushed,
            stripe: *shown,
            ..reading.difference(kind, *hour)
        };
        row.reason = match (kind, shown) {
            (_, None) => "its summary is no quantity",
            (DifferenceKind::Foreign, _) => "Stripe counts what was never pushed by this ledger",
            _ => "a summary does not show what was confirmed; somebody else pushes, too",
        }
        .to_owned();
        found.push(row);
    }
    found
}

/// A customer's meter whose summaries Stripe refuses to show.
pub(super) fn unreadable(
    reading: &Reading,
    hours: &Range<Hour>,
    failure: &Failure,
) -> DifferenceRow {
    DifferenceRow {
        window_end: hours.end.start(),
        reason: failure.to_string(),
        ..reading.difference(DifferenceKind::Unreadable, hours.start)
    }
}

/// A final line that bills something else than its windows come to, with what was carried of it.
/// Without `is_carried` nobody corrects it by himself.
pub(super) fn line_difference(
    line: &LineKey,
    invoice: &str,
    billed: Quantity,
    sum: LineSum,
    is_carried: bool,
) -> Option<DifferenceRow> {
    let with_carries = billed.plus(sum.carried).ok();
    if sum.in_work > 0 || with_carries == Some(sum.wanted) {
        return None;
    }
    let (start, end) = (line.hours.start.start(), line.hours.end.start());
    let kind = DifferenceKind::InvoiceDiffers;
    let reason = if is_carried {
        "to be carried: the stage `stripe` adds the difference to the running hour, where one runs"
    } else {
        "not explained: the stage corrects no line that is this old, nor one of another biller; a \
         credit or an invoice item can"
    };
    let windows = i64::from(line.hours.end.0) - i64::from(line.hours.start.0);
    Some(DifferenceRow {
        subject: invoice.to_owned(),
        reason: format!("{reason} ({windows} hours billed, {} carried)", sum.carried),
        bucket: Some(sum.wanted),
        billed: with_carries,
        ..difference(&line.tenant, &line.meter, kind, start, end)
    })
}

/// What was found and what was known, as it is judged now.
pub(super) fn judged(
    found: Vec<DifferenceRow>,
    known: Vec<DifferenceRow>,
    run: u128,
    now: LogTime,
) -> Vec<DifferenceRow> {
    let known = known.into_iter().map(|row| (row.key(), row));
    let mut known: BTreeMap<DifferenceKey, DifferenceRow> = known.collect();
    let mut judged: Vec<_> = found
        .into_iter()
        .map(|row| {
            let before = known.remove(&row.key());
            DifferenceRow {
                first_seen: before.map_or(now, |before| before.first_seen),
                last_seen: now,
                run,
                judged_at: now,
                ..row
            }
        })
        .collect();
    judged.extend(known.into_values().map(|row| DifferenceRow {
        is_open: false,
        run,
        judged_at: now,
        ..row
    }));
    judged
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_schemas::rows::Amount;

    const FIRST: Hour = Hour(490_896);

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).expect("a quantity")
    }

    /// So many windows that were never pushed, of which one is told of.
    fn never_pushed(differing: u64) -> PairRow {
        PairRow {
            tenant: "acme".to_owned(),
            meter: "calls".to_owned(),
            customer: String::new(),
            event_name: String::new(),
            windows: differing,
            in_work: 0,
            differing,
            differing_sum: quantity("12"),
            differences: vec![WindowDifference {
                window_start: FIRST.start(),
                kind: DifferenceKind::NotPushed,
                wanted: quantity("1234567890.123456789"),
                pushed: None,
                detail: String::new(),
            }],
            pushed: (Vec::new(), Vec::<Amount>::new()),
        }
    }

    fn reading() -> Reading {
        Reading {
            pair: PairKey::default(),
            customer: "cus_1".to_owned(),
            event_name: "calls".to_owned(),
            sums: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_beyond_the_bound_is_counted_with_the_last_that_is_shown() {
        let period = FIRST..Hour(FIRST.0 + 744);
        let now = LogTime(FIRST.start().0 / 1_000);
        let linked = of_ledger(&never_pushed(7), Some("cus_1"), &period, now);
        assert_eq!((linked.len(), linked[0].windows), (1, 7));
        let reason = "the value has more than 15 significant digits; and 6 more windows";
        assert!(linked[0].reason.starts_with(reason), "{}", linked[0].reason);
        let unlinked = of_ledger(&never_pushed(7), None, &period, now);
        assert_eq!((unlinked.len(), unlinked[0].windows), (1, 7));
        assert_eq!(unlinked[0].bucket, Some(quantity("12")));
        assert_eq!(unlinked[0].window_end, period.end.start());
    }

    #[test]
    fn what_stripe_shows_is_held_against_the_window_of_its_customer() {
        let window = |pushed: &str, is_in_work, is_told| WindowRow {
            window_start: FIRST.start(),
            customer: "cus_1".to_owned(),
            wanted: quantity(pushed),
            pushed: Some(quantity(pushed)),
            is_in_work,
            is_told,
        };
        let check = |window: Option<WindowRow>, shown: Option<&str>, expected| {
            let windows: Vec<_> = window.into_iter().collect();
            let differing = [(FIRST, shown.map(quantity))];
            let found = of_stripe(&reading(), &windows, &differing);
            let kinds: Vec<_> = found.iter().map(|row| row.kind).collect();
            assert_eq!(kinds, Vec::from_iter(expected), "{windows:?} {shown:?}");
        };
        let differs = Some(DifferenceKind::StripeDiffers);
        check(Some(window("5", false, false)), Some("6"), differs);
        check(Some(window("5", false, false)), None, differs);
        check(Some(window("5", false, false)), Some("5"), None);
        check(Some(window("5", true, false)), Some("6"), None);
        check(Some(window("5", false, true)), Some("6"), None);
        check(None, Some("6"), Some(DifferenceKind::Foreign));
        let of_another = WindowRow {
            customer: "cus_2".to_owned(),
            ..window("6", false, false)
        };
        check(Some(of_another), Some("6"), Some(DifferenceKind::Foreign));
    }

    #[test]
    fn what_is_found_again_keeps_its_beginning_and_what_is_not_is_closed() {
        let one = reading().difference(DifferenceKind::Foreign, FIRST);
        let known = judged(vec![one.clone()], Vec::new(), 1, LogTime(5));
        assert_eq!((known[0].first_seen, known[0].is_open), (LogTime(5), true));
        let again = judged(vec![one], known.clone(), 2, LogTime(7));
        let times = (again[0].first_seen, again[0].last_seen, again[0].run);
        assert_eq!((again.len(), times), (1, (LogTime(5), LogTime(7), 2)));
        let closed = judged(Vec::new(), again, 3, LogTime(9));
        let times = (closed[0].last_seen, closed[0].judged_at);
        assert_eq!(
            (closed[0].is_open, times),
            (false, (LogTime(7), LogTime(9)))
        );
    }
}
