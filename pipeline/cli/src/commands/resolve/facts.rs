//! What is known of every partition: from Kafka, the control log, the checkpoint store, ClickHouse
//! and the workers. Nothing is decided here.

use super::foreign::foreign;
use crate::args::resolve::ResolveArgs;
use crate::commands::{KAFKA_TIMEOUT, Session, clock};
use crate::failure::Failure;
use crate::output::note;
use anyhow::{Context as _, anyhow};
use meterline_checkpoint::{Inspected, Problem, Store};
use meterline_clickhouse::ClickHouse;
use meterline_control::ControlLog;
use meterline_core::control::View;
use meterline_core::position::{LogPartition, Offset, Stamp};
use meterline_core::resolve::{Facts, Mistimed, Stopped, Stored};
use meterline_core::restate::EpochEnds;
use meterline_core::time::{Level, LogTime, Millis};
use meterline_core::verdicts::{self, Standing};
use meterline_kafka::{Admin, AfterLeader, Reader, TopicDescription, is_replaced};
use meterline_schemas::rows::ProgressRow;
use meterline_worker::{PartitionState, PartitionStatus, StatusReport};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long a worker may take to answer.
const WORKER_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a log may be silent while it is looked through for records without a time.
const SILENCE: Duration = Duration::from_secs(30);

/// Everything that is asked, and the answers that concern all partitions.
pub(super) struct Scene<'a> {
    pub(super) session: &'a Session<'a>,
    pub(super) admin: Admin,
    pub(super) control: ControlLog,
    pub(super) clickhouse: ClickHouse,
    pub(super) store: Store,
    pub(super) topic: TopicDescription,
    pub(super) view: Arc<View>,
    workers: BTreeMap<u32, PartitionStatus>,
    /// Whether any worker has answered.
    pub(super) is_confirmed: bool,
}

impl<'a> Scene<'a> {
    /// Asks for everything that concerns all partitions.
    pub(super) fn look(args: &ResolveArgs, session: &'a Session<'a>) -> Result<Self, Failure> {
        let control = session.control()?;
        let view = control.read_to_end(KAFKA_TIMEOUT)?;
        let admin = Admin::connect(&session.settings.kafka)?;
        let name = session.settings.kafka.topics().usage_events();
        let topic = admin.describe_topic(&name, KAFKA_TIMEOUT)?;
        let topic = topic.with_context(|| {
            format!("topic_changed: topic {name} is gone; `meterline init` makes it again")
        })?;
        let (workers, is_confirmed) = ask_workers(args, session);
        Ok(Self {
            session,
            admin,
            control,
            clickhouse: session.clickhouse()?,
            store: session.store()?,
            topic,
            view,
            workers,
            is_confirmed,
        })
    }

    /// The partition of the topic's present id.
    pub(super) fn log_partition(&self, partition: u32) -> LogPartition {
        LogPartition {
            topic_id: self.topic.topic_id,
            partition,
        }
    }

    /// What is known of one partition.
    pub(super) fn facts(&self, partition: u32) -> Result<Facts, Failure> {
        let log_partition = self.log_partition(partition);
        let verdicts = self.view.verdicts(&log_partition).to_vec();
        let stopped = self.workers.get(&partition).and_then(stopped);
        let progress = self.progress(log_partition)?;
        let (low, high) = self
            .admin
            .watermarks(&self.topic.name, partition, KAFKA_TIMEOUT)?;
        let read = stopped.as_ref().is_some_and(|s| s.name == "lookup");
        let inspect = self.store.inspect(log_partition, read);
        let inspected = self.session.runtime.block_on(inspect)?;
        let mut stored = stored(&inspected, &verdicts);
        stored.foreign = foreign(self, log_partition, &inspected)?;
        let reached = progress.as_ref().map(|row| row.to_offset).into_iter();
        let reached = reached.chain(stored.usable.iter().map(|stamp| stamp.offset));
        let is_short = reached.max().is_some_and(|reached| reached > high);
        if is_short || stopped.as_ref().is_some_and(|s| s.name == "truncated") {
            stored.replaced = self.replaced(partition, &inspected, &stored.usable, high)?;
        }
        let adoption = self.view.adoption(&log_partition).cloned();
        let mut facts = Facts {
            log_partition,
            is_topic_adopted: self.is_adopted(|id| id == log_partition.topic_id),
            was_adopted_before: self.is_adopted(|id| id != log_partition.topic_id),
            adoption,
            verdicts,
            partitions: self.topic.partition_count(),
            is_log_append_time: self.topic.config.log_append_time,
            low,
            high,
            stored,
            progress: progress.as_ref().map(ProgressRow::position),
            stopped,
            mistimed: None,
            abandoned: self.abandoned(log_partition)?,
        };
        facts.mistimed = self.mistimed(&facts, progress.as_ref())?;
        Ok(facts)
    }

    fn is_adopted(&self, wanted: impl Fn(meterline_core::position::TopicId) -> bool) -> bool {
        let mut adoptions = self.view.adoptions();
        adoptions.any(|a| a.topic == self.topic.name && wanted(a.log_partition.topic_id))
    }

    fn progress(&self, log_partition: LogPartition) -> Result<Option<ProgressRow>, Failure> {
        let rows = self.session.runtime.block_on(self.clickhouse.progress())?;
        Ok(rows
            .into_iter()
            .find(|row| row.partition() == log_partition))
    }

    /// Checkpoints, newest first, down to the first whose last record the brokers still hold as it
    /// was folded. One that knows no leader epoch cannot be told from those.
    fn replaced(
        &self,
        partition: u32,
        inspected: &[Inspected],
        usable: &[Stamp],
        high: Offset,
    ) -> Result<Vec<Stamp>, Failure> {
        let mut replaced = Vec::new();
        for stamp in usable.iter().filter(|stamp| stamp.offset <= high) {
            let manifests = inspected.iter().filter(|one| one.stamp == *stamp);
            let mut epochs = manifests.filter_map(|one| Some(one.manifest.as_ref()?.leader_epoch));
            let leader_epoch = epochs.next().unwrap_or(-1);
            let place = AfterLeader {
                topic: &self.topic.name,
                partition,
                offset: stamp.offset,
                leader_epoch,
            };
            let kafka = &self.session.settings.kafka;
            if leader_epoch >= 0 && !is_replaced(kafka, place, KAFKA_TIMEOUT)? {
                break;
            }
            replaced.push(*stamp);
        }
        Ok(replaced)
    }

    /// Rows and dead letters of given up histories.
    pub(super) fn abandoned(&self, log_partition: LogPartition) -> Result<u64, Failure> {
        let ends = EpochEnds::of(self.control.view().verdicts(&log_partition));
        if ends.offsets().is_empty() {
            return Ok(0);
        }
        let counted = async {
            let letters = self
                .clickhouse
                .count_abandoned_letters(log_partition, &ends);
            let mut count = letters.await?;
            for level in Level::ALL {
                let rows = self.clickhouse.count_abandoned(level, log_partition, &ends);
                count += rows.await?;
            }
            Ok::<_, meterline_clickhouse::Error>(count)
        };
        Ok(self.session.runtime.block_on(counted)?)
    }

    /// Looks the log through where a worker says that a record has no usable time.
    fn mistimed(
        &self,
        facts: &Facts,
        progress: Option<&ProgressRow>,
    ) -> Result<Option<Mistimed>, Failure> {
        let (Some(stopped), Some(adoption)) = (&facts.stopped, &facts.adoption) else {
            return Ok(None);
        };
        let has_none = stopped.name == "timestamp_type";
        if !has_none && stopped.name != "log_time_ahead" {
            return Ok(None);
        }
        let from = facts
            .stored
            .usable
            .first()
            .map_or(adoption.first_offset, |s| s.offset);
        let tolerance = self.session.settings.rollup.clock_tolerance.as_millis();
        let tolerance = Millis(u32::try_from(tolerance).unwrap_or(u32::MAX));
        let mut search = Search {
            facts,
            now: now(),
            tolerance,
            has_none,
            found: None,
            next_good: None,
        };
        let mut reader = Reader::connect(&self.session.settings.kafka, "meterline-resolve")?;
        let (topic, partition) = (&self.topic.name, facts.log_partition.partition);
        reader.read_to_end(topic, partition, from, SILENCE, |record| {
            search.take(record.offset, record.append_time);
            Ok::<_, meterline_kafka::ReadError>(())
        })?;
        let before = progress.map_or(LogTime(0), |row| row.log_time);
        Ok(search.found.map(|range| Mistimed {
            range,
            has_none,
            log_time: search.next_good.unwrap_or(search.now).min(search.now),
            before,
        }))
    }
}

/// The search for the first records whose append times cannot be used.
struct Search<'a> {
    facts: &'a Facts,
    now: LogTime,
    tolerance: Millis,
    has_none: bool,
    found: Option<std::ops::Range<Offset>>,
    next_good: Option<LogTime>,
}

impl Search<'_> {
    fn take(&mut self, offset: Offset, append_time: Option<LogTime>) {
        if self.next_good.is_some() {
            return;
        }
        let is_bad = match append_time {
            None => self.has_none,
            Some(at) => !self.has_none && at > self.now.after(self.tolerance),
        };
        if is_bad && !self.is_ruled(offset) {
            let start = self.found.as_ref().map_or(offset, |range| range.start);
            self.found = Some(start..offset + 1);
        } else if let Some(range) = &mut self.found {
            range.end = offset;
            self.next_good = append_time.or(Some(self.now));
        }
    }

    /// Whether a verdict gives the record its log time already.
    fn is_ruled(&self, offset: Offset) -> bool {
        use meterline_core::control::VerdictAction::{LogTime, LogTimeUntil};
        let verdicts = self.facts.verdicts.iter().map(|(_, verdict)| verdict);
        let mut times = verdicts.filter(|v| matches!(v.action, LogTime(_) | LogTimeUntil { .. }));
        times.any(|v| (v.offset..v.speaks_until()).contains(&offset))
    }
}

fn now() -> LogTime {
    LogTime(clock().0.div_euclid(1_000))
}

/// What the store has, seen by the verdicts in force.
fn stored(
    inspected: &[Inspected],
    verdicts: &[(Offset, meterline_core::control::Verdict)],
) -> Stored {
    let mut stored = Stored::default();
    for one in inspected {
        match &one.problem {
            Some(problem @ Problem::UnknownFormat(_)) => {
                stored
                    .unknown_format
                    .get_or_insert_with(|| problem.to_string());
            }
            Some(problem) => {
                if let Problem::Disputed(why) = problem {
                    stored.dispute.get_or_insert_with(|| why.clone());
                }
                stored
                    .unusable
                    .push((one.path.clone(), problem.to_string()));
            }
            None => stored.usable.extend(usable(one.stamp, verdicts)),
        }
    }
    stored
}

fn usable(stamp: Stamp, verdicts: &[(Offset, meterline_core::control::Verdict)]) -> Option<Stamp> {
    (verdicts::standing(verdicts, stamp) == Standing::Good).then_some(stamp)
}

fn stopped(status: &PartitionStatus) -> Option<Stopped> {
    let is_stopped = matches!(
        status.state,
        PartitionState::Halted | PartitionState::Stalled
    );
    let reason = status.reason.clone().filter(|_| is_stopped)?;
    let (name, _) = reason.split_once(':')?;
    Some(Stopped {
        name: name.to_owned(),
        position: status.position,
        reason,
    })
}

/// What the workers say of their partitions, and whether any of them answered.
fn ask_workers(
    args: &ResolveArgs,
    session: &Session<'_>,
) -> (BTreeMap<u32, PartitionStatus>, bool) {
    let named = session
        .settings
        .http_listen
        .map(|address| address.to_string());
    let addresses = if args.workers.is_empty() {
        named.into_iter().collect()
    } else {
        args.workers.clone()
    };
    let mut partitions = BTreeMap::new();
    let mut is_confirmed = false;
    for address in addresses {
        match session.runtime.block_on(ask(&address)) {
            Ok(report) => {
                is_confirmed = true;
                let statuses = report.partitions.into_iter();
                partitions.extend(statuses.map(|status| (status.partition, status)));
            }
            Err(error) => note(&format!(
                "warning: no worker answers on {address}: {error:#}"
            )),
        }
    }
    (partitions, is_confirmed)
}

async fn ask(address: &str) -> anyhow::Result<StatusReport> {
    let client = reqwest::Client::builder().timeout(WORKER_TIMEOUT).build()?;
    let answer = client
        .get(format!("http://{address}/status"))
        .send()
        .await?;
    let report = answer.error_for_status()?.json().await;
    report.map_err(|error| anyhow!(error).context("its answer is not one of this version"))
}
