//! Reconciliation on real tables and the stand-in of Stripe: buckets, ledger and Stripe are each
//! changed behind the others' backs.

use crate::catalog::{EVENT_NAME, METER};
use crate::site::{KEY, PARTITIONS, Site, last_hour};
use meterline_billing::BillingSettings;
use meterline_billing::reconcile::{
    Billed, ReconcileSettings, Reconciled, Reconciler, Scope, StatementReader,
};
use meterline_billing::stripe::Pace;
use meterline_clickhouse::Secret;
use meterline_core::carry::{Carry, CarryKey, CarryRecord};
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step};
use meterline_core::quantity::Quantity;
use meterline_core::time::{Hour, LogTime, Millis};
use meterline_fake_stripe::Clock;
use meterline_schemas::rows::{
    CarryRow, DifferenceKind, DifferenceRow, LogPlace, PushRow, ReconciliationRow,
};
use std::collections::HashMap;
use std::ops::{ControlFlow, Range};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const PUSHES: LogPartition = LogPartition {
    topic_id: TopicId(77),
    partition: 0,
};

/// A while ago: nothing here is in work.
pub(crate) fn before() -> LogTime {
    LogTime(LogTime::from(SystemTime::now()).0 - 3_600_000)
}

/// From the first hour of a day, two days and some hours.
pub(crate) fn period() -> Range<Hour> {
    let end = Hour(last_hour().0 + 1);
    let first = end.0 - 49;
    Hour(first - first.rem_euclid(24))..end
}

/// An hour of the period's first day.
pub(crate) fn early(hour: i32) -> Hour {
    Hour(period().start.0 + hour)
}

pub(crate) fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}

pub(crate) fn scope() -> Scope {
    Scope {
        period: period(),
        tenant: None,
        meter: None,
        since: None,
    }
}

pub(crate) fn confirmed() -> Vec<Step> {
    vec![Step::Outcome(Outcome::Received), Step::Confirmed]
}

impl Site {
    /// Writes the steps of a push of a tenant's window as the projection does.
    pub(crate) fn ledger(
        &self,
        tenant: &str,
        customer: &str,
        hour: Hour,
        value: &str,
        steps: Vec<Step>,
    ) {
        let intent = Intent {
            customer: customer.to_owned(),
            event_name: EVENT_NAME.to_owned(),
            quantity: quantity(value),
            stamps: Stamps::default(),
            attempt: 1,
            call_within: Millis(60_000),
        };
        let steps = std::iter::once(Step::Intent(intent.clone())).chain(steps);
        // A chain goes on where it was.
        let first = self.take_offset(PARTITIONS) * 10;
        let rows = (first..).zip(steps).map(|(offset, step)| {
            let record = PushRecord {
                write_id: 1,
                head: None,
                key: PushKey {
                    tenant: tenant.to_owned(),
                    meter: METER.to_owned(),
                    window: hour.start(),
                },
                step,
                instance: "test".to_owned(),
            };
            let place = LogPlace {
                log_partition: PUSHES,
                offset,
                append_time: LogTime(period().start.start().0 / 1_000),
            };
            PushRow::new(place, &record, &intent)
        });
        let rows: Vec<_> = rows.collect();
        let inserted = self.clickhouse.insert_pushes(&rows, &[], PUSHES, 1);
        self.runtime.block_on(inserted).expect("inserted");
    }

    /// A tenant of whom everything agrees, with a customer of its own; the customer.
    pub(crate) fn agreed(&self, tenant: &str, hour: Hour, count: u64) -> String {
        let customer = self.customer(tenant);
        let value = count.to_string();
        self.bucket(tenant, hour, count, before());
        self.ledger(tenant, &customer, hour, &value, confirmed());
        self.tell_stripe(&customer, hour, &value);
        customer
    }

    /// Writes a carry of a tenant's invoice line into a window.
    fn carry(&self, tenant: &str, customer: &str, source: &str, window: Hour, value: &str) {
        let record = CarryRecord {
            write_id: 1,
            head: None,
            key: CarryKey {
                tenant: tenant.to_owned(),
                meter: METER.to_owned(),
                source: source.to_owned(),
            },
            carry: Carry {
                customer: customer.to_owned(),
                event_name: EVENT_NAME.to_owned(),
                window: window.start(),
                quantity: quantity(value),
                wanted: quantity(value),
                billed: Quantity::ZERO,
                stamps: Stamps::default(),
                windows: Vec::new(),
            },
            instance: "test".to_owned(),
        };
        let place = LogPlace {
            log_partition: PUSHES,
            offset: 90,
            append_time: before(),
        };
        let rows = [CarryRow::new(place, &record)];
        let inserted = self.clickhouse.insert_pushes(&[], &rows, PUSHES, 1);
        self.runtime.block_on(inserted).expect("inserted");
    }

    pub(crate) fn reconciler(
        &self,
        customers: &[(&str, &str)],
        slice_pairs: u32,
    ) -> Arc<Reconciler> {
        let customers = customers.iter();
        let customers = customers.map(|(tenant, id)| ((*tenant).to_owned(), (*id).to_owned()));
        let billed = Billed {
            meters: [(METER.to_owned(), EVENT_NAME.to_owned())].into(),
            customers: customers.collect::<HashMap<_, _>>(),
        };
        let stage = BillingSettings {
            api_key: Secret::new(KEY),
            api_base: self.stripe.url(),
            ..BillingSettings::default()
        };
        let settings = ReconcileSettings {
            in_work: Duration::from_millis(1),
            slice_pairs,
            ..ReconcileSettings::default()
        };
        let clickhouse = self.clickhouse.clone();
        let made = Reconciler::new(clickhouse, &stage, Pace::unlimited(), billed, settings);
        made.expect("settings that can be used")
    }

    pub(crate) fn finish(
        &self,
        reconciler: &Arc<Reconciler>,
    ) -> (ReconciliationRow, Vec<DifferenceRow>) {
        let scope = scope();
        self.runtime.block_on(async {
            let run = reconciler.run(&scope, false, |_| ControlFlow::Continue(()));
            let Reconciled::Finished(run) = run.await.expect("all answers") else {
                panic!("nobody stops it");
            };
            let open = reconciler.differences(&scope, 100).await;
            (run, open.expect("an answer"))
        })
    }

    /// How often summaries were asked for.
    fn summaries_read(&self) -> usize {
        self.stripe.truth(|truth| {
            let calls = truth.calls();
            let read = calls.filter(|call| call.path.ends_with("/event_summaries"));
            read.count()
        })
    }
}

/// Tenant, kind, bucket, ledger and Stripe's value of each difference.
fn sides(rows: &[DifferenceRow]) -> Vec<(String, &'static str, [Option<String>; 3])> {
    let text = |quantity: Option<Quantity>| quantity.map(|quantity| quantity.to_string());
    let rows = rows.iter().map(|row| {
        let sides = [text(row.bucket), text(row.ledger), text(row.stripe)];
        (row.tenant.clone(), row.kind.name(), sides)
    });
    rows.collect()
}

#[test]
fn where_all_sides_agree_there_is_no_difference_and_one_reading_for_each_meter() {
    let site = Site::new();
    site.sealed(last_hour());
    let acme = site.agreed("acme", early(3), 5);
    site.bucket("acme", early(30), 7, before());
    site.ledger("acme", &acme, early(30), "7", confirmed());
    site.tell_stripe(&acme, early(30), "7");
    let zeta = site.agreed("zeta", early(4), 1);
    let reconciler = site.reconciler(&[("acme", &acme), ("zeta", &zeta)], 100);
    let (run, open) = site.finish(&reconciler);
    assert_eq!(open, []);
    let counts = (run.pairs, run.windows, run.readings, run.found);
    assert_eq!((counts, run.is_finished), ((2, 3, 2, 0), true));
    // Whole days and the hours of the last one: two calls for each.
    let of_last_day = usize::from(period().end.0.rem_euclid(24) != 0);
    assert_eq!(site.summaries_read(), 2 * (1 + of_last_day));
}

#[test]
fn each_kind_of_difference_is_found_once_and_closed_when_it_is_mended() {
    let site = Site::new();
    site.sealed(last_hour());
    let hour = early(5);
    let unpushed = site.customer("unpushed");
    site.bucket("unpushed", hour, 7, before());
    for hour in [early(5), early(6)] {
        site.bucket("unlinked", hour, 4, before());
    }
    let stale = site.agreed("stale", hour, 5);
    site.bucket("stale", hour, 8, before());
    let unconfirmed = site.customer("unconfirmed");
    site.bucket("unconfirmed", hour, 5, before());
    let received = vec![Step::Outcome(Outcome::Received)];
    site.ledger("unconfirmed", &unconfirmed, hour, "5", received);
    site.tell_stripe(&unconfirmed, hour, "5");
    let changed = site.agreed("changed", hour, 5);
    site.tell_stripe(&changed, hour, "6");
    let foreign = site.agreed("foreign", hour, 5);
    site.tell_stripe(&foreign, early(9), "9");
    site.bucket("gone", hour, 5, before());
    site.ledger("gone", "cus_nobody", hour, "5", confirmed());
    let customers = [
        ("unpushed", &*unpushed),
        ("stale", &stale),
        ("unconfirmed", &unconfirmed),
        ("changed", &changed),
        ("foreign", &foreign),
    ];
    let reconciler = site.reconciler(&customers, 100);
    let (run, open) = site.finish(&reconciler);
    let some = |text: &str| Some(text.to_owned());
    let expected = [
        (
            "changed",
            "stripe_differs",
            [some("5"), some("5"), some("6")],
        ),
        ("foreign", "foreign", [None, None, some("9")]),
        ("gone", "unreadable", [None, None, None]),
        ("stale", "stale", [some("8"), some("5"), None]),
        ("unconfirmed", "unconfirmed", [some("5"), some("5"), None]),
        ("unlinked", "not_pushed", [some("8"), None, None]),
        ("unpushed", "not_pushed", [some("7"), None, None]),
    ];
    let expected = expected.map(|(tenant, kind, sides)| (tenant.to_owned(), kind, sides));
    assert_eq!(sides(&open), expected);
    assert_eq!((run.found, open[5].windows), (8, 2));
    assert!(open[5].reason.contains("stripe-customer"), "{open:?}");
    site.tell_stripe(&changed, hour, "5");
    let (_, again) = site.finish(&reconciler);
    assert_eq!(sides(&again), expected[1..]);
    let first_seen = |rows: &[DifferenceRow]| rows.iter().map(|row| row.first_seen).collect();
    let (then, now): (Vec<_>, Vec<_>) = (first_seen(&open[1..]), first_seen(&again));
    assert_eq!(then, now);
    let foreign = again.iter().find(|row| row.kind == DifferenceKind::Foreign);
    assert_eq!(foreign.map(|row| row.window_start), Some(early(9).start()));
}

#[test]
fn what_is_open_or_changed_a_moment_ago_is_in_work() {
    let site = Site::new();
    site.sealed(early(10));
    let acme = site.agreed("acme", early(3), 5);
    site.bucket("acme", early(12), 7, before());
    let later = LogTime(before().0 + 7_200_000);
    site.bucket("acme", early(4), 7, later);
    let reconciler = site.reconciler(&[("acme", &acme)], 100);
    let (run, open) = site.finish(&reconciler);
    assert_eq!((run.in_work, open), (2, vec![]));
}

#[test]
fn a_run_that_was_stopped_goes_on_behind_its_last_slice() {
    let site = Site::new();
    site.sealed(last_hour());
    let tenants: Vec<_> = (0..5).map(|n| format!("t{n}")).collect();
    let customers: Vec<_> = tenants
        .iter()
        .map(|tenant| site.agreed(tenant, early(3), 5))
        .collect();
    let pairs = tenants.iter().zip(&customers);
    let pairs: Vec<_> = pairs.map(|(t, c)| (t.as_str(), c.as_str())).collect();
    let reconciler = site.reconciler(&pairs, 2);
    let all = scope();
    let stopped = reconciler.run(&all, false, |_| ControlFlow::Break(()));
    let stopped = site.runtime.block_on(stopped).expect("all answers");
    let Reconciled::Stopped(first) = stopped else {
        panic!("it was stopped");
    };
    assert_eq!((first.pairs, &*first.after_tenant), (2, "t1"));
    let read = site.summaries_read();
    // What changes in a slice that is finished is the next run's.
    site.tell_stripe(&customers[0], early(3), "6");
    let (run, open) = site.finish(&reconciler);
    assert_eq!((run.run, run.pairs, open.len()), (first.run, 5, 0));
    assert_eq!(site.summaries_read() * 2, read * 5);
    let (next, open) = site.finish(&reconciler);
    assert_ne!(next.run, run.run);
    let kinds: Vec<_> = open.iter().map(|row| row.kind).collect();
    assert_eq!(kinds, [DifferenceKind::StripeDiffers]);
}

#[test]
fn a_final_line_bills_its_windows_or_is_a_difference_until_it_is_carried() {
    let begin = period().start.start().0 / 1_000;
    let site = Site::with_clock(Clock::Manual(begin));
    site.sealed(last_hour());
    let cut = early(24);
    let exact = site.customer("exact");
    let late = site.customer("late");
    for customer in [&exact, &late] {
        site.subscribe(customer, cut);
    }
    site.stripe.advance_blocking(4 * 3_600_000);
    for (tenant, customer) in [("exact", &exact), ("late", &late)] {
        site.bucket(tenant, early(3), 5, before());
        site.ledger(tenant, customer, early(3), "5", confirmed());
        site.tell_stripe(customer, early(3), "5");
    }
    // The cut, and the hour after which a draft is final.
    site.stripe.advance_blocking(23 * 3_600_000);
    site.bucket("late", early(3), 8, before());
    site.ledger("late", &late, early(3), "8", confirmed());
    site.tell_stripe(&late, early(3), "8");
    site.stripe.advance_blocking(60_000);
    let reconciler = site.reconciler(&[("exact", &exact)], 100);
    let (run, open) = site.finish(&reconciler);
    let text = |quantity: Option<Quantity>| quantity.map(|quantity| quantity.to_string());
    let [line] = &*open else {
        panic!("one line differs, not {open:?}");
    };
    assert_eq!(
        (run.invoice_lines, line.kind),
        (2, DifferenceKind::InvoiceDiffers)
    );
    assert_eq!((&*line.tenant, line.window_end), ("late", cut.start()));
    let sides = (text(line.bucket), text(line.billed));
    assert_eq!(sides, (Some("8".to_owned()), Some("5".to_owned())));
    assert!(line.reason.starts_with("to be carried"), "{}", line.reason);
    let source = format!("{}/{}", line.subject, early(0).0);
    site.carry("late", &late, &source, early(26), "3");
    site.ledger("late", &late, early(26), "3", confirmed());
    site.tell_stripe(&late, early(26), "3");
    site.stripe.advance_blocking(60_000);
    let (_, open) = site.finish(&reconciler);
    assert_eq!(open, []);
    let mut reader = StatementReader::new(reconciler, "late", period());
    let statement = site.runtime.block_on(reader.next()).expect("all answers");
    let statement = statement.expect("a meter");
    let invoice_of = |hour| {
        let mut windows = statement.windows.iter();
        let window = windows.find(|window| window.hour == hour);
        statement.invoice_of(window.expect("it was pushed"))
    };
    assert_eq!(invoice_of(early(3)), Some(&*line.subject));
    assert_eq!(invoice_of(early(26)), None);
    assert_eq!(statement.lines[0].customer, late);
    let of_line = &statement.lines[0];
    let carried = statement.carried_of(&of_line.source);
    assert_eq!((of_line.is_final, of_line.billed), (true, quantity("5")));
    assert_eq!((&*of_line.source, carried), (&*source, Some(quantity("3"))));
}
