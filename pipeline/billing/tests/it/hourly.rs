//! The stage reconciles beside pushing.

use crate::reconcile::{before, early, scope};
use crate::site::{KEY, Site, last_hour, until};
use meterline_clickhouse::DifferenceFilter;
use meterline_schemas::rows::{DifferenceKind, DifferenceRow};
use std::time::Duration;

impl Site {
    fn open_differences(&self) -> Vec<DifferenceRow> {
        let all = DifferenceFilter::default();
        let open = self.clickhouse.open_differences(&all, 10);
        self.runtime.block_on(open).expect("an answer")
    }
}

#[test]
fn the_stage_closes_what_no_longer_differs_and_finds_what_does() {
    let site = Site::new();
    site.sealed(last_hour());
    let mended = site.agreed("mended", early(3), 5);
    site.tell_stripe(&mended, early(3), "6");
    let changed = site.agreed("changed", early(3), 5);
    let customers = [("mended", &*mended), ("changed", &changed)];
    site.finish(&site.reconciler(&customers, 100));
    let open = site.open_differences();
    assert_eq!((open.len(), &*open[0].tenant), (1, "mended"));
    site.tell_stripe(&mended, early(3), "5");
    site.tell_stripe(&changed, early(3), "7");
    let _stage = site.start_with("one", |settings| {
        settings.reconcile_interval = Duration::from_secs(10);
    });
    let found = until("the stage has reconciled", || {
        let open = site.open_differences();
        open.iter()
            .all(|row| row.tenant == "changed")
            .then_some(open)
            .filter(|open| !open.is_empty())
    });
    assert_eq!(found[0].kind, DifferenceKind::StripeDiffers);
    assert!(found[0].first_seen > before());
    assert!(scope().period.contains(&found[0].window_start.hour()));
    let said = format!("{found:?}");
    assert!(!said.contains(KEY), "{said}");
}
