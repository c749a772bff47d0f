//! The archive stage: every committed record of the usage log into `usage_events`.
//!
//! Rows and position lie in one place, ClickHouse: rows are inserted first, then the position
//! that they reach, and reading starts at that position. So a kill anywhere repeats rows, which
//! are the same rows, and never skips one. A record is decoded by the catalog in force at it, as
//! the rollup does: its version is part of the position, and pointers in the log move it on.
//! What the log no longer has is recorded as a hole. What lies before a partition's adoption is
//! kept too, as what the rollup never looks at. It keeps no state and judges no duplicate.

mod judge;

use crate::message::RawRecord;
use crate::reader::{Consumer, Start};
use crate::sink::{Delivered, Failure, Sink, Size};
use bytes::Bytes;
use judge::{Judged, form, judge};
use meterline_clickhouse::ClickHouse;
use meterline_clickhouse::encode_archive::{ArchiveBlock, ArchivedRecord, Decoded};
use meterline_control::ControlLog;
use meterline_core::causes::chain;
use meterline_core::control::{CatalogDecision, View};
use meterline_core::position::{LogPartition, Offset, Stamp};
use meterline_core::reason::Reason;
use meterline_core::record::Placement;
use meterline_core::time::LogTime;
use meterline_schemas::rows::{ArchiveHoleRow, ArchiveProgressRow, HoleCause};
use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long one reading of the control log to its end may take.
const CONTROL_WAIT: Duration = Duration::from_secs(5);

/// A partition that is read.
struct Place {
    log_partition: LogPartition,
    position: Stamp,
    log_time: LogTime,
    catalog: Arc<CatalogDecision>,
    /// The first record that is the rollup's to judge.
    adopted_from: Offset,
}

/// Rows that are on their way; an attempt that failed sends the very same.
struct Pending {
    body: Bytes,
    rows: usize,
}

/// The archive's sink.
pub(crate) struct Archive {
    runtime: tokio::runtime::Handle,
    clickhouse: ClickHouse,
    control: ControlLog,
    topic: String,
    places: BTreeMap<u32, Place>,
    /// The saved row of the partition that is about to begin.
    saved: Option<ArchiveProgressRow>,
    block: ArchiveBlock,
    pending: Option<Pending>,
    /// Partitions whose position moved in this batch.
    moved: BTreeSet<u32>,
    delivered: Delivered,
}

impl Archive {
    pub(crate) fn new(
        runtime: tokio::runtime::Handle,
        clickhouse: ClickHouse,
        control: ControlLog,
        topic: &str,
    ) -> Self {
        Self {
            runtime,
            clickhouse,
            control,
            topic: topic.to_owned(),
            places: BTreeMap::new(),
            saved: None,
            block: ArchiveBlock::default(),
            pending: None,
            moved: BTreeSet::new(),
            delivered: Delivered::default(),
        }
    }

    /// Where the partition's records begin in the archive, and by which catalog.
    fn opening(&self, log_partition: LogPartition, start: Start) -> Result<Opening, Failure> {
        let view = self.control.read_to_end(CONTROL_WAIT);
        let view = view.map_err(|error| Failure::of("control log", &error))?;
        let saved = self.saved.as_ref();
        let epoch = saved.map_or(0, |row| row.epoch);
        let in_force = saved.map_or(0, |row| row.catalog_version);
        let (epoch, offset, version, hole) = match start {
            Start::Saved(offset) => (epoch, offset, in_force, None),
            Start::Fresh(low) => {
                let hole = (low > 0).then_some((0, low, HoleCause::BegunLate));
                (epoch, low, first_catalog(&view, log_partition, low)?, hole)
            }
            Start::Gone { from, to } => {
                let hole = Some((from, to, HoleCause::Retention));
                (epoch, to, newest_catalog(&view)?, hole)
            }
            Start::Truncated { low, end, saved } => {
                let hole = Some((end, saved, HoleCause::Truncated));
                let version = first_catalog(&view, log_partition, low)?;
                (epoch.saturating_add(1), low, version, hole)
            }
        };
        let catalog = view.catalog_version(version).ok_or_else(|| {
            Failure::again("catalog", format!("there is no catalog version {version}"))
        })?;
        Ok(Opening {
            place: Place {
                log_partition,
                position: Stamp { epoch, offset },
                log_time: saved.map_or(LogTime(0), |row| row.log_time),
                catalog: Arc::clone(catalog),
                adopted_from: view.adoption(&log_partition).map_or(0, |a| a.first_offset),
            },
            hole,
        })
    }

    /// Records what is missing, and where reading begins: the next start must decide the same.
    fn record(&self, opening: &Opening) -> Result<(), Failure> {
        let place = &opening.place;
        let hole = opening.hole.map(|(from_offset, to_offset, cause)| {
            let (log_partition, cause) = (place.log_partition, cause.name());
            let range = from_offset..to_offset;
            tracing::error!(%log_partition, ?range, cause, "the archive has a hole");
            ArchiveHoleRow {
                topic: self.topic.clone(),
                topic_id: place.log_partition.topic_id,
                log_partition: place.log_partition.partition,
                from_offset,
                to_offset,
                cause: cause.to_owned(),
            }
        });
        let row = self.progress_of(place);
        let recorded = self.runtime.block_on(async {
            if let Some(hole) = hole {
                self.clickhouse.insert_archive_hole(&hole).await?;
            }
            self.clickhouse.insert_archive_progress(&[row]).await
        });
        recorded.map_err(|error| Failure::of("clickhouse", &error))
    }

    fn progress_of(&self, place: &Place) -> ArchiveProgressRow {
        ArchiveProgressRow::new(
            &self.topic,
            place.log_partition,
            place.position,
            place.log_time,
            place.catalog.version,
        )
    }

    /// What a `meterline-control` header stands for at its place in the log.
    fn placement(&self, header: &[u8]) -> Result<Placement, Failure> {
        let placement = self.control.placement(header, CONTROL_WAIT);
        placement.map_err(|error| Failure::of("control log", &error))
    }

    /// Tells Kafka's group where the partitions stand, for lag tools; nobody reads it back.
    fn commit(&self, consumer: &Consumer) {
        let mut list = TopicPartitionList::new();
        for partition in &self.moved {
            let offset = self.places[partition].position.offset;
            let at = i64::try_from(offset).map(KafkaOffset::Offset);
            if let (Ok(number), Ok(at)) = (i32::try_from(*partition), at) {
                // The offset is one of a log, so it is in range.
                let _ = list.add_partition_offset(&self.topic, number, at);
            }
        }
        if let Err(error) = consumer.commit(&list, CommitMode::Async) {
            tracing::debug!(
                error = chain(&error),
                "the group's offsets were not committed"
            );
        }
    }
}

/// What a partition begins with.
struct Opening {
    place: Place,
    /// First missing record, first that is there again, why.
    hole: Option<(Offset, Offset, HoleCause)>,
}

/// The catalog in force where a partition is read for the first time: that of its adoption, unless
/// pointers after it may be gone.
fn first_catalog(view: &View, log_partition: LogPartition, low: Offset) -> Result<u32, Failure> {
    let adoption = view.adoption(&log_partition).ok_or_else(|| {
        let text = "it is not adopted yet: apply a catalog and run the rollup stage";
        Failure::again("catalog", text)
    })?;
    if low <= adoption.first_offset {
        return Ok(adoption.catalog_version);
    }
    newest_catalog(view)
}

fn newest_catalog(view: &View) -> Result<u32, Failure> {
    let newest = view.catalog().map(|decision| decision.version);
    newest.ok_or_else(|| {
        Failure::again(
            "catalog",
            "there is no catalog: run `meterline catalog apply`",
        )
    })
}

impl Sink for Archive {
    fn saved(
        &mut self,
        _consumer: &Consumer,
        log_partition: LogPartition,
    ) -> Result<Option<Offset>, Failure> {
        let rows = self.clickhouse.archive_progress(log_partition.topic_id);
        let rows = self.runtime.block_on(rows);
        let rows = rows.map_err(|error| Failure::of("clickhouse", &error))?;
        let mut rows = rows.into_iter();
        self.saved = rows.find(|row| row.log_partition == log_partition.partition);
        Ok(self.saved.as_ref().map(|row| row.to_offset))
    }

    fn begin(&mut self, log_partition: LogPartition, start: Start) -> Result<Offset, Failure> {
        let opening = self.opening(log_partition, start)?;
        if !matches!(start, Start::Saved(_)) {
            self.record(&opening)?;
        }
        let offset = opening.place.position.offset;
        self.places.insert(log_partition.partition, opening.place);
        Ok(offset)
    }

    fn take(&mut self, log_partition: LogPartition, raw: &RawRecord<'_>) -> Result<(), Failure> {
        let is_adopted = raw.offset >= self.places[&log_partition.partition].adopted_from;
        let header = raw.control_header().filter(|_| is_adopted);
        let placement = header.map(|header| self.placement(header)).transpose()?;
        let place = self.places.get_mut(&log_partition.partition);
        let place = place.expect("records come from partitions that have begun");
        let append_time = raw.append_time.unwrap_or(place.log_time);
        let catalog = Arc::clone(&place.catalog);
        let judged = match placement {
            None if is_adopted => judge(&catalog.compiled, raw),
            None => judge(&catalog.compiled, raw).before_adoption(),
            Some(Placement::Tick | Placement::Void { .. }) => {
                Judged::other("control", String::new())
            }
            Some(Placement::Bad(why)) => Judged::other(Reason::BadPointer.name(), why),
            Some(Placement::Catalog(placed)) => {
                if placed.version > place.catalog.version {
                    place.catalog = placed;
                }
                Judged::other("control", String::new())
            }
        };
        let record = ArchivedRecord {
            log_partition,
            offset: raw.offset,
            append_time,
            key: raw.key,
            headers: &raw.headers,
            payload: raw.payload,
        };
        let decoded = Decoded {
            catalog_version: catalog.version,
            form: form(raw),
            outcome: judged.outcome,
            detail: &judged.detail,
            event: judged.event.as_ref(),
            id_time: judged.id_time,
            touches: judged.touches,
        };
        self.block.push(&record, &decoded);
        place.log_time = place.log_time.max(append_time);
        place.position.offset = raw.offset + 1;
        self.moved.insert(log_partition.partition);
        *self.delivered.outcomes.entry(judged.outcome).or_default() += 1;
        self.delivered.bytes += raw.size() as u64;
        Ok(())
    }

    fn reached(&mut self, log_partition: LogPartition, offset: Offset) {
        if let Some(place) = self.places.get_mut(&log_partition.partition) {
            place.position.offset = offset;
            self.moved.insert(log_partition.partition);
        }
    }

    fn is_empty(&self) -> bool {
        self.moved.is_empty()
    }

    fn size(&self) -> Size {
        Size {
            records: self.block.rows(),
            bytes: self.block.bytes(),
        }
    }

    fn deliver(&mut self, consumer: &Consumer) -> Result<Delivered, Failure> {
        if self.block.rows() > 0 {
            let block = std::mem::take(&mut self.block);
            let rows = block.rows();
            let body = Bytes::from(block.into_body());
            self.pending = Some(Pending { body, rows });
        }
        let failed = |error| Failure::of("clickhouse", &error);
        if let Some(Pending { body, rows }) = &self.pending {
            let insert = self.clickhouse.insert_usage_events(body.clone(), *rows);
            self.runtime.block_on(insert).map_err(failed)?;
            self.pending = None;
        }
        let places = self.moved.iter().map(|partition| &self.places[partition]);
        let positions: Vec<_> = places.map(|place| self.progress_of(place)).collect();
        let insert = self.clickhouse.insert_archive_progress(&positions);
        self.runtime.block_on(insert).map_err(failed)?;
        self.commit(consumer);
        self.moved.clear();
        let of = |row: &ArchiveProgressRow| (row.log_partition, row.to_offset);
        Ok(Delivered {
            positions: positions.iter().map(of).collect(),
            ..std::mem::take(&mut self.delivered)
        })
    }

    fn discard(&mut self) {
        self.block = ArchiveBlock::default();
        self.pending = None;
        self.moved.clear();
        self.delivered = Delivered::default();
    }
}
