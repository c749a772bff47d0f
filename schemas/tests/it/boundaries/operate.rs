//! `operate`: everybody has the one plan, and what goes beyond what it includes costs.

use super::*;
use meterline_core::account::{LimitOverride, Override};
use meterline_core::catalog::plans;

const DECEMBER: &str = "2026-12-01T00:00:00Z";
const ALERTS: [Alert<'_>; 2] = [(80, false, Warning, KIND), (100, false, Critical, KIND)];
/// Feature, and what is included.
const FEATURES: [(&str, i128); 10] = [
    ("ocr_scan", 50),
    ("api_call", 10_000),
    ("storage_gb", 5 * GIB),
    ("ai_classification", 100),
    ("email_sent", 1_000),
    ("bank_sync", 30),
    ("sms_sent", 100),
    ("pdf_export", 200),
    ("webhook", 5_000),
    ("custom_report", 50),
];

fn check(walk: &mut Walk, meter: &str, basis: i128, alerts: &[Alert<'_>], cap: Cap) {
    let case = Case {
        meter,
        basis,
        step: 1,
        alerts,
        cap,
    };
    if meter == "storage_gb" {
        case.walk_level(walk, DECEMBER);
    } else {
        case.walk_flow(walk, DECEMBER);
    }
}

#[test]
fn features_cost_beyond_what_is_included_with_and_without_an_account() {
    for (meter, included) in FEATURES {
        for plan in [None, Some("pay_as_you_go")] {
            let mut walk = Walk::new("operate", plan, BTreeMap::new(), NOW);
            check(&mut walk, meter, included, &ALERTS, Cap::None);
        }
    }
}

#[test]
fn a_quota_of_an_organization_refuses_where_it_sets_a_cap() {
    for (meter, included) in FEATURES {
        let quota = |cap: Option<plans::Cap>| Override {
            included: Some(whole(included * 2)),
            limit: cap
                .is_some()
                .then(|| LimitOverride::At(whole(included * 4))),
            cap,
            ..Override::default()
        };
        let walk = |cap: Option<plans::Cap>| {
            let overrides = [(meter.to_owned(), quota(cap))].into();
            Walk::new("operate", Some("pay_as_you_go"), overrides, NOW)
        };
        check(&mut walk(None), meter, included * 2, &ALERTS, Cap::None);
        let capped = [ALERTS[0], ALERTS[1], PASSED];
        let mut walk = walk(Some(plans::Cap::Hard));
        check(&mut walk, meter, included * 4, &capped, Cap::Hard);
    }
}
