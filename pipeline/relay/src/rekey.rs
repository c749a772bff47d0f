//! The re-keying stage: `usage.incoming` into `usage.events`, each record to its tenant's
//! partition.
//!
//! For producers that cannot key by tenant with murmur2. A record keeps its bytes and headers, and
//! gets its tenant as the key and a header that says where it came from. Written at least once:
//! the rollup's duplicate rule makes it exact, whatever is written again and however late, since a
//! repeat either finds its identity or is too old to be accepted. A record whose tenant cannot be
//! read goes to the dead letters under its own position, which is one identity however often it is
//! repeated (INV-ONCE). The position is the group's committed offset, bound to the topic's id by
//! its metadata; without a usable one the stage starts at the log's beginning, which only repeats.

mod publisher;
mod route;

use crate::error::RelayError;
use crate::message::{Headers, RawRecord};
use crate::reader::{Consumer, Start};
use crate::settings::Connections;
use crate::sink::{Delivered, Failure, Sink, Size};
use meterline_clickhouse::ClickHouse;
use meterline_control::ControlLog;
use meterline_core::control::CatalogDecision;
use meterline_core::position::{LogPartition, Offset, Stamp};
use meterline_core::reason::{Reason, Rejection};
use meterline_core::time::LogTime;
use meterline_kafka::MAX_RECORD_BYTES;
use meterline_schemas::records::{DeadLetter, Original, encode_dead_letter};
use meterline_schemas::rows::{DeadLetterRow, DeadRecord};
use publisher::{Outgoing, Publisher, Unwritten};
use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use route::{added, route};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Header of a re-keyed record: `<topic id>/<partition>/<offset>` of the incoming one.
pub const SOURCE_HEADER: &str = "meterline-incoming";

/// How long one reading of the control log, or of the group's offsets, may take.
const ANSWER: Duration = Duration::from_secs(5);

pub(crate) const NAME: &str = "rekey";

struct Names {
    incoming: String,
    usage: String,
    dead_letter: String,
}

pub(crate) struct Rekey {
    runtime: tokio::runtime::Handle,
    clickhouse: ClickHouse,
    control: ControlLog,
    publisher: Publisher,
    names: Names,
    catalog: Option<Arc<CatalogDecision>>,
    /// The control log was read to its end for this batch.
    is_newest: bool,
    /// Where each record of the batch came from, by its number.
    sources: Vec<(LogPartition, Offset)>,
    letters: Vec<DeadLetterRow>,
    /// Records that the brokers refuse for their size.
    refused: BTreeSet<(LogPartition, Offset)>,
    positions: BTreeMap<LogPartition, Offset>,
    delivered: Delivered,
}

impl Rekey {
    pub(crate) fn new(
        runtime: tokio::runtime::Handle,
        clickhouse: ClickHouse,
        control: ControlLog,
        connections: &Connections,
    ) -> Result<Self, RelayError> {
        let topics = connections.kafka.topics();
        let publisher = Publisher::connect(&connections.kafka);
        Ok(Self {
            runtime,
            clickhouse,
            control,
            publisher: publisher.map_err(|source| RelayError::Consumer {
                stage: NAME,
                source,
            })?,
            names: Names {
                incoming: topics.usage_incoming(),
                usage: topics.usage_events(),
                dead_letter: topics.dead_letter(),
            },
            catalog: None,
            is_newest: false,
            sources: Vec::new(),
            letters: Vec::new(),
            refused: BTreeSet::new(),
            positions: BTreeMap::new(),
            delivered: Delivered::default(),
        })
    }

    /// Reads the control log to its end, for the newest catalog.
    fn refresh(&mut self) -> Result<(), Failure> {
        let view = self.control.read_to_end(ANSWER);
        let view = view.map_err(|error| Failure::of("control log", &error))?;
        let newest = view.catalog().ok_or_else(|| {
            Failure::again(
                "catalog",
                "there is no catalog: run `meterline catalog apply`",
            )
        })?;
        self.catalog = Some(Arc::clone(newest));
        self.is_newest = true;
        Ok(())
    }

    /// Where the record goes. A writer schema is unknown only to somebody who has read the control
    /// log to its end, which is done once per batch.
    fn route(&mut self, raw: &RawRecord<'_>, added: usize) -> Result<Routed, Failure> {
        loop {
            let catalog = match &self.catalog {
                Some(catalog) => Arc::clone(catalog),
                None => {
                    self.refresh()?;
                    continue;
                }
            };
            match route(&catalog.compiled, raw, added) {
                Err(rejection) if rejection.reason == Reason::UnknownSchema && !self.is_newest => {
                    self.refresh()?;
                }
                routed => return Ok(routed),
            }
        }
    }

    /// Hands the record over; false where it is larger than any that the client library writes.
    fn forward(
        &mut self,
        raw: &RawRecord<'_>,
        tenant: &str,
        source: &str,
    ) -> Result<bool, Failure> {
        let mut headers: Headers<'_> = raw.headers.iter().copied().collect();
        headers.push((SOURCE_HEADER, Some(source.as_bytes())));
        let sent = self.publisher.send(Outgoing {
            topic: &self.names.usage,
            key: Some(tenant.as_bytes()),
            payload: raw.payload,
            headers: &headers,
        });
        match sent {
            Ok(_) => Ok(true),
            Err(error) if is_too_large(&error) => Ok(false),
            Err(error) => Err(unsent(error)),
        }
    }

    fn bury(
        &mut self,
        log_partition: LogPartition,
        raw: &RawRecord<'_>,
        rejection: Rejection,
    ) -> Result<(), Failure> {
        let stamp = Stamp {
            epoch: 0,
            offset: raw.offset,
        };
        let log_time = raw.append_time.unwrap_or(LogTime(0));
        let dead = DeadRecord {
            key: raw.key,
            headers: &raw.headers,
            payload: raw.payload,
        };
        let topic = &self.names.incoming;
        let row = DeadLetterRow::new(topic, log_partition, stamp, log_time, &rejection, dead);
        let original = Original::of(raw.key, &raw.headers, raw.payload);
        let letter = DeadLetter::new(topic, log_partition, stamp, rejection, log_time, original);
        let mut record = Vec::new();
        encode_dead_letter(&letter, &mut record);
        let sent = self.publisher.send(Outgoing {
            topic: &self.names.dead_letter,
            key: (!row.tenant.is_empty()).then_some(row.tenant.as_bytes()),
            payload: Some(&record),
            headers: &[],
        });
        sent.map_err(unsent)?;
        self.letters.push(row);
        Ok(())
    }

    /// What records that were not written mean for their batch.
    fn unwritten(&mut self, unwritten: &[Unwritten]) -> Result<(), Failure> {
        let Some(first) = unwritten.first() else {
            return Ok(());
        };
        for Unwritten { number, error } in unwritten {
            if is_too_large(error) {
                self.refused.insert(self.sources[*number]);
            }
        }
        let (count, (log_partition, offset)) = (unwritten.len(), self.sources[first.number]);
        let text = format!(
            "{count} records were not written, the first from {log_partition} offset {offset}: {}",
            first.error
        );
        Err(Failure::reread("kafka", text))
    }

    /// Commits the batch's positions, each bound to its topic's id. One that fails is made up for
    /// by the next, or repeats records.
    fn commit(&self, consumer: &Consumer) {
        let mut list = TopicPartitionList::new();
        for (log_partition, offset) in &self.positions {
            let at = i64::try_from(*offset).map(KafkaOffset::Offset);
            if let (Ok(number), Ok(at)) = (i32::try_from(log_partition.partition), at) {
                let mut place = list.add_partition(&self.names.incoming, number);
                place.set_metadata(log_partition.topic_id.to_string());
                // The offset is one of a log, so it is in range.
                let _ = place.set_offset(at);
            }
        }
        if let Err(error) = consumer.commit(&list, CommitMode::Sync) {
            tracing::warn!(%error, "the group's offsets were not committed");
        }
    }

    fn clear(&mut self) {
        self.is_newest = false;
        self.catalog = self.control.view().catalog().cloned();
        self.sources.clear();
        self.letters.clear();
        self.positions.clear();
        self.delivered = Delivered::default();
    }
}

/// The tenant, or why there is none.
type Routed = Result<String, Rejection>;

/// A record that the client library does not take: what was handed over before it may be written.
fn unsent(error: KafkaError) -> Failure {
    Failure::reread(
        "kafka",
        format!("a record was not taken for writing: {error}"),
    )
}

fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

/// The committed position, if it was committed for this incarnation of the topic.
fn committed(place: KafkaOffset, metadata: &str, log_partition: LogPartition) -> Option<Offset> {
    if metadata != log_partition.topic_id.to_string() {
        return None;
    }
    place
        .to_raw()
        .and_then(|offset| Offset::try_from(offset).ok())
}

impl Sink for Rekey {
    fn saved(
        &mut self,
        consumer: &Consumer,
        log_partition: LogPartition,
    ) -> Result<Option<Offset>, Failure> {
        let number = i32::try_from(log_partition.partition).expect("partitions are 31 bits");
        let mut list = TopicPartitionList::new();
        list.add_partition(&self.names.incoming, number);
        let list = consumer.committed_offsets(list, ANSWER);
        let list = list.map_err(|error| Failure::of("kafka", &error))?;
        let place = list.find_partition(&self.names.incoming, number);
        let Some(place) = place else {
            return Ok(None);
        };
        place
            .error()
            .map_err(|error| Failure::of("kafka", &error))?;
        Ok(committed(place.offset(), place.metadata(), log_partition))
    }

    fn begin(&mut self, _log_partition: LogPartition, start: Start) -> Result<Offset, Failure> {
        if self.catalog.is_none() {
            self.refresh()?;
        }
        let (Start::Saved(offset)
        | Start::Fresh(offset)
        | Start::Gone { to: offset, .. }
        | Start::Truncated { low: offset, .. }) = start;
        Ok(offset)
    }

    fn take(&mut self, log_partition: LogPartition, raw: &RawRecord<'_>) -> Result<(), Failure> {
        let source = format!("{log_partition}/{}", raw.offset);
        let place = (log_partition, raw.offset);
        let routed = if self.refused.contains(&place) {
            let detail = "the brokers refuse the record with its new key; raise max.message.bytes";
            Err(Rejection::new(Reason::TooLarge, detail))
        } else {
            self.route(raw, added(&source))?
        };
        let routed = match routed {
            Ok(tenant) if !self.forward(raw, &tenant, &source)? => {
                let detail =
                    format!("no record of more than {MAX_RECORD_BYTES} bytes can be re-keyed");
                Err(Rejection::new(Reason::TooLarge, detail).of_tenant(&tenant))
            }
            routed => routed,
        };
        let outcome = match routed {
            Ok(_) => "rekeyed",
            Err(rejection) => {
                let reason = rejection.reason.name();
                self.bury(log_partition, raw, rejection)?;
                reason
            }
        };
        self.sources.push(place);
        self.positions.insert(log_partition, raw.offset + 1);
        *self.delivered.outcomes.entry(outcome).or_default() += 1;
        self.delivered.bytes += raw.size() as u64;
        Ok(())
    }

    fn reached(&mut self, log_partition: LogPartition, offset: Offset) {
        self.positions.insert(log_partition, offset);
    }

    fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    fn size(&self) -> Size {
        Size {
            records: self.sources.len(),
            bytes: usize::try_from(self.delivered.bytes).unwrap_or(usize::MAX),
        }
    }

    fn deliver(&mut self, consumer: &Consumer) -> Result<Delivered, Failure> {
        let unwritten = self.publisher.finish();
        self.unwritten(&unwritten)?;
        let insert = self.clickhouse.insert_dead_letters(&self.letters);
        self.runtime
            .block_on(insert)
            .map_err(|error| Failure::of("clickhouse", &error))?;
        self.commit(consumer);
        let of =
            |(log_partition, offset): (&LogPartition, &Offset)| (log_partition.partition, *offset);
        let positions = self.positions.iter().map(of).collect();
        let delivered = std::mem::take(&mut self.delivered);
        // Positions only rise, so what was refused before them has been buried.
        self.refused.retain(|(log_partition, offset)| {
            self.positions
                .get(log_partition)
                .is_none_or(|next| offset >= next)
        });
        self.clear();
        Ok(Delivered {
            positions,
            ..delivered
        })
    }

    fn discard(&mut self) {
        // What was handed over is written or fails; either way it is read again.
        let unwritten = self.publisher.finish();
        tracing::debug!(
            count = unwritten.len(),
            "records of a batch that is read again"
        );
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::position::TopicId;

    #[test]
    fn a_position_counts_for_its_own_incarnation_only() {
        let log_partition = LogPartition {
            topic_id: TopicId(7),
            partition: 0,
        };
        let ours = TopicId(7).to_string();
        let check = |place, metadata: &str, expected| {
            assert_eq!(committed(place, metadata, log_partition), expected);
        };
        check(KafkaOffset::Offset(5), &ours, Some(5));
        check(KafkaOffset::Offset(5), &TopicId(8).to_string(), None);
        check(KafkaOffset::Offset(5), "", None);
        check(KafkaOffset::Invalid, &ours, None);
    }
}
