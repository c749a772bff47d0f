//! The metrics that are served are the metrics that are written down.

use super::*;
use crate::health::PartitionState;
use crate::stages::with_registries;
use meterline_core::counters::Counters;
use meterline_core::reason::Reason;
use rdkafka::statistics::{Broker, Partition, Topic, Window};
use std::collections::{BTreeMap, BTreeSet};

/// The written list, as operators read it.
const LIST: &str = include_str!("../../../../deploy/observability/METRICS.md");

/// What is told of one metric.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Told {
    kind: String,
    unit: String,
    labels: BTreeSet<String>,
}

/// A process that has seen everything once.
fn busy() -> (Metrics, Board) {
    let (metrics, now) = (Metrics::new(true), Instant::now());
    let board = Board::new(Duration::from_secs(30), now);
    let counters = Counters {
        accepted: 3,
        rejected: [(Reason::NoMeter, 2)].into(),
        ..Counters::default()
    };
    let partitions = metrics.partitions();
    partitions.count(7, &Counters::default(), &counters);
    partitions.read(7, &Reading::default());
    partitions.stopped(7, "paused", true);
    partitions.lookup_failed(7);
    partitions.loaded(7);
    let (work, took) = (metrics.work(), Duration::from_millis(3));
    work.batch(took);
    work.cut("hours", took);
    work.flushed("hours", 5, took);
    work.attempted(Need::ClickHouse, "hours", took, true);
    work.checkpoint_cut(took);
    work.checkpointed(took);
    work.loaded(took);
    work.rebalanced(Rebalance::Assigned);
    metrics.client(&statistics());
    (metrics, board)
}

/// Statistics of a client that knows two brokers, one of them up, and fetches one partition.
fn statistics() -> Statistics {
    let broker = |nodeid, state: &str, p99| {
        let rtt = Window {
            p99,
            ..Window::default()
        };
        let state = state.to_owned();
        Broker {
            nodeid,
            state,
            rtt: Some(rtt),
            ..Broker::default()
        }
    };
    let queue = |partition, desired, fetchq_cnt| Partition {
        partition,
        desired,
        fetchq_cnt,
        ..Partition::default()
    };
    let topic = Topic {
        partitions: [(7, queue(7, true, 11)), (8, queue(8, false, 0))].into(),
        ..Topic::default()
    };
    Statistics {
        brokers: [
            ("a".to_owned(), broker(1, "UP", 2_500)),
            ("b".to_owned(), broker(2, "CONNECT", 400)),
            ("bootstrap".to_owned(), broker(-1, "UP", 9_000)),
        ]
        .into(),
        topics: [("usage.events".to_owned(), topic)].into(),
        ..Statistics::default()
    }
}

fn text_of(metrics: &Metrics, board: &Board) -> String {
    metrics.scrape(board, &[], true, Instant::now())
}

/// What a scrape tells, by metric.
fn served(text: &str) -> BTreeMap<String, Told> {
    let mut told: BTreeMap<String, Told> = BTreeMap::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["#", "TYPE", name, kind] => {
                kind.clone_into(&mut told.entry(name.into()).or_default().kind)
            }
            ["#", "UNIT", name, unit] => {
                unit.clone_into(&mut told.entry(name.into()).or_default().unit)
            }
            ["#", ..] => {}
            _ => add_labels(line, &mut told),
        }
    }
    told
}

/// A sample's labels belong to the metric whose name its own begins with.
fn add_labels(sample: &str, told: &mut BTreeMap<String, Told>) {
    let Some((name, rest)) = sample.split_once('{') else {
        return;
    };
    let (labels, _) = rest.split_once('}').expect("labels end");
    let longest = told.keys().filter(|metric| name.starts_with(*metric));
    let longest = longest.max_by_key(|metric| metric.len()).cloned();
    let metric = longest.unwrap_or_else(|| panic!("{sample} belongs to no metric"));
    let names = labels.split(',').filter_map(|label| label.split_once('='));
    let names = names
        .map(|(name, _)| name.to_owned())
        .filter(|name| name != "le");
    told.entry(metric).or_default().labels.extend(names);
}

/// What the list tells, by metric: rows of `| name | kind | unit | labels | meaning |`.
fn listed() -> BTreeMap<String, Told> {
    let rows = LIST.lines().filter(|line| line.starts_with("| `"));
    let rows = rows.map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, name, kind, unit, labels, meaning, _] = cells[..] else {
            panic!("a row has five cells: {line}");
        };
        assert!(!meaning.is_empty(), "{name} has no meaning");
        let labels = labels
            .split(',')
            .map(|label| label.trim().trim_matches('`'));
        let told = Told {
            kind: kind.to_owned(),
            unit: unit.trim_matches('-').to_owned(),
            labels: labels
                .filter(|l| !l.is_empty() && *l != "-")
                .map(str::to_owned)
                .collect(),
        };
        (name.trim_matches('`').to_owned(), told)
    });
    rows.collect()
}

/// The name in the list: with the ending that samples of its kind carry.
fn sample_name(name: &str, told: &Told) -> String {
    match told.kind.as_str() {
        "counter" => format!("{name}_total"),
        "info" => format!("{name}_info"),
        _ => name.to_owned(),
    }
}

#[test]
fn the_written_list_is_what_a_worker_of_all_stages_serves() {
    let (metrics, board) = busy();
    let relays = ["archive", "rekey"].map(meterline_relay::metrics_seen);
    let limits = meterline_limits::metrics_seen();
    let stripe = meterline_billing::metrics_seen();
    let api = meterline_api::metrics_seen();
    let others = relays.iter().chain([&limits, &stripe, &api]);
    let text = with_registries(text_of(&metrics, &board), others);
    let served = served(&text).into_iter();
    let served: BTreeMap<_, _> = served
        .map(|(name, told)| (sample_name(&name, &told), told))
        .collect();
    let listed = listed();
    let names = |told: &BTreeMap<String, Told>| told.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&served), names(&listed), "names, served and listed");
    for (name, told) in &served {
        assert_eq!(told, &listed[name], "{name}, served and listed");
    }
}

/// The alert for a rollup that nobody runs asks for the absence of its metrics.
#[test]
fn a_process_without_the_rollup_serves_none_of_its_metrics() {
    let board = Board::new(Duration::from_secs(30), Instant::now());
    let own = |rolls_up| {
        let text = text_of(&Metrics::new(rolls_up), &board);
        assert!(text.contains("\nmeterline_ready 1\n"), "{text}");
        match rolls_up {
            true => text.contains("\nmeterline_rollup_partitions{"),
            false => text.contains("_rollup_") || text.contains("_consumer_"),
        }
    };
    assert!(own(true), "with no partition owned either");
    assert!(!own(false));
}

#[test]
fn the_longest_failure_of_a_need_by_any_stage_is_told() {
    let (metrics, now) = (Metrics::new(false), Instant::now());
    let board = Board::new(Duration::from_secs(30), now);
    board.fails(Need::Kafka, "no route", now);
    let second = Duration::from_secs(1);
    let others = [
        (Need::ClickHouse, 3 * second),
        (Need::ClickHouse, 9 * second),
    ];
    let text = metrics.scrape(&board, &others, false, now + second);
    assert!(
        text.contains("need_failing_seconds{need=\"clickhouse\"} 9"),
        "{text}"
    );
    assert!(
        text.contains("need_failing_seconds{need=\"kafka\"} 1"),
        "{text}"
    );
}

#[test]
fn partitions_take_their_gauges_along_and_leave_their_counters() {
    let (metrics, board) = busy();
    let text = text_of(&metrics, &board);
    for line in [
        "meterline_rollup_records_total{partition=\"7\",outcome=\"accepted\"} 3",
        "meterline_rollup_records_total{partition=\"7\",outcome=\"rejected\"} 2",
        "meterline_rollup_dead_letters_total{partition=\"7\",reason=\"no_meter\"} 2",
        "meterline_rollup_lag_seconds{partition=\"7\"} 0",
        "meterline_rollup_stopped{partition=\"7\",reason=\"paused\"} 1",
        "meterline_kafka_consumer_queued_records{partition=\"7\"} 11",
        "meterline_kafka_consumer_brokers_known 2",
        "meterline_kafka_consumer_brokers_up 1",
        "meterline_kafka_consumer_round_trip_seconds 0.0025",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    metrics.leave(7);
    metrics.partitions().stopped(7, "paused", false);
    let text = text_of(&metrics, &board);
    for gone in [
        "lag_seconds{",
        "queued_records{",
        "paused\",reason",
        "reason=\"paused\"",
    ] {
        assert!(!text.contains(gone), "{gone} is still there in\n{text}");
    }
    assert!(text.contains("records_total{partition=\"7\""));
}

#[test]
fn a_scrape_says_what_the_board_knows() {
    let (metrics, board) = busy();
    let now = Instant::now();
    board.phase(None);
    let ticket = board.enter(7, now);
    board.report(7, ticket, now, |status| {
        status.state = PartitionState::Running;
    });
    let text = metrics.scrape(&board, &[], board.problems(now).is_empty(), now);
    assert!(text.contains("\nmeterline_ready 1\n"), "{text}");
    assert!(text.contains("meterline_rollup_partitions{state=\"running\"} 1"));
    board.fails(Need::ClickHouse, "no route", now);
    let later = now + Duration::from_secs(9);
    let text = metrics.scrape(&board, &[], board.problems(later).is_empty(), later);
    assert!(text.contains("\nmeterline_ready 0\n"), "{text}");
    assert!(text.contains("meterline_need_failing_seconds{need=\"clickhouse\"} 9"));
    assert!(text.contains("meterline_need_failing_seconds{need=\"kafka\"} 0"));
}
