//! The screen as text, on a terminal that is none.

use super::super::stages::Archived;
use super::*;
use meterline_worker::{PartitionState, PartitionStatus};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::time::Duration;

const NOW: EventTime = EventTime(1_795_000_000_000_000);

/// A partition as a worker tells of it.
fn partition(number: u32, position: u64, state: PartitionState) -> (u32, Known) {
    let halted = state == PartitionState::Halted;
    let worker = PartitionStatus {
        partition: number,
        state,
        position,
        log_time: NOW.0 / 1_000 - 2_000,
        freshness_seconds: 1,
        reason: halted.then(|| "log_gap: records\u{1b}[2J are gone".to_owned()),
        ..PartitionStatus::default()
    };
    let known = Known {
        ends: Some((0, 1_000_000)),
        worker: Some(worker),
        ..Known::default()
    };
    (number, known)
}

fn answer(partitions: impl IntoIterator<Item = (u32, Known)>) -> Gathered {
    Gathered {
        partitions: partitions.into_iter().collect(),
        ..Gathered::default()
    }
}

/// The screen's lines, without the spaces at their ends.
fn lines(screen: &Screen, width: u16, height: u16) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("no real terminal");
    terminal.draw(|frame| draw(frame, screen)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let rows = buffer.content().chunks(usize::from(width));
    let text = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    text.map(|line| line.trim_end().to_owned()).collect()
}

/// Two answers, two seconds apart: one partition runs, one is halted, one is nobody's.
fn watched() -> Screen {
    let mut screen = Screen::new("usage.events");
    let start = Instant::now();
    for (seconds, position) in [(0, 100_000), (2, 900_000)] {
        let unknown = (
            2,
            Known {
                ends: Some((5, 9)),
                ..Known::default()
            },
        );
        let gathered = answer([
            partition(0, position, PartitionState::Running),
            partition(1, 7, PartitionState::Halted),
            unknown,
        ]);
        screen.show(gathered, start + Duration::from_secs(seconds), NOW);
    }
    screen
}

#[test]
fn partitions_are_shown_with_rate_lag_ages_and_reason() {
    let lines = lines(&watched(), 110, 12);
    assert_eq!(
        lines[0],
        "usage.events   2026-11-18T11:06:40Z   q quits, ↑ ↓ scroll"
    );
    assert_eq!(
        lines[1],
        "3 partitions, 1 running   400,000 records/s   lag 1,099,997   freshness 1s"
    );
    assert!(
        lines[2..5].iter().any(|line| line.contains('█')),
        "{lines:?}"
    );
    let table: Vec<&str> = lines[5..9].iter().map(String::as_str).collect();
    assert_eq!(
        table,
        [
            "PART  STATE    RECORDS/S   LAG           LOG TIME    FRESH     CHECKPOINT  REASON",
            "   0  running    400,000        100,000  2s          1s        -",
            "   1  halted           0        999,993  2s          1s        -           log_gap: records[2J are gone",
            "   2  unknown          -              4  -           -         -",
        ]
    );
}

#[test]
fn stages_that_are_in_use_tell_their_lag() {
    let mut screen = Screen::new("usage.events");
    let known = |archived, rekey_lag| Known {
        ends: Some((0, 2_000)),
        archived: Some(Archived {
            to_offset: archived,
            holes: 0,
        }),
        rekey_lag,
        ..Known::default()
    };
    let partitions = [(0, known(500, Some(7))), (1, known(2_000, None))];
    screen.show(answer(partitions), Instant::now(), NOW);
    let totals = screen.totals();
    let expected = "freshness -   archive lag 1,500   rekey lag 7";
    assert!(totals.ends_with(expected), "{totals}");
}

#[test]
fn a_position_that_went_back_has_no_rate() {
    for (before, now, millis, expected) in [
        (Some(10), Some(30), 2_000, Some(10)),
        (Some(30), Some(10), 2_000, None),
        (None, Some(10), 2_000, None),
        (Some(10), None, 2_000, None),
        (Some(10), Some(30), 0, None),
    ] {
        assert_eq!(rate(before, now, millis), expected, "{before:?} {now:?}");
    }
}

#[test]
fn any_size_is_drawn_and_what_failed_stays_readable() {
    let mut screen = watched();
    for (width, height) in [(1, 1), (20, 5), (80, 24), (300, 100)] {
        lines(&screen, width, height);
    }
    screen.fail("no answer from kafka".to_owned());
    let lines = lines(&screen, 110, 12);
    assert_eq!(lines[11], "no answer from kafka");
    assert!(lines[6].contains("400,000"), "what was known stays");
}

#[test]
fn the_table_scrolls_to_its_last_partition_and_no_further() {
    let mut screen = Screen::new("usage.events");
    let running = |number| partition(number, 0, PartitionState::Running);
    screen.show(answer((0..50).map(running)), Instant::now(), NOW);
    screen.scroll(1_000);
    assert!(lines(&screen, 110, 12)[6].starts_with("  49  running"));
    screen.scroll(-1_000);
    assert!(lines(&screen, 110, 12)[6].starts_with("   0  running"));
}
