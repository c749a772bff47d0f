//! `provider`: quantities are included, use beyond them costs and is told of above 100 %.

use super::*;

const DECEMBER: &str = "2026-12-01T00:00:00Z";
const ALERTS: [Alert<'_>; 1] = [(100, true, Medium, "billing.over_limit")];
/// Plan, then what it includes of stores, devices, API calls, webhook calls and storage.
const PLANS: [(&str, [i128; 5]); 4] = [
    ("free", [1, 2, 10_000, 100, GIB]),
    ("basic", [5, 10, 50_000, 500, 10 * GIB]),
    ("premium", [20, 50, 200_000, 2_000, 50 * GIB]),
    ("enterprise", [100, 200, 1_000_000, 10_000, 200 * GIB]),
];

fn case(meter: &str, basis: i128, step: i128) -> Case<'_> {
    Case {
        meter,
        basis,
        step,
        alerts: &ALERTS,
        cap: Cap::None,
    }
}

#[test]
fn levels_and_calls_cost_beyond_what_is_included() {
    let one = whole(1).raw();
    for (plan, [stores, devices, calls, webhooks, _]) in PLANS {
        case("active_stores", stores, 1).walk_level(&mut on("provider", plan), DECEMBER);
        case("active_devices", devices, 1).walk_level(&mut on("provider", plan), DECEMBER);
        // Calls are counted: one is the least.
        case("api_calls", calls, one).walk_flow(&mut on("provider", plan), DECEMBER);
        case("webhook_calls", webhooks, one).walk_flow(&mut on("provider", plan), DECEMBER);
    }
}

#[test]
fn storage_follows_from_counts() {
    let constant = whole(100 * 1_024 * 1_024).raw();
    for (plan, [.., storage]) in PLANS {
        // The least that a number of sales can add is 10⁻⁹ · 1,024 bytes.
        let case = case("storage_used", storage, 1_024);
        let sales = |walk: &mut Walk, used: Quantity| {
            let of_sales = used.raw() - constant;
            assert_eq!(of_sales % 1_024, 0, "{used} is a number of sales");
            walk.use_is("sales", raw(of_sales / 1_024));
        };
        let mut walk = on("provider", plan);
        case.walk(&mut walk, DECEMBER, sales);
        case.assert_at(&walk, Place(120, Above));
    }
}

#[test]
fn tickets_and_audit_entries_are_storage_too() {
    let mut walk = on("provider", "free");
    walk.use_is("sales", whole(3));
    walk.use_is("tickets", whole(5));
    walk.use_is("audit_entries", whole(7));
    let bytes = 100 * 1_048_576 + 3 * 1_024 + 5 * 512 + 7 * 256;
    assert_eq!(walk.standing("storage_used").used, whole(bytes));
}

#[test]
fn a_size_that_was_set_takes_the_place_of_the_formula() {
    let case = case("storage_used", GIB, 1);
    let mut walk = on("provider", "free");
    walk.use_is("storage", whole(1));
    walk.use_is("sales", whole(GIB));
    assert_eq!(walk.standing("storage_used").used, whole(1));
    case.walk(&mut walk, DECEMBER, |walk, used| {
        walk.use_is("storage", used)
    });
    case.assert_at(&walk, Place(120, Above));
}
