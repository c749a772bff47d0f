//! The stage's phases: what it waits for, what it reads before it judges, what runs beside it.

use crate::Limits;
use crate::error::{LimitsError, chain};
use meterline_clickhouse::{ClickHouse, Next};
use meterline_kafka::Backoff;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long the thread sleeps between two looks at whether it should stop.
const LOOK: Duration = Duration::from_millis(50);

impl Limits {
    /// Runs the stage on this thread until it is told to stop.
    pub(crate) fn block(
        self,
        runtime: &tokio::runtime::Handle,
        stop: &AtomicBool,
    ) -> Result<(), LimitsError> {
        let clickhouse = ClickHouse::connect(self.connections.clickhouse.clone())?;
        if !self.schema(&clickhouse, runtime, stop)? {
            return Ok(());
        }
        Ok(())
    }

    /// Waits until ClickHouse answers that it has the tables of this version; false where the
    /// stage stops first.
    fn schema(
        &self,
        clickhouse: &ClickHouse,
        runtime: &tokio::runtime::Handle,
        stop: &AtomicBool,
    ) -> Result<bool, LimitsError> {
        self.health.phase(Some("waiting for ClickHouse"));
        let mut backoff = Backoff::new();
        loop {
            match runtime.block_on(clickhouse.check_schema()) {
                Ok(()) => {
                    self.health.works("clickhouse");
                    return Ok(true);
                }
                Err(error) if error.next() == Next::Retry => {
                    let pause = backoff.pause();
                    if !self.waits("clickhouse", &chain(&error), pause, stop) {
                        return Ok(false);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Says what is missing and waits a moment; false where the stage stops.
    fn waits(&self, need: &'static str, why: &str, pause: Duration, stop: &AtomicBool) -> bool {
        tracing::warn!(stage = "limits", need, error = why, "not read yet");
        self.metrics.failed(need);
        let until = Instant::now() + pause;
        while Instant::now() < until {
            if stop.load(Ordering::Acquire) {
                return false;
            }
            self.health.beat(Instant::now());
            self.health.fails(need, why, Instant::now());
            std::thread::sleep(LOOK);
        }
        true
    }
}
