//! A request to stop: Ctrl-C or SIGTERM.
//!
//! The first asks for a clean end, the second ends the process at once: what survives a kill -9
//! survives that too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Exit code of a process that was told to stop twice, as shells report it for SIGINT.
const STOPPED_TWICE: i32 = 130;

/// Whether a stop was asked for; cheap to clone and to ask.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    flag: Arc<AtomicBool>,
    changed: watch::Receiver<bool>,
}

impl Stop {
    /// Begins to listen for signals; must be called within a runtime.
    ///
    /// # Errors
    /// When the signals cannot be listened for.
    pub(crate) fn on_signals() -> std::io::Result<Self> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, changed) = watch::channel(false);
        let flag = Arc::new(AtomicBool::new(false));
        let stop = Self {
            flag: Arc::clone(&flag),
            changed,
        };
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if flag.swap(true, Ordering::Relaxed) {
                    std::process::exit(STOPPED_TWICE);
                }
                // Nobody waits any more when every receiver is gone: the process is ending.
                let _ = sender.send(true);
            }
        });
        Ok(stop)
    }

    /// A stop that nobody asks for.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        let (_, changed) = watch::channel(false);
        Self {
            flag: Arc::default(),
            changed,
        }
    }

    /// Whether a stop was asked for.
    pub(crate) fn is_requested(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Waits for the request.
    pub(crate) async fn requested(mut self) {
        // An error means that the listening task ended, which it does only with the runtime.
        let _ = self.changed.wait_for(|stopped| *stopped).await;
    }
}
