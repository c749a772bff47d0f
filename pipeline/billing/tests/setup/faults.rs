//! Calls that are lost, refused and answered wrongly.

use crate::site::{CATALOG, KEY, Site, catalog};
use meterline_billing::setup::{Action, SetupError, apply};
use meterline_fake_stripe::{Faults, Key};
use meterline_stripe::Failure;
use std::collections::BTreeSet;
use std::time::Duration;

/// Runs until one comes to an end; how many did not.
fn until_done(site: &Site) -> u32 {
    for failed in 0..50 {
        match site.apply(CATALOG) {
            Ok(changes) => {
                let left = changes.iter().filter(|change| {
                    !matches!(change.action, Action::Keep | Action::Done | Action::Adopt)
                });
                assert_eq!(left.count(), 0, "{changes:#?}");
                return failed;
            }
            Err(SetupError::Call { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no run came to an end");
}

#[test]
fn whatever_is_lost_on_the_way_nothing_is_made_twice() {
    let mut failed = 0;
    for seed in 0..12 {
        let site = Site::with(seed);
        site.fake.change(|settings| {
            settings.faults = Faults {
                timeout_after: 0.3,
                too_many: 0.1,
                server_error: 0.15,
                lock_timeout: 0.05,
                reset: 0.05,
                ..Faults::default()
            };
        });
        failed += until_done(&site);
        site.fake
            .change(|settings| settings.faults = Faults::default());
        assert_eq!(site.counts(), (2, 4, 5), "seed {seed}");
        let again = site.apply(CATALOG).expect("nothing to do");
        assert!(
            again.iter().all(|change| change.action == Action::Keep),
            "{again:#?}"
        );
    }
    // Else no run was ever taken up by the next.
    assert!(failed > 0);
}

#[test]
fn wherever_a_run_is_killed_the_next_goes_on() {
    let site = Site::new();
    // Calls take their time, so that there is one to be killed in.
    site.fake
        .change(|settings| settings.work = Duration::from_millis(2));
    let calls = || site.fake.truth(|truth| truth.call_count());
    let mut made = BTreeSet::new();
    for after in 0..40 {
        let (stripe, wanted, before) = (site.stripe(KEY), catalog(CATALOG), calls());
        let run = async move { apply(&stripe, &wanted).await.is_ok() };
        let run = site.runtime.spawn(run);
        while calls() < before + after && !run.is_finished() {
            std::thread::yield_now();
        }
        run.abort();
        made.insert(site.counts());
    }
    site.apply(CATALOG).expect("set up");
    assert_eq!(site.counts(), (2, 4, 5));
    // It was killed when some things were made, and others not.
    assert!(made.len() > 2, "{made:?}");
}

#[test]
fn a_key_that_is_wrong_or_lacks_a_permission_is_named_and_never_shown() {
    let site = Site::new();
    site.fake.change(|settings| {
        let restricted = Key {
            secret: KEY.to_owned(),
            denied: vec!["prices".to_owned()],
        };
        settings.keys = vec![restricted];
    });
    let refused = |error: SetupError| {
        let SetupError::Call { what, source } = error else {
            panic!("{error}");
        };
        assert!(!format!("{what} {source} {source:?}").contains("hunter2"));
        (what, source)
    };
    let (what, source) = refused(site.apply(CATALOG).expect_err("no permission"));
    assert!(matches!(*source, Failure::Forbidden(_)), "{source}");
    assert_eq!(what, "make price meterline:basic");
    site.fake
        .change(|settings| settings.keys = vec![Key::full("sk_test_other")]);
    let (what, source) = refused(site.apply(CATALOG).expect_err("a wrong key"));
    assert_eq!(*source, Failure::Unauthorized);
    assert_eq!(what, "read what Stripe has");
    site.fake.change(|settings| settings.keys = Vec::new());
    site.apply(CATALOG).expect("the rest");
    assert_eq!(site.counts(), (2, 4, 5));
}
