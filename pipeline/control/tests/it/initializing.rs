//! `init` on Kafka: idempotent, finishes what died, refuses what cannot work.

use crate::stack;
use crate::support::*;
use meterline_control::{ControlError, ControlLog, InitSpec, init_topics};
use meterline_kafka::{Admin, Settings};

fn try_init(settings: &Settings) -> Result<(), ControlError> {
    let spec = InitSpec {
        partitions: 2,
        replicas: Some(1),
        author: author("init"),
    };
    init_topics(settings, &spec, TIMEOUT).map(|_| ())
}

#[test]
fn init_makes_every_topic_once_and_says_what_is_not_safe() {
    let settings = stack::settings();
    let first = init(&settings, 2);
    assert_eq!(first.created.len(), 8);
    assert!(first.adopts_itself);
    assert_eq!(first.usage.partition_count(), 2);
    let control = settings.topics().control();
    let of_control = first.warnings.iter().filter(|w| w.topic == control);
    let texts: Vec<_> = of_control.map(|w| w.text.as_str()).collect();
    assert!(texts.iter().any(|t| t.contains("replica")), "{texts:?}");
    assert!(texts.iter().any(|t| t.contains("min.insync")), "{texts:?}");
    let end = end_of(&settings);

    let second = init(&settings, 9);
    assert!(second.created.is_empty() && second.adopts_itself);
    assert_eq!(second.usage, first.usage);
    assert_eq!(second.warnings, first.warnings);
    assert_eq!(end_of(&settings), end, "nothing more was written");

    let admin = Admin::connect(&settings).expect("a client");
    let describe = |name: &str| {
        let described = admin.describe_topic(name, TIMEOUT).expect("an answer");
        described.expect("there")
    };
    let control = describe(&control);
    assert_eq!(
        (control.partition_count(), control.config.retention_ms),
        (1, -1)
    );
    let totals = describe(&settings.topics().totals());
    assert_eq!(
        (totals.partition_count(), totals.config.retention_ms),
        (2, 604_800_000)
    );
    assert!(totals.config.log_append_time && control.config.log_append_time);
}

#[test]
fn two_inits_at_once_end_as_one() {
    let settings = stack::settings();
    let reports = std::thread::scope(|scope| {
        let runs = [0, 1].map(|_| scope.spawn(|| init(&settings, 1)));
        runs.map(|run| run.join().expect("no panic"))
    });
    assert!(reports.iter().all(|report| report.adopts_itself));
    assert_eq!(reports[0].usage.topic_id, reports[1].usage.topic_id);
    let log = ControlLog::connect(&settings).expect("a client");
    let view = log.read_to_end(TIMEOUT).expect("readable");
    let created = view
        .topic_created(&reports[0].usage.name)
        .expect("recorded");
    assert_eq!(created.topic_id, reports[0].usage.topic_id);
}

#[test]
fn an_init_that_died_after_making_the_usage_topic_is_finished_by_the_next() {
    let settings = stack::settings();
    let usage = settings.topics().usage_events();
    make_topic(
        &settings,
        &usage,
        &[("message.timestamp.type", "LogAppendTime")],
    );
    let report = init(&settings, 1);
    assert!(!report.created.contains(&usage));
    assert!(report.adopts_itself);
}

#[test]
fn topics_that_cannot_work_are_refused_by_name() {
    let append = ("message.timestamp.type", "LogAppendTime");
    let for_ever = [("retention.ms", "-1"), ("retention.bytes", "-1")];
    let compact = ("cleanup.policy", "compact");
    let usage = |s: &Settings| s.topics().usage_events();
    let control = |s: &Settings| s.topics().control();
    let totals = |s: &Settings| s.topics().totals();
    let check =
        |name: &dyn Fn(&Settings) -> String, config: &[(&'static str, &str)], part: &str| {
            let settings = stack::settings();
            let topic = name(&settings);
            make_topic(&settings, &topic, config);
            let error = try_init(&settings).expect_err("refused").to_string();
            assert!(error.contains(&topic) && error.contains(part), "{error}");
        };
    check(
        &usage,
        &[("message.timestamp.type", "CreateTime")],
        "LogAppendTime",
    );
    check(&usage, &[append, compact], "cleanup.policy");
    check(
        &control,
        &[append, ("retention.ms", "1000")],
        "retention.ms=-1",
    );
    check(&control, &[for_ever[0], for_ever[1]], "LogAppendTime");
    check(&totals, &[append], "1 partitions");
}
