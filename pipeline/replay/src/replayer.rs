//! One run: take the transactional id, read the markers, publish letter by letter in batches.

mod publish;
mod snapshot;

use crate::error::{Refusal, ReplayError};
use crate::judge::{Ready, ready};
use crate::letter_id::LetterId;
use crate::markers::MarkerLog;
use crate::originals::Originals;
use meterline_clickhouse::{ClickHouse, DeadLetterFilter, LetterOrder, LetterPage};
use meterline_control::{Author, ControlLog};
use meterline_core::control::CatalogDecision;
use meterline_core::position::LogPartition;
use meterline_core::time::LogTime;
use meterline_kafka::{Admin, Reader, Settings, TopicDescription, TransactionalProducer};
use meterline_schemas::records::CopySource;
use meterline_schemas::rows::{DeadLetterRow, ReplayRow};
use snapshot::{Snapshot, place_of, unfinished};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Letters of one page and one transaction: each may hold 64 KiB, and while a transaction is open
/// the records behind it wait.
const BATCH_LETTERS: u32 = 200;

/// Bytes of records in one transaction, give or take one record.
const BATCH_BYTES: usize = 4 << 20;

/// Longest wait for one answer of the brokers.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Topics and tables of one installation.
#[derive(Clone, Debug)]
pub struct Places {
    /// How to reach Kafka.
    pub kafka: Settings,
    /// Where dead letters are.
    pub clickhouse: ClickHouse,
    /// Where catalogs are.
    pub control: ControlLog,
    /// What runs calls of ClickHouse.
    pub runtime: Handle,
}

/// What is to be replayed, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Which letters; those that were replayed or purged are left out by themselves.
    pub filter: DeadLetterFilter<'a>,
    /// Most letters, refused ones included.
    pub limit: u64,
    /// Who, and why.
    pub author: &'a Author,
    /// Say what would be done, and write nothing.
    pub dry_run: bool,
}

/// What became of one letter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is in its tenant's partition again.
    Replayed {
        /// Where it lies now; in a dry run, only the partition is known.
        to: LogPartition,
        /// The offset there; `None` in a dry run.
        to_offset: Option<u64>,
        /// Where its bytes came from.
        copy: CopySource,
    },
    /// It was not replayed.
    Refused(Refusal),
}

/// How many letters came to what.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Replayed now, or would be.
    pub replayed: u64,
    /// Not replayed, each with its reason.
    pub refused: u64,
    /// Left out, because they were replayed before this run.
    pub already: u64,
    /// Left out, because they were purged and not replayed before.
    pub purged: u64,
}

/// What the log of markers says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Known {
    /// Replays of letters from this log time on are all known.
    pub certain_from: LogTime,
}

/// Replays dead letters.
#[derive(Debug)]
pub struct Replayer {
    places: Places,
    admin: Admin,
    markers: MarkerLog,
    usage: TopicDescription,
    reader: Reader,
}

/// A letter that is ready to be published.
struct Next {
    letter: DeadLetterRow,
    ready: Ready,
}

/// What stays the same through one run.
struct Run<'a> {
    request: &'a Request<'a>,
    catalog: Arc<CatalogDecision>,
    known: Known,
    snapshot: Snapshot,
    producer: Option<TransactionalProducer>,
    originals: Originals,
    tally: Tally,
}

impl Replayer {
    /// Connects and looks at the topics. Blocks.
    ///
    /// # Errors
    /// [`ReplayError::NoTopic`], and Kafka's.
    pub fn connect(places: Places) -> Result<Self, ReplayError> {
        let admin = Admin::connect(&places.kafka)?;
        let topics = places.kafka.topics();
        let describe = |topic: String| {
            let described = admin.describe_topic(&topic, TIMEOUT)?;
            described.ok_or(ReplayError::NoTopic { topic })
        };
        let dead_letter = describe(topics.dead_letter())?;
        let usage = describe(topics.usage_events())?;
        Ok(Self {
            reader: Reader::connect(&places.kafka, "meterline-replay-markers")?,
            markers: MarkerLog {
                topic: dead_letter.name,
                topic_id: dead_letter.topic_id,
            },
            places,
            admin,
            usage,
        })
    }

    /// The transactional id of an installation: whoever holds it is the only one that replays.
    fn transactional_id(&self) -> String {
        format!("meterline-replay-{}", self.markers.topic)
    }

    /// Brings the table of replays up to the markers. Harmless at any time. Blocks.
    ///
    /// # Errors
    /// Any [`ReplayError`].
    pub fn catch_up(&mut self) -> Result<Known, ReplayError> {
        let Places {
            clickhouse,
            runtime,
            ..
        } = &self.places;
        let certain_from = self
            .markers
            .catch_up(&mut self.reader, clickhouse, runtime, TIMEOUT)?;
        Ok(Known { certain_from })
    }

    /// The replay of a letter, as the table knows it.
    ///
    /// # Errors
    /// ClickHouse's.
    pub fn replay_of(&self, letter: LetterId) -> Result<Option<ReplayRow>, ReplayError> {
        let Places {
            clickhouse,
            runtime,
            ..
        } = &self.places;
        Ok(runtime.block_on(clickhouse.replay_of(letter.log_partition, letter.offset))?)
    }

    /// Replays letters that are there now, oldest first, and says of each what became of it.
    ///
    /// A batch is in the log as a whole or not at all; `stopped` is asked between batches. Blocks.
    ///
    /// # Errors
    /// Any [`ReplayError`]; what was said to be replayed before is.
    pub fn run(
        &mut self,
        request: &Request<'_>,
        stopped: impl Fn() -> bool,
        mut say: impl FnMut(&DeadLetterRow, &Outcome),
    ) -> Result<Tally, ReplayError> {
        let view = self.places.control.read_to_end(TIMEOUT)?;
        let catalog = view.catalog().ok_or(ReplayError::NoCatalog)?;
        let producer = if request.dry_run {
            None
        } else {
            let id = self.transactional_id();
            let kafka = &self.places.kafka;
            Some(TransactionalProducer::connect(kafka, &id, TIMEOUT)?)
        };
        // After the id was taken: whatever an earlier holder committed is read here.
        let known = self.catch_up()?;
        let mut run = Run {
            request,
            catalog: Arc::clone(catalog),
            known,
            snapshot: self.snapshot(&unfinished(&request.filter))?,
            producer,
            originals: Originals::connect(&self.places.kafka, TIMEOUT)?,
            tally: Tally {
                already: self.count(&request.filter, true, None)?,
                purged: self.count(&request.filter, false, Some(true))?,
                ..Tally::default()
            },
        };
        let done = self.pages(&mut run, &stopped, &mut say);
        if done.is_ok() && run.tally.replayed > 0 && !request.dry_run {
            self.catch_up()?;
        }
        done.map(|()| run.tally)
    }

    /// Letters that are left out.
    fn count(
        &self,
        filter: &DeadLetterFilter<'_>,
        replayed: bool,
        purged: Option<bool>,
    ) -> Result<u64, ReplayError> {
        let replayed = Some(replayed);
        let filter = DeadLetterFilter {
            replayed,
            purged,
            ..*filter
        };
        let Places {
            clickhouse,
            runtime,
            ..
        } = &self.places;
        Ok(runtime.block_on(clickhouse.dead_letter_count(&filter))?)
    }

    fn pages(
        &self,
        run: &mut Run<'_>,
        stopped: &impl Fn() -> bool,
        say: &mut impl FnMut(&DeadLetterRow, &Outcome),
    ) -> Result<(), ReplayError> {
        if run.snapshot.newest.is_none() {
            return Ok(());
        }
        let filter = unfinished(&run.request.filter);
        let mut page = LetterPage::first(LetterOrder::OldestFirst, BATCH_LETTERS);
        page.up_to = run.snapshot.newest;
        let mut left = run.request.limit;
        while left > 0 && !stopped() {
            page.limit = u32::try_from(left).map_or(BATCH_LETTERS, |left| left.min(BATCH_LETTERS));
            let places = &self.places;
            let mut letters = places
                .runtime
                .block_on(places.clickhouse.dead_letters(&filter, &page))?;
            let Some(last) = letters.last() else { break };
            page.after = Some(place_of(last));
            letters.retain(|letter| run.snapshot.has(letter));
            left -= letters.len() as u64;
            self.page(run, letters, say)?;
        }
        Ok(())
    }

    fn page(
        &self,
        run: &mut Run<'_>,
        letters: Vec<DeadLetterRow>,
        say: &mut impl FnMut(&DeadLetterRow, &Outcome),
    ) -> Result<(), ReplayError> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        for letter in letters {
            match self.prepare(run, &letter)? {
                Err(refusal) => {
                    run.tally.refused += 1;
                    say(&letter, &Outcome::Refused(refusal));
                }
                Ok(ready) => {
                    bytes += ready.bytes();
                    batch.push(Next { letter, ready });
                }
            }
            if bytes >= BATCH_BYTES {
                self.publish(run, std::mem::take(&mut batch), say)?;
                bytes = 0;
            }
        }
        self.publish(run, batch, say)
    }

    fn prepare(
        &self,
        run: &mut Run<'_>,
        letter: &DeadLetterRow,
    ) -> Result<Result<Ready, Refusal>, ReplayError> {
        let from = run.known.certain_from;
        if letter.log_time < from {
            return Ok(Err(Refusal::Uncertain { from }));
        }
        let found = run.originals.find(letter)?;
        let decoder = &run.catalog.compiled.decoder;
        let partitions = self.usage.partition_count();
        Ok(found.and_then(|original| ready(id_of(letter), original, decoder, partitions)))
    }
}

fn id_of(letter: &DeadLetterRow) -> LetterId {
    LetterId {
        log_partition: LogPartition {
            topic_id: letter.topic_id,
            partition: letter.log_partition,
        },
        offset: letter.offset,
    }
}
