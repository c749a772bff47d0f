//! Dead letters: filters, pages, replays, removal.

use crate::fixtures::{TOPIC, dead_letter, partition};
use crate::queries::HOSTILE;
use crate::stack::Database;
use meterline_clickhouse::{ClickHouse, DeadLetterFilter, LetterOrder, LetterPage, Purge};
use meterline_core::position::{Offset, TopicId};
use meterline_core::reason::Reason;
use meterline_core::time::LogTime;
use meterline_schemas::rows::{DeadLetterRow, ReasonCount, ReplayPositionRow, ReplayRow};
use serde_bytes::ByteBuf;

const ALL: DeadLetterFilter<'static> = DeadLetterFilter {
    reason: None,
    tenant: None,
    topic_id: None,
    partition: None,
    offset: None,
    since: None,
    until: None,
    replayed: None,
    purged: None,
};

/// Ten letters: every third is malformed and of a hostile tenant, the others are too late.
async fn insert(sink: &ClickHouse) -> Vec<DeadLetterRow> {
    let rows: Vec<_> = (0..10)
        .map(|offset| match offset % 3 {
            0 => dead_letter(offset, Reason::Malformed, HOSTILE),
            _ => dead_letter(offset, Reason::TooLate, "acme"),
        })
        .collect();
    sink.insert_dead_letters(&rows).await.unwrap();
    rows
}

fn replay(offset: Offset) -> ReplayRow {
    ReplayRow {
        topic_id: TOPIC,
        log_partition: 1,
        offset,
        to_topic: "usage.events".to_owned(),
        to_topic_id: TOPIC,
        to_partition: 2,
        to_offset: 100 + offset,
        copy: "log".to_owned(),
        actor: HOSTILE.to_owned(),
        note: String::new(),
        replayed_at: LogTime(1_767_225_600_000),
        marker_topic_id: TopicId(9),
        marker_offset: 7 + offset,
    }
}

fn at(position: Offset) -> ReplayPositionRow {
    ReplayPositionRow {
        marker_topic_id: TopicId(9),
        position,
        certain_from: LogTime(i64::try_from(position).unwrap()),
    }
}

/// Offsets of all pages of three, by both kinds of row.
async fn offsets(
    sink: &ClickHouse,
    filter: DeadLetterFilter<'_>,
    order: LetterOrder,
) -> Vec<Offset> {
    let mut found = Vec::new();
    let mut page = LetterPage::first(order, 3);
    loop {
        let rows = sink.dead_letters(&filter, &page).await.unwrap();
        let summaries = sink.dead_letter_summaries(&filter, &page).await.unwrap();
        let of_rows = rows.iter().map(|row| row.offset);
        assert!(summaries.iter().map(|row| row.offset).eq(of_rows));
        found.extend(rows.iter().map(|row| row.offset));
        match rows.last() {
            Some(last) if rows.len() == 3 => {
                page.after = Some((last.log_time, partition(1), last.offset));
            }
            _ => return found,
        }
    }
}

#[tokio::test]
async fn letters_are_filtered_and_paged_both_ways() {
    let (_database, sink) = Database::migrated().await;
    let rows = insert(&sink).await;
    let malformed = DeadLetterFilter {
        reason: Some(Reason::Malformed),
        ..ALL
    };
    let cases: [(DeadLetterFilter<'_>, &[Offset]); 9] = [
        (ALL, &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (malformed, &[0, 3, 6, 9]),
        (
            DeadLetterFilter {
                tenant: Some("acme"),
                ..malformed
            },
            &[],
        ),
        (
            DeadLetterFilter {
                tenant: Some(HOSTILE),
                since: Some(rows[5].log_time),
                ..ALL
            },
            &[6, 9],
        ),
        (
            DeadLetterFilter {
                until: Some(rows[2].log_time),
                ..ALL
            },
            &[0, 1],
        ),
        (
            DeadLetterFilter {
                topic_id: Some(TOPIC),
                partition: Some(1),
                offset: Some(4),
                ..ALL
            },
            &[4],
        ),
        (
            DeadLetterFilter {
                topic_id: Some(TopicId(5)),
                ..ALL
            },
            &[],
        ),
        (
            DeadLetterFilter {
                partition: Some(0),
                ..ALL
            },
            &[],
        ),
        (
            DeadLetterFilter {
                replayed: Some(true),
                ..ALL
            },
            &[],
        ),
    ];
    for (filter, expected) in cases {
        let oldest = offsets(&sink, filter, LetterOrder::OldestFirst).await;
        assert_eq!(oldest, expected, "{filter:?}");
        let newest = offsets(&sink, filter, LetterOrder::NewestFirst).await;
        assert!(newest.iter().rev().eq(expected), "{filter:?}");
        let count = sink.dead_letter_count(&filter).await.unwrap();
        assert_eq!(count, expected.len() as u64, "{filter:?}");
    }
    let count = |reason: Reason, count| ReasonCount {
        reason: reason.name().into(),
        count,
    };
    let counts = sink.dead_letter_counts(&ALL).await.unwrap();
    let expected = [count(Reason::TooLate, 6), count(Reason::Malformed, 4)];
    assert_eq!(counts, expected);
}

#[tokio::test]
async fn replays_repeat_as_the_same_row_and_positions_only_rise() {
    let (_database, sink) = Database::migrated().await;
    insert(&sink).await;
    assert_eq!(sink.replay_position(TopicId(9)).await.unwrap(), at(0));
    for position in [20, 20, 11] {
        let rows = [replay(4), replay(5)];
        sink.insert_replays(&rows, at(position)).await.unwrap();
    }
    sink.insert_replays(&[], at(3)).await.unwrap();
    assert_eq!(sink.replay_position(TopicId(9)).await.unwrap(), at(20));
    let other = sink.replay_position(TopicId(8)).await.unwrap();
    assert_eq!(other.position, 0);
    let found = sink.replay_of(partition(1), 4).await.unwrap();
    assert_eq!(found, Some(replay(4)));
    assert_eq!(sink.replay_of(partition(2), 4).await.unwrap(), None);
    let replayed = |replayed| DeadLetterFilter { replayed, ..ALL };
    let of = |replayed| offsets(&sink, replayed, LetterOrder::OldestFirst);
    assert_eq!(of(replayed(Some(true))).await, [4, 5]);
    assert_eq!(of(replayed(Some(false))).await, [0, 1, 2, 3, 6, 7, 8, 9]);
}

#[tokio::test]
async fn only_the_letters_that_are_meant_are_purged_and_their_rows_stay() {
    let (database, sink) = Database::migrated().await;
    let rows = insert(&sink).await;
    let reasons = sink.dead_letter_counts(&ALL).await.unwrap();
    let by_reason = sink.letters_before(partition(1), 10).await.unwrap();
    let replays = [replay(0), replay(1)];
    sink.insert_replays(&replays, at(20)).await.unwrap();
    let purge = Purge {
        purged_at: LogTime(1_767_225_700_001),
        purged_by: HOSTILE.to_owned(),
        purge_note: "asked for".to_owned(),
    };
    let hostile = DeadLetterFilter {
        tenant: Some(HOSTILE),
        replayed: Some(true),
        ..ALL
    };
    assert_eq!(sink.purge_dead_letters(&hostile, &purge).await.unwrap(), 1);
    let kept = |purged| DeadLetterFilter {
        purged: Some(purged),
        ..ALL
    };
    let of = |filter| offsets(&sink, filter, LetterOrder::OldestFirst);
    assert_eq!(of(kept(true)).await, [0]);
    let early = DeadLetterFilter {
        until: Some(LogTime(1_767_225_600_008)),
        replayed: Some(false),
        ..ALL
    };
    assert_eq!(sink.purge_dead_letters(&early, &purge).await.unwrap(), 6);
    assert_eq!(sink.purge_dead_letters(&early, &purge).await.unwrap(), 0);
    assert_eq!(of(kept(false)).await, [1, 8, 9]);
    let found = sink.purge_of(partition(1), 0).await.unwrap();
    assert_eq!(found, Some(purge));
    assert_eq!(sink.purge_of(partition(1), 1).await.unwrap(), None);

    // All but the bytes is there as before.
    assert_eq!(sink.dead_letter_counts(&ALL).await.unwrap(), reasons);
    let after = sink.letters_before(partition(1), 10).await.unwrap();
    assert_eq!(after, by_reason);
    let page = LetterPage::first(LetterOrder::OldestFirst, 10);
    for (found, before) in sink
        .dead_letters(&ALL, &page)
        .await
        .unwrap()
        .iter()
        .zip(rows)
    {
        let expected = match before.offset {
            1 | 8 | 9 => before,
            _ => DeadLetterRow {
                detail: String::new(),
                key: ByteBuf::new(),
                headers: Vec::new(),
                original: ByteBuf::new(),
                ..before
            },
        };
        assert_eq!(*found, expected);
    }
    // Not even in rows that a merge has not dropped yet.
    let hidden = "SELECT count() FROM dead_letters WHERE purged_by != '' AND original != ''";
    assert_eq!(database.fetch::<u64>(hidden).await, [0]);
}

#[tokio::test]
async fn a_purged_letter_still_says_which_void_was_refused_and_nothing_else() {
    let (_database, sink) = Database::migrated().await;
    let begins = "void at control offset 7: ";
    let letter = |offset, reason| DeadLetterRow {
        detail: format!("{begins}of {HOSTILE}"),
        ..dead_letter(offset, reason, "acme")
    };
    let rows = [letter(0, Reason::VoidRefused), letter(1, Reason::TooLate)];
    sink.insert_dead_letters(&rows).await.unwrap();
    let purge = Purge {
        purged_at: LogTime(1_767_225_700_001),
        purged_by: "someone".to_owned(),
        purge_note: "asked for".to_owned(),
    };
    assert_eq!(sink.purge_dead_letters(&ALL, &purge).await.unwrap(), 2);
    let page = LetterPage::first(LetterOrder::OldestFirst, 10);
    let found = sink.dead_letters(&ALL, &page).await.unwrap();
    let details: Vec<_> = found.iter().map(|row| row.detail.as_str()).collect();
    assert_eq!(details, [begins, ""]);
}

#[tokio::test]
async fn more_letters_than_one_mutation_takes_are_all_purged() {
    let (_database, sink) = Database::migrated().await;
    let rows: Vec<_> = (0..2_003)
        .map(|offset| dead_letter(offset, Reason::TooLate, "acme"))
        .collect();
    sink.insert_dead_letters(&rows).await.unwrap();
    let purge = Purge {
        purged_at: LogTime(1),
        purged_by: String::new(),
        purge_note: String::new(),
    };
    let late = DeadLetterFilter {
        reason: Some(Reason::TooLate),
        ..ALL
    };
    assert_eq!(sink.purge_dead_letters(&late, &purge).await.unwrap(), 2_003);
    let purged = DeadLetterFilter {
        purged: Some(true),
        ..late
    };
    assert_eq!(sink.dead_letter_count(&purged).await.unwrap(), 2_003);
}

#[tokio::test]
async fn a_bound_leaves_out_what_came_behind_it() {
    let (_database, sink) = Database::migrated().await;
    let rows = insert(&sink).await;
    let mut page = LetterPage::first(LetterOrder::OldestFirst, 10);
    page.up_to = Some((rows[6].log_time, partition(1), 6));
    let found = sink.dead_letters(&ALL, &page).await.unwrap();
    assert!(found.iter().map(|row| row.offset).eq(0..=6));
    page.after = Some((rows[6].log_time, partition(1), 6));
    assert_eq!(sink.dead_letters(&ALL, &page).await.unwrap(), []);
}
