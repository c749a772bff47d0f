//! A run of one tenant or meter says nothing of others.

use crate::catalog::METER;
use crate::reconcile::{before, early, scope};
use crate::site::{Site, last_hour};
use meterline_billing::reconcile::{Reconciled, Scope};
use meterline_schemas::rows::ReconciliationRow;
use std::ops::ControlFlow;

/// Runs a scope; how far it came, and whose differences are open in the whole period.
fn run(site: &Site, of: &Scope) -> (ReconciliationRow, Vec<String>) {
    let reconciler = site.reconciler(&[("a", "cus_a"), ("b", "cus_b"), ("c", "cus_c")], 100);
    site.runtime.block_on(async {
        let run = reconciler.run(of, false, |_| ControlFlow::Continue(()));
        let Reconciled::Finished(run) = run.await.expect("all answers") else {
            panic!("nobody stops it");
        };
        let open = reconciler.differences(&scope(), 100).await;
        let tenants = open.expect("an answer").into_iter().map(|row| row.tenant);
        (run, tenants.collect())
    })
}

#[test]
fn a_run_of_one_tenant_neither_finds_nor_closes_what_is_of_others() {
    let site = Site::new();
    site.sealed(last_hour());
    for tenant in ["a", "b", "c"] {
        site.bucket(tenant, early(3), 5, before());
    }
    let of = |tenant: &str, meter: &str| Scope {
        tenant: Some(tenant.to_owned()),
        meter: Some(meter.to_owned()),
        ..scope()
    };
    // Stripe knows none of these customers: two differences of each.
    let (found, open) = run(&site, &of("b", METER));
    assert_eq!((found.pairs, found.windows), (1, 1));
    assert_eq!(open, ["b", "b"]);
    let (found, open) = run(&site, &of("c", METER));
    assert_eq!((found.windows, open.len()), (1, 4));
    let (found, open) = run(&site, &of("c", "another"));
    assert_eq!((found.pairs, open.len()), (0, 4));
    let (found, open) = run(&site, &scope());
    assert_eq!((found.pairs, open.len()), (3, 6));
}
