//! `divergence`, `lookup`, `no_checkpoint`, `unknown_format`: the checkpoint store is not what it was.

use super::{assert_counted, resolve, wait_epoch};
use crate::support::load::{Mix, Mixer, Publisher};
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::SOON;
use std::path::{Path, PathBuf};

/// A site of one partition that was counted and stopped well.
fn stopped(name: &str, records: usize) -> (Site, Publisher, Mixer) {
    let site = Site::new(name);
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new(name, 1), rand::random());
    for _ in 0..2 {
        publisher.send_many(&mut mixer, records / 2);
        let worker = site.worker("before", &[]);
        site.wait_complete(&publisher.ends(), SOON);
        assert!(worker.stop().success());
    }
    (site, publisher, mixer)
}

/// The manifests of the store, by path, oldest first.
fn manifests(site: &Site) -> Vec<PathBuf> {
    let mut found = files(&site.checkpoints().join("manifests"));
    found.sort();
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let below = paths.flat_map(|path| {
        if path.is_dir() {
            files(&path)
        } else {
            vec![path]
        }
    });
    below.collect()
}

/// Writes a second manifest beside the newest, which says something else of the same records.
fn dispute(site: &Site) {
    let path = manifests(site).pop().expect("a manifest");
    let text = std::fs::read_to_string(&path).expect("a manifest");
    let (_, manifest) = text.split_once("\"manifest\": ").expect("its form");
    let manifest = manifest.strip_suffix("\n}\n").expect("its form");
    let mut parsed: serde_json::Value = serde_json::from_str(manifest).expect("JSON");
    let other = "0123456789abcdef0123456789abcdef";
    let hash = parsed["header"]["outcome_hash"]
        .as_str()
        .expect("a hash")
        .to_owned();
    let writer = parsed["writer"]
        .take()
        .as_str()
        .expect("a writer")
        .to_owned();
    let forged = manifest
        .replace(&hash, other)
        .replace(&writer, &other[..16]);
    let checksum = blake3::hash(forged.as_bytes()).to_hex();
    let forged =
        format!("{{\n\"format\": 1,\n\"checksum\": \"{checksum}\",\n\"manifest\": {forged}\n}}\n");
    let name = path.file_name().and_then(|n| n.to_str()).expect("a name");
    let name = name.replace(&writer, &other[..16]);
    std::fs::write(path.with_file_name(name), forged).expect("a manifest can be written");
}

#[test]
fn histories_that_disagree_are_set_aside_and_folded_again() {
    let _turn = Turn::light();
    let (site, publisher, mut mixer) = stopped("resolve_divergence", 2_000);
    dispute(&site);
    publisher.send_many(&mut mixer, 500);
    let mut worker = site.worker("after", &[]);
    worker.wait_partition(0, "halted", "divergence");
    site.meterline(&["checkpoint", "list"])
        .ok()
        .says(&["disputed"]);
    site.meterline(&["checkpoint", "repair"])
        .ok()
        .says(&["`meterline resolve` ends this"]);
    resolve(&site, &worker, &["--yes"])
        .ok()
        .says(&["divergence", "set aside manifests/"]);
    wait_epoch(&site, 0, 1, publisher.ends()[&0]);
    assert_counted(&site, &publisher);
    let aside = files(&site.checkpoints().join("set-aside"));
    assert!(aside.len() >= 2, "both are kept: {aside:?}");
}

#[test]
fn a_damaged_run_gives_way_to_an_older_checkpoint() {
    let _turn = Turn::light();
    let seed = rand::random();
    let (site, publisher, _) = stopped("resolve_damaged", 200);
    let mut mixer = Mixer::new(Mix::new("resolve_again", 1), seed);
    publisher.send_many(&mut mixer, 2_000);
    let worker = site.worker("more", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    assert!(worker.stop().success());
    // The pages begin at the front; what opens a run is at its end.
    let runs = files(&site.checkpoints().join("files"));
    let run = runs
        .iter()
        .max_by_key(|run| run.metadata().map_or(0, |m| m.len()));
    let run = run.expect("a run");
    let mut bytes = std::fs::read(run).expect("a run");
    let third = bytes.len() / 3;
    bytes[16..third].iter_mut().for_each(|byte| *byte ^= 0x55);
    std::fs::write(run, &bytes).expect("a run can be written");
    let mut worker = site.worker("after", &[]);
    // Buckets of the damaged run are asked for with every further event.
    publisher.send_many(&mut mixer, 2_000);
    worker.wait_partition(0, "stalled", "lookup");
    site.meterline(&["checkpoint", "list", "--read"])
        .ok()
        .says(&["damaged"]);
    resolve(&site, &worker, &["--yes"])
        .ok()
        .says(&["lookup", "set aside manifests/"]);
    wait_epoch(&site, 0, 1, publisher.ends()[&0]);
    assert_counted(&site, &publisher);
    site.meterline(&["checkpoint", "repair", "--read"])
        .ok()
        .says(&["can be used"]);
}

#[test]
fn a_lost_store_is_rebuilt_from_the_rows_of_a_partition_that_stopped_well() {
    let _turn = Turn::light();
    let (site, publisher, _) = stopped("resolve_rebuilt", 2_000);
    let end = publisher.ends()[&0];
    std::fs::remove_dir_all(site.checkpoints()).expect("the store can be deleted");
    site.kafka()
        .delete_records(&site.usage_topic(), 0, end - 10);
    let mut mixer = Mixer::new(Mix::new("resolve_rebuilt_more", 1), rand::random());
    publisher.send_many(&mut mixer, 1_000);
    let mut worker = site.worker("after", &[]);
    worker.wait_partition(0, "halted", "no_checkpoint");
    resolve(&site, &worker, &["--yes"])
        .with_code(1)
        .says(&["no_checkpoint", "--rebuild"]);
    let rebuild = ["checkpoint", "repair", "--rebuild", "--partition", "0"];
    let refused = site.meterline(&rebuild).with_code(2);
    refused.says(&["a repeat of one of them counts again", "--without-ids"]);
    let rebuild = [&rebuild[..], &["--without-ids", "--yes"]].concat();
    site.meterline(&rebuild).ok();
    site.meterline(&rebuild).with_code(1).says(&["can be used"]);
    resolve(&site, &worker, &["--yes"]).ok();
    wait_epoch(&site, 0, 1, publisher.ends()[&0]);
    assert_counted(&site, &publisher);
}

#[test]
fn a_format_of_another_release_waits_for_it_and_goes_on() {
    let _turn = Turn::light();
    let (site, publisher, mut mixer) = stopped("resolve_format", 1_000);
    let path = manifests(&site).pop().expect("a manifest");
    let text = std::fs::read(&path).expect("a manifest");
    std::fs::write(&path, "{\"format\": 9}").expect("a manifest can be written");
    publisher.send_many(&mut mixer, 500);
    let mut worker = site.worker("older", &[]);
    worker.wait_partition(0, "halted", "unknown_format");
    let waits = resolve(&site, &worker, &["--yes"]).with_code(1);
    waits.says(&[
        "unknown_format",
        "has format 9",
        "run a release that reads this format",
    ]);
    assert!(worker.stop().success());
    // The release that reads it.
    std::fs::write(&path, text).expect("a manifest can be written");
    let _worker = site.worker("newer", &[]);
    wait_epoch(&site, 0, 0, publisher.ends()[&0]);
    assert_counted(&site, &publisher);
}

#[test]
fn checkpoints_of_another_identity_key_wait_for_their_own() {
    let _turn = Turn::light();
    let (site, publisher, mut mixer) = stopped("resolve_key", 1_000);
    let path = site.checkpoints().join("identity-key");
    let key = std::fs::read(&path).expect("a key");
    std::fs::remove_file(&path).expect("the key can be deleted");
    publisher.send_many(&mut mixer, 500);
    // It finds no key and makes one.
    let mut worker = site.worker("another", &[]);
    worker.wait_partition(0, "halted", "divergence");
    resolve(&site, &worker, &["--yes"]).with_code(1).says(&[
        "divergence",
        "none here",
        "bring back the `identity-key`",
    ]);
    assert!(worker.stop().success());
    std::fs::write(&path, key).expect("the key can be written");
    let worker = site.worker("its_own", &[]);
    // No verdict was given: it goes on in the same epoch.
    wait_epoch(&site, 0, 0, publisher.ends()[&0]);
    assert_counted(&site, &publisher);
    resolve(&site, &worker, &[])
        .ok()
        .says(&["nothing is halted"]);
}
