//! Bodies of ingest calls, good and bad.

use super::*;
use crate::testing::{NOW, compiled, event_json};
use proptest::prelude::*;

fn scope(tenants: &[&str]) -> TenantScope {
    TenantScope::These(tenants.iter().map(|t| (*t).to_owned()).collect())
}

/// Judges the only event of a body; the id, or the reason.
fn judge_one(
    form: Form,
    key: Option<&str>,
    scope: &TenantScope,
    text: &str,
) -> Result<String, String> {
    let catalog = compiled();
    let judge = Judge {
        catalog: &catalog,
        scope,
        idempotency_key: key,
        form,
        now: NOW,
    };
    let accepted = judge
        .judge(7, text.as_bytes())
        .map_err(|r| r.reason.to_owned())?;
    // What is published is an event with that id.
    let record = Record {
        offset: 0,
        append_time: NOW,
        headers: &HEADERS,
        payload: Some(&accepted.payload),
        size: 0,
        placement: None,
    };
    let event = catalog.decoder.decode(&record).expect("decodes");
    assert_eq!(event.id, accepted.id);
    Ok(accepted.id)
}

#[test]
fn media_types_say_how_events_lie() {
    for (text, expected) in [
        ("application/cloudevents+json", Some(Form::One)),
        (
            "application/cloudevents+json; charset=utf-8",
            Some(Form::One),
        ),
        ("Application/CloudEvents-Batch+JSON", Some(Form::Batch)),
        ("application/x-ndjson", Some(Form::Lines)),
        ("application/json", None),
        ("", None),
    ] {
        assert_eq!(Form::of(text), expected, "{text}");
    }
}

#[test]
fn bodies_are_split_within_their_bound() {
    let check = |form, body: &str, expected: Result<usize, SplitError>| {
        let actual = split(form, body.as_bytes(), 2).map(|events| events.len());
        assert_eq!(actual, expected, "{body}");
    };
    check(Form::One, "{}", Ok(1));
    check(Form::Batch, "[{},{}]", Ok(2));
    check(Form::Batch, "[{},{},{}]", Err(SplitError::TooMany));
    check(Form::Batch, "[1,1,1,nonsense", Err(SplitError::TooMany));
    check(Form::Batch, "[]", Err(SplitError::Empty));
    check(Form::Lines, "{}\r\n\n{}\n", Ok(2));
    check(Form::Lines, "a\nb\nc", Err(SplitError::TooMany));
    check(Form::Lines, "\n \n", Err(SplitError::Empty));
    assert!(matches!(
        split(Form::Batch, b"{}", 2),
        Err(SplitError::NotAnArray(_))
    ));
}

#[test]
fn events_are_refused_with_the_folds_reasons() {
    let all = TenantScope::All;
    let good = event_json("\"id\":\"e1\",", "call", "acme");
    let check = |text: String, expected: Result<&str, &str>| {
        let actual = judge_one(Form::One, None, &all, &text);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(actual, expected, "{text}");
    };
    check(good.clone(), Ok("e1"));
    check(event_json("", "call", "acme"), Err("missing_id"));
    check(event_json("\"id\":\"e1\",", "fax", "acme"), Err("no_meter"));
    check(
        event_json("\"id\":\"e1\",", "call", ""),
        Err("missing_tenant"),
    );
    check(good.replace("2026", "2016"), Err("too_late"));
    check(good.replace("2026", "2036"), Err("from_the_future"));
    check(
        good.replace("\"quantity\":1", "\"quantity\":\"x\""),
        Err("bad_quantity"),
    );
    check("[]".to_owned(), Err("batch"));
    check("nonsense".to_owned(), Err("malformed"));
    let long = "x".repeat(2 << 20);
    check(
        event_json("\"id\":\"e1\",", &long, "acme"),
        Err("too_large"),
    );
}

#[test]
fn missing_ids_come_from_the_idempotency_key() {
    let all = TenantScope::All;
    let check = |form, text: &str, expected: Result<&str, &str>| {
        let actual = judge_one(form, Some("key \"1\""), &all, text);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(actual, expected, "{text}");
    };
    let without = event_json("", "call", "acme");
    check(Form::One, &without, Ok("key \"1\""));
    check(Form::Batch, &without, Ok("key \"1\"-7"));
    check(Form::Lines, &format!(" {without}"), Ok("key \"1\"-7"));
    let given = event_json("\"id\":\"e1\",", "call", "acme");
    check(Form::One, &given, Ok("e1"));
    // An id that is there and empty is a mistake, not a missing one.
    let empty = event_json("\"id\":\"\",", "call", "acme");
    check(Form::One, &empty, Err("missing_id"));
    check(Form::One, "{}", Err("malformed"));
}

#[test]
fn a_key_publishes_for_its_tenants_only() {
    let check = |tenant: &str, expected: Result<&str, &str>| {
        let text = event_json("\"id\":\"e1\",", "call", tenant);
        let actual = judge_one(Form::One, None, &scope(&["acme", "beta"]), &text);
        let expected = expected.map(str::to_owned).map_err(str::to_owned);
        assert_eq!(actual, expected, "{tenant}");
    };
    check("acme", Ok("e1"));
    check("beta", Ok("e1"));
    check("other", Err("unknown_tenant"));
}

/// Texts near to events, so that more than the first byte is read.
fn near_event() -> impl Strategy<Value = Vec<u8>> {
    let base = event_json("\"id\":\"e1\",", "call", "acme").into_bytes();
    let cut = 0..base.len();
    (cut, any::<Vec<u8>>(), any::<bool>()).prop_map(move |(at, noise, keeps)| {
        let mut text = base[..at].to_vec();
        text.extend_from_slice(&noise);
        if keeps {
            text.extend_from_slice(&base[at..]);
        }
        text
    })
}

proptest! {
    #[test]
    fn no_body_makes_ingest_panic(
        body in prop_oneof![any::<Vec<u8>>(), near_event()],
        form in prop_oneof![Just(Form::One), Just(Form::Batch), Just(Form::Lines)],
        key in proptest::option::of(".{0,20}"),
    ) {
        let catalog = compiled();
        let judge = Judge {
            catalog: &catalog,
            scope: &TenantScope::All,
            idempotency_key: key.as_deref(),
            form,
            now: NOW,
        };
        let Ok(events) = split(form, &body, 100) else {
            return Ok(());
        };
        for (index, text) in events.into_iter().enumerate() {
            if let Ok(accepted) = judge.judge(index, text) {
                prop_assert!(!accepted.id.is_empty() && !accepted.tenant.is_empty());
            }
        }
    }
}
