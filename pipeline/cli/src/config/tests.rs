//! What is refused, word for word, and what comes from where.

use super::*;

fn sources(file: &str, variables: &[(&str, &str)]) -> Sources {
    Sources {
        file: (!file.is_empty()).then(|| (PathBuf::from("meterline.toml"), file.to_owned())),
        variables: variables
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
    }
}

/// The whole message of settings that are refused.
fn check_refused(file: &str, variables: &[(&str, &str)], expected: &str) {
    let problems = load(&sources(file, variables)).expect_err("refused");
    assert_eq!(problems.to_string(), expected);
}

#[test]
fn unknown_keys_are_refused_with_the_nearest_known_one() {
    check_refused(
        "[rollup]\nflush_intervall = \"2s\"\n",
        &[],
        "meterline.toml: rollup.flush_intervall is unknown; the nearest known key is rollup.flush_interval",
    );
    check_refused(
        "",
        &[("METERLINE__KAFKA__BROKER", "x")],
        "METERLINE__KAFKA__BROKER: kafka.broker is unknown; the nearest known key is kafka.brokers",
    );
    check_refused(
        "[kafka]\nlisten = \"127.0.0.1:1\"\n",
        &[],
        "meterline.toml: kafka.listen is unknown; the nearest known key is api.listen",
    );
    check_refused(
        "[rollup]\nlateness = \"5m\"\n",
        &[],
        "meterline.toml: rollup.lateness is in the catalog, not in the settings",
    );
    check_refused(
        "brokers = \"x\"\n",
        &[],
        "meterline.toml: brokers is unknown; the nearest known key is kafka.brokers",
    );
    check_refused(
        "kafka = \"x\"\n",
        &[],
        "meterline.toml: kafka is unknown; the nearest known key is kafka.group",
    );
}

#[test]
fn values_that_cannot_be_used_are_refused_where_they_stand() {
    let cases = [
        (
            "[rollup]\nflush_interval = 2\n",
            "meterline.toml: rollup.flush_interval must be a text in quotes",
        ),
        (
            "[rollup]\nflush_interval = \"2\"\n",
            "meterline.toml: rollup.flush_interval `2` is no duration: write a number and a unit, such as 500ms, 2s, 5m or 1h",
        ),
        (
            "[rollup]\ntick_interval = \"1s\"\n",
            "meterline.toml: rollup.tick_interval must be at least 30 s and at most 1h",
        ),
        (
            "[rollup]\ncheckpoint_records = \"many\"\n",
            "meterline.toml: rollup.checkpoint_records must be a whole number, 0 or above",
        ),
        (
            "[rollup]\nfetch_ahead_kib = 99999999999\n",
            "meterline.toml: rollup.fetch_ahead_kib is too large: 99999999999",
        ),
        (
            "[rollup]\ndead_letters_bytes = \"32\"\n",
            "meterline.toml: rollup.dead_letters_bytes `32` is no size: write a whole number and B, KiB, MiB or GiB, such as 32MiB",
        ),
        (
            "[http]\nlisten = \"8080\"\n",
            "meterline.toml: http.listen must be an address and a port, such as 127.0.0.1:9464",
        ),
        (
            "[log]\nlevel = \"inf\"\n",
            "meterline.toml: log.level must be one of error, warn, info, debug, trace, off",
        ),
        (
            "[log]\nformat = \"xml\"\n",
            "meterline.toml: log.format must be text or json",
        ),
        (
            "[checkpoint]\nurl = \"s3://bucket\"\n",
            "settings: checkpoint.cache cannot be used: `checkpoint.cache` must name a local folder for copies of the object store's runs",
        ),
        (
            "[checkpoint]\nurl = \"checkpoints\"\n",
            "meterline.toml: checkpoint.url cannot be used: `checkpoints` cannot be used as checkpoint store: it is no URL; give `file:///` and an absolute folder, or s3://bucket/prefix",
        ),
        (
            "[clickhouse]\nca_file = \"ca.pem\"\n",
            "meterline.toml: clickhouse.ca_file cannot be used: clickhouse.ca_file ca.pem cannot be used: clickhouse.url is not https",
        ),
        (
            "[clickhouse.retention]\nbucket_hourly = \"1 year\"\n",
            "meterline.toml: clickhouse.retention.bucket_hourly `1 year` is no retention: write `forever`, or a number and `days` or `months`",
        ),
        (
            "[clickhouse]\npassword_file = \"/nowhere/secret\"\n",
            "meterline.toml: clickhouse.password_file names /nowhere/secret, which cannot be read: No such file or directory (os error 2)",
        ),
        (
            "[limits]\nstanding_interval = \"1ms\"\n",
            "meterline.toml: limits.standing_interval must be from 10ms to 1m",
        ),
        (
            "[stripe]\nhold_max = \"4days\"\n",
            "meterline.toml: stripe.hold_max must be from 1h to 71h",
        ),
        (
            "[notifications]\nbundle_size = 0\n",
            "meterline.toml: notifications.bundle_size must be from 1 to 1,000",
        ),
        (
            "[notifications]\nsigning_key = \"short\"\n",
            "meterline.toml: notifications.signing_key must be at least 32 bytes, or empty",
        ),
        (
            "[notifications.smtp]\nhost = \"mail.example\"\n",
            "settings: notifications.smtp.from is not set, and notifications.smtp.host is: say who e-mails are from",
        ),
        (
            "[notifications.smtp]\ntls = \"ssl\"\n",
            "meterline.toml: notifications.smtp.tls must be starttls, implicit or none",
        ),
        (
            "[api]\nlisten = \"8420\"\n",
            "meterline.toml: api.listen must be an address and a port, such as 127.0.0.1:8420",
        ),
        (
            "[api]\ntls_key_file = \"key.pem\"\n",
            "settings: api.tls_certificate_file is not set, and api.tls_key_file is: TLS needs both",
        ),
        (
            "[api]\nwhen_stale = \"shut\"\n",
            "meterline.toml: api.when_stale must be open or closed",
        ),
        (
            "[api]\nwhen_stale = \"closed\"\nmax_view_age = \"30s\"\n",
            "meterline.toml: api.max_view_age must be above 30s where when_stale is closed: an idle partition is heard of no more often, and its tenants would be refused",
        ),
        (
            "[api]\nwhen_stale = \"closed\"\n[rollup]\ntick_interval = \"1m\"\n",
            "settings: api.max_view_age must be above rollup.tick_interval (1m) where api.when_stale is closed",
        ),
        (
            "[api]\ncors_origins = \"https://a.example, *\"\n",
            "meterline.toml: api.cors_origins must be origins such as https://host",
        ),
        (
            "[kafka]\ngroup = \"\"\n",
            "meterline.toml: kafka.group must not be empty",
        ),
        (
            "[kafka]\nbrokers = \"a\"\nbrokers = \"b\"\n",
            "meterline.toml:3: is no TOML: duplicate key",
        ),
    ];
    for (file, expected) in cases {
        check_refused(file, &[], expected);
    }
}

#[test]
fn settings_that_safety_depends_on_are_refused() {
    check_refused(
        "[kafka.properties]\n\"enable.idempotence\" = \"false\"\n",
        &[],
        "meterline.toml: kafka.properties.enable.idempotence cannot be used: kafka property \
         `enable.idempotence` cannot be set: a record counts as written once all in-sync replicas have it",
    );
    check_refused(
        "",
        &[("METERLINE__KAFKA__PROPERTIES__AUTO_OFFSET_RESET", "latest")],
        "METERLINE__KAFKA__PROPERTIES__AUTO_OFFSET_RESET: kafka.properties.auto.offset.reset cannot be \
         used: kafka property `auto.offset.reset` cannot be set: positions come from checkpoints, never \
         from Kafka's consumer offsets",
    );
}

#[test]
fn all_problems_come_at_once() {
    check_refused(
        "[rollup]\nflush_interval = \"soon\"\n[log]\nformat = \"xml\"\n",
        &[("METERLINE__KAFKA__GROUP", "")],
        "METERLINE__KAFKA__GROUP: kafka.group must not be empty\n  meterline.toml: rollup.flush_interval \
         `soon` is no duration: write a number and a unit, such as 500ms, 2s, 5m or 1h\n  \
         meterline.toml: log.format must be text or json",
    );
}

#[test]
fn variables_go_before_the_file_and_the_file_before_defaults() {
    let file = "[kafka]\nbrokers = \"file:1\"\ntopic_prefix = \"f.\"\n[rollup]\ncheckpoint_records = 7000\n";
    let variables = [
        ("METERLINE__KAFKA__BROKERS", "env:1"),
        ("METERLINE__ROLLUP__CHECKPOINT_RECORDS", "9000"),
    ];
    let loaded = load(&sources(file, &variables)).expect("taken");
    assert_eq!(loaded.settings.kafka.brokers, "env:1");
    assert_eq!(loaded.settings.kafka.topic_prefix, "f.");
    assert_eq!(loaded.settings.rollup.checkpoint_records, 9_000);
    assert_eq!(loaded.settings.group, "meterline");
    let origin = |key: &str| loaded.leaves[key].origin.to_string();
    assert_eq!(origin("kafka.brokers"), "METERLINE__KAFKA__BROKERS");
    assert_eq!(origin("kafka.topic_prefix"), "meterline.toml");
    assert_eq!(origin("kafka.group"), "default");
}

#[test]
fn defaults_are_those_of_the_parts() {
    let settings = load(&Sources::default()).expect("taken").settings;
    assert_eq!(settings.rollup, meterline_worker::RollupSettings::default());
    let expected = meterline_clickhouse::Settings::new("http://localhost:8123");
    assert_eq!(settings.clickhouse, expected);
}

#[test]
fn properties_are_written_with_dots_quoted_or_as_variables() {
    let file = "[kafka.properties]\nsocket.timeout.ms = 5000\n\"linger.ms\" = \"7\"\n";
    let variables = [("METERLINE__KAFKA__PROPERTIES__CLIENT_RACK", "me")];
    let settings = load(&sources(file, &variables)).expect("taken").settings;
    let properties: Vec<_> = settings
        .kafka
        .properties
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_str()))
        .collect();
    assert_eq!(
        properties,
        [
            ("client.rack", "me"),
            ("linger.ms", "7"),
            ("socket.timeout.ms", "5000")
        ]
    );
}

#[test]
fn secrets_come_from_files_and_are_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\n").expect("written");
    let name = path.display().to_string();
    let loaded = load(&sources(
        "",
        &[("METERLINE__CLICKHOUSE__PASSWORD_FILE", &name)],
    ))
    .expect("taken");
    assert_eq!(loaded.settings.clickhouse.password.expose(), "hunter2");
    let variables = [
        ("METERLINE__CLICKHOUSE__PASSWORD", "hunter2"),
        ("METERLINE__KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
    ];
    let loaded = load(&sources("", &variables)).expect("taken");
    let shown = show::render(&loaded.leaves);
    assert!(
        shown.contains("password = \"********\"  # METERLINE__CLICKHOUSE__PASSWORD\n"),
        "{shown}"
    );
    assert!(!shown.contains("hunter2") && !format!("{:?}", loaded.settings).contains("hunter2"));
    let both = [
        ("METERLINE__CLICKHOUSE__PASSWORD", "hunter2"),
        ("METERLINE__CLICKHOUSE__PASSWORD_FILE", "x"),
    ];
    let expected = "METERLINE__CLICKHOUSE__PASSWORD_FILE: clickhouse.password_file and clickhouse.password \
                    are both set; keep one of them";
    check_refused("", &both, expected);
    check_refused(
        "[clickhouse]\npassword = hunter2\n",
        &[],
        "meterline.toml:2: is no TOML: string values must be quoted, expected literal string",
    );
}

#[test]
fn secrets_of_notifications_come_from_files_and_are_never_shown() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("key");
    let key = "a signing key that nobody may see";
    std::fs::write(&path, format!("{key}\n")).expect("written");
    let name = path.display().to_string();
    let variables = [
        ("METERLINE__NOTIFICATIONS__SIGNING_KEY_FILE", &*name),
        ("METERLINE__NOTIFICATIONS__SMTP__HOST", "mail.example"),
        ("METERLINE__NOTIFICATIONS__SMTP__FROM", "alerts@example.com"),
        ("METERLINE__NOTIFICATIONS__SMTP__PASSWORD", "hunter2"),
    ];
    let loaded = load(&sources("", &variables)).expect("taken");
    let notifications = &loaded.settings.notifications;
    assert_eq!(notifications.signing_key.expose(), key);
    let smtp = notifications.smtp.as_ref().expect("there is a host");
    assert_eq!(smtp.password.expose(), "hunter2");
    assert!(
        notifications
            .reserved_topics
            .contains(&"usage.alerts".to_owned())
    );
    let shown = format!("{} {:?}", show::render(&loaded.leaves), loaded.settings);
    assert!(
        !shown.contains("hunter2") && !shown.contains(key),
        "{shown}"
    );
}

#[test]
fn what_is_shown_can_be_read_again() {
    let variables = [
        ("METERLINE__CHECKPOINT__URL", "file:///tmp/x"),
        ("METERLINE__KAFKA__PROPERTIES__LINGER_MS", "3"),
    ];
    let loaded = load(&sources("", &variables)).expect("taken");
    let again = load(&sources(&show::render(&loaded.leaves), &[])).expect("taken");
    assert_eq!(again.settings.rollup, loaded.settings.rollup);
    assert_eq!(again.settings.kafka, loaded.settings.kafka);
    assert_eq!(
        again.settings.checkpoint.map(|store| store.url).as_deref(),
        Some("file:///tmp/x")
    );
}

#[test]
fn clients_secrets_come_from_files_by_their_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    std::fs::write(&path, "hunter2\n").expect("written");
    let name = path.display().to_string();
    let variables = [
        ("METERLINE__KAFKA__PROPERTIES__SASL_PASSWORD_FILE", &*name),
        ("METERLINE__CHECKPOINT__URL", "s3://bucket/prefix"),
        ("METERLINE__CHECKPOINT__CACHE", "/tmp/cache"),
        ("METERLINE__CHECKPOINT__CACHE_SIZE", "1GiB"),
        (
            "METERLINE__CHECKPOINT__OPTIONS__AWS_SECRET_ACCESS_KEY_FILE",
            &*name,
        ),
        (
            "METERLINE__CHECKPOINT__OPTIONS__AWS_ENDPOINT",
            "http://s3:9000",
        ),
    ];
    let loaded = load(&sources("", &variables)).expect("taken");
    assert_eq!(loaded.settings.kafka.properties["sasl.password"], "hunter2");
    let store = loaded.settings.checkpoint.as_ref().expect("it is set");
    assert_eq!(store.options["aws_secret_access_key"], "hunter2");
    assert_eq!(store.options["aws_endpoint"], "http://s3:9000");
    assert_eq!(store.cache_bytes, 1 << 30);
    let shown = format!("{} {:?}", show::render(&loaded.leaves), loaded.settings);
    assert!(!shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("\"sasl.password_file\" = "), "{shown}");
    let both = [
        ("METERLINE__KAFKA__PROPERTIES__SASL_PASSWORD", "hunter2"),
        variables[0],
    ];
    let expected = "METERLINE__KAFKA__PROPERTIES__SASL_PASSWORD_FILE: \
                    kafka.properties.sasl.password_file and kafka.properties.sasl.password are \
                    both set; keep one of them";
    check_refused("", &both, expected);
    check_refused(
        "[checkpoint]\nurl = \"s3://bucket\"\ncache = \"/tmp\"\n[checkpoint.options]\naws_regoin = \"x\"\n",
        &[],
        "meterline.toml: checkpoint.options.aws_regoin cannot be used: option `aws_regoin` cannot \
         be set: the client of this kind of store knows no such option",
    );
}
