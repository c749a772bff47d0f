//! A tenant's statement ties each hour to its events, its pushes and what Stripe shows.

use crate::catalog::METER;
use crate::reconcile::{before, confirmed, early, period, quantity};
use crate::site::{Site, last_hour};
use meterline_billing::reconcile::{MeterStatement, StatementReader};
use meterline_core::pushes::State;

fn read(site: &Site, tenant: &str, customer: &str) -> Vec<MeterStatement> {
    let reconciler = site.reconciler(&[(tenant, customer)], 100);
    let mut reader = StatementReader::new(reconciler, tenant, period());
    let mut meters = Vec::new();
    while let Some(meter) = site.runtime.block_on(reader.next()).expect("all answers") {
        meters.push(meter);
    }
    meters
}

#[test]
fn each_hour_is_tied_to_its_events_its_pushes_and_what_stripe_shows() {
    let site = Site::new();
    site.sealed(last_hour());
    let acme = site.agreed("acme", early(3), 5);
    site.bucket("acme", early(4), 7, before());
    // A late event: the same window once more.
    site.bucket("acme", early(3), 6, before());
    site.ledger("acme", &acme, early(3), "6", confirmed());
    let statement = read(&site, "acme", &acme);
    assert_eq!(statement.len(), 1);
    assert_eq!(statement[0].meter, METER);
    let [first, second] = &*statement[0].windows else {
        panic!("two windows, not {:?}", statement[0].windows);
    };
    assert_eq!((first.hour, first.events), (early(3), 6));
    assert_eq!(
        (first.value, first.stripe),
        (Some(quantity("6")), Some(quantity("5")))
    );
    let offsets: Vec<_> = first
        .changes
        .iter()
        .map(|(_, stamp)| stamp.offset)
        .collect();
    assert_eq!(offsets, [2]);
    let push = first.push.as_ref().expect("it was pushed");
    assert_eq!(
        (push.step, push.quantity),
        (State::Confirmed, quantity("6"))
    );
    // The second chain of steps: an intent, a receipt, a confirmation.
    assert_eq!((first.intent, first.confirmed), (Some(10), Some(12)));
    assert_eq!((second.hour, second.value), (early(4), Some(quantity("7"))));
    assert_eq!((&second.push, second.stripe), (&None, None));
    assert_eq!(read(&site, "nobody", &acme), []);
}
