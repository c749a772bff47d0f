//! Overrides and accounts as people write them, right and wrong.

use super::*;
use crate::testing;
use meterline_core::catalog::plans::PlanUnit;
use meterline_core::quantity::ONE;

/// The small catalog, with a second unit for its first meter.
fn catalog() -> Catalog {
    let mut catalog = testing::catalog();
    let unit = PlanUnit {
        name: "GB".to_owned(),
        ratio: Quantity::from_raw(1_000_000_000 * ONE).expect("in range"),
    };
    let meter = catalog.meters[0].name.clone();
    catalog.plans.units.insert(meter, unit);
    catalog
}

fn check(text: &str, expected: Result<&str, &str>) {
    let catalog = catalog();
    let meter = &catalog.meters[0].name;
    let text = text.replace('M', meter);
    match (parse_override(&text, &catalog, Bare::Refused), expected) {
        (Ok((_, parsed)), Ok(expected)) => {
            let parsed = serde_json::to_string(&parsed).expect("plain data");
            assert_eq!(parsed, expected, "{text}");
        }
        (Err(reason), Err(part)) => {
            let part = part.replace('M', meter);
            assert!(reason.contains(&part), "{text}: {reason}");
        }
        (parsed, _) => panic!("{text}: {parsed:?}"),
    }
}

#[test]
fn overrides_on_the_command_line() {
    check("M:limit=5GB", Ok(r#"{"limit":{"at":"5000000000"}}"#));
    check(
        "M:limit=unlimited,included=1.5GB,cap=soft",
        Ok(r#"{"included":"1500000000","limit":"unlimited","cap":"soft"}"#),
    );
    check(
        "M:cap=soft,grace=7d/120%",
        Ok(r#"{"cap":"soft","grace":{"seconds":604800,"percent":"120"}}"#),
    );
    for (text, part) in [
        ("M", "is no override"),
        (
            "unknown:limit=5",
            "overrides.unknown: is no meter of the catalog",
        ),
        ("M:limit", "is not FIELD=VALUE"),
        ("M:limit=5", "overrides.M.limit: `5` has no unit"),
        ("M:limits=5GB", "did you mean `limit`?"),
        ("M:cap=strict", "overrides.M.cap: `strict` is no cap"),
        ("M:grace=7d", "overrides.M.grace: `7d` is no grace"),
        ("M:grace=7/120", "is no duration"),
        ("M:thresholds=80", "set by --file"),
    ] {
        check(text, Err(part));
    }
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).expect("an object")
}

#[test]
fn an_account_in_a_file_reads_what_the_log_shows() {
    let catalog = catalog();
    let meter = catalog.meters[0].name.clone();
    let text = r#"{"account": "acme", "plan": "free", "start": "2026-01-31", "stripe_customer": "cus_1",
        "overrides": {"M": {
        "limit": "5GB", "included": 7, "grace": {"seconds": 60, "percent": 110},
        "cap": "soft",
        "thresholds": [{"percent": 80, "above": false, "severity": "warning", "kind": "k"}]}}}"#;
    let read = read_object(
        &object(&text.replace("\"M\"", &format!("\"{meter}\""))),
        &catalog,
        true,
    );
    let (id, patch) = read.expect("read");
    let terms = patch.apply(None, "2030-01-01").expect("whole");
    assert_eq!(
        (id.as_deref(), terms.start.as_str()),
        (Some("acme"), "2026-01-31")
    );
    let shown = serde_json::to_value(&terms).expect("plain data");
    assert_eq!(shown["overrides"][&meter]["limit"]["at"], "5000000000");
    assert_eq!(shown["overrides"][&meter]["included"], "7");
    assert_eq!(shown["stripe_customer"], "cus_1");
    let Value::Object(shown) = shown else {
        panic!("an account is an object");
    };
    let (_, again) = read_object(&shown, &catalog, true).expect("what is shown is read");
    assert_eq!(again.apply(None, "2030-01-01").expect("whole"), terms);
}

#[test]
fn what_is_wrong_in_a_file_is_named_by_its_path() {
    for (text, whole, part) in [
        (
            r#"{"plans": "free"}"#,
            false,
            "plans: no such field, did you mean `plan`?",
        ),
        (r#"{"plan": 5}"#, false, "plan: invalid type"),
        (
            r#"{"status": "gone"}"#,
            false,
            "status: unknown variant `gone`",
        ),
        (r#"{"plan": "free"}"#, true, "start: is missing"),
        (r#"{"overrides": []}"#, false, "overrides: is no map"),
        (
            r#"{"overrides": {"M": {"limit": 1.5}}}"#,
            false,
            "overrides.M.limit: 1.5 is neither",
        ),
        (
            r#"{"overrides": {"M": {"limits": 1}}}"#,
            false,
            "overrides.M: unknown field `limits`",
        ),
        (
            r#"{"overrides": {"M": {"included": "x"}}}"#,
            false,
            "overrides.M.included: `x`",
        ),
    ] {
        let catalog = catalog();
        let meter = &catalog.meters[0].name;
        let text = text.replace("\"M\"", &format!("\"{meter}\""));
        let reason = read_object(&object(&text), &catalog, whole).expect_err(&text);
        let part = part.replace(".M", &format!(".{meter}"));
        assert!(reason.contains(&part), "{text}: {reason}");
    }
}

#[test]
fn an_empty_cell_says_nothing() {
    let header = [
        "id",
        "plan",
        "contacts",
        "overrides",
        "name",
        "stripe_customer",
    ];
    let header = header.map(str::to_owned);
    let catalog = catalog();
    let overrides = &format!("{}:limit=5GB", catalog.meters[0].name);
    let cells = csv::StringRecord::from(vec!["acme", "", "a@b.c d@e.f", overrides, "", "none"]);
    let (id, patch) = read_row(&header, &cells, &catalog).expect("read");
    assert_eq!(id.as_deref(), Some("acme"));
    assert_eq!((patch.plan, patch.name), (None, None));
    assert_eq!(patch.customer, Customer::None);
    assert_eq!(patch.contacts.expect("given"), ["a@b.c", "d@e.f"]);
    assert!(matches!(patch.overrides, Overrides::All(all) if all.len() == 1));
}
