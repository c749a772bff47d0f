//! Dashboards, rules and runbook speak of what there is: no stack, only files.

use crate::support::guard::repository;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What the names of our metrics and of a process's begin with.
const OURS: [&str; 2] = ["meterline_", "process_"];

fn folder() -> PathBuf {
    repository().join("deploy/observability")
}

fn read(file: &str) -> String {
    let path = folder().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every name that a query may use: as METRICS.md lists them, with what histograms add.
fn known() -> BTreeSet<String> {
    let list = read("METRICS.md");
    let rows = list.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    rows.flat_map(|cells| {
        let name = cells[1].trim_matches('`').to_owned();
        let endings: &[&str] = match cells[2] {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        endings
            .iter()
            .map(|end| format!("{name}{end}"))
            .collect::<Vec<_>>()
    })
    .collect()
}

/// Words of a query that are names: of metrics, or of recorded series.
fn names(query: &str) -> BTreeSet<String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = query.split(|c| !is_name(c));
    let begins = |word: &&str| {
        OURS.iter().any(|begin| word.starts_with(begin)) || word.starts_with("meterline:")
    };
    words.filter(begins).map(str::to_owned).collect()
}

/// Names of series that the rules record.
fn recorded() -> BTreeSet<String> {
    let rules = read("rules.yaml");
    let records = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- record: "));
    records.map(str::to_owned).collect()
}

fn assert_known(place: &str, query: &str) {
    let (known, recorded) = (known(), recorded());
    for name in names(query) {
        assert!(
            known.contains(&name) || recorded.contains(&name),
            "{place} asks for {name}, which is not in METRICS.md: {query}"
        );
    }
}

#[test]
fn dashboards_ask_for_metrics_that_there_are() {
    let entries = std::fs::read_dir(folder().join("dashboards")).expect("a folder");
    let mut panels = 0;
    for entry in entries {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        for key in ["uid", "title", "panels", "schemaVersion"] {
            assert!(!dashboard[key].is_null(), "{} has no {key}", path.display());
        }
        let mut places = BTreeSet::new();
        for panel in dashboard["panels"].as_array().expect("panels") {
            let title = panel["title"].as_str().expect("a title");
            let grid = &panel["gridPos"];
            let end = |at: &str, size: &str| grid[at].as_u64().zip(grid[size].as_u64());
            assert!(
                end("x", "w").is_some_and(|(x, w)| x + w <= 24),
                "{title} is too wide"
            );
            assert!(
                places.insert((grid["x"].as_u64(), grid["y"].as_u64())),
                "{title} hides one"
            );
            let targets = panel["targets"].as_array().expect("targets");
            assert!(!targets.is_empty(), "{title} asks nothing");
            for target in targets {
                let query = target["expr"].as_str().expect("a query");
                assert!(!names(query).is_empty(), "{title}: {query}");
                assert_known(title, query);
            }
            panels += 1;
        }
    }
    assert!(panels > 20, "{panels} panels were read");
}

#[test]
fn rules_ask_for_metrics_that_there_are_and_name_their_chapter() {
    let (rules, runbook) = (read("rules.yaml"), read("RUNBOOK.md"));
    assert_known("rules.yaml", &rules);
    let alerts = rules
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let alerts: Vec<&str> = alerts.collect();
    assert!(alerts.len() > 15, "{alerts:?}");
    for alert in alerts {
        assert!(
            runbook.contains(&format!("### {alert}\n")),
            "{alert} has no chapter"
        );
        let link = format!("runbook_url: RUNBOOK.md#{}", alert.to_lowercase());
        assert!(rules.contains(&link), "{alert} does not name its chapter");
        let tested = read("rules_test.yaml");
        assert!(tested.contains(alert), "{alert} has no test");
    }
}

#[test]
fn the_runbook_knows_every_halt() {
    let runbook = read("RUNBOOK.md");
    for halt in [
        "topic_changed",
        "partitions_changed",
        "timestamp_type",
        "log_gap",
        "truncated",
        "order",
        "divergence",
        "no_checkpoint",
        "unknown_kind",
        "unknown_fold",
        "unknown_format",
    ] {
        assert!(
            runbook.contains(&format!("| `{halt}` |")),
            "{halt} is not in the runbook"
        );
    }
}
