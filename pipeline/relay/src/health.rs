//! What a stage knows of its own state: for readiness, for `/status`, for people.
//!
//! Ready means progress, not merely alive. Nothing that decides what is written reads here.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long something that the stage needs may fail before the stage is not ready: longer than
/// one retry, shorter than anybody waits for an answer.
const FAILING: Duration = Duration::from_secs(5);

/// How long the stage's thread may be silent before the process counts as dead: above the longest
/// that it waits for one answer.
const BEAT: Duration = Duration::from_secs(120);

/// One partition, as `GET /status` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RelayPartition {
    /// The partition's number.
    pub partition: u32,
    /// The next record that is not delivered yet.
    pub position: u64,
    /// The log's end, as it was last asked for.
    pub log_end: u64,
    /// Why it is not read; `None` while it is.
    pub waits_for: Option<String>,
}

/// A stage, as `GET /status` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RelayStatus {
    /// The stage's public name.
    pub stage: String,
    /// Its consumer group.
    pub group: String,
    /// The topic that it reads.
    pub topic: String,
    /// Why the stage is not ready; empty where it is.
    pub problems: Vec<String>,
    /// The partitions that it owns here.
    pub partitions: Vec<RelayPartition>,
}

#[derive(Debug)]
struct Entry {
    status: RelayPartition,
    moved_at: Instant,
    /// What the partition waits for, and since when.
    need: Option<(&'static str, Instant)>,
}

#[derive(Debug)]
struct Inner {
    phase: Option<String>,
    failing: BTreeMap<&'static str, (Instant, String)>,
    partitions: BTreeMap<u32, Entry>,
    beat: Instant,
}

/// A stage's knowledge of itself.
#[derive(Debug)]
pub struct Health {
    stage: &'static str,
    group: String,
    topic: String,
    progress_timeout: Duration,
    inner: Mutex<Inner>,
}

impl Health {
    /// A stage that has just started.
    pub(crate) fn new(
        stage: &'static str,
        group: &str,
        topic: &str,
        progress_timeout: Duration,
        now: Instant,
    ) -> Self {
        let inner = Inner {
            phase: Some("starting".to_owned()),
            failing: BTreeMap::new(),
            partitions: BTreeMap::new(),
            beat: now,
        };
        Self {
            stage,
            group: group.to_owned(),
            topic: topic.to_owned(),
            progress_timeout,
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every write leaves it whole, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the stage waits for; `None` once it runs.
    pub(crate) fn phase(&self, phase: Option<&str>) {
        self.lock().phase = phase.map(str::to_owned);
    }

    /// The stage's thread lives.
    pub(crate) fn beat(&self, now: Instant) {
        self.lock().beat = now;
    }

    /// Something that the stage needs answered.
    pub(crate) fn works(&self, need: &'static str) {
        self.lock().failing.remove(need);
    }

    /// A batch was delivered, so everything that the stage needs answered.
    pub(crate) fn recovers(&self) {
        self.lock().failing.clear();
    }

    /// Something that the stage needs did not answer.
    pub(crate) fn fails(&self, need: &'static str, why: &str, now: Instant) {
        let mut inner = self.lock();
        let entry = inner.failing.entry(need);
        entry.or_insert_with(|| (now, String::new())).1 = why.to_owned();
    }

    /// The partition was given to this process.
    pub(crate) fn enters(&self, partition: u32, now: Instant) {
        self.change(partition, now, |entry| {
            entry.status.waits_for = Some("just assigned".to_owned());
        });
    }

    /// The partition is owned here, and not read yet for this reason.
    pub(crate) fn waits(&self, partition: u32, need: &'static str, why: &str, now: Instant) {
        self.change(partition, now, |entry| {
            entry.status.waits_for = Some(why.to_owned());
            entry.need = match entry.need {
                Some((before, since)) if before == need => Some((need, since)),
                _ => Some((need, now)),
            };
        });
    }

    /// The partition is delivered up to here.
    pub(crate) fn reaches(&self, partition: u32, position: u64, now: Instant) {
        self.change(partition, now, |entry| {
            entry.status.waits_for = None;
            entry.status.position = position;
            entry.need = None;
        });
    }

    /// The brokers said where the log ends.
    pub(crate) fn log_ends(&self, partition: u32, end: u64, now: Instant) {
        self.change(partition, now, |entry| entry.status.log_end = end);
    }

    /// Up to where the partition is delivered; `None` where it is not owned or not read.
    pub(crate) fn position(&self, partition: u32) -> Option<u64> {
        let inner = self.lock();
        let status = inner.partitions.get(&partition).map(|entry| &entry.status);
        let read = status.filter(|status| status.waits_for.is_none());
        read.map(|status| status.position)
    }

    /// What the stage needs and does not get, and for how long; one of them may come repeatedly.
    #[must_use]
    pub fn failing(&self, now: Instant) -> Vec<(&'static str, Duration)> {
        let inner = self.lock();
        let failing = inner
            .failing
            .iter()
            .map(|(need, (since, _))| (*need, *since));
        let waiting = inner.partitions.values().filter_map(|entry| entry.need);
        let all = failing.chain(waiting);
        all.map(|(need, since)| (need, now.saturating_duration_since(since)))
            .collect()
    }

    fn change(&self, partition: u32, now: Instant, change: impl FnOnce(&mut Entry)) {
        let mut inner = self.lock();
        let entry = inner.partitions.entry(partition).or_insert_with(|| Entry {
            status: RelayPartition {
                partition,
                ..RelayPartition::default()
            },
            moved_at: now,
            need: None,
        });
        let before = entry.status.clone();
        change(entry);
        let had_lag = before.log_end > before.position;
        // Lag that has just begun is as old as this report.
        if entry.status.position != before.position || !had_lag {
            entry.moved_at = now;
        }
    }

    /// The partition is not owned here any more.
    pub(crate) fn leaves(&self, partition: u32) {
        self.lock().partitions.remove(&partition);
    }

    /// Whether the stage's thread lives.
    #[must_use]
    pub fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.lock().beat) < BEAT
    }

    /// Why the stage is not ready; empty where it is.
    #[must_use]
    pub fn problems(&self, now: Instant) -> Vec<String> {
        let inner = self.lock();
        let stage = self.stage;
        let age = |since: Instant| now.saturating_duration_since(since);
        let phase = inner.phase.iter().map(|phase| format!("{stage}: {phase}"));
        let failing = inner.failing.iter().filter_map(|(need, (since, why))| {
            let seconds = age(*since).as_secs();
            (age(*since) >= FAILING)
                .then(|| format!("{stage}: {need} failing for {seconds} s: {why}"))
        });
        let partitions = inner.partitions.values().filter_map(|entry| {
            let status = &entry.status;
            let name = format!("{stage}: partition {}", status.partition);
            if let Some(why) = &status.waits_for {
                return Some(format!("{name} is not read: {why}"));
            }
            let (lag, still) = (
                status.log_end.saturating_sub(status.position),
                age(entry.moved_at),
            );
            (lag > 0 && still >= self.progress_timeout).then(|| {
                let seconds = still.as_secs();
                format!("{name} has {lag} records to deliver and has not moved for {seconds} s")
            })
        });
        phase.chain(failing).chain(partitions).collect()
    }

    /// The stage, as `/status` shows it.
    #[must_use]
    pub fn status(&self, now: Instant) -> RelayStatus {
        let problems = self.problems(now);
        let inner = self.lock();
        RelayStatus {
            stage: self.stage.to_owned(),
            group: self.group.clone(),
            topic: self.topic.clone(),
            problems,
            partitions: inner
                .partitions
                .values()
                .map(|e| e.status.clone())
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn running(now: Instant) -> Health {
        let health = Health::new("archive", "g", "usage.events", 30 * SECOND, now);
        health.phase(None);
        health
    }

    #[test]
    fn a_stage_is_ready_while_it_moves_or_has_nothing_to_do() {
        let start = Instant::now();
        let health = running(start);
        health.reaches(0, 5, start);
        health.log_ends(0, 5, start);
        assert_eq!(health.problems(start + 600 * SECOND), [""; 0]);
        health.log_ends(0, 9, start + 600 * SECOND);
        assert_eq!(health.problems(start + 629 * SECOND), [""; 0]);
        let problems = health.problems(start + 630 * SECOND);
        assert_eq!(
            problems,
            ["archive: partition 0 has 4 records to deliver and has not moved for 30 s"]
        );
        health.reaches(0, 6, start + 640 * SECOND);
        assert_eq!(health.problems(start + 650 * SECOND), [""; 0]);
    }

    #[test]
    fn what_is_waited_for_is_said() {
        let start = Instant::now();
        let health = Health::new("rekey", "g", "usage.incoming", 30 * SECOND, start);
        assert_eq!(health.problems(start), ["rekey: starting"]);
        health.phase(None);
        health.waits(3, "catalog", "no catalog", start);
        assert_eq!(
            health.problems(start),
            ["rekey: partition 3 is not read: no catalog"]
        );
        health.waits(3, "catalog", "no catalog yet", start + SECOND);
        assert_eq!(health.failing(start + SECOND), [("catalog", SECOND)]);
        health.reaches(3, 0, start + SECOND);
        assert_eq!(health.failing(start + SECOND), []);
        health.leaves(3);
        health.fails("clickhouse", "refused", start);
        assert_eq!(health.problems(start), [""; 0]);
        assert_eq!(
            health.problems(start + 5 * SECOND),
            ["rekey: clickhouse failing for 5 s: refused"]
        );
        health.works("clickhouse");
        assert_eq!(health.problems(start + 5 * SECOND), [""; 0]);
    }
}
