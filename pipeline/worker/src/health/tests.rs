//! What `/health/ready` says of a process, case by case.

use super::*;

const TIMEOUT: Duration = Duration::from_secs(30);

fn running(start: Instant) -> (Board, u64) {
    let board = Board::new(TIMEOUT, start);
    board.phase(None);
    let ticket = board.enter(3, start);
    board.report(3, ticket, start, |s| s.state = PartitionState::Running);
    (board, ticket)
}

/// The partition folded to `position`, and that is its log's end.
fn at(board: &Board, partition: u32, ticket: u64, now: Instant, position: u64) {
    board.log_ends(partition, ticket, now, position);
    board.report(partition, ticket, now, |s| s.position = position);
}

#[test]
fn a_process_that_waits_says_for_what() {
    let now = Instant::now();
    let board = Board::new(TIMEOUT, now);
    board.phase(Some("waiting for a catalog"));
    assert_eq!(board.problems(now), ["waiting for a catalog"]);
    board.phase(None);
    assert!(board.problems(now).is_empty());
}

#[test]
fn lag_without_progress_is_not_ready_and_progress_is() {
    let start = Instant::now();
    let (board, ticket) = running(start);
    board.report(3, ticket, start, |s| s.log_end = Some(10));
    let later = start + TIMEOUT;
    assert!(board.problems(later - Duration::from_millis(1)).is_empty());
    board.log_ends(3, ticket, later, 10);
    assert_eq!(
        board.problems(later),
        ["partition 3 has 10 records to fold and has not moved for 30 s"]
    );
    board.report(3, ticket, later, |s| s.position = 4);
    assert!(board.problems(later).is_empty());
    assert_eq!(board.partitions()[0].lag_records, 6);
}

#[test]
fn an_idle_partition_at_its_end_is_ready() {
    let start = Instant::now();
    let (board, ticket) = running(start);
    at(&board, 3, ticket, start, 10);
    let late = start + 10 * TIMEOUT;
    board.log_ends(3, ticket, late, 10);
    assert!(board.problems(late).is_empty());
    board.log_ends(3, ticket, late, 11);
    let soon = late + Duration::from_secs(1);
    assert!(
        board.problems(soon).is_empty(),
        "the record is one second old"
    );
}

#[test]
fn what_is_folded_and_never_published_is_not_ready() {
    let start = Instant::now();
    let (board, ticket) = running(start);
    let other = board.enter(4, start);
    board.report(4, other, start, |s| s.state = PartitionState::Running);
    let later = start + TIMEOUT;
    for (now, position) in [
        (start, 5),
        (later - Duration::from_millis(1), 9),
        (later, 12),
    ] {
        assert!(now == later || board.problems(now).is_empty());
        // Folding goes on, and so do another lane and another partition.
        at(&board, 3, ticket, now, position);
        at(&board, 4, other, now, position);
        let lanes = [("hours", position), ("totals", 2)];
        board.delivers(3, ticket, now, lanes.into_iter());
        board.delivers(4, other, now, [("totals", position)].into_iter());
    }
    board.works(Need::Kafka);
    assert_eq!(
        board.problems(later),
        ["partition 3 has not published its totals from 2 on for 30 s"]
    );
    board.delivers(3, ticket, later, [("totals", 5)].into_iter());
    assert!(board.problems(later).is_empty(), "it moves");
    board.delivers(3, ticket, later, std::iter::empty());
    at(&board, 3, ticket, later + TIMEOUT, 12);
    at(&board, 4, other, later + TIMEOUT, 12);
    board.delivers(4, other, later + TIMEOUT, std::iter::empty());
    assert!(board.problems(later + TIMEOUT).is_empty(), "none in flight");
}

#[test]
fn a_log_whose_end_nobody_tells_is_not_ready() {
    let start = Instant::now();
    let (board, ticket) = running(start);
    at(&board, 3, ticket, start, 10);
    board.log_ends(3, ticket, start, 10);
    let later = start + TIMEOUT;
    assert!(board.problems(later - Duration::from_millis(1)).is_empty());
    board.works(Need::Kafka);
    assert_eq!(
        board.problems(later),
        ["partition 3 has a log whose end is not known since 30 s"]
    );
    board.log_ends(3, ticket, later, 10);
    assert!(board.problems(later).is_empty());
}

#[test]
fn reading_checkpoints_does_not_hide_that_none_can_be_written() {
    let start = Instant::now();
    let (board, _) = running(start);
    board.fails(Need::Manifests, "no space left", start);
    board.works(Need::Checkpoints);
    board.works(Need::Runs);
    assert_eq!(
        board.problems(start + FAILING),
        ["checkpoint manifests failing for 5 s: no space left"]
    );
    board.works(Need::Manifests);
    assert!(board.problems(start + FAILING).is_empty());
}

#[test]
fn short_failures_of_others_are_not_ours() {
    let start = Instant::now();
    let (board, _) = running(start);
    board.fails(Need::ClickHouse, "refused", start);
    assert!(board.problems(start).is_empty());
    board.fails(Need::ClickHouse, "timed out", start + FAILING);
    assert_eq!(
        board.problems(start + FAILING),
        ["clickhouse failing for 5 s: timed out"]
    );
    board.works(Need::ClickHouse);
    assert!(board.problems(start + FAILING).is_empty());
}

#[test]
fn an_old_assignment_cannot_speak_for_a_new_one() {
    let now = Instant::now();
    let (board, old) = running(now);
    let new = board.enter(3, now);
    board.report(3, old, now, |s| s.position = 99);
    assert!(!board.leave(3, old));
    assert_eq!(board.partitions()[0].position, 0);
    assert!(board.leave(3, new));
    assert_eq!(board.owned(), 0);
}
