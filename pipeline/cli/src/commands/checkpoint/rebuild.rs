//! `checkpoint repair --rebuild`: a checkpoint from the rows in ClickHouse.
//!
//! For a partition whose store is lost and whose log no longer begins where it was adopted. The
//! rows of a partition that was stopped well are its buckets, and its progress is its counters, so
//! the checkpoint stands exactly where the progress does. The ids of earlier events are in no
//! table: they are lost, and a repeat of one of those events counts again. What is refused: rows
//! that lie behind the progress, days and months that are behind the hours, rows of a given up
//! history, and catalogs that changed what is accepted; none of these has one right answer.

use super::Session;
use crate::args::checkpoint::RepairArgs;
use crate::commands::{KAFKA_TIMEOUT, clock};
use crate::failure::Failure;
use crate::output::{note, print};
use anyhow::{Context as _, anyhow};
use meterline_checkpoint::{Entries, Manifest, Store, Writer};
use meterline_clickhouse::ClickHouse;
use meterline_core::bucket::Kind;
use meterline_core::control::{CatalogDecision, View};
use meterline_core::counters::Counters;
use meterline_core::fold::{CatalogPlace, Header};
use meterline_core::position::LogPartition;
use meterline_core::reason::Reason;
use meterline_core::restate::EpochEnds;
use meterline_core::runs::BucketEntry;
use meterline_core::time::{EventTime, Level};
use meterline_schemas::rows::{BucketTableRow, ProgressRow};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Runs the command.
pub(super) fn run(args: &RepairArgs, session: &Session<'_>) -> Result<(), Failure> {
    let partition = args.partition.expect("--rebuild requires --partition");
    let control = session.control()?;
    let view = control.read_to_end(KAFKA_TIMEOUT)?;
    let rebuild = Rebuild {
        clickhouse: session.clickhouse()?,
        store: session.store()?,
        view,
    };
    let row = session.runtime.block_on(rebuild.progress(partition))?;
    session.runtime.block_on(rebuild.check(&row))?;
    let (log_partition, to) = (row.partition(), row.to_offset);
    print(&format!(
        "a checkpoint of {log_partition} at offset {to} can be made from its rows. The ids of \
         events before {to} are lost: a repeat of one of them counts again\n"
    ))?;
    if !args.without_ids {
        return Err(Failure::usage(
            "give --without-ids to accept that; bring the checkpoint store back if you cannot",
        ));
    }
    if !args.yes {
        note("nothing was changed; run it again with --yes");
        return Ok(());
    }
    let control_id = control.topic_id().context("the control log has an id")?;
    let (header, buckets) = session.runtime.block_on(rebuild.state(&row))?;
    let path = session.runtime.block_on(async {
        let run = rebuild
            .store
            .write_run(&Entries::new(Vec::new(), buckets))
            .await?;
        let manifest = Manifest {
            header,
            control_topic_id: control_id,
            control_offset: rebuild.view.position(),
            leader_epoch: -1,
            writer: Writer::random(),
            written_at: clock().0.div_euclid(1_000),
            files: vec![run.file().clone()],
        };
        rebuild.store.publish(&manifest).await?;
        Ok::<_, meterline_checkpoint::StoreError>(manifest.path())
    })?;
    Ok(print(&format!(
        "made {path}; run `meterline resolve` for a worker that waits\n"
    ))?)
}

struct Rebuild {
    clickhouse: ClickHouse,
    store: Store,
    view: Arc<View>,
}

impl Rebuild {
    /// Progress of the partition in the newest incarnation of the topic.
    async fn progress(&self, partition: u32) -> Result<ProgressRow, Failure> {
        let rows = self.clickhouse.progress().await?;
        let rows = rows
            .into_iter()
            .filter(|row| row.log_partition == partition);
        let row = rows.max_by_key(|row| (row.log_time, row.topic_id));
        row.ok_or_else(|| Failure::usage(format!("partition {partition} has no progress")))
    }

    /// Refuses what has no one right answer.
    async fn check(&self, row: &ProgressRow) -> Result<(), Failure> {
        let partition = row.partition();
        let refuse = |why: String| {
            let why = format!("no checkpoint of {partition} can be rebuilt: {why}");
            Err(Failure::Failed(anyhow!(why)))
        };
        let usable = self.store.newest(partition, None).await?;
        if let Some(manifest) = usable {
            return refuse(format!("{} can be used", manifest.path()));
        }
        let verdicts = self.view.verdicts(&partition);
        if usize::from(row.epoch) != verdicts.len() {
            return refuse("its progress is not of the present epoch".to_owned());
        }
        if row.levels_to != row.to_offset {
            let (to, levels_to) = (row.to_offset, row.levels_to);
            return refuse(format!(
                "hours are complete to {to}, days and months to {levels_to}"
            ));
        }
        for level in Level::ALL {
            let behind = self
                .clickhouse
                .count_behind(level, partition, row.position());
            let behind = behind.await?;
            if behind > 0 {
                let name = level.name();
                return refuse(format!("{behind} {name} rows lie behind its progress"));
            }
            let ends = EpochEnds::of(verdicts);
            let abandoned = self.clickhouse.count_abandoned(level, partition, &ends);
            if !ends.offsets().is_empty() && abandoned.await? > 0 {
                return refuse("rows of a given up history wait to be restated".to_owned());
            }
        }
        let bounds = |catalog: &Arc<CatalogDecision>| {
            let catalog = &catalog.compiled.catalog;
            (catalog.acceptance, catalog.restamp_window)
        };
        let mut all = self.view.catalogs().iter().map(bounds);
        let first = all.next();
        if all.any(|bounds| Some(bounds) != first) {
            return refuse("catalog versions differ in what they accept".to_owned());
        }
        Ok(())
    }

    /// The state that the rows and the progress stand for.
    async fn state(&self, row: &ProgressRow) -> Result<(Header, Vec<BucketEntry>), Failure> {
        let partition = row.partition();
        let header = self.header(row).await?;
        let mut buckets = Vec::new();
        for level in Level::ALL {
            let rows = self.rows(level, partition, header.answer_floor).await?;
            buckets.extend(entries(level, &rows));
        }
        Ok((header, buckets))
    }

    async fn header(&self, row: &ProgressRow) -> Result<Header, Failure> {
        let partition = row.partition();
        let catalog = self.view.catalog_version(row.catalog_version);
        let catalog = catalog.context("the catalog version in force is not in the control log")?;
        let adoption = self
            .view
            .adoption(&partition)
            .context("it is not adopted")?;
        let bounds = &catalog.compiled.catalog;
        let accept = row.log_time.before(bounds.acceptance).as_event_time();
        let answer = accept.before(bounds.restamp_window);
        let verdicts = self.view.verdicts(&partition);
        Ok(Header {
            log_partition: partition,
            epoch: row.epoch,
            position: row.to_offset,
            partitions: meterline_core::verdicts::partitions(verdicts, adoption.partitions),
            log_time: row.log_time,
            sealed_to: row.sealed_to,
            accept_floor: accept.max(EventTime(0)),
            answer_floor: answer.max(EventTime(0)),
            levels_to: row.levels_to,
            levels_sealed_to: row.levels_sealed_to,
            catalogs: vec![CatalogPlace {
                version: catalog.version,
                control_offset: catalog.offset,
                from: adoption.first_offset,
            }],
            // Its voids are judged again; what is not recorded any more is refused.
            voids_to: None,
            counters: counters(row)?,
            // What the records before did is not known; histories are compared within an epoch,
            // and the verdict that wakes the partition begins the next.
            outcome_hash: format!("{:032x}", 0),
            hash_samples: Vec::new(),
            identity_key: self.store.identity_key().await?.digest(),
        })
    }

    async fn rows(
        &self,
        level: Level,
        partition: LogPartition,
        answer_floor: EventTime,
    ) -> Result<Vec<BucketTableRow>, Failure> {
        // The window that holds the floor still answers.
        let since = meterline_core::time::Window::of(level, answer_floor.hour());
        let since = EventTime(since.start.saturating_mul(1_000_000));
        let mut rows: Vec<BucketTableRow> = Vec::new();
        loop {
            let page = self
                .clickhouse
                .rows_since(level, partition, since, rows.last());
            let page = page.await?;
            if page.is_empty() {
                return Ok(rows);
            }
            rows.extend(page);
        }
    }
}

/// The buckets of rows. The whole of an hour also knows how many parts it has.
fn entries(level: Level, rows: &[BucketTableRow]) -> Vec<BucketEntry> {
    let mut parts: HashMap<(&str, &str, u32), u32> = HashMap::new();
    for row in rows.iter().filter(|row| row.kind == Kind::Part) {
        *parts
            .entry((&row.tenant, &row.meter, row.window_start))
            .or_default() += 1;
    }
    let entry = |row: &BucketTableRow| {
        let mut bucket = row.bucket();
        if level == Level::Hour && row.kind == Kind::Whole {
            let key = (row.tenant.as_str(), row.meter.as_str(), row.window_start);
            bucket.parts = parts.get(&key).copied().unwrap_or(0);
        }
        BucketEntry {
            window: row.window(level),
            key: row.series().key(),
            version: row.version,
            state: bucket.encode(),
        }
    };
    rows.iter().map(entry).collect()
}

fn counters(row: &ProgressRow) -> Result<Counters, Failure> {
    let reason = |(name, count): (&String, &u64)| {
        let reason = Reason::ALL.into_iter().find(|reason| reason.name() == name);
        let reason =
            reason.with_context(|| format!("progress names an unknown reason `{name}`"))?;
        Ok::<_, anyhow::Error>((reason, *count))
    };
    let rejected: Result<BTreeMap<_, _>, _> = row.rejected.iter().map(reason).collect();
    Ok(Counters {
        delivered: row.delivered,
        accepted: row.accepted,
        duplicate: row.duplicate,
        ignored: row.ignored,
        unmatched: row.unmatched,
        control: row.control,
        rejected: rejected?,
        late: row.late,
        // A row says what is counted: what was taken back is left out of both.
        matched: row.matched.clone(),
        voided: BTreeMap::new(),
    })
}
