//! What a catalog may not change of those before it.
//!
//! Rows and ids that earlier versions left stay; a name that meant something else then would add
//! up two meanings. So a definition never changes under its name, not even after it was away for
//! some versions.

use super::super::{Catalog, Condition, Meter, Test, WriterSchema};
use super::{Problem, source_path, stripe};
use std::collections::BTreeSet;

/// All that is wrong with `next` as the successor of `earlier`, the versions in force so far.
///
/// A meter's description, unit and `max_dimensions` may change; a meter may leave, and come back
/// as it was. A source's rule may be added, but neither changed nor dropped. A writer schema may
/// leave; its Confluent id stays taken. A meter's name at Stripe stays, and so does its customer
/// key. `fold` never goes down.
#[must_use]
pub fn succeeds<'a>(next: &Catalog, earlier: impl Iterator<Item = &'a Catalog>) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for before in earlier {
        for problem in changes(next, before) {
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    }
    problems
}

/// What `next` may not change of one earlier catalog.
fn changes(next: &Catalog, before: &Catalog) -> Vec<Problem> {
    let mut problems = Vec::new();
    if next.fold < before.fold {
        let reason = format!(
            "is {}, but {} was in force: it never goes down",
            next.fold, before.fold
        );
        problems.push(Problem::new("fold", reason));
    }
    meters(next, before, &mut problems);
    sources(next, before, &mut problems);
    schemas(next, before, &mut problems);
    stripe::succeeds(next, before, &mut problems);
    problems
}

fn meters(next: &Catalog, before: &Catalog, problems: &mut Vec<Problem>) {
    for (index, meter) in next.meters.iter().enumerate() {
        let Some(old) = before.meters.iter().find(|m| m.name == meter.name) else {
            continue;
        };
        for field in changed_fields(meter, old) {
            let reason = format!(
                "differs from what `{}` meant before: a definition never changes under its name; \
                 give the changed meter a new one",
                meter.name
            );
            problems.push(Problem::new(format!("meters[{index}].{field}"), reason));
        }
    }
}

/// The fields of a meter's definition in which the two differ.
fn changed_fields(meter: &Meter, old: &Meter) -> impl Iterator<Item = &'static str> {
    let fields = [
        ("event_type", meter.event_type == old.event_type),
        ("filter", canonical(&meter.filter) == canonical(&old.filter)),
        ("value", meter.value == old.value),
        ("scale", meter.scale == old.scale),
        ("aggregation", meter.aggregation == old.aggregation),
        ("group_by", meter.group_by == old.group_by),
        ("negative", meter.negative == old.negative),
    ];
    let changed = fields.into_iter().filter(|(_, same)| !same);
    changed.map(|(field, _)| field)
}

/// The filter in one order of its conditions and values: writing it in another changes nothing.
fn canonical(filter: &[Condition]) -> BTreeSet<Condition> {
    let mut conditions = filter.to_vec();
    for condition in &mut conditions {
        if let Test::In(list) | Test::NotIn(list) = &mut condition.test {
            list.sort_unstable();
        }
    }
    conditions.into_iter().collect()
}

fn sources(next: &Catalog, before: &Catalog, problems: &mut Vec<Problem>) {
    for (source, rule) in &before.sources {
        let reason = match next.sources.get(source) {
            Some(now) if now == rule => continue,
            Some(_) => "differs from the rule before: a source's rule never changes",
            None => "is missing: a source's rule never changes, so it cannot be dropped",
        };
        problems.push(Problem::new(source_path(source), reason));
    }
}

fn schemas(next: &Catalog, before: &Catalog, problems: &mut Vec<Problem>) {
    for (index, schema) in next.schemas.iter().enumerate() {
        let Some(id) = schema.confluent_id else {
            continue;
        };
        let old = before.schemas.iter().find(|s| s.confluent_id == Some(id));
        if old.is_some_and(|old| !same_schema(old, schema)) {
            let reason = format!("{id} meant another schema before: an id is never used again");
            problems.push(Problem::new(
                format!("schemas[{index}].confluent_id"),
                reason,
            ));
        }
    }
}

/// Whether the two are the same JSON; where one is none, the same text.
fn same_schema(a: &WriterSchema, b: &WriterSchema) -> bool {
    let parse = |s: &WriterSchema| serde_json::from_str::<serde_json::Value>(&s.schema).ok();
    a.schema == b.schema || parse(a).is_some_and(|parsed| parse(b) == Some(parsed))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{catalog, condition, meter};
    use super::super::super::{Aggregation, IdTime, SourceRule};
    use super::*;
    use crate::quantity::Quantity;

    /// Compares the problems of `next` after these versions.
    fn check(next: &Catalog, earlier: &[&Catalog], expected: &[&str]) {
        let problems = succeeds(next, earlier.iter().copied());
        let problems: Vec<_> = problems.iter().map(Problem::to_string).collect();
        assert_eq!(problems, expected);
    }

    fn changed(change: impl FnOnce(&mut Meter)) -> Catalog {
        let mut of = meter("tokens", "completion");
        of.group_by = vec!["model".into()];
        of.filter = vec![
            condition("a", Test::In(vec!["x".into(), "y".into()])),
            condition("b", Test::Exists(true)),
        ];
        change(&mut of);
        catalog(vec![meter("other", "other"), of])
    }

    #[test]
    fn a_definition_never_changes_under_its_name() {
        type Change = fn(&mut Meter);
        let cases: [(&str, Change); 7] = [
            ("event_type", |m| m.event_type = "chat".into()),
            ("filter", |m| m.filter.truncate(1)),
            ("value", |m| m.value = Some("tokens".into())),
            ("scale", |m| {
                m.scale = Quantity::parse("1000").expect("a quantity")
            }),
            ("aggregation", |m| m.aggregation = Aggregation::Max),
            ("group_by", |m| m.group_by.clear()),
            ("negative", |m| m.negative = true),
        ];
        let before = changed(|_| ());
        for (field, change) in cases {
            let reason = format!(
                "meters[1].{field}: differs from what `tokens` meant before: a definition never \
                 changes under its name; give the changed meter a new one"
            );
            check(&changed(change), &[&before], &[&reason]);
            // Nor after it was away, and the same problem is named once.
            check(
                &changed(change),
                &[&before, &catalog(vec![]), &before],
                &[&reason],
            );
        }
    }

    #[test]
    fn what_is_shown_and_the_order_may_change() {
        let before = changed(|_| ());
        let next = changed(|m| {
            m.description = "Tokens".into();
            m.unit = "token".into();
            m.max_dimensions = 5;
            m.filter.reverse();
            m.filter[1] = condition("a", Test::In(vec!["y".into(), "x".into()]));
        });
        check(&next, &[&before], &[]);
        check(&catalog(vec![meter("new", "call")]), &[&before], &[]);
        check(&before, &[&before, &next], &[]);
    }

    #[test]
    fn a_rule_stays_with_its_source() {
        let ruled = |form| {
            let mut with = catalog(vec![]);
            with.sources = [("//x".to_owned(), SourceRule { id_time: form })].into();
            with
        };
        let (uuid, ulid, none) = (ruled(IdTime::Uuidv7), ruled(IdTime::Ulid), catalog(vec![]));
        check(&uuid, &[&none, &uuid], &[]);
        check(
            &ulid,
            &[&uuid],
            &["sources[\"//x\"]: differs from the rule before: a source's rule never changes"],
        );
        check(
            &none,
            &[&uuid],
            &[
                "sources[\"//x\"]: is missing: a source's rule never changes, so it cannot be dropped",
            ],
        );
    }

    #[test]
    fn a_confluent_id_never_means_another_schema() {
        let with = |text: &str| {
            let mut with = catalog(vec![]);
            with.schemas = vec![WriterSchema {
                confluent_id: Some(7),
                schema: text.to_owned(),
            }];
            with
        };
        let before = with(r#"{"type":"record","name":"a"}"#);
        check(
            &with(r#"{ "name": "a", "type": "record" }"#),
            &[&before],
            &[],
        );
        check(&catalog(vec![]), &[&before], &[]);
        check(
            &with(r#"{"type":"record","name":"b"}"#),
            &[&before],
            &["schemas[0].confluent_id: 7 meant another schema before: an id is never used again"],
        );
        check(
            &with("{"),
            &[&before],
            &["schemas[0].confluent_id: 7 meant another schema before: an id is never used again"],
        );
    }

    #[test]
    fn the_fold_never_goes_down() {
        let (mut first, mut second) = (catalog(vec![]), catalog(vec![]));
        (first.fold, second.fold) = (2, 1);
        check(
            &second,
            &[&first],
            &["fold: is 1, but 2 was in force: it never goes down"],
        );
        check(&first, &[&second], &[]);
    }
}
