//! Producers that are not the tests' own: each example is run as its users would, and what it
//! published is counted again from the log, beside what the example itself said.

use crate::support::cache::cached;
use crate::support::guard::repository;
use crate::support::process::{Ended, built};
use crate::support::published::{assert_counted, ids, published};
use crate::support::site::Site;
use crate::support::turn::Turn;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

const EVENTS: i64 = 2_000;

fn example(path: &str) -> PathBuf {
    repository().join("deploy/examples").join(path)
}

/// Runs an example against an installation with a worker; gives what the example said at its end.
fn counted_exactly(site: &Site, command: &mut Command) -> BTreeMap<String, i64> {
    site.init(3, "load");
    let _worker = site.worker("worker", &[]);
    let (brokers, topic) = (site.brokers(), site.usage_topic());
    command.args(["--brokers", brokers, "--topic", &topic]);
    let ended = Ended::of(command.args(["--events", &EVENTS.to_string()])).ok();
    let last = ended.stdout.lines().last().unwrap_or_default();
    let pairs = last.split(' ').filter_map(|pair| pair.split_once('='));
    let said: BTreeMap<String, i64> = pairs
        .map(|(key, number)| (key.to_owned(), number.parse().expect("a number")))
        .collect();
    let found = published(site);
    let records = i64::try_from(found.len()).expect("few");
    let events = i64::try_from(ids(&found).len()).expect("few");
    assert_eq!(
        (said["events"], said["records"]),
        (events, records),
        "{last}"
    );
    assert_eq!(events, EVENTS);
    assert_counted(site, &found);
    let counted = "SELECT sum(events) FROM usage_monthly WHERE meter = 'tokens'";
    assert_eq!(site.sql().number(counted), i128::from(EVENTS));
    said
}

#[test]
fn the_rust_example_is_counted_exactly() {
    let _turn = Turn::light();
    let site = Site::new("example_rust");
    let said = counted_exactly(&site, &mut Command::new(built("meterline-example")));
    assert_eq!(
        said["records"],
        EVENTS + EVENTS / 10,
        "every tenth is told twice"
    );
}

/// Python's packages, installed as `requirements.txt` pins them.
fn python_packages() -> PathBuf {
    let requirements = example("python/requirements.txt");
    cached(
        "example-python",
        std::slice::from_ref(&requirements),
        |folder| {
            let pip = [
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--no-compile",
            ];
            let mut command = Command::new("python3");
            command.args(pip).arg("--target").arg(folder);
            Ended::of(command.arg("-r").arg(&requirements)).ok();
        },
    )
}

fn python(program: &str) -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", python_packages());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.arg(example("python").join(program));
    command
}

#[test]
fn the_python_examples_are_counted_exactly() {
    let _turn = Turn::light();
    for (program, name) in [
        ("cloudevents.py", "example_cloudevents"),
        ("avro.py", "example_avro"),
    ] {
        let said = counted_exactly(&Site::new(name), &mut python(program));
        assert_eq!(
            said["records"],
            EVENTS + EVENTS / 10,
            "{program} tells every tenth twice"
        );
        assert_eq!(said["failed"], 0, "{program}");
    }
}

/// The Java example as Maven builds it, in a copy: the repository stays as it is.
fn java_classes() -> PathBuf {
    let parts = ["pom.xml", "src/main/java/Transactional.java"];
    let sources = parts.map(|part| example("java").join(part));
    cached("example-java", &sources, |folder| {
        for part in parts {
            let copy = folder.join(part);
            let inside = copy.parent().expect("a file lies in a folder");
            std::fs::create_dir_all(inside).expect("a folder can be made");
            std::fs::copy(example("java").join(part), &copy).expect("a file can be copied");
        }
        let mut maven = Command::new("mvn");
        Ended::of(maven.current_dir(folder).args(["--batch-mode", "package"])).ok();
    })
    .join("target")
}

#[test]
fn the_java_examples_aborted_transactions_are_not_counted() {
    let _turn = Turn::light();
    let site = Site::new("example_java");
    let target = java_classes();
    let show = |path: &Path| path.display().to_string();
    let path = format!(
        "{}:{}/*",
        show(&target.join("classes")),
        show(&target.join("libs"))
    );
    let mut java = Command::new("java");
    let said = counted_exactly(&site, java.args(["-cp", &path, "Transactional"]));
    assert!(said["aborted"] >= EVENTS / 4, "{said:?}");
    // What was aborted lies in the log all the same, with a marker for every transaction.
    let topic = site.usage_topic();
    let places: i64 = (0..3).map(|p| site.kafka().ends(&topic, p).1).sum();
    let holes = places - said["records"];
    assert!(
        holes > said["aborted"] + EVENTS / 25,
        "{holes} holes, {said:?}"
    );
}
