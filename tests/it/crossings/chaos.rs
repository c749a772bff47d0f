//! Stages that are killed at random moments and started again.

use super::Run;
use crate::support::worker::Worker;
use rand::Rng;
use rand::rngs::StdRng;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Who is killed, and how often that was.
#[derive(Default)]
pub(super) struct Chaos {
    stop: AtomicBool,
    kills: AtomicU32,
}

impl Chaos {
    /// Starts a stage and kills it at a random moment, until told to stop; the last one lives.
    pub(super) fn kill_again_and_again(
        &self,
        run: &Run,
        name: &'static str,
        mut random: StdRng,
    ) -> Worker {
        for start in 0.. {
            let worker = run.worker(name, start);
            let lives = Duration::from_millis(random.random_range(1_000..9_000));
            let until = Instant::now() + lives;
            while Instant::now() < until {
                if self.stop.load(Ordering::Relaxed) {
                    return worker;
                }
                sleep(Duration::from_millis(20));
            }
            worker.kill();
            self.kills.fetch_add(1, Ordering::Relaxed);
        }
        unreachable!("the numbers do not end")
    }

    /// Tells all who kill to let the last start live.
    pub(super) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(super) fn kills(&self) -> u32 {
        self.kills.load(Ordering::Relaxed)
    }

    pub(super) fn stopper(&self) -> Stopper<'_> {
        Stopper(self)
    }
}

/// Stops the chaos when it is dropped.
pub(super) struct Stopper<'a>(&'a Chaos);

impl Drop for Stopper<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
