//! A thread that reads the control log from its beginning and keeps the newest view.
//!
//! It joins no consumer group and commits nothing. A record that cannot be read stops it for
//! good, with a named halt; a broker that is away only makes it wait.

use crate::error::ControlError;
use crate::log::PARTITION;
use meterline_core::control::View;
use meterline_core::halt::Halt;
use meterline_core::hash::content_hash;
use meterline_core::position::{Offset, TopicId};
use meterline_core::time::LogTime;
use meterline_kafka::{Admin, Backoff, Error, Settings};
use meterline_schemas::records::decode_control;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{Offset as KafkaOffset, Timestamp};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long one poll waits: bounds how long it takes the thread to notice that it should end.
const POLL: Duration = Duration::from_millis(100);
/// How long one question to a broker may take.
const ANSWER: Duration = Duration::from_secs(5);
/// After this long without an error the broker is back, even where the log has no new record: the
/// client repeats an error that lasts every 30 s.
const QUIET: Duration = Duration::from_secs(60);
/// Group name for the client library; the group is never joined.
const GROUP: &str = "meterline-control-reader";

/// Reads the log on a thread that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Follower {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    view: Arc<View>,
    topic_id: Option<TopicId>,
    halted: Option<Halt>,
}

impl Follower {
    pub(crate) fn start(settings: &Settings, topic: &str) -> Result<Self, ControlError> {
        let shared = Arc::new(Shared::default());
        let admin = Admin::connect(settings)?;
        let consumer: BaseConsumer =
            settings
                .consumer_config(GROUP)
                .create()
                .map_err(|source| Error::Client {
                    source: Box::new(source),
                })?;
        let reader = Reader {
            shared: Arc::clone(&shared),
            topic: topic.to_owned(),
        };
        let thread = std::thread::Builder::new()
            .name("control-log".to_owned())
            .spawn(move || reader.run(&admin, &consumer))
            .map_err(|source| ControlError::Follow {
                topic: topic.to_owned(),
                source,
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.shared.lock().view)
    }

    pub(crate) fn topic_id(&self) -> Option<TopicId> {
        self.shared.lock().topic_id
    }

    pub(crate) fn halted(&self) -> Option<Halt> {
        self.shared.lock().halted.clone()
    }

    /// Waits until records before `end` are read; at the deadline, the view as it is then.
    pub(crate) fn wait_for(&self, end: Offset, deadline: Instant) -> Result<Arc<View>, Halt> {
        let left = deadline.saturating_duration_since(Instant::now());
        let behind = |state: &mut State| state.view.position() < end && state.halted.is_none();
        let (state, _) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.lock(), left, behind)
            .unwrap_or_else(PoisonError::into_inner);
        match &state.halted {
            Some(halt) if state.view.position() < end => Err(halt.clone()),
            _ => Ok(Arc::clone(&state.view)),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The state; a reader that panicked left it as it was before its last record.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Reader {
    shared: Arc<Shared>,
    topic: String,
}

impl Reader {
    fn run(&self, admin: &Admin, consumer: &BaseConsumer) {
        let result = self
            .begin(admin, consumer)
            .and_then(|begun| if begun { self.follow(consumer) } else { Ok(()) });
        if let Err(halt) = result {
            tracing::error!(topic = %self.topic, %halt, "stopped following the control log");
            self.shared.lock().halted = Some(halt);
            self.shared.changed.notify_all();
        }
    }

    fn stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// Waits for the topic, then begins at offset 0; false where the thread should end first.
    fn begin(&self, admin: &Admin, consumer: &BaseConsumer) -> Result<bool, Halt> {
        let mut backoff = Backoff::new();
        let mut outage = Outage::new(&self.topic);
        while !self.stopped() {
            match admin.describe_topic(&self.topic, ANSWER) {
                Ok(Some(description)) => {
                    outage.end();
                    self.shared.lock().topic_id = Some(description.topic_id);
                    let count = description.partition_count();
                    if count != 1 {
                        return Err(Halt::PartitionsChanged(format!(
                            "topic {} has {count} partitions, the control log has one",
                            self.topic
                        )));
                    }
                    self.assign(consumer)?;
                    return Ok(true);
                }
                Ok(None) => {
                    outage.goes_on("the topic does not exist; run `meterline init`".to_owned());
                }
                Err(error) => {
                    outage.goes_on(chain(&error));
                }
            }
            self.pause(backoff.pause());
        }
        Ok(false)
    }

    /// Waits without holding up the end of the thread for long.
    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.stopped() && Instant::now() < until {
            std::thread::sleep(POLL.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn assign(&self, consumer: &BaseConsumer) -> Result<(), Halt> {
        let mut beginning = TopicPartitionList::new();
        let number = i32::try_from(PARTITION).expect("0 fits");
        beginning
            .add_partition_offset(&self.topic, number, KafkaOffset::Offset(0))
            .and_then(|()| consumer.assign(&beginning))
            .map_err(|error| Halt::LogGap(format!("cannot begin at offset 0: {error}")))
    }

    /// Reads until the thread should end. An error is logged when it begins, changes and ends:
    /// while Kafka is away, the client reports the same one again and again. It has its own
    /// backoff between connections; pausing here too would delay the records behind the errors.
    fn follow(&self, consumer: &BaseConsumer) -> Result<(), Halt> {
        let mut outage = Outage::new(&self.topic);
        let mut failed_at = Instant::now();
        while !self.stopped() {
            match consumer.poll(POLL) {
                None if failed_at.elapsed() < QUIET => {}
                None | Some(Err(KafkaError::PartitionEOF(_))) => {
                    outage.end();
                }
                Some(Ok(message)) => {
                    outage.end();
                    self.take(&message)?;
                }
                Some(Err(error)) => {
                    self.judge(&error)?;
                    outage.goes_on(chain(&error));
                    failed_at = Instant::now();
                }
            }
        }
        Ok(())
    }

    fn take(&self, message: &BorrowedMessage<'_>) -> Result<(), Halt> {
        let offset = Offset::try_from(message.offset()).expect("records have offsets from 0");
        let Timestamp::LogAppendTime(millis) = message.timestamp() else {
            return Err(Halt::TimestampType(format!(
                "the record at offset {offset} has no append time; set \
                 message.timestamp.type=LogAppendTime on topic {}",
                self.topic
            )));
        };
        let bytes = message.payload().ok_or_else(|| {
            Halt::UnknownFormat(format!("the record at offset {offset} has no value"))
        })?;
        let record = decode_control(bytes);
        let mut state = self.shared.lock();
        let view = Arc::make_mut(&mut state.view);
        view.apply(offset, content_hash(bytes), LogTime(millis), record)?;
        drop(state);
        self.shared.changed.notify_all();
        Ok(())
    }

    /// Decides whether an error of the consumer passes by itself.
    fn judge(&self, error: &KafkaError) -> Result<(), Halt> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset) => {
                let position = self.shared.lock().view.position();
                Err(Halt::LogGap(format!(
                    "topic {} no longer has offset {position}; it must never be cut off",
                    self.topic
                )))
            }
            _ => Ok(()),
        }
    }
}

/// What keeps the log from being read: said when it begins, changes and ends, not in between.
struct Outage<'a> {
    topic: &'a str,
    /// Errors since the last answer, each said once: a client that tries several brokers reports
    /// theirs in turn.
    said: Vec<String>,
}

/// Most errors of one outage that are told apart.
const ERRORS_MAX: usize = 16;

impl<'a> Outage<'a> {
    fn new(topic: &'a str) -> Self {
        let said = Vec::new();
        Self { topic, said }
    }

    /// True where the error is new and was said.
    fn goes_on(&mut self, error: String) -> bool {
        let is_new = !self.said.contains(&error) && self.said.len() < ERRORS_MAX;
        if is_new {
            tracing::warn!(
                topic = self.topic,
                error,
                "cannot read the control log, trying on"
            );
            self.said.push(error);
        }
        is_new
    }

    /// True where there was an outage, and its end was said.
    fn end(&mut self) -> bool {
        let was_out = !self.said.is_empty();
        if was_out {
            tracing::warn!(topic = self.topic, "the control log can be read again");
            self.said.clear();
        }
        was_out
    }
}

/// An error with its sources, for the one place that logs it.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_said_when_it_begins_changes_and_ends() {
        let mut outage = Outage::new("meterline.control");
        assert!(!outage.end());
        for (error, is_said) in [
            ("down", true),
            ("down", false),
            ("slow", true),
            ("down", false),
        ] {
            assert_eq!(outage.goes_on(error.to_owned()), is_said, "{error}");
        }
        assert!(outage.end());
        assert!(!outage.end());
        assert!(outage.goes_on("down".to_owned()));
    }
}
