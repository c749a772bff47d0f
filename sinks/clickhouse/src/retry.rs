//! The one place that waits and tries again.
//!
//! Never gives up on what may pass, until it is told to stop: nothing is lost by waiting, the log
//! still has every record. One line when a failure begins or changes, one when it ends: an outage
//! of an hour is two lines, not thousands.

use crate::error::{Error, Next};
use rand::Rng;
use std::mem::{Discriminant, discriminant};
use std::pin::pin;
use std::time::Duration;
use tokio::time::Instant;

/// Longest first pause: a lost answer or a restart of the server is often over by then.
const PAUSE_FIRST: Duration = Duration::from_millis(100);

/// Longest pause: an outage's end is noticed within this.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Why [`retry()`] ended without success.
#[derive(Debug, thiserror::Error)]
pub enum GaveUp {
    /// It was told to stop while ClickHouse did not do it.
    #[error("stopped while trying to {what}")]
    Shutdown {
        /// What was to be done.
        what: String,
        /// The failure of the last attempt.
        source: Error,
    },
    /// Trying again cannot help.
    #[error(transparent)]
    Failed(Error),
}

/// Repeats an attempt until it succeeds, cannot succeed, or `shutdown` is ready.
///
/// There is always at least one attempt, and none is interrupted: `shutdown` ends the pauses
/// between them, so that a last flush still gets its chance. Pauses are random between nothing
/// and a bound that doubles up to 10 s (full jitter), so that many writers do not come back at
/// the same moment.
///
/// `what` names the work for the log: `"insert hour rows of <log partition>"`.
///
/// # Errors
/// [`GaveUp`].
pub async fn retry<T, F: Future<Output = Result<T, Error>>>(
    what: &str,
    shutdown: impl Future<Output = ()>,
    mut attempt: impl FnMut() -> F,
) -> Result<T, GaveUp> {
    let mut shutdown = pin!(shutdown);
    let mut outage: Option<Outage> = None;
    loop {
        let error = match attempt().await {
            Ok(value) => {
                if let Some(outage) = outage {
                    outage.log_end(what);
                }
                return Ok(value);
            }
            Err(error) if error.next() == Next::Stop => return Err(GaveUp::Failed(error)),
            Err(error) => error,
        };
        let pause = Outage::go_on(&mut outage, what, &error);
        tokio::select! {
            biased;
            () = &mut shutdown => {
                let what = what.to_owned();
                return Err(GaveUp::Shutdown { what, source: error });
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Failures in a row.
struct Outage {
    since: Instant,
    attempts: u32,
    kind: Discriminant<Error>,
}

impl Outage {
    /// Counts a failure, logs it where it is new, and returns the pause that follows it.
    fn go_on(outage: &mut Option<Self>, what: &str, error: &Error) -> Duration {
        let kind = discriminant(error);
        let is_news = outage.as_ref().is_none_or(|outage| outage.kind != kind);
        if is_news {
            let error: &dyn std::error::Error = error;
            tracing::warn!(
                error,
                what,
                "clickhouse does not do it, trying until it does"
            );
        }
        let outage = outage.get_or_insert_with(|| Self {
            since: Instant::now(),
            attempts: 0,
            kind,
        });
        outage.kind = kind;
        let bound = pause_bound(outage.attempts);
        outage.attempts = outage.attempts.saturating_add(1);
        rand::rng().random_range(Duration::ZERO..=bound)
    }

    fn log_end(&self, what: &str) {
        let seconds = self.since.elapsed().as_secs();
        tracing::info!(
            what,
            failures = self.attempts,
            seconds,
            "clickhouse does it again"
        );
    }
}

/// Longest pause after that many failures before.
fn pause_bound(failures: u32) -> Duration {
    let factor = 1u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX);
    PAUSE_FIRST.saturating_mul(factor).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn away() -> Error {
        Error::TimedOut {
            action: "x".into(),
            timeout: Duration::from_secs(1),
        }
    }

    fn denied() -> Error {
        crate::error::classify(
            "x".into(),
            &clickhouse::error::Error::BadResponse("Code: 516. no".into()),
        )
    }

    #[test]
    fn pauses_double_up_to_their_bound() {
        let bounds: Vec<_> = (0..8).map(|n| pause_bound(n).as_millis()).collect();
        assert_eq!(bounds, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000]);
        assert_eq!(pause_bound(u32::MAX), PAUSE_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_tried_until_it_works() {
        let attempts = Cell::new(0);
        let result = retry("x", std::future::pending(), || async {
            attempts.set(attempts.get() + 1);
            if attempts.get() < 50 {
                Err(away())
            } else {
                Ok(7)
            }
        });
        assert_eq!(result.await.ok(), Some(7));
        assert_eq!(attempts.get(), 50);
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_pass_is_tried_once() {
        let attempts = Cell::new(0);
        let result = retry("x", std::future::pending(), || async {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(denied())
        });
        assert!(matches!(
            result.await,
            Err(GaveUp::Failed(Error::Denied { .. }))
        ));
        assert_eq!(attempts.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn shutdown_leaves_one_attempt() {
        let attempts = Cell::new(0);
        let result = retry("x", std::future::ready(()), || async {
            attempts.set(attempts.get() + 1);
            Err::<(), _>(away())
        });
        assert!(matches!(result.await, Err(GaveUp::Shutdown { .. })));
        assert_eq!(attempts.get(), 1);
    }
}
