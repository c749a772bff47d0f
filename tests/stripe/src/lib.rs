//! A stateful stand-in for the part of Stripe that Meterline bills through.
//!
//! It speaks Stripe's HTTP API of the first version (form-encoded requests, JSON answers) on a
//! loopback port: billing meters, meter events and their summaries, customers, products, prices,
//! subscriptions, invoices, invoice items, events and webhooks. It is honest where that hurts: what
//! is received counts later and out of order, the last received wins a window, summaries are late
//! floats, drafts become final, limits and faults hit. Beside each behaviour stands what Stripe's
//! documentation says of it.
//!
//! It refuses what Meterline does not use rather than answering it wrongly, and it reads no clock
//! unless told to run with the machine's. Invariant: the same seed, the same requests at the same
//! times give the same answers, and the truth ([`Truth`]) is exact.
//!
//! ```
//! use meterline_fake_stripe::{Clock, FakeStripe, HOUR, Settings};
//!
//! # fn main() -> std::io::Result<()> {
//! let fake = FakeStripe::start(Settings::default(), Clock::Manual(1_790_812_800_000))?;
//! println!("a client works against {}", fake.url());
//! fake.advance_blocking(2 * HOUR);
//! assert!(fake.truth(|truth| truth.lines()).is_empty());
//! # Ok(())
//! # }
//! ```

mod account;
mod catalog;
mod customers;
mod decimal;
mod events;
mod faults;
mod form;
mod gate;
mod idempotency;
mod invoice_items;
mod invoice_views;
mod invoices;
mod limits;
mod lines;
mod lists;
mod meter_events;
mod meters;
mod payments;
mod periods;
mod previews;
mod pricing;
mod refusal;
mod reports;
mod request;
mod server;
mod settings;
mod subscription_items;
mod subscriptions;
mod summaries;
#[cfg(test)]
mod tests;
mod truth;
mod usage;
mod webhooks;

pub use decimal::Decimal;
pub use server::Clock;
pub use settings::{
    DAY, Faults, HOUR, Key, Limits, MINUTE, Outage, SECOND, Settings, Side, Webhooks,
};
pub use truth::{BilledLine, Call, Counted, Seen, Truth};

use account::Account;
use server::Shared;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// A stand-in that runs, on a thread of its own, until it is dropped.
#[derive(Debug)]
pub struct FakeStripe {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FakeStripe {
    /// Starts on a free loopback port.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub fn start(settings: Settings, clock: Clock) -> std::io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), settings, clock)
    }

    /// Starts on an address.
    ///
    /// # Errors
    /// If the address cannot be had, or no thread.
    pub fn listen(address: SocketAddr, settings: Settings, clock: Clock) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (now, wall) = match clock {
            Clock::Manual(now) => (now, false),
            Clock::Wall => (server::wall_time(), true),
        };
        let shared = Arc::new(Shared::new(Account::new(settings, now), wall));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let serve = async move {
            let listener = tokio::net::TcpListener::from_std(listener)
                .expect("a listener that does not block fits the runtime");
            tokio::select! {
                () = server::run(listener, served) => {}
                _ = stopped => {}
            }
        };
        let thread = std::thread::Builder::new().name("fake-stripe".to_owned());
        let thread = thread.spawn(move || runtime.block_on(serve))?;
        Ok(Self {
            address,
            shared,
            runtime: handle,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to use in the place of `https://api.stripe.com`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The time, in milliseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.shared.account().now()
    }

    /// Moves the clock on. All that was due in between has happened on return, and all webhooks
    /// that were due have been sent.
    ///
    /// # Panics
    /// When the stand-in has stopped.
    pub async fn advance(&self, milliseconds: i64) {
        let advanced = self.advancing(milliseconds);
        advanced.await.expect("the stand-in runs while it is there");
    }

    /// The same, for callers that are not asynchronous.
    ///
    /// # Panics
    /// When the stand-in has stopped, and inside of a runtime.
    pub fn advance_blocking(&self, milliseconds: i64) {
        let advanced = self.advancing(milliseconds);
        let advanced = advanced.blocking_recv();
        advanced.expect("the stand-in runs while it is there");
    }

    fn advancing(&self, milliseconds: i64) -> oneshot::Receiver<()> {
        let (done, advanced) = oneshot::channel();
        let shared = Arc::clone(&self.shared);
        let to = self.now() + milliseconds;
        self.runtime.spawn(async move {
            shared.advance(to).await;
            // Whoever asked may have stopped waiting; the clock has moved all the same.
            let _ = done.send(());
        });
        advanced
    }

    /// Changes how it behaves from now on.
    pub fn change(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.shared.account().settings);
    }

    /// Looks at what really happened; nothing moves meanwhile.
    pub fn truth<T>(&self, look: impl FnOnce(Truth<'_>) -> T) -> T {
        look(Truth(&self.shared.account()))
    }
}

impl Drop for FakeStripe {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been printed; here it must not become a second one.
            let _ = thread.join();
        }
    }
}
