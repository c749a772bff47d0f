//! Rows of `dead_letter_replays` and `dead_letter_replay_positions`: what was replayed, and up to
//! where the markers in the log are projected.

use super::columns;
use crate::records::DeadLetterReplay;
use clickhouse::Row;
use meterline_core::position::{Offset, TopicId};
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};

/// A dead letter that was replayed.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ReplayRow {
    /// Incarnation of the topic of the letter's record.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Partition of the letter's record.
    pub log_partition: u32,
    /// Offset of the letter's record.
    pub offset: Offset,
    /// Name of the topic that it was published to again.
    pub to_topic: String,
    /// Incarnation of that topic.
    #[serde(with = "columns::topic_id")]
    pub to_topic_id: TopicId,
    /// The partition there.
    pub to_partition: u32,
    /// The offset there.
    pub to_offset: Offset,
    /// Where its bytes came from ([`crate::records::CopySource::name`]).
    pub copy: String,
    /// Who replayed it.
    pub actor: String,
    /// Why, in the actor's words.
    pub note: String,
    /// Append time of the marker.
    pub replayed_at: LogTime,
    /// Incarnation of `usage.dead-letter`.
    #[serde(with = "columns::topic_id")]
    pub marker_topic_id: TopicId,
    /// Offset of the marker in its partition 0.
    pub marker_offset: Offset,
}

impl ReplayRow {
    /// The row of a marker as it lies in the log.
    #[must_use]
    pub fn new(
        replay: &DeadLetterReplay,
        marker_topic_id: TopicId,
        marker_offset: Offset,
        replayed_at: LogTime,
    ) -> Self {
        Self {
            topic_id: replay.log_partition.topic_id,
            log_partition: replay.log_partition.partition,
            offset: replay.offset,
            to_topic: replay.to_topic.clone(),
            to_topic_id: replay.to.topic_id,
            to_partition: replay.to.partition,
            to_offset: replay.to_offset,
            copy: replay.copy.name().to_owned(),
            actor: replay.actor.clone(),
            note: replay.note.clone(),
            replayed_at,
            marker_topic_id,
            marker_offset,
        }
    }
}

/// Up to where the markers of one incarnation of `usage.dead-letter` are projected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct ReplayPositionRow {
    /// Incarnation of `usage.dead-letter`.
    #[serde(with = "columns::topic_id")]
    pub marker_topic_id: TopicId,
    /// First offset of its partition 0 that is not projected.
    pub position: Offset,
    /// Markers before this log time may have left the log before anybody read them.
    pub certain_from: LogTime,
}
