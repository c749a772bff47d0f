//! The leader epoch of an explicit position, so that the broker can refuse one whose records were
//! replaced after an unclean leader election.
//!
//! rust-rdkafka's list of positions has no place for it; librdkafka's has. Without an epoch the
//! client library skips the check, so a position from before epochs were known still works.
#![allow(
    unsafe_code,
    reason = "rust-rdkafka does not wrap the leader epoch of a position"
)]

use rdkafka::bindings;
use rdkafka::topic_partition_list::TopicPartitionList;
use std::ffi::CString;

/// Sets the leader epoch of a position in the list; one that is not in it is left alone.
pub fn set_leader_epoch(list: &mut TopicPartitionList, topic: &str, partition: i32, epoch: i32) {
    let Ok(topic) = CString::new(topic) else {
        return;
    };
    // SAFETY: the list is alive and borrowed, the name ends with a zero byte; librdkafka returns
    // a place inside of the list, or null.
    let found = unsafe {
        bindings::rd_kafka_topic_partition_list_find(list.ptr(), topic.as_ptr(), partition)
    };
    if !found.is_null() {
        // SAFETY: the place is inside of the list, which nobody else changes meanwhile.
        unsafe { bindings::rd_kafka_topic_partition_set_leader_epoch(found, epoch) };
    }
}
