//! Waiting for conditions: polled, bounded, and loud about what never came.

use std::fmt::Display;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often a condition is looked at: short against every interval of the tests' workers.
const POLL: Duration = Duration::from_millis(20);

/// Long enough for a process to start and settle on a busy machine of two cores.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Polls until the probe gives a value; its error says what was seen instead.
///
/// # Panics
/// When the time is over, with what was waited for and what was seen last.
pub(crate) fn until<T, E: Display>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        let seen = match probe() {
            Ok(value) => return value,
            Err(seen) => seen,
        };
        assert!(
            start.elapsed() < limit,
            "waited {limit:?} for {what}; last seen: {seen}"
        );
        sleep(POLL);
    }
}
