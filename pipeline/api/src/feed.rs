//! Keeps the view: standings from the table, then from the topic.
//!
//! In this order, so that nothing is missed: progress rows, standings with FINAL, then
//! `usage.standing` from the position in the progress rows; the highest version stays. The API is
//! caught up when every partition of the topic, and the control log, were read to an end that was
//! asked for after the start. What cannot be read stops the view where it is: it grows old, and
//! answers say so.

mod follow;

use crate::error::ApiError;
use crate::settings::Connections;
use crate::state::{Shared, now};
use follow::Follower;
use meterline_clickhouse::{Error, Next};
use meterline_control::ControlError;
use meterline_core::causes::chain;
use meterline_core::standing::{Standing, StandingProgress};
use meterline_kafka::Backoff;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// How long the thread sleeps between two looks at whether it should stop.
const LOOK: Duration = Duration::from_millis(50);
/// How long one look at the control log's end may take.
const CONTROL_TIMEOUT: Duration = Duration::from_secs(10);

/// What the table said, and from where the topic goes on.
pub(crate) struct Loaded {
    /// By partition of the topic; partitions without one are read from their beginning.
    positions: BTreeMap<u32, u64>,
}

/// The thread's work.
pub(crate) struct Feed {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connections: Connections,
    pub(crate) runtime: Handle,
    pub(crate) stop: Arc<AtomicBool>,
}

impl Feed {
    /// Loads and follows until it is told to stop. Blocks its thread.
    ///
    /// # Errors
    /// Where waiting cannot help.
    pub(crate) fn run(self) -> Result<(), ApiError> {
        let health = &self.shared.health;
        health.phase(Some("waiting for ClickHouse"));
        let clickhouse = self.shared.clickhouse.clone();
        if self
            .ask(|| self.runtime.block_on(clickhouse.check_schema()))?
            .is_none()
        {
            return Ok(());
        }
        health.phase(Some("reading the control log"));
        if !self.read_control() {
            return Ok(());
        }
        health.phase(Some("reading standings from ClickHouse"));
        let Some(loaded) = self.ask(|| self.runtime.block_on(self.load()))? else {
            return Ok(());
        };
        health.phase(Some("reading usage.standing to its end"));
        Follower::connect(&self, loaded)?.run();
        Ok(())
    }

    /// Whether the thread should end.
    fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// The thread lives; gauges are as of now, and accounts and keys that can no longer be followed
    /// are said, as of a log that every stage reads.
    fn beat(&self) {
        self.look_at_control();
        let standings = self.shared.standings.len();
        self.shared.health.beat(standings, Instant::now());
        self.shared.metrics.holds(standings);
        let control = self.shared.view().position();
        for (log_partition, age) in self.shared.ages.all(control, now()) {
            self.shared.metrics.age(log_partition.partition, age);
        }
    }

    /// Nothing but a new start mends a control log that halted: keys that are revoked behind it
    /// would open for ever, unseen.
    fn look_at_control(&self) {
        let Ok(log) = self.shared.log() else {
            return; // A test's accounts are all there.
        };
        let control = log.control();
        if let Some(source) = control.halted() {
            let halted = ControlError::Halted {
                topic: control.topic().to_owned(),
                position: control.view().position(),
                source,
            };
            let health = &self.shared.health;
            health.fails("control log", &chain(&halted), Instant::now());
            return;
        }
        look_behind(&self.shared, Instant::now());
    }

    /// Asks ClickHouse until it answers; `None` where the thread should end first.
    fn ask<T>(&self, question: impl Fn() -> Result<T, Error>) -> Result<Option<T>, ApiError> {
        let mut backoff = Backoff::new();
        while !self.is_stopping() {
            self.beat();
            match question() {
                Ok(answer) => {
                    self.shared.health.works("clickhouse");
                    return Ok(Some(answer));
                }
                Err(error) if error.next() == Next::Retry => {
                    let error = chain(&error);
                    tracing::warn!(stage = "api", error, "failed to ask ClickHouse, trying on");
                    self.pause("clickhouse", &error, backoff.pause());
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Waits until accounts and catalogs are known up to the end of now; false where the thread
    /// should end first.
    fn read_control(&self) -> bool {
        let Ok(log) = self.shared.log() else {
            return true; // A test's accounts are all there.
        };
        while !self.is_stopping() {
            self.beat();
            match log.control().read_to_end(CONTROL_TIMEOUT) {
                Ok(_) => {
                    self.shared.health.works("control log");
                    return true;
                }
                Err(error) => self.pause("control log", &chain(&error), LOOK),
            }
        }
        false
    }

    /// Something that is needed does not answer; looks again after a pause.
    fn pause(&self, need: &'static str, error: &str, pause: Duration) {
        let until = Instant::now() + pause;
        while Instant::now() < until && !self.is_stopping() {
            self.beat();
            self.shared.health.fails(need, error, Instant::now());
            std::thread::sleep(LOOK.min(pause));
        }
    }

    async fn load(&self) -> Result<Loaded, Error> {
        let clickhouse = &self.shared.clickhouse;
        let start = Instant::now();
        let progress = clickhouse.standing_progress().await?;
        let mut rows = clickhouse.standings()?;
        while let Some(piece) = rows.next().await? {
            for row in piece {
                self.shared.standings.take(&Standing::from(row));
            }
            self.beat();
        }
        let positions = positions(&progress);
        // Only now is known what the progress says is.
        for progress in &progress {
            self.shared.take_progress(progress);
        }
        tracing::info!(
            standings = self.shared.standings.len(),
            seconds = start.elapsed().as_secs(),
            "read all standings from ClickHouse"
        );
        Ok(Loaded { positions })
    }
}

/// Says where accounts and keys are behind those that standings stand on: a key that is revoked
/// there is still taken here. Before the view is complete the start says what it waits for.
fn look_behind(shared: &Shared, now: Instant) {
    let position = shared.view().position();
    match shared.ages.ahead_of(position) {
        Some(needed) => {
            let why = format!("read up to {position}, standings stand on {needed}");
            shared.health.fails("control log", &why, now);
        }
        None if shared.must_be_caught_up().is_ok() => shared.health.works("control log"),
        None => {}
    }
}

/// From where each partition of the topic misses nothing: as the newest progress of the usage
/// partition of that number says, whose topic may have been made again.
fn positions(progress: &[StandingProgress]) -> BTreeMap<u32, u64> {
    let mut newest: BTreeMap<u32, &StandingProgress> = BTreeMap::new();
    for progress in progress {
        let known = newest.entry(progress.log_partition.partition);
        let known = known.or_insert(progress);
        if progress.log_time > known.log_time {
            *known = progress;
        }
    }
    let given = newest.into_iter();
    given
        .filter_map(|(partition, progress)| Some((partition, progress.standing_position?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Fixture;
    use meterline_core::position::{LogPartition, Stamp, TopicId};
    use meterline_core::time::LogTime;

    #[tokio::test]
    async fn a_control_log_that_is_not_followed_makes_the_api_not_ready() {
        let api = Fixture::new(|_| ());
        let health = &api.shared.health;
        health.phase(None);
        let position = api.shared.view().position();
        let start = Instant::now();
        let later = start + Duration::from_secs(6);
        api.progress_of(LogTime(now().0 + 1), position + 1);
        look_behind(&api.shared, start);
        // A moment behind is how every decision arrives.
        assert_eq!(health.problems(start), [""; 0]);
        look_behind(&api.shared, later);
        let needed = position + 1;
        let problem = format!(
            "api: control log failing for 6 s: read up to {position}, standings stand on {needed}"
        );
        assert_eq!(health.problems(later), [problem]);
        api.progress_of(LogTime(now().0 + 60_000), position);
        look_behind(&api.shared, later);
        assert_eq!(health.problems(later), [""; 0]);
    }

    #[test]
    fn the_topic_is_read_from_where_the_newest_progress_says() {
        let progress = |topic_id, partition, log_time, standing_position| StandingProgress {
            log_partition: LogPartition {
                topic_id: TopicId(topic_id),
                partition,
            },
            to: Stamp::default(),
            log_time: LogTime(log_time),
            control: 0,
            standing_position,
        };
        let rows = [
            progress(1, 0, 10, Some(5)),
            progress(2, 0, 20, Some(7)),
            progress(2, 1, 20, None),
            progress(1, 2, 10, Some(3)),
        ];
        assert_eq!(positions(&rows), [(0, 7), (2, 3)].into());
    }
}
