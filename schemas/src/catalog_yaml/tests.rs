//! What the reader makes of files, and every line of what it refuses.

use super::{locate, read};
use meterline_core::catalog::{
    Aggregation, Bounds, Catalog, CompiledCatalog, IdTime, Problem, Test, succeeds, validate,
};
use meterline_core::quantity::Quantity;
use meterline_core::time::Millis;
use std::path::{Path, PathBuf};

mod plans;
mod stripe;
mod units;

/// Compares the lines of what is refused in a file `c.yaml`.
fn refused(text: &str, expected: &[&str]) {
    let shown = match read("c.yaml", text) {
        Ok(catalog) => panic!("read as {catalog:?}"),
        Err(errors) => errors.to_string(),
    };
    assert_eq!(shown.lines().collect::<Vec<_>>(), expected, "{text}");
}

/// A file of one meter `calls` that begins on line 4, with these lines after its first three.
fn with_meter_lines(lines: &str) -> String {
    format!(
        "catalog: test\nfold: 1\nmeters:\n  calls:\n    unit: call\n    event_type: call\n{lines}"
    )
}

fn catalogs() -> impl Iterator<Item = (PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogs");
    let files = std::fs::read_dir(&folder).expect("the folder of catalogs");
    let paths = files.map(|file| file.expect("an entry").path());
    let yaml = paths.filter(|path| path.extension().is_some_and(|e| e == "yaml"));
    yaml.map(|path| {
        let text = std::fs::read_to_string(&path).expect("a text");
        (path, text)
    })
}

#[test]
fn all_catalogs_of_the_repository_compile() {
    let mut names = Vec::new();
    for (path, text) in catalogs() {
        let catalog = read(&path.display().to_string(), &text).expect("reads");
        assert_eq!(validate(&catalog), []);
        let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned());
        assert_eq!(
            stem.as_deref(),
            Some(catalog.name.as_str()),
            "named as its file"
        );
        names.push(catalog.name.clone());
        let as_logged = serde_json::to_string(&catalog).expect("serializes");
        assert_eq!(
            serde_json::from_str::<Catalog>(&as_logged).expect("reads back"),
            catalog
        );
        let compiled = CompiledCatalog::new(catalog).expect("compiles");
        assert!(!compiled.meters.is_empty());
    }
    names.sort();
    assert_eq!(
        names,
        ["demo", "irisx", "operate", "provider", "pulse", "stack"]
    );
}

#[test]
fn the_manual_s_example_is_right() {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogs/README.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let (_, rest) = manual.split_once("```yaml\n").expect("an example");
    let (example, _) = rest.split_once("```").expect("its end");
    let catalog = read("README.md", example).expect("reads");
    assert_eq!(catalog.meters.len(), 1);
}

#[test]
fn the_demo_has_every_aggregation_and_stack_has_its_meters() {
    let of = |name: &str| {
        let (path, text) = catalogs()
            .find(|(path, _)| path.ends_with(name))
            .expect("is there");
        read(&path.display().to_string(), &text).expect("reads")
    };
    let demo = of("demo.yaml");
    let mut aggregations: Vec<_> = demo.meters.iter().map(|m| m.aggregation.name()).collect();
    aggregations.sort_unstable();
    aggregations.dedup();
    assert_eq!(
        aggregations,
        ["avg", "count", "latest", "max", "min", "sum"]
    );
    let stack = of("stack.yaml");
    let meters: Vec<_> = stack.meters.iter().map(|m| m.name.as_str()).collect();
    let expected = "llm_tokens agent_executions api_calls storage_gb storage_gb_peak user_seats \
                    user_seats_peak";
    assert_eq!(meters.join(" "), expected);
}

#[test]
fn what_is_left_out_has_its_default() {
    let catalog = read("c.yaml", &with_meter_lines("    aggregation: sum\n")).expect("reads");
    assert_eq!(catalog.acceptance, Millis(35 * 86_400_000));
    assert_eq!(catalog.ahead, Millis(300_000));
    assert_eq!(catalog.restamp_window, Millis(900_000));
    assert_eq!(catalog.lateness, Millis(300_000));
    assert_eq!(catalog.bounds, Bounds::default());
    assert!(catalog.ignored_types.is_empty() && catalog.sources.is_empty());
    let meter = &catalog.meters[0];
    assert_eq!((meter.scale, meter.negative), (Quantity::ONE, false));
    assert_eq!((meter.value.as_ref(), meter.max_dimensions), (None, 10_000));
    assert!(meter.filter.is_empty() && meter.group_by.is_empty());
}

#[test]
fn every_key_is_read() {
    let text = r#"
catalog: full
fold: 1
acceptance: 40d
ahead: 90s
restamp_window: 1h
lateness: 0s
ignored_types: [heartbeat, debug]
bounds: {id_bytes: 128, name_bytes: 100B, tenant_bytes: 64, dimension_bytes: 1KiB, record_bytes: 2MiB}
sources:
  "//a.b[c]": {id_time: ulid}
  //d: {id_time: uuidv7}
meters:
  zeta:
    description: "~"
    unit: second
    event_type: call
    filter: {code: {not_in: [no, 404]}, seconds: {above: 0.5, exists: true}, way: {in: [out]}}
    value: seconds
    scale: 0.001
    aggregation: latest
    group_by: [way, carrier]
    negative: true
    max_dimensions: 7
  alpha: {unit: call, event_type: call, aggregation: count}
"#;
    let catalog = read("c.yaml", text).expect("reads");
    assert_eq!(catalog.acceptance, Millis(40 * 86_400_000));
    assert_eq!(
        (catalog.ahead, catalog.lateness),
        (Millis(90_000), Millis(0))
    );
    assert_eq!(catalog.restamp_window, Millis(3_600_000));
    assert_eq!(catalog.ignored_types, ["debug", "heartbeat"]);
    let bounds = Bounds {
        id_bytes: 128,
        name_bytes: 100,
        tenant_bytes: 64,
        dimension_bytes: 1_024,
        record_bytes: 2 << 20,
    };
    assert_eq!(catalog.bounds, bounds);
    assert_eq!(catalog.sources["//a.b[c]"].id_time, IdTime::Ulid);
    assert_eq!(catalog.sources["//d"].id_time, IdTime::Uuidv7);
    let [zeta, alpha] = &catalog.meters[..] else {
        panic!("two meters");
    };
    assert_eq!((zeta.name.as_str(), alpha.name.as_str()), ("zeta", "alpha"));
    assert_eq!(
        (zeta.description.as_str(), zeta.unit.as_str()),
        ("~", "second")
    );
    assert_eq!(zeta.value.as_deref(), Some("seconds"));
    assert_eq!(zeta.scale.to_string(), "0.001");
    assert_eq!(
        (zeta.aggregation, alpha.aggregation),
        (Aggregation::Latest, Aggregation::Count)
    );
    assert_eq!(zeta.group_by, ["carrier", "way"]);
    assert!(zeta.negative && zeta.max_dimensions == 7);
    let half = Quantity::parse("0.5").expect("a quantity");
    let tests: Vec<_> = zeta
        .filter
        .iter()
        .map(|c| (c.property.as_str(), c.test.clone()))
        .collect();
    let expected = [
        ("code", Test::NotIn(vec!["no".to_owned(), "404".to_owned()])),
        ("seconds", Test::Above(half)),
        ("seconds", Test::Exists(true)),
        ("way", Test::In(vec!["out".to_owned()])),
    ];
    assert_eq!(tests, expected);
}

#[test]
fn writer_schemas_are_read_as_text() {
    let schema = meterline_core::decode::USAGE_EVENT_SCHEMA;
    let indented: String = schema
        .lines()
        .map(|line| format!("      {line}\n"))
        .collect();
    let head = "catalog: test\nfold: 1\nmeters: {}\nschemas:\n";
    let entry = format!("  - confluent_id: 7\n    schema: |\n{indented}");
    let catalog = read("c.yaml", &format!("{head}{entry}")).expect("reads");
    assert_eq!(catalog.schemas[0].confluent_id, Some(7));
    assert_eq!(catalog.schemas[0].schema.trim_end(), schema.trim_end());
    let line = 5 + 2 + schema.lines().count();
    refused(
        &format!("{head}{entry}{entry}"),
        &[&format!(
            "c.yaml:{line}: schemas[1].confluent_id: 7 is the id of schemas[0] already"
        )],
    );
    let broken = format!("{head}  - schema: '{{'\n");
    let errors = read("c.yaml", &broken).expect_err("refused");
    assert_eq!(
        (
            errors.refusals()[0].line,
            errors.refusals()[0].path.as_str()
        ),
        (5, "schemas[0].schema")
    );
}

#[test]
fn unreadable_files_are_refused_with_their_line() {
    refused("", &["c.yaml:1: is empty"]);
    refused(
        "catalog: [a\n",
        &["c.yaml:2: no YAML: while parsing a flow sequence, expected ',' or ']'"],
    );
    refused(
        "catalog: a\ncatalog: b\n",
        &["c.yaml:2: the key `catalog` is there twice, first on line 1"],
    );
    refused(
        "- catalog: a\n",
        &[
            "c.yaml:1: must be a map of keys and values",
            "c.yaml:1: `catalog` is missing",
            "c.yaml:1: `fold` is missing",
            "c.yaml:1: `meters` is missing",
        ],
    );
    let long = format!("# {}", "x".repeat(super::FILE_BYTES_MAX));
    refused(&long, &["c.yaml:1: has 4194306 bytes, more than 4194304"]);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest() {
    refused(
        "catalog: a\nfold: 1\nacceptence: 3d\nmeters: {}\nbounds:\n  id_byte: 3\n",
        &[
            "c.yaml:3: unknown key `acceptence`: did you mean `acceptance`?",
            "c.yaml:6: bounds: unknown key `id_byte`: did you mean `id_bytes`?",
        ],
    );
    refused(
        &with_meter_lines("    aggregation: count\n    groupby: [a]\n    <<: {}\n"),
        &[
            "c.yaml:8: meters.calls: unknown key `groupby`: did you mean `group_by`?",
            "c.yaml:9: meters.calls: unknown key `<<`: known are description, unit, event_type, \
             filter, value, scale, aggregation, group_by, negative, max_dimensions",
        ],
    );
    refused(
        &with_meter_lines("    aggregation: sums\n    filter:\n      a: {on: [x]}\n"),
        &[
            "c.yaml:7: meters.calls.aggregation: `sums` is unknown: did you mean `sum`?",
            "c.yaml:9: meters.calls.filter.a: unknown key `on`: did you mean `in`?",
        ],
    );
}

#[test]
fn all_refusals_of_form_come_at_once() {
    refused(
        "catalog:\nfold: one\nacceptance: 35\nahead: 1w\nbounds: {record_bytes: 1MB}\n\
         sources: {//x: {id_time: uuidv4}, //y: {}}\nignored_types: heartbeat\n\
         schemas:\n  - confluent_id: -1\nmeters: {}\n",
        &[
            "c.yaml:1: catalog: has no value; write a text that looks so in quotes",
            "c.yaml:2: fold: `one` is no whole number from 0 to 4294967295",
            "c.yaml:3: acceptance: `35` is no duration: write a whole number and ms, s, m, h or d",
            "c.yaml:4: ahead: `1w` is no duration: write a whole number and ms, s, m, h or d",
            "c.yaml:5: bounds.record_bytes: `1MB` is no size: write a whole number and B, KiB or MiB",
            "c.yaml:6: sources.//x.id_time: `uuidv4` is unknown: did you mean `uuidv7`?",
            "c.yaml:6: sources.//y: `id_time` is missing",
            "c.yaml:7: ignored_types: must be a list",
            "c.yaml:9: schemas[0]: `schema` is missing",
            "c.yaml:9: schemas[0].confluent_id: `-1` is no whole number from 0 to 4294967295",
        ],
    );
}

#[test]
fn values_of_a_meter_are_refused_by_form() {
    refused(
        &with_meter_lines(
            "    scale: 1/1000\n    negative: no\n    max_dimensions: 1.5\n    value: [a]\n    \
             group_by:\n      - a\n      - {b: c}\n    filter:\n      a:\n      b: {above: x}\n      \
             c: text\n",
        ),
        &[
            "c.yaml:4: meters.calls: `aggregation` is missing",
            "c.yaml:7: meters.calls.scale: `1/1000` is not a decimal number",
            "c.yaml:8: meters.calls.negative: `no` is neither `true` nor `false`",
            "c.yaml:9: meters.calls.max_dimensions: `1.5` is no whole number from 0 to 4294967295",
            "c.yaml:10: meters.calls.value: must be a single value",
            "c.yaml:13: meters.calls.group_by[1]: must be a single value",
            "c.yaml:15: meters.calls.filter.a: tests nothing: write one of in, not_in, above, exists",
            "c.yaml:16: meters.calls.filter.b.above: `x` is not a decimal number",
            "c.yaml:17: meters.calls.filter.c: must be a map of keys and values",
        ],
    );
}

#[test]
fn problems_of_meaning_have_their_line_and_the_file_s_path() {
    refused(
        "catalog: Test\nfold: 2\nacceptance: 46d\nmeters:\n  Calls:\n    unit: call\n    \
         event_type: call\n    aggregation: sum\n    scale: 0.0\n    group_by:\n      - b\n      \
         - a\n      - b\n    filter:\n      way: {in: [x], not_in: [x]}\nignored_types:\n  - a\n  - call\n",
        &[
            "c.yaml:1: catalog: `Test` is no name: a lowercase letter, then lowercase letters, \
             digits and underscores, 64 bytes at most",
            "c.yaml:2: fold: is 2, but this binary folds up to 1: publish with a newer one",
            "c.yaml:3: acceptance: is 46d, not within 1h to 45d",
            "c.yaml:5: meters.Calls: `Calls` is no name: a lowercase letter, then lowercase \
             letters, digits and underscores, 64 bytes at most",
            "c.yaml:9: meters.Calls.scale: is 0, but must be above 0",
            "c.yaml:13: meters.Calls.group_by: `b` is there twice",
            "c.yaml:15: meters.Calls.filter.way.not_in: no event passes all conditions on `way`",
            "c.yaml:18: ignored_types: `call` is counted by the meter `Calls`: drop one of them",
        ],
    );
    refused(
        &with_meter_lines("    aggregation: unique_count\n"),
        &["c.yaml:7: meters.calls.aggregation: `unique_count` is not built yet"],
    );
    refused(
        &with_meter_lines("    aggregation: count\n    value: n\n    scale: 2\n"),
        &[
            "c.yaml:8: meters.calls.value: contradicts the aggregation: `count` reads no quantity; \
             drop it",
            "c.yaml:9: meters.calls.scale: contradicts the aggregation: `count` reads no quantity; \
             drop it",
        ],
    );
    // The default that clashes has no line of its own; the file's first stands for it.
    refused(
        "# short\ncatalog: test\nfold: 1\nacceptance: 1h\nrestamp_window: 1h\nmeters: {}\n",
        &["c.yaml:5: restamp_window: must be shorter than `acceptance`, 1h"],
    );
}

#[test]
fn problems_of_succession_are_located() {
    let old = "catalog: test\nfold: 1\nsources: {//x: {id_time: ulid}, //y: {id_time: ulid}}\n\
               meters:\n  calls: {unit: call, event_type: call, aggregation: sum}\n";
    let new = "catalog: test\nfold: 1\nsources:\n  //x: {id_time: uuidv7}\nmeters:\n  other:\n    \
               unit: call\n    event_type: call\n    aggregation: count\n  calls:\n    unit: call\n    \
               event_type: call\n    aggregation: max\n";
    let earlier = read("old.yaml", old).expect("reads");
    let next = read("new.yaml", new).expect("reads");
    let errors = locate("new.yaml", new, succeeds(&next, std::iter::once(&earlier)));
    let reason = "differs from what `calls` meant before: a definition never changes under its \
                  name; give the changed meter a new one";
    assert_eq!(
        errors.to_string().lines().collect::<Vec<_>>(),
        [
            "new.yaml:3: sources[\"//y\"]: is missing: a source's rule never changes, so it \
             cannot be dropped",
            "new.yaml:4: sources.//x: differs from the rule before: a source's rule never changes",
            &format!("new.yaml:13: meters.calls.aggregation: {reason}"),
        ],
    );
}

#[test]
fn a_long_list_of_refusals_is_cut_where_it_is_shown() {
    let problem = |n: usize| Problem {
        path: format!("p{n}"),
        reason: "is wrong".to_owned(),
    };
    let errors = locate("c.yaml", "", (0..103).map(problem).collect());
    assert_eq!(errors.refusals().len(), 103);
    let shown = errors.to_string();
    assert_eq!(shown.lines().count(), 101);
    assert!(
        shown.ends_with("c.yaml:1: p99: is wrong\nc.yaml: and 3 more"),
        "{shown}"
    );
}
