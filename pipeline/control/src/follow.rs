//! A thread that reads the control log and applies it to the folds, from the beginning or from a
//! snapshot.
//!
//! It joins no consumer group and commits nothing. A record that cannot be read stops it for
//! good, with a named halt; a broker that is away only makes it wait, and so does a feed whose
//! receiver is behind.

use crate::entry::ControlEntry;
use crate::error::ControlError;
use crate::folds::Folds;
use crate::log::PARTITION;
use crate::outage::Outage;
use crate::snapshot::{Kept, Restored};
use crate::snapshots::{SnapshotWriter, Snapshots};
use meterline_core::causes::chain;
use meterline_core::halt::Halt;
use meterline_core::position::{Offset, TopicId};
use meterline_core::time::LogTime;
use meterline_kafka::{Admin, Backoff, Error, Settings, TopicDescription};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::{Offset as KafkaOffset, Timestamp};
use std::ops::Deref;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// How long one poll waits: bounds how long it takes the thread to notice that it should end.
const POLL: Duration = Duration::from_millis(100);
/// How long the thread waits before it looks again at a feed that is full.
const FEED_PAUSE: Duration = Duration::from_millis(1);
/// Most records that are applied at once: a view that is held is copied once for all of them.
const BATCH_MAX: usize = 1_000;
/// How long one question to a broker may take.
const ANSWER: Duration = Duration::from_secs(5);
/// After this long without an error the broker is back, even where the log has no new record: the
/// client repeats an error that lasts every 30 s.
const QUIET: Duration = Duration::from_secs(60);
/// Group name for the client library; the group is never joined.
const GROUP: &str = "meterline-control-reader";

/// What a receiver of every control record gets, in the order of the log.
#[derive(Debug)]
pub enum ControlEvent {
    /// First, where reading begins at a snapshot: what is known there.
    Restored(Box<Restored>),
    /// A record, once the folds have it.
    Record(Box<ControlEntry>),
}

/// What a reader that follows accounts is given.
#[derive(Debug, Default)]
pub struct AccountsOptions {
    /// Where snapshots are read and written; `None`: the log is read from its beginning.
    pub snapshots: Option<Snapshots>,
    /// Gets every record in order. While it is full, reading waits; where its receiver is gone,
    /// reading goes on without it.
    pub feed: Option<mpsc::Sender<ControlEvent>>,
}

/// Reads the log on a thread that ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Follower {
    folds: Arc<Folds>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Begins to read; accounts are passed where there are no options for them.
    pub(crate) fn start(
        settings: &Settings,
        topic: &str,
        options: Option<AccountsOptions>,
    ) -> Result<Self, ControlError> {
        let folds = Arc::new(Folds::new(options.is_some()));
        let options = options.unwrap_or_default();
        let admin = Admin::connect(settings)?;
        let consumer: BaseConsumer =
            settings
                .consumer_config(GROUP)
                .create()
                .map_err(|source| Error::Client {
                    source: Box::new(source),
                })?;
        let reader = Reader {
            folds: Arc::clone(&folds),
            topic: topic.to_owned(),
            kept: Vec::new(),
            feed: options.feed,
            writer: options.snapshots.map(SnapshotWriter::new),
        };
        let thread = std::thread::Builder::new()
            .name("control-log".to_owned())
            .spawn(move || reader.run(&admin, &consumer))
            .map_err(|source| ControlError::Follow {
                topic: topic.to_owned(),
                source,
            })?;
        Ok(Self {
            folds,
            thread: Some(thread),
        })
    }
}

impl Deref for Follower {
    type Target = Folds;

    fn deref(&self) -> &Folds {
        &self.folds
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.folds.stop();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was reported when it happened; there is nobody left to tell.
            let _ = thread.join();
        }
    }
}

struct Reader {
    folds: Arc<Folds>,
    topic: String,
    /// Records in force that are not about accounts, for snapshots.
    kept: Vec<Kept>,
    feed: Option<mpsc::Sender<ControlEvent>>,
    writer: Option<SnapshotWriter>,
}

impl Reader {
    fn run(mut self, admin: &Admin, consumer: &BaseConsumer) {
        let result = self
            .begin(admin, consumer)
            .and_then(|begun| if begun { self.follow(consumer) } else { Ok(()) });
        if let Err(halt) = result {
            tracing::error!(topic = %self.topic, %halt, "stopped following the control log");
            self.folds.halt(halt);
        }
    }

    /// Waits for the topic, then begins at a snapshot or at offset 0; false where the thread
    /// should end first.
    fn begin(&mut self, admin: &Admin, consumer: &BaseConsumer) -> Result<bool, Halt> {
        let topic = self.topic.clone();
        let mut backoff = Backoff::new();
        let mut outage = Outage::new(&topic);
        while !self.folds.stopped() {
            match self.look(admin) {
                Ok(Some((description, end))) => {
                    outage.end();
                    self.folds.name_topic(description.topic_id);
                    let count = description.partition_count();
                    if count != 1 {
                        return Err(Halt::PartitionsChanged(format!(
                            "topic {} has {count} partitions, the control log has one",
                            self.topic
                        )));
                    }
                    let from = self.restore(description.topic_id, end);
                    self.assign(consumer, from)?;
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

    /// The topic and the end of the log; `None` where there is no topic.
    fn look(&self, admin: &Admin) -> Result<Option<(TopicDescription, Offset)>, Error> {
        let Some(description) = admin.describe_topic(&self.topic, ANSWER)? else {
            return Ok(None);
        };
        let (_, end) = admin.watermarks(&self.topic, PARTITION, ANSWER)?;
        Ok(Some((description, end)))
    }

    /// Takes the newest snapshot that fits; the position to read on from.
    fn restore(&mut self, topic_id: TopicId, end: Offset) -> Offset {
        let Some(writer) = &mut self.writer else {
            return 0;
        };
        let Some((opened, view, restored)) = writer.newest(topic_id, end) else {
            return 0;
        };
        if self.feed.is_some() {
            // The receiver gets accounts of its own.
            let again = opened.folds();
            let (_, own) = again.expect("what was restored is restored again");
            self.feed(ControlEvent::Restored(Box::new(own)));
        }
        let position = opened.position;
        self.kept = opened.kept;
        self.folds.restore(view, restored.accounts);
        position
    }

    /// Waits without holding up the end of the thread for long.
    fn pause(&self, pause: Duration) {
        let until = Instant::now() + pause;
        while !self.folds.stopped() && Instant::now() < until {
            std::thread::sleep(POLL.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn assign(&self, consumer: &BaseConsumer, from: Offset) -> Result<(), Halt> {
        // A consumer that does not know the leader looks for it, and again a second later where no
        // connection was up yet: longer than the rest of most commands. It is no error here when
        // nobody answers; then that is how it goes on.
        let _ = consumer.fetch_metadata(Some(&self.topic), ANSWER);
        let mut beginning = TopicPartitionList::new();
        let number = i32::try_from(PARTITION).expect("0 fits");
        let at = i64::try_from(from).expect("offsets have 48 bits");
        beginning
            .add_partition_offset(&self.topic, number, KafkaOffset::Offset(at))
            .and_then(|()| consumer.assign(&beginning))
            .map_err(|error| Halt::LogGap(format!("cannot begin at offset {from}: {error}")))
    }

    /// Reads until the thread should end. An error is logged when it begins, changes and ends:
    /// while Kafka is away, the client reports the same one again and again. It has its own
    /// backoff between connections; pausing here too would delay the records behind the errors.
    fn follow(&mut self, consumer: &BaseConsumer) -> Result<(), Halt> {
        let topic = self.topic.clone();
        let mut outage = Outage::new(&topic);
        let mut failed_at = Instant::now();
        let mut batch = Batch::default();
        while !self.folds.stopped() {
            let wait = if batch.is_empty() {
                POLL
            } else {
                Duration::ZERO
            };
            match consumer.poll(wait) {
                None if !batch.is_empty() => self.apply(&mut batch)?,
                None if failed_at.elapsed() < QUIET => {}
                None | Some(Err(KafkaError::PartitionEOF(_))) => {
                    outage.end();
                }
                Some(Ok(message)) => {
                    outage.end();
                    let taken = self.take(&message, &mut batch);
                    if taken.is_err() || batch.is_full() {
                        self.apply(&mut batch)?;
                    }
                    taken?;
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

    fn take(&self, message: &BorrowedMessage<'_>, batch: &mut Batch) -> Result<(), Halt> {
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
        let follows = self.folds.follows_accounts();
        let entry = ControlEntry::read(offset, LogTime(millis), bytes, follows)?;
        if self.writer.is_some() && !entry.is_of_accounts() {
            batch.kept.push(Kept {
                offset,
                append_time: LogTime(millis),
                bytes: bytes.to_vec(),
            });
        }
        batch.entries.push(entry);
        Ok(())
    }

    /// Applies what was read, hands it on, and writes a snapshot where one is due.
    fn apply(&mut self, batch: &mut Batch) -> Result<(), Halt> {
        self.folds.apply(&mut batch.entries)?;
        let count = batch.entries.len();
        let mut kept = batch.kept.drain(..).peekable();
        for entry in batch.entries.drain(..) {
            let same = kept.next_if(|kept| kept.offset == entry.offset);
            self.kept.extend(same.filter(|_| entry.in_force));
            if self.feed.is_some() {
                feed(
                    &self.folds,
                    &mut self.feed,
                    ControlEvent::Record(Box::new(entry)),
                );
            }
        }
        drop(kept);
        if let Some(writer) = &mut self.writer {
            writer.advance(count, &self.folds, &self.kept);
        }
        Ok(())
    }

    fn feed(&mut self, event: ControlEvent) {
        feed(&self.folds, &mut self.feed, event);
    }

    /// Decides whether an error of the consumer passes by itself.
    fn judge(&self, error: &KafkaError) -> Result<(), Halt> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset) => {
                let position = self.folds.view().position();
                Err(Halt::LogGap(format!(
                    "topic {} no longer has offset {position}; it must never be cut off",
                    self.topic
                )))
            }
            _ => Ok(()),
        }
    }
}

/// Records that were read and are not applied yet.
#[derive(Default)]
struct Batch {
    entries: Vec<ControlEntry>,
    kept: Vec<Kept>,
}

impl Batch {
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn is_full(&self) -> bool {
        self.entries.len() >= BATCH_MAX
    }
}

/// Hands an event on; waits while the feed is full, unless the thread should end.
fn feed(folds: &Folds, to: &mut Option<mpsc::Sender<ControlEvent>>, mut event: ControlEvent) {
    while let Some(sender) = to {
        match sender.try_send(event) {
            Ok(()) => return,
            Err(TrySendError::Closed(_)) => *to = None,
            Err(TrySendError::Full(_)) if folds.stopped() => return,
            Err(TrySendError::Full(back)) => {
                event = back;
                std::thread::sleep(FEED_PAUSE);
                continue;
            }
        }
        return;
    }
}
