//! Kafka with TLS and a password, ClickHouse by https: the real broker, certificates of our own.

use crate::support::load::{Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::stack::{PASSWORD, Parts, Stack, USER};
use crate::support::turn::Turn;
use crate::support::worker::Worker;
use std::path::{Path, PathBuf};
use std::process::Command;

const PARTITIONS: u32 = 2;

#[test]
fn everything_is_counted_over_tls_and_what_is_wrong_is_named_without_secrets() {
    let _turn = Turn::alone();
    let stack = Stack::start(Parts {
        tls: true,
        ..Parts::default()
    });
    let mut site = Site::secured("secure", &stack);
    trust(&mut site, &stack.ca_file());
    log_in(&mut site, "SCRAM-SHA-512", PASSWORD);
    site.init(PARTITIONS, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("secure", PARTITIONS), rand::random());
    publisher.send_many(&mut mixer, 5_000);
    let worker = site.worker("scram", &[]);
    assert_exact(&site, &publisher);
    ends_silent(worker);
    log_in(&mut site, "PLAIN", PASSWORD);
    publisher.send_many(&mut mixer, 5_000);
    let worker = site.worker("plain", &[]);
    assert_exact(&site, &publisher);
    ends_silent(worker);

    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        log_in(&mut site, mechanism, "not-the-password");
        refused(&site, &["kafka.properties", "uthentication failed"]);
    }
    log_in(&mut site, "PLAIN", PASSWORD);
    let other = other_authority(site.folder());
    trust(&mut site, &other);
    refused(&site, &["kafka.properties", "ssl.ca.location"]);
    let usage = ["usage", "--tenant", "anybody", "--level", "hour"];
    let ended = site.meterline(&usage).with_code(1);
    says_no_secret(&ended.says(&[&stack.clickhouse_url(), "certificate"]).stderr);
    site.set("clickhouse.ca_file", "\"/nowhere/ca.pem\"");
    let ended = site.meterline(&usage).with_code(1);
    says_no_secret(
        &ended
            .says(&["clickhouse.ca_file", "/nowhere/ca.pem"])
            .stderr,
    );
}

/// Makes the clients of Kafka and ClickHouse trust this authority.
fn trust(site: &mut Site, ca: &Path) {
    let ca = format!("\"{}\"", ca.display());
    site.set("kafka.properties.security.protocol", "\"SASL_SSL\"");
    site.set("kafka.properties.ssl.ca.location", &ca);
    site.set("clickhouse.ca_file", &ca);
}

/// Gives the clients of Kafka a password, from a file.
fn log_in(site: &mut Site, mechanism: &str, password: &str) {
    let secret = site.folder().join(format!("password-{}", password.len()));
    std::fs::write(&secret, format!("{password}\n")).expect("a file can be written");
    for (key, value) in [
        ("mechanism", mechanism),
        ("username", USER),
        ("password_file", &secret.display().to_string()),
    ] {
        site.set(
            &format!("kafka.properties.sasl.{key}"),
            &format!("\"{value}\""),
        );
    }
}

fn ends_silent(worker: Worker) {
    let log = worker.log();
    says_no_secret(&log);
    assert!(worker.stop().success());
}

/// A command that asks Kafka fails and says these.
fn refused(site: &Site, parts: &[&str]) {
    let ended = site.meterline(&["catalog", "show"]).with_code(1);
    says_no_secret(&ended.says(parts).stderr);
}

fn says_no_secret(text: &str) {
    for secret in [PASSWORD, "not-the-password"] {
        assert!(!text.contains(secret), "a password is in:\n{text}");
    }
}

/// An authority that signed nothing here.
fn other_authority(folder: &Path) -> PathBuf {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-subj",
            "/CN=another",
        ])
        .args(["-keyout", "other.key", "-out", "other.pem"])
        .current_dir(folder)
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl");
    folder.join("other.pem")
}
