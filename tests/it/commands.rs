//! Commands against what is really there: nothing half published, nothing else than the tables say.

use crate::support::guard::repository;
use crate::support::load::{Mix, Mixer};
use crate::support::process::Ended;
use crate::support::recount::assert_exact;
use crate::support::site::{Site, catalog_file};
use crate::support::turn::Turn;
use crate::support::wait::SOON;
use serde_json::Value;
use std::collections::BTreeMap;

const METER: &str =
    "  requests:\n    unit: request\n    event_type: api.request\n    aggregation: count\n";

#[test]
fn refused_catalogs_say_where_and_publish_nothing() {
    let _turn = Turn::light();
    let site = Site::new("refused");
    site.init(2, "load");
    let before = written(&site);
    let load = std::fs::read_to_string(catalog_file("load")).expect("the catalog is there");
    let changed = load.replacen("aggregation: latest", "aggregation: max", 1);
    let rule = load.replacen("id_time: uuidv7", "id_time: ulid", 1);
    let meters = |text: &str| format!("catalog: bad\nfold: 1\nmeters:\n{text}");
    let cases: [(&str, String, &[&str]); 8] = [
        (
            "unreadable",
            "catalog: [bad".to_owned(),
            &["unreadable.yaml:"],
        ),
        ("no catalog", String::new(), &["no catalog.yaml"]),
        (
            "unknown key",
            meters(&METER.replace("unit", "units")),
            &["unknown key.yaml:5", "units"],
        ),
        ("twice", meters(&[METER, METER].concat()), &["twice.yaml:8"]),
        (
            "future fold",
            meters(METER).replace("fold: 1", "fold: 99"),
            &["future fold.yaml:2"],
        ),
        (
            "contradiction",
            meters(&format!(
                "{METER}    filter:\n      a: {{in: [x], not_in: [x]}}\n"
            )),
            &["contradiction.yaml:", "no event passes"],
        ),
        (
            "changed meter",
            changed,
            &["changed meter.yaml:", "storage"],
        ),
        ("changed source", rule, &["changed source.yaml:", "uuid"]),
    ];
    for (name, text, parts) in cases {
        let path = site.folder().join(format!("{name}.yaml"));
        std::fs::write(&path, text).expect("a file can be written");
        let path = path.to_str().expect("paths are text");
        let ended = site.meterline(&["catalog", "apply", path]).with_code(1);
        ended.says(parts);
        assert_eq!(written(&site), before, "{name} published something");
    }
}

/// Ends of everything that a command could write to.
fn written(site: &Site) -> [i64; 3] {
    let kafka = site.kafka();
    [
        ("meterline.control", 0),
        ("usage.events", 0),
        ("usage.events", 1),
    ]
    .map(|(topic, partition)| kafka.ends(&site.topic(topic), partition).1)
}

#[test]
fn commands_that_race_leave_one_installation() {
    let _turn = Turn::light();
    let site = Site::new("race");
    let at_once = |arguments: &[&str]| -> Vec<Ended> {
        std::thread::scope(|scope| {
            let runs: Vec<_> = (0..3)
                .map(|_| scope.spawn(|| site.meterline(arguments)))
                .collect();
            let ended = runs.into_iter().map(|run| run.join());
            ended
                .map(|e| e.expect("a command runs to its end"))
                .collect()
        })
    };
    for ended in at_once(&["init", "--partitions", "2"]) {
        ended.ok();
    }
    let file = catalog_file("load");
    let file = file.to_str().expect("paths are text");
    let applied = at_once(&["catalog", "apply", file]);
    assert!(
        applied.iter().any(|ended| ended.code == 0),
        "{}",
        applied[0]
    );
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("race", 2), rand::random());
    publisher.send_many(&mut mixer, 5_000);
    let _one = site.worker("one", &[]);
    let _two = site.worker("two", &[]);
    assert_exact(&site, &publisher);
}

#[test]
fn commands_show_what_the_tables_hold() {
    let _turn = Turn::light();
    let site = Site::new("shown");
    site.init(2, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("shown", 2), rand::random());
    publisher.send_many(&mut mixer, 5_000);
    let _worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);
    let sql = site.sql();
    for (level, view) in [
        ("hour", "usage_hourly"),
        ("day", "usage_daily"),
        ("month", "usage_monthly"),
    ] {
        let shown = json_of(
            &site,
            &[
                "usage", "--tenant", "tenant-7", "--level", level, "--limit", "100000",
            ],
        );
        let rows = sql.number(&format!(
            "SELECT count() FROM {view} WHERE tenant = 'tenant-7'"
        ));
        assert!(rows > 0, "{view} has rows of the tenant");
        assert_eq!(i128::try_from(shown.len()), Ok(rows), "{level}");
        let events: u64 = shown.iter().filter_map(|row| row["events"].as_u64()).sum();
        let counted = sql.number(&format!(
            "SELECT sum(events) FROM {view} WHERE tenant = 'tenant-7'"
        ));
        assert_eq!(i128::from(events), counted, "{level}");
    }
    let letters = json_of(&site, &["dead-letters", "list", "--limit", "100000"]);
    let rows = sql.number("SELECT count() FROM dead_letters FINAL");
    assert_eq!(i128::try_from(letters.len()), Ok(rows));
    let bad = json_of(
        &site,
        &[
            "dead-letters",
            "list",
            "--reason",
            "bad_quantity",
            "--limit",
            "100000",
        ],
    );
    let rows = sql.number("SELECT count() FROM dead_letters FINAL WHERE reason = 'bad_quantity'");
    assert_eq!(i128::try_from(bad.len()), Ok(rows));
    assert_eq!(json_of(&site, &["status"]).len(), 2, "a row per partition");
}

fn json_of(site: &Site, arguments: &[&str]) -> Vec<Value> {
    let rows = site.json(arguments);
    rows.as_array().expect("rows").clone()
}

/// What `simulate` says that it sent is what the stage counts, record by record.
#[test]
fn simulated_events_are_counted_as_simulate_means_them() {
    let _turn = Turn::light();
    let site = Site::new("simulated");
    site.meterline(&["init", "--partitions", "3"]).ok();
    let catalog = repository().join("schemas/catalogs/stack.yaml");
    let catalog = catalog.to_str().expect("paths are text");
    site.meterline(&["catalog", "apply", catalog]).ok();
    let record = site.folder().join("sent.ndjson");
    let record = record.to_str().expect("paths are text");
    let shares = "--late 3% --duplicates 5% --out-of-order 5% --broken 2% --encoding json,binary,avro --seed 7";
    let mut arguments = vec!["simulate", "--count", "20000", "--record", record];
    arguments.extend(shares.split(' '));
    site.meterline(&arguments).ok();
    let ends: BTreeMap<i32, i64> = (0..3)
        .map(|partition| {
            (
                partition,
                site.kafka().ends(&site.usage_topic(), partition).1,
            )
        })
        .collect();
    let _worker = site.worker("worker", &[]);
    site.wait_complete(&ends, SOON);
    let text = std::fs::read_to_string(record).expect("simulate wrote its record");
    let mut meant: BTreeMap<String, i128> = BTreeMap::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).expect("one JSON object a line");
        let kind = line["kind"].as_str().expect("every record has a kind");
        let kind = if kind == "late" { "event" } else { kind };
        *meant.entry(kind.to_owned()).or_default() += 1;
    }
    let sum = |what: &str| {
        site.sql()
            .number(&format!("SELECT sum({what}) FROM progress FINAL"))
    };
    assert_eq!(sum("delivered - control"), meant.values().sum::<i128>());
    assert_eq!(sum("accepted + unmatched"), meant["event"], "{meant:?}");
    assert_eq!(sum("duplicate"), meant["duplicate"], "{meant:?}");
    for (kind, count) in &meant {
        if let Some(reason) = kind.strip_prefix("broken:") {
            assert_eq!(sum(&format!("rejected['{reason}']")), *count, "{reason}");
        }
    }
}
