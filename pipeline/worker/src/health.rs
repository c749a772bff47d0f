//! What a worker process knows of its own state: for readiness, for `status`, for people.
//!
//! Ready means progress, not merely alive. Everything that writes here does so about once a
//! second; nothing that decides a result reads here.

mod status;

pub use status::{PartitionState, PartitionStatus, StatusReport};

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long something that the process needs may fail before the process is not ready: longer
/// than one retry, shorter than anybody waits for an answer.
const FAILING: Duration = Duration::from_secs(5);

/// How long the consumer's own thread may be silent before the process counts as dead: far above
/// its polling and any call that it makes, each of which is bounded.
const BEAT: Duration = Duration::from_secs(120);

/// Something outside of the process that it needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Need {
    /// Kafka's brokers.
    Kafka,
    /// ClickHouse.
    ClickHouse,
    /// The control log.
    Control,
    /// The checkpoint store, for reading.
    Checkpoints,
    /// Runs of new checkpoints: a store that can only be read must not clear this.
    Runs,
    /// Manifests of new checkpoints: only one that was published clears this.
    Manifests,
}

impl Need {
    /// All that the process may need.
    pub(crate) const ALL: [Self; 6] = [
        Self::Kafka,
        Self::ClickHouse,
        Self::Control,
        Self::Checkpoints,
        Self::Runs,
        Self::Manifests,
    ];

    /// The name in metrics.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::ClickHouse => "clickhouse",
            Self::Control => "control",
            Self::Checkpoints => "checkpoints",
            Self::Runs => "runs",
            Self::Manifests => "manifests",
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::ClickHouse => "clickhouse",
            Self::Control => "control log",
            Self::Checkpoints => "checkpoint store",
            Self::Runs => "checkpoint runs",
            Self::Manifests => "checkpoint manifests",
        }
    }
}

#[derive(Debug)]
struct Entry {
    ticket: u64,
    status: PartitionStatus,
    moved_at: Instant,
    /// Per lane with a batch in flight: up to where it is acknowledged, and since when.
    in_flight: BTreeMap<&'static str, (u64, Instant)>,
    /// When the brokers last said where the log ends.
    end_known_at: Instant,
}

impl Entry {
    fn report(&mut self, now: Instant, change: impl FnOnce(&mut PartitionStatus)) {
        let status = &mut self.status;
        let (before, had_lag) = (status.position, status.lag_records > 0);
        change(status);
        let end = status.log_end;
        status.lag_records = end.map_or(0, |end| end.saturating_sub(status.position));
        // Lag that has just begun is as old as this report.
        if status.position != before || !had_lag {
            self.moved_at = now;
        }
    }

    /// Why a running partition makes no progress; each reason is this partition's own, so that
    /// no other's success hides it.
    fn standstill(&self, timeout: Duration, now: Instant) -> Option<String> {
        let age = |since| now.saturating_duration_since(since);
        let status = &self.status;
        let (still, lag) = (age(self.moved_at), status.lag_records);
        if lag > 0 && still >= timeout {
            let seconds = still.as_secs();
            return Some(format!(
                "has {lag} records to fold and has not moved for {seconds} s"
            ));
        }
        for (lane, (acked_to, since)) in &self.in_flight {
            let seconds = age(*since).as_secs();
            if age(*since) >= timeout {
                return Some(format!(
                    "has not published its {lane} from {acked_to} on for {seconds} s"
                ));
            }
        }
        let unknown = age(self.end_known_at);
        (unknown >= timeout).then(|| {
            let seconds = unknown.as_secs();
            format!("has a log whose end is not known since {seconds} s")
        })
    }
}

#[derive(Debug)]
struct Inner {
    phase: Option<String>,
    tickets: u64,
    partitions: BTreeMap<u32, Entry>,
    failing: BTreeMap<Need, (Instant, String)>,
    beat: Instant,
}

/// The process's knowledge of itself.
#[derive(Debug)]
pub(crate) struct Board {
    inner: Mutex<Inner>,
    progress_timeout: Duration,
}

impl Board {
    /// A process that has just started.
    pub(crate) fn new(progress_timeout: Duration, now: Instant) -> Self {
        let inner = Inner {
            phase: Some("starting".to_owned()),
            tickets: 0,
            partitions: BTreeMap::new(),
            failing: BTreeMap::new(),
            beat: now,
        };
        Self {
            inner: Mutex::new(inner),
            progress_timeout,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every write leaves the board whole, so a panic elsewhere does not spoil it.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the process waits for; `None` once it runs.
    pub(crate) fn phase(&self, phase: Option<&str>) {
        self.lock().phase = phase.map(str::to_owned);
    }

    /// The consumer's thread lives.
    pub(crate) fn beat(&self, now: Instant) {
        self.lock().beat = now;
    }

    /// Something that the process needs answered.
    pub(crate) fn works(&self, need: Need) {
        self.lock().failing.remove(&need);
    }

    /// Something that the process needs did not answer.
    pub(crate) fn fails(&self, need: Need, why: &str, now: Instant) {
        let mut inner = self.lock();
        let entry = inner.failing.entry(need);
        entry.or_insert_with(|| (now, String::new())).1 = why.to_owned();
    }

    /// What does not answer, and for how long.
    pub(crate) fn failing(&self, now: Instant) -> Vec<(Need, Duration)> {
        let inner = self.lock();
        let failing = inner.failing.iter();
        failing
            .map(|(need, (since, _))| (*need, now.saturating_duration_since(*since)))
            .collect()
    }

    /// The partition was assigned; the ticket marks what this assignment reports.
    pub(crate) fn enter(&self, partition: u32, now: Instant) -> u64 {
        let mut inner = self.lock();
        inner.tickets += 1;
        let entry = Entry {
            ticket: inner.tickets,
            status: PartitionStatus {
                partition,
                ..PartitionStatus::default()
            },
            moved_at: now,
            in_flight: BTreeMap::new(),
            end_known_at: now,
        };
        inner.partitions.insert(partition, entry);
        inner.tickets
    }

    /// The assignment ended; nothing happens where a newer one has begun.
    pub(crate) fn leave(&self, partition: u32, ticket: u64) -> bool {
        let mut inner = self.lock();
        let is_current = inner.partitions.get(&partition).map(|e| e.ticket) == Some(ticket);
        if is_current {
            inner.partitions.remove(&partition);
        }
        is_current
    }

    /// Changes what an assignment reports; nothing happens where a newer one has begun.
    pub(crate) fn report(
        &self,
        partition: u32,
        ticket: u64,
        now: Instant,
        change: impl FnOnce(&mut PartitionStatus),
    ) {
        self.change(partition, ticket, |entry| entry.report(now, change));
    }

    /// The brokers said where the log ends.
    pub(crate) fn log_ends(&self, partition: u32, ticket: u64, now: Instant, end: u64) {
        self.change(partition, ticket, |entry| {
            entry.end_known_at = now;
            entry.report(now, |status| status.log_end = Some(end));
        });
    }

    /// These lanes have a batch in flight, with up to where each is acknowledged. A lane that is
    /// put off for its cost has none, however far behind it is.
    pub(crate) fn delivers(
        &self,
        partition: u32,
        ticket: u64,
        now: Instant,
        lanes: impl Iterator<Item = (&'static str, u64)>,
    ) {
        self.change(partition, ticket, |entry| {
            let before = std::mem::take(&mut entry.in_flight);
            let since = |lane, acked_to| match before.get(lane) {
                Some((at, since)) if *at == acked_to => *since,
                _ => now,
            };
            let lanes = lanes.map(|(lane, acked_to)| (lane, (acked_to, since(lane, acked_to))));
            entry.in_flight = lanes.collect();
        });
    }

    fn change(&self, partition: u32, ticket: u64, change: impl FnOnce(&mut Entry)) {
        let mut inner = self.lock();
        let entry = inner.partitions.get_mut(&partition);
        if let Some(entry) = entry.filter(|e| e.ticket == ticket) {
            change(entry);
        }
    }

    /// Number of partitions that the process owns.
    pub(crate) fn owned(&self) -> usize {
        self.lock().partitions.len()
    }

    /// The partitions that the process owns, with the ticket of each.
    pub(crate) fn tickets(&self) -> Vec<(u32, u64)> {
        let inner = self.lock();
        let tickets = inner.partitions.iter().map(|(p, e)| (*p, e.ticket));
        tickets.collect()
    }

    /// The partitions, as `status` shows them.
    pub(crate) fn partitions(&self) -> Vec<PartitionStatus> {
        let inner = self.lock();
        inner
            .partitions
            .values()
            .map(|e| e.status.clone())
            .collect()
    }

    /// Whether the consumer's thread lives.
    pub(crate) fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.lock().beat) < BEAT
    }

    /// Why the process is not ready; empty where it is.
    pub(crate) fn problems(&self, now: Instant) -> Vec<String> {
        let inner = self.lock();
        let mut problems: Vec<_> = inner.phase.iter().cloned().collect();
        for (need, (since, why)) in &inner.failing {
            let failing = now.saturating_duration_since(*since);
            if failing >= FAILING {
                let seconds = failing.as_secs();
                problems.push(format!("{} failing for {seconds} s: {why}", need.name()));
            }
        }
        for entry in inner.partitions.values() {
            problems.extend(self.problem_of(entry, now));
        }
        problems
    }

    fn problem_of(&self, entry: &Entry, now: Instant) -> Option<String> {
        let status = &entry.status;
        let name = format!("partition {}", status.partition);
        let why = status.reason.as_deref().unwrap_or_default();
        match status.state {
            PartitionState::Halted => Some(format!("{name} is halted: {why}")),
            PartitionState::Stalled => Some(format!("{name} is stalled: {why}")),
            PartitionState::Paused => Some(format!("{name} is paused: {why}")),
            PartitionState::Loading => Some(format!("{name} is loading {why}")),
            PartitionState::Draining => None,
            PartitionState::Running => {
                let why = entry.standstill(self.progress_timeout, now)?;
                Some(format!("{name} {why}"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
