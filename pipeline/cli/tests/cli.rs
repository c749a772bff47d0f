//! The command as a process: exit codes and messages, without Kafka and ClickHouse.
//!
//! Every test runs the real binary in an empty folder with an environment of its own.

use std::path::Path;
use std::process::{Command, Output};

/// Runs `meterline` in the folder with these variables and nothing else.
fn meterline_in(folder: &Path, line: &str, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meterline"))
        .args(line.split_whitespace())
        .current_dir(folder)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .expect("the binary runs")
}

/// Checks exit code, and that standard error holds the part.
fn check(line: &str, variables: &[(&str, &str)], code: i32, part: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    check_in(folder.path(), line, variables, code, part);
}

fn check_in(folder: &Path, line: &str, variables: &[(&str, &str)], code: i32, part: &str) {
    let output = meterline_in(folder, line, variables);
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(code), "{line}: {out}{err}");
    assert!(err.contains(part), "{line}: {err}");
}

#[test]
fn stages_that_are_none_are_refused_by_name() {
    check(
        "run --stages rollup,billing",
        &[],
        2,
        "error: there is no stage `billing`; this binary runs: rollup, rekey, archive, limits, stripe, api\n",
    );
}

#[test]
fn wrong_usage_exits_with_2() {
    for (line, part) in [
        ("", "Usage: meterline"),
        ("produc", "unrecognized subcommand 'produc'"),
        ("usage", "--tenant <TENANT>"),
        ("simulate", "--count <COUNT>|--duration <DURATION>"),
        ("simulate --duration 5s", "--rate <N/s>"),
        ("simulate --count 5 --duplicates 0.02", "is no share"),
        (
            "produce x.csv --shift-to-now --shift 2h",
            "cannot be used with",
        ),
        (
            "init --adopt start",
            "is neither `end` nor PARTITION=OFFSET",
        ),
        (
            "dead-letters list --reason lost",
            "no such reason; there are bad_pointer",
        ),
        ("stripe setup", "set stripe.api_key_file"),
        ("stripe setup --output parquet", "use table, json or csv"),
        ("stripe customer sync", "set stripe.api_key_file"),
        ("stripe customer sync --output csv", "use table or json"),
        ("stripe reconcile", "--period <YYYY-MM>"),
        (
            "stripe reconcile --period 2026-13",
            "`2026-13` is no month: write 2026-10",
        ),
        (
            "stripe reconcile --period 2026-10 --output csv",
            "use table or json",
        ),
        (
            "stripe reconcile --period 2026-10",
            "stripe.api_key is not set",
        ),
        ("stripe statement --period 2026-10", "--tenant <TENANT>"),
        (
            "stripe statement --period 2026-10 --tenant acme --output table",
            "use --output json or csv",
        ),
        ("run --stages nonsense", "there is no stage `nonsense`"),
        ("run", "checkpoint.url is not set"),
        (
            "--config nowhere.toml config check",
            "failed to read the settings file nowhere.toml",
        ),
    ] {
        check(line, &[], 2, part);
    }
}

#[test]
fn accounts_keys_routes_and_limits_refuse_wrong_arguments() {
    for (line, part) in [
        ("account", "Usage: meterline account"),
        ("account set", "<ID>"),
        ("account set acme", "nothing to set"),
        ("account set acme --plan free --at tomorrow", "is no time"),
        (
            "account set acme --file a.yaml --plan x",
            "cannot be used with",
        ),
        (
            "account set acme --plan x --head y",
            "neither a control offset nor `none`",
        ),
        (
            "account set acme --status gone",
            "possible values: active, suspended, closed",
        ),
        (
            "account set acme --no-contacts --contact a@b.c",
            "cannot be used with",
        ),
        (
            "account set acme --file a.yaml --stripe-customer cus_1",
            "cannot be used with",
        ),
        ("account list --limit 0", "0 is not in 1..=1000000"),
        (
            "account import accounts.txt",
            "the name tells the form: .csv, .ndjson",
        ),
        ("key create --name x --tenant a", "--role <ROLES>"),
        ("key create --name x --role read", "--tenant <TENANT>"),
        (
            "key create --name x --role read --tenant a --all-tenants",
            "cannot be used with",
        ),
        (
            "key create --name x --role root --all-tenants",
            "possible values: ingest, read",
        ),
        ("key rotate x --keep-old 24", "is no duration"),
        (
            "route set r --webhook https://x --kafka t",
            "cannot be used with",
        ),
        (
            "route set r --severity loud",
            "possible values: info, medium",
        ),
        ("limits explain acme", "<METER>"),
        (
            "limits explain acme calls --wanted=-1",
            "`-1` is below zero",
        ),
        (
            "limits explain acme calls --wanted=x",
            "is not a decimal number",
        ),
        ("stripe status --output csv", "a status has no rows"),
        ("stripe status --limit 0", "0 is not in 1..=9999"),
        ("limits list --output parquet", "needs --output-file"),
        ("limits notifications list", "say which"),
        (
            "limits notifications list --notification 12",
            "32 hexadecimal digits",
        ),
        ("limits notifications replay", "<ID>"),
    ] {
        check(line, &[], 2, part);
    }
    check(
        "account import accounts.csv",
        &[],
        1,
        "error: failed to read accounts.csv\n  caused by: No such file",
    );
    check(
        "account set acme --file none.yaml",
        &[],
        1,
        "error: failed to read none.yaml\n  caused by: No such file",
    );
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bad.yaml"), "plan: free\nplan: pro\n").expect("written");
    check_in(
        folder.path(),
        "account set acme --file bad.yaml",
        &[],
        1,
        "bad.yaml:2: ",
    );
}

#[test]
fn a_token_in_the_place_of_an_id_is_not_repeated() {
    for command in ["key revoke", "key rotate"] {
        let output = meterline_in(
            tempfile::tempdir().expect("a folder").path(),
            &format!("{command} mlk_abcdefghijkl_secret"),
            &[],
        );
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(
            err.contains("not its token") && !err.contains("secret"),
            "{err}"
        );
    }
}

#[test]
fn settings_that_cannot_be_used_exit_with_2_before_anything_starts() {
    for command in ["config check", "run", "status", "simulate --count 1"] {
        check(
            command,
            &[("METERLINE__ROLLUP__FLUSH_INTERVALL", "2s")],
            2,
            "error: the settings cannot be used\n  caused by: METERLINE__ROLLUP__FLUSH_INTERVALL: \
             rollup.flush_intervall is unknown; the nearest known key is rollup.flush_interval\n",
        );
    }
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("meterline.toml"),
        "[kafka.properties]\nacks = 1\n",
    )
    .expect("written");
    check_in(
        folder.path(),
        "config check",
        &[],
        2,
        "meterline.toml: kafka.properties.acks cannot be used",
    );
}

#[test]
fn config_shows_where_settings_come_from_and_hides_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("meterline.toml"),
        "[kafka]\nbrokers = \"file:9092\"\n",
    )
    .expect("written");
    let variables = [
        ("METERLINE__CLICKHOUSE__PASSWORD", "hunter2"),
        ("UNRELATED", "x"),
    ];
    let output = meterline_in(folder.path(), "config show", &variables);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    assert!(
        text.contains("brokers = \"file:9092\"  # meterline.toml\n"),
        "{text}"
    );
    assert!(
        text.contains("password = \"********\"  # METERLINE__CLICKHOUSE__PASSWORD\n"),
        "{text}"
    );
    assert!(
        text.contains("flush_interval = \"2s\"  # default\n"),
        "{text}"
    );
    assert!(!text.contains("hunter2"));
    let ok = meterline_in(folder.path(), "config check", &variables);
    assert_eq!(
        (ok.status.code(), &ok.stdout[..]),
        (Some(0), &b"the settings are ok\n"[..])
    );
}

#[test]
fn catalogs_are_refused_with_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("bad.yaml"), "name: x\nmeterz: {}\n").expect("written");
    check_in(
        folder.path(),
        "catalog check bad.yaml",
        &[],
        1,
        "\nbad.yaml:2: unknown key `meterz`: did you mean `meters`?\n",
    );
    check_in(
        folder.path(),
        "catalog check none.yaml",
        &[],
        1,
        "error: failed to read catalog none.yaml\n  caused by: No such file",
    );
}

#[test]
fn mappings_are_refused_before_kafka_is_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(
        folder.path().join("log.csv"),
        "host,when\na,2026-11-21T00:00:00Z\nb,yesterday\n",
    )
    .expect("written");
    let produce = "produce log.csv --map type=t --map tenant={host}";
    check_in(
        folder.path(),
        produce,
        &[],
        2,
        "nothing is mapped to `time`",
    );
    check_in(
        folder.path(),
        &format!("{produce} --map time={{time}}"),
        &[],
        2,
        "reads `time`, which is no column; there are host, when",
    );
    let line = format!("{produce} --map time={{when}}");
    check_in(
        folder.path(),
        &line,
        &[],
        1,
        "error: failed to map record 2 of log.csv\n  caused by: time `yesterday` is not RFC 3339 with an offset\n",
    );
    check_in(
        folder.path(),
        "produce none.csv --map type=t --map tenant=x --map time=y",
        &[],
        1,
        "failed to open none.csv",
    );
}
