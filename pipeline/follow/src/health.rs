//! What a stage that reads logs knows of its own state: for readiness, for `/status`, for people.
//!
//! Ready means that what is judged is current, not merely that the process lives. Nothing that
//! decides what is written reads here, but for [`Health::is_halted`].

use crate::error::LogHalt;
use meterline_core::causes::chain;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long something that the stage needs may fail before the stage is not ready: longer than
/// one retry, shorter than anybody waits for an answer.
const FAILING: Duration = Duration::from_secs(5);

/// How long the stage's thread may be silent before the process counts as dead: far above one
/// judgement of everything.
const BEAT: Duration = Duration::from_secs(120);

/// One log partition of usage, as `GET /status` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct UsagePartition {
    /// The partition's number, of usage and of totals.
    pub partition: u32,
    /// The next record of `usage.totals` to read.
    pub position: u64,
    /// The end of its totals, as it was last asked for.
    pub log_end: u64,
    /// Next record of usage: everything before it is judged. `None` before the first progress.
    pub judged_to: Option<u64>,
    /// Log time before that record: milliseconds since 1970-01-01 UTC.
    pub log_time: Option<i64>,
    /// Whether totals were removed before they were read; newer progress mends it.
    pub is_stale: bool,
}

#[derive(Debug)]
struct Inner {
    phase: Option<String>,
    failing: BTreeMap<&'static str, (Instant, String)>,
    halts: BTreeMap<String, String>,
    /// Logs that are not read to the ends that they had at the start.
    behind: BTreeSet<String>,
    partitions: BTreeMap<u32, UsagePartition>,
    /// The next record to read, by topic and partition.
    positions: BTreeMap<(String, u32), Offset>,
    started: SystemTime,
    beat: Instant,
}

/// The stage's knowledge of itself.
#[derive(Debug)]
pub struct Health {
    stage: &'static str,
    progress_timeout: Duration,
    inner: Mutex<Inner>,
}

impl Health {
    /// A stage of that name that has just started; it is not ready while the newest progress of a
    /// log partition is older than `progress_timeout`.
    #[must_use]
    pub fn new(stage: &'static str, progress_timeout: Duration, now: Instant) -> Self {
        let inner = Inner {
            phase: Some("starting".to_owned()),
            failing: BTreeMap::new(),
            halts: BTreeMap::new(),
            behind: BTreeSet::new(),
            partitions: BTreeMap::new(),
            positions: BTreeMap::new(),
            started: SystemTime::now(),
            beat: now,
        };
        Self {
            stage,
            progress_timeout,
            inner: Mutex::new(inner),
        }
    }

    /// The stage's name.
    #[must_use]
    pub fn stage(&self) -> &'static str {
        self.stage
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every write leaves it whole, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the stage waits for; `None` once it judges.
    pub fn phase(&self, phase: Option<&str>) {
        self.lock().phase = phase.map(str::to_owned);
    }

    /// The judging thread lives.
    pub fn beat(&self, now: Instant) {
        self.lock().beat = now;
    }

    /// Something that the stage needs answered.
    pub fn works(&self, need: &'static str) {
        self.lock().failing.remove(need);
    }

    /// Something that the stage needs did not answer.
    pub fn fails(&self, need: &'static str, why: &str, now: Instant) {
        let mut inner = self.lock();
        let entry = inner.failing.entry(need);
        entry.or_insert_with(|| (now, String::new())).1 = why.to_owned();
    }

    /// A log cannot be read on; nothing but a new start mends it. True where that is new.
    pub fn halts(&self, halt: &LogHalt) -> bool {
        let place = format!("{}/{}", halt.topic, halt.partition);
        let before = self.lock().halts.insert(place, chain(halt));
        before.is_none()
    }

    /// Whether a log cannot be read on.
    #[must_use]
    pub fn is_halted(&self) -> bool {
        !self.lock().halts.is_empty()
    }

    /// Whether the log was read to the end that it had at the start.
    pub fn catches_up(&self, log: &str, is_done: bool) {
        let mut inner = self.lock();
        if is_done {
            inner.behind.remove(log);
        } else {
            inner.behind.insert(log.to_owned());
        }
    }

    /// Everything before this record of a topic's partition was read.
    pub fn reads(&self, topic: &str, partition: u32, position: Offset) {
        let place = (topic.to_owned(), partition);
        self.lock().positions.insert(place, position);
    }

    /// How far a partition is read; `None` before its first record.
    #[must_use]
    pub fn position(&self, topic: &str, partition: u32) -> Option<Offset> {
        let place = (topic.to_owned(), partition);
        self.lock().positions.get(&place).copied()
    }

    /// How old what is known of each log partition of usage is.
    #[must_use]
    pub fn ages(&self, clock: SystemTime) -> Vec<(u32, Duration)> {
        let inner = self.lock();
        let known = inner.partitions.values();
        known
            .map(|status| (status.partition, age(status, inner.started, clock)))
            .collect()
    }

    /// Where a partition's totals end, by the brokers, and how far they are read.
    pub fn log_ends(&self, partition: u32, position: Option<Offset>, end: Offset) {
        self.change(partition, |status| {
            status.position = position.unwrap_or(status.position);
            status.log_end = end;
        });
    }

    /// There is a log partition of usage of that number.
    pub fn expects(&self, partition: u32) {
        self.change(partition, |_| ());
    }

    /// Everything before this record of usage is judged.
    pub fn judges(&self, partition: u32, to: Offset, log_time: LogTime) {
        self.change(partition, |status| {
            status.judged_to = Some(to);
            status.log_time = Some(log_time.0);
            status.is_stale = false;
        });
    }

    /// Totals of the partition are gone that nobody here has read.
    pub fn is_stale(&self, partition: u32) {
        self.change(partition, |status| status.is_stale = true);
    }

    fn change(&self, partition: u32, change: impl FnOnce(&mut UsagePartition)) {
        let mut inner = self.lock();
        let entry = inner.partitions.entry(partition);
        let status = entry.or_insert_with(|| UsagePartition {
            partition,
            ..UsagePartition::default()
        });
        change(status);
    }

    /// What the stage needs and does not get, and for how long.
    #[must_use]
    pub fn failing(&self, now: Instant) -> Vec<(&'static str, Duration)> {
        let inner = self.lock();
        let failing = inner.failing.iter();
        failing
            .map(|(need, (since, _))| (*need, now.saturating_duration_since(*since)))
            .collect()
    }

    /// Whether the judging thread lives.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.lock().beat) < BEAT
    }

    /// Why the stage is not ready; empty where it is. `clock` is this machine's, with which log
    /// times are compared.
    #[must_use]
    pub fn problems(&self, now: Instant, clock: SystemTime) -> Vec<String> {
        let (inner, stage) = (self.lock(), self.stage);
        let phase = inner.phase.iter().map(|phase| format!("{stage}: {phase}"));
        let halts = inner.halts.values().map(|why| format!("{stage}: {why}"));
        let behind = inner.behind.iter();
        let behind =
            behind.map(|log| format!("{stage}: {log} is not read to its end of the start"));
        let failing = inner.failing.iter().filter_map(|(need, (since, why))| {
            let age = now.saturating_duration_since(*since);
            let seconds = age.as_secs();
            (age >= FAILING).then(|| format!("{stage}: {need} failing for {seconds} s: {why}"))
        });
        let partitions = inner.partitions.values();
        let old = partitions.filter_map(|status| self.is_old(status, inner.started, clock));
        phase
            .chain(halts)
            .chain(behind)
            .chain(failing)
            .chain(old)
            .collect()
    }

    /// Why what is known of a partition is no basis for a judgement of now.
    fn is_old(
        &self,
        status: &UsagePartition,
        started: SystemTime,
        clock: SystemTime,
    ) -> Option<String> {
        let name = format!("{}: partition {}", self.stage, status.partition);
        if status.is_stale {
            return Some(format!("{name} lost totals and waits for newer progress"));
        }
        let age = age(status, started, clock);
        let seconds = age.as_secs();
        (age >= self.progress_timeout)
            .then(|| format!("{name} has had no progress for {seconds} s"))
    }

    /// The log partitions of usage, as `GET /status` shows them.
    #[must_use]
    pub fn partitions(&self) -> Vec<UsagePartition> {
        self.lock().partitions.values().cloned().collect()
    }
}

/// How old what is known of a partition is; before the first progress, since the start.
fn age(status: &UsagePartition, started: SystemTime, clock: SystemTime) -> Duration {
    let since = match status.log_time {
        Some(millis) => {
            let millis = u64::try_from(millis).unwrap_or(0);
            SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
        }
        None => started,
    };
    clock.duration_since(since).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::halt::Halt;

    const SECOND: Duration = Duration::from_secs(1);

    fn judging(start: Instant) -> Health {
        let health = Health::new("limits", 90 * SECOND, start);
        health.phase(None);
        health
    }

    /// The problems at this many seconds after 1970, on a machine that started then.
    fn problems(health: &Health, start: Instant, seconds: u32) -> Vec<String> {
        let clock = SystemTime::UNIX_EPOCH + seconds * SECOND;
        health.problems(start + seconds * SECOND, clock)
    }

    #[test]
    fn what_is_judged_must_be_current() {
        let start = Instant::now();
        let health = judging(start);
        health.judges(3, 17, LogTime(1_000_000));
        assert_eq!(problems(&health, start, 1_089), [""; 0]);
        assert_eq!(
            problems(&health, start, 1_090),
            ["limits: partition 3 has had no progress for 90 s"]
        );
        health.is_stale(3);
        let lost = ["limits: partition 3 lost totals and waits for newer progress"];
        assert_eq!(problems(&health, start, 1_001), lost);
        health.judges(3, 18, LogTime(1_050_000));
        assert_eq!(problems(&health, start, 1_090), [""; 0]);
    }

    #[test]
    fn what_is_waited_for_is_said() {
        let start = Instant::now();
        let health = Health::new("limits", 90 * SECOND, start);
        assert_eq!(problems(&health, start, 0), ["limits: starting"]);
        health.phase(None);
        health.catches_up("usage.alerts", false);
        let behind = ["limits: usage.alerts is not read to its end of the start"];
        assert_eq!(problems(&health, start, 0), behind);
        health.catches_up("usage.alerts", true);
        health.fails("clickhouse", "refused", start);
        assert_eq!(problems(&health, start, 4), [""; 0]);
        assert_eq!(health.failing(start + SECOND), [("clickhouse", SECOND)]);
        assert_eq!(
            problems(&health, start, 5),
            ["limits: clickhouse failing for 5 s: refused"]
        );
        health.works("clickhouse");
        assert_eq!(problems(&health, start, 5), [""; 0]);
    }

    #[test]
    fn halts_name_topic_partition_and_offset() {
        let start = Instant::now();
        let health = judging(start);
        let halt = LogHalt {
            topic: "usage.alerts".to_owned(),
            partition: 2,
            offset: 71,
            source: Halt::UnknownKind("a newer one".to_owned()),
        };
        assert!(health.halts(&halt));
        assert!(!health.halts(&halt));
        assert!(health.is_halted());
        assert_eq!(
            problems(&health, start, 0),
            ["limits: topic usage.alerts partition 2 at offset 71: unknown_kind: a newer one"]
        );
    }
}
