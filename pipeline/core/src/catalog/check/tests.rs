//! Every rule of `validate` that is not about meters.

use super::*;
use crate::catalog::tests::{catalog, meter};
use crate::catalog::{IdTime, SourceRule, WriterSchema};

/// Changes one thing of a valid catalog and compares the problems' texts.
fn check(change: impl FnOnce(&mut Catalog), expected: &[&str]) {
    let mut changed = catalog(vec![meter("calls", "call")]);
    change(&mut changed);
    let problems: Vec<_> = validate(&changed).iter().map(Problem::to_string).collect();
    assert_eq!(problems, expected);
}

#[test]
fn a_plain_catalog_has_no_problem() {
    check(|_| (), &[]);
    check(|c| c.ignored_types = vec!["a".into(), "b".into()], &[]);
    check(
        |c| (c.acceptance, c.restamp_window) = (ACCEPTANCE_MAX, RESTAMP_WINDOW_MAX),
        &[],
    );
    assert!(ACCEPTANCE_MAX.0.checked_add(RESTAMP_WINDOW_MAX.0).is_some());
}

#[test]
fn names_keep_to_their_alphabet() {
    for wrong in ["", "1a", "_a", "A", "a-b", "a.b", "ä", &"a".repeat(65)] {
        let reason = format!(
            "name: `{wrong}` is no name: a lowercase letter, then lowercase letters, digits \
             and underscores, 64 bytes at most"
        );
        check(|c| c.name = wrong.to_owned(), &[&reason]);
    }
    check(|c| c.name = format!("a_9{}", "z".repeat(61)), &[]);
}

#[test]
fn the_fold_is_one_that_this_binary_has() {
    check(|c| c.fold = 0, &["fold: counts from 1"]);
    check(
        |c| c.fold = 2,
        &["fold: is 2, but this binary folds up to 1: publish with a newer one"],
    );
}

#[test]
fn durations_are_in_range() {
    check(
        |c| c.acceptance = Millis(HOUR - 1),
        &["acceptance: is 3599999ms, not within 1h to 45d"],
    );
    check(
        |c| c.acceptance = Millis(46 * DAY),
        &["acceptance: is 46d, not within 1h to 45d"],
    );
    check(
        |c| c.ahead = Millis(25 * HOUR),
        &["ahead: is 25h, not within 0s to 1d"],
    );
    check(
        |c| c.lateness = Millis(DAY + 60_000),
        &["lateness: is 1441m, not within 0s to 1d"],
    );
    check(
        |c| c.restamp_window = Millis(6 * HOUR + 1_000),
        &["restamp_window: is 21601s, not within 0s to 6h"],
    );
    check(
        |c| (c.acceptance, c.restamp_window) = (Millis(HOUR), Millis(HOUR)),
        &["restamp_window: must be shorter than `acceptance`, 1h"],
    );
}

#[test]
fn bounds_are_in_range() {
    check(
        |c| c.bounds.id_bytes = 0,
        &["bounds.id_bytes: is 0 bytes, not within 1 to 4096"],
    );
    check(
        |c| c.bounds.name_bytes = 4_097,
        &["bounds.name_bytes: is 4097 bytes, not within 1 to 4096"],
    );
    check(
        |c| (c.bounds.tenant_bytes, c.bounds.dimension_bytes) = (0, 0),
        &[
            "bounds.tenant_bytes: is 0 bytes, not within 1 to 4096",
            "bounds.dimension_bytes: is 0 bytes, not within 1 to 4096",
        ],
    );
    check(
        |c| c.bounds.record_bytes = RECORD_BYTES_MAX + 1,
        &["bounds.record_bytes: is 67108865 bytes, not within 1 to 67108864"],
    );
}

#[test]
fn ignored_types_contradict_no_meter() {
    check(
        |c| c.ignored_types = vec!["call".into()],
        &["ignored_types[0]: `call` is counted by the meter `calls`: drop one of them"],
    );
    check(
        |c| c.ignored_types = vec![String::new(), "x".repeat(257)],
        &[
            "ignored_types[0]: is empty",
            "ignored_types[1]: has 257 bytes, more than the bound 256",
        ],
    );
    check(
        |c| c.ignored_types = vec!["b".into(), "a".into()],
        &["ignored_types[1]: `a` follows `b`: the list must be sorted"],
    );
    check(
        |c| c.ignored_types = vec!["a".into(), "a".into()],
        &["ignored_types[1]: `a` is there twice"],
    );
    check(
        |c| c.ignored_types = (0..=ENTRIES_MAX).map(|n| format!("{n:06}")).collect(),
        &["ignored_types: are 10001, more than 10000"],
    );
}

#[test]
fn sources_are_named() {
    let rule = SourceRule {
        id_time: IdTime::Uuidv7,
    };
    check(
        |c| c.sources = [(String::new(), rule.clone())].into(),
        &["sources[\"\"]: is empty"],
    );
    let long = "x".repeat(257);
    let reason = format!("sources[\"{long}\"]: has 257 bytes, more than the bound 256");
    check(|c| c.sources = [(long, rule)].into(), &[&reason]);
}

#[test]
fn confluent_ids_are_unique() {
    // The built-in schema as its own writer is always readable.
    let schema = |id| WriterSchema {
        confluent_id: id,
        schema: crate::decode::USAGE_EVENT_SCHEMA.to_owned(),
    };
    check(|c| c.schemas = vec![schema(Some(7)), schema(Some(8))], &[]);
    check(
        |c| c.schemas = vec![schema(Some(7)), schema(Some(8)), schema(Some(7))],
        &["schemas[2].confluent_id: 7 is the id of schemas[0] already"],
    );
}

#[test]
fn unreadable_schemas_are_named() {
    let schema = |text: &str| WriterSchema {
        confluent_id: None,
        schema: text.to_owned(),
    };
    let micros = crate::decode::USAGE_EVENT_SCHEMA.replace("UsageEvent", "OtherEvent");
    let millis = micros.replace("timestamp-micros", "timestamp-millis");
    assert_ne!(micros, millis);
    let alone = schema("\"int\"");
    for (second, path) in [
        (alone, "schemas[1].schema"),
        (schema(&millis), "schemas[1]"),
    ] {
        let mut changed = catalog(vec![]);
        changed.schemas = vec![schema(&micros), second];
        let problems = validate(&changed);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert_eq!(problems[0].path, path);
        // The reason is the decoder's, without the place that the decoder knows it by.
        let reason = &problems[0].reason;
        assert!(
            !reason.is_empty() && !reason.contains("schemas["),
            "{reason}"
        );
    }
}
