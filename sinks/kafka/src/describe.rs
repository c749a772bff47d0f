//! Topic ids and replicas, from librdkafka's DescribeTopics.
//!
//! The safe wrapper does not offer this call, and nothing else names a topic's id, by which a
//! topic that was deleted and made again is told from the one before. The module owns every
//! object that it receives: each is freed once, when its guard leaves its scope, and everything
//! that is handed out is copied first.

#![allow(unsafe_code)] // The calls into librdkafka; each block says why it is sound.

use meterline_core::position::TopicId;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka_sys as sys;
use std::ffi::{CString, c_char};
use std::ptr::NonNull;
use std::time::{Duration, Instant};

/// One partition, as the cluster describes it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PartitionDescription {
    /// The partition's number.
    pub partition: u32,
    /// The leader's broker id; `None` while there is none.
    pub leader: Option<i32>,
    /// Broker ids of all replicas.
    pub replicas: Vec<i32>,
}

/// Id and partitions of a topic, sorted by number; `None` where there is no such topic.
///
/// # Safety
/// `client` must be a live librdkafka handle for the whole call.
pub(crate) unsafe fn describe(
    client: *mut sys::RDKafka,
    topic: &str,
    timeout: Duration,
) -> Result<Option<(TopicId, Vec<PartitionDescription>)>, KafkaError> {
    let name = CString::new(topic).map_err(KafkaError::Nul)?;
    let mut names: [*const c_char; 1] = [name.as_ptr()];
    let deadline = Instant::now() + timeout;
    // SAFETY: `client` is live by this function's contract.
    unsafe { must_answer(client, timeout) }?;
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
    }
    let millis = millis(left);
    // SAFETY: `client` is live by this function's contract; librdkafka copies the names; the
    // guards free collection, options, queue and event after their last use, in that order
    // backwards, and the event owns everything that `read` looks at.
    unsafe {
        let topics = Owned::new(
            sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            sys::rd_kafka_TopicCollection_destroy,
        )?;
        let options = Owned::new(
            sys::rd_kafka_AdminOptions_new(
                client,
                sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS,
            ),
            sys::rd_kafka_AdminOptions_destroy,
        )?;
        let code = sys::rd_kafka_AdminOptions_set_request_timeout(
            options.pointer(),
            millis,
            std::ptr::null_mut(),
            0,
        );
        check(code)?;
        let queue = Owned::new(sys::rd_kafka_queue_new(client), sys::rd_kafka_queue_destroy)?;
        sys::rd_kafka_DescribeTopics(client, topics.pointer(), options.pointer(), queue.pointer());
        let event = Owned::new(
            sys::rd_kafka_queue_poll(queue.pointer(), millis),
            sys::rd_kafka_event_destroy,
        )
        .map_err(|_| KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut))?;
        check(sys::rd_kafka_event_error(event.pointer()))?;
        read(event.pointer())
    }
}

fn millis(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// Waits until some broker answers a small question.
///
/// While librdkafka looks for the broker that is to do an admin request, every failed connection
/// makes it look again, and looking makes it connect again at once, without its usual pause
/// (2.12.1, `RD_KAFKA_OP_CONNECT` in `rdkafka_broker.c`): a cluster that is away costs a core for
/// each client that asks. A request for metadata waits with pauses, so it goes first.
///
/// # Safety
/// `client` must be a live librdkafka handle for the whole call.
unsafe fn must_answer(client: *mut sys::RDKafka, timeout: Duration) -> Result<(), KafkaError> {
    let mut metadata = std::ptr::null();
    // SAFETY: `client` is live by this function's contract; no topic is named; what is returned
    // belongs to the caller, who frees it once.
    unsafe {
        let nothing = std::ptr::null_mut();
        let millis = millis(timeout);
        let code = sys::rd_kafka_metadata(client, 0, nothing, &raw mut metadata, millis);
        check(code)?;
        sys::rd_kafka_metadata_destroy(metadata);
    }
    Ok(())
}

/// An object of librdkafka that is freed when this leaves its scope.
struct Owned<T> {
    pointer: NonNull<T>,
    destroy: unsafe extern "C" fn(*mut T),
}

impl<T> Owned<T> {
    /// # Safety
    /// `pointer` is null or an object that nobody else frees, and `destroy` frees it.
    unsafe fn new(
        pointer: *mut T,
        destroy: unsafe extern "C" fn(*mut T),
    ) -> Result<Self, KafkaError> {
        NonNull::new(pointer)
            .map(|pointer| Self { pointer, destroy })
            .ok_or(KafkaError::AdminOp(
                RDKafkaErrorCode::CriticalSystemResource,
            ))
    }

    fn pointer(&self) -> *mut T {
        self.pointer.as_ptr()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        // SAFETY: the contract of `new`; a value is dropped once.
        unsafe { (self.destroy)(self.pointer.as_ptr()) }
    }
}

fn check(code: sys::RDKafkaRespErr) -> Result<(), KafkaError> {
    match RDKafkaErrorCode::from(code) {
        RDKafkaErrorCode::NoError => Ok(()),
        code => Err(KafkaError::AdminOp(code)),
    }
}

/// # Safety
/// `event` is a live event; everything read here belongs to it.
unsafe fn read(
    event: *mut sys::rd_kafka_event_t,
) -> Result<Option<(TopicId, Vec<PartitionDescription>)>, KafkaError> {
    let unexpected = || KafkaError::AdminOp(RDKafkaErrorCode::BadMessage);
    // SAFETY: the event is live; librdkafka returns null or arrays of the length it reports, and
    // a description of its own for each topic that was asked for.
    unsafe {
        let result = sys::rd_kafka_event_DescribeTopics_result(event);
        if result.is_null() {
            return Err(unexpected());
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &raw mut count);
        let [topic] = *slice(topics, count) else {
            return Err(unexpected());
        };
        let error = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic));
        match RDKafkaErrorCode::from(error) {
            RDKafkaErrorCode::NoError => {}
            RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic => {
                return Ok(None);
            }
            code => return Err(KafkaError::AdminOp(code)),
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return Err(unexpected());
        }
        let high = sys::rd_kafka_Uuid_most_significant_bits(id).cast_unsigned();
        let low = sys::rd_kafka_Uuid_least_significant_bits(id).cast_unsigned();
        let id = TopicId((u128::from(high) << 64) | u128::from(low));
        let partitions = sys::rd_kafka_TopicDescription_partitions(topic, &raw mut count);
        let mut described = Vec::with_capacity(count);
        for partition in slice(partitions, count) {
            described.push(partition_of(*partition)?);
        }
        described.sort_by_key(|p: &PartitionDescription| p.partition);
        Ok(Some((id, described)))
    }
}

/// # Safety
/// `partition` belongs to a live event.
unsafe fn partition_of(
    partition: *const sys::rd_kafka_TopicPartitionInfo_t,
) -> Result<PartitionDescription, KafkaError> {
    // SAFETY: the contract of this function; nodes belong to the event as well.
    unsafe {
        let number = sys::rd_kafka_TopicPartitionInfo_partition(partition);
        let leader = sys::rd_kafka_TopicPartitionInfo_leader(partition);
        let mut count = 0;
        let replicas = sys::rd_kafka_TopicPartitionInfo_replicas(partition, &raw mut count);
        let replicas = slice(replicas, count).iter();
        Ok(PartitionDescription {
            partition: u32::try_from(number)
                .map_err(|_| KafkaError::AdminOp(RDKafkaErrorCode::BadMessage))?,
            leader: (!leader.is_null()).then(|| sys::rd_kafka_Node_id(leader)),
            replicas: replicas.map(|node| sys::rd_kafka_Node_id(*node)).collect(),
        })
    }
}

/// # Safety
/// `first` is null, or starts `count` elements that live as long as the event they belong to.
unsafe fn slice<'a, T>(first: *mut *const T, count: usize) -> &'a [*const T] {
    if first.is_null() || count == 0 {
        return &[];
    }
    // SAFETY: the contract of this function.
    unsafe { std::slice::from_raw_parts(first, count) }
}
