//! Asks whether a tenant may use more, before the use: with answers kept near the caller.
//!
//! ```no_run
//! use meterline_client::check::Checker;
//!
//! # async fn gate() -> Result<(), Box<dyn std::error::Error>> {
//! let checker = Checker::builder("https://usage.example", std::env::var("METERLINE_KEY")?).connect()?;
//! let verdict = checker.check("acme", "llm_tokens", 1_200).await;
//! if !verdict.allowed {
//!     // 429, with `verdict.retry_after`
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - **A call that finds a good answer takes no network and less than a microsecond.** An answer is
//!   fresh for [`Builder::fresh`]; then one caller asks again in the background, while the others
//!   go on with it for as long as [`Builder::good`].
//! - **Nobody waits longer than [`Builder::timeout`].** Where no answer comes in that time, the
//!   verdict is what [`Builder::fail`] says, and is marked as such ([`Basis::Nothing`]).
//! - **What was allowed is held back from what is left** until an answer has seen the moment by
//!   which its event was in the log: [`Builder::event_within`] after the check.
//! - **Of a peak** (a meter with `max`) nothing is kept, because uses do not add up to it: each
//!   call asks, and [`Checker::try_check`] has never an answer.
//!
//! # When a hard cap is not passed
//!
//! The events of what one checker allowed do not pass the hard cap of a meter, if all of this holds:
//!
//! - It alone serves the tenant, and nobody else emits events for that meter. Several processes can
//!   pass the cap together by what they allow within the age of what the service knows; the guide
//!   (`deploy/guide/capacity.md`) has the formula. So can one that starts anew, by what the one
//!   before it allowed and the service has not seen: wait for [`Builder::event_within`] and the age.
//! - An event says no more than was checked, and is in the log within [`Builder::event_within`].
//! - The verdict rests on an answer: not on [`Basis::Nothing`] with [`Fail::Open`].
//! - The age that the service states is right: its clock agrees with the brokers'.
//! - The cap is the meter's own. A cap of a derived quantity, which several meters use up, can be
//!   passed by what was allowed of the others in that time: of each only its own is held back.
//! - The cap is not set or lowered within the time for which an answer is good.
//! - Its answer finds a place: [`Builder::tenant_meters`] is well above the number of tenants and
//!   meters, because it is shared out evenly among 64 parts and tenants fall into them by hash.
//!   Nothing is held back of what is not kept.
//!
//! The price is that a tenant near its cap is refused early: what the service has seen already is
//! held back too, for as long as it might not have.
//!
//! # What it refuses
//!
//! Floats as quantities, like events; addresses without TLS unless they are asked for. It counts
//! nothing: emit the event after the use ([`crate::Client::emit`]).

use crate::quantity::{Given, IntoQuantity};
use cache::{Answer, Cache, Found};
use meterline_core::quantity::Quantity;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

mod cache;
mod entry;
mod service;
mod settings;

pub use settings::{Builder, CheckError, Fail};

/// Whether a use is allowed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// Whether it is.
    pub allowed: bool,
    /// Whether use is beyond a soft cap: allowed for now, and the tenant should be told.
    pub soft: bool,
    /// Why it is refused; [`Reason::Allowed`] where it is not.
    pub reason: Reason,
    /// When asking again may help: the period's end, or the service's word.
    pub retry_after: Option<Duration>,
    /// What the verdict rests on.
    pub basis: Basis,
    /// How old what is known of the tenant's use is; zero where there was no answer, a day where
    /// the service does not know it.
    pub age: Duration,
}

/// Why a use is refused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reason {
    /// It is not.
    Allowed,
    /// It would pass a hard cap.
    Limit,
    /// The grace beyond a soft cap is over.
    GraceOver,
    /// The account is suspended or closed.
    Account,
    /// The service knows no such tenant or meter, or the key may not ask for it.
    Unknown,
    /// What is known is too old, or there was no answer, and the setting is to refuse then.
    Stale,
}

/// What a verdict rests on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Basis {
    /// The service's answer to this call.
    Service,
    /// An answer kept from before.
    Kept,
    /// Nothing: there was no answer in time, and the verdict is what the setting says.
    Nothing,
}

/// Asks, and keeps answers. Clones share both.
#[derive(Clone, Debug)]
pub struct Checker {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    service: service::Service,
    cache: Cache,
    fail: Fail,
    unanswered: AtomicU64,
}

impl Checker {
    /// Begins to make one: `url` of the API stage, and a key with the role `check`.
    pub fn builder(url: impl Into<String>, key: impl Into<String>) -> Builder {
        Builder::new(url.into(), key.into())
    }

    /// Whether the tenant may use that much more of the meter, in the meter's base unit.
    ///
    /// Never fails: where nothing can be known the setting decides, see [`Basis::Nothing`]. A
    /// quantity that is no exact number is refused as [`Reason::Unknown`]. Needs a tokio runtime.
    pub async fn check<'q>(
        &self,
        tenant: &str,
        meter: &str,
        quantity: impl IntoQuantity<'q>,
    ) -> Verdict {
        let Some(quantity) = exact(quantity.into_quantity()) else {
            return Verdict::refused(Reason::Unknown, Basis::Nothing);
        };
        match self.kept(tenant, meter, quantity) {
            Some(verdict) => verdict,
            None => self.inner.ask(tenant, meter, quantity).await,
        }
    }

    /// [`Checker::check`] without waiting: `None` where no answer that is still good is kept.
    ///
    /// Needs a tokio runtime, on which it asks again in the background.
    pub fn try_check<'q>(
        &self,
        tenant: &str,
        meter: &str,
        quantity: impl IntoQuantity<'q>,
    ) -> Option<Verdict> {
        match exact(quantity.into_quantity()) {
            Some(quantity) => self.kept(tenant, meter, quantity),
            None => Some(Verdict::refused(Reason::Unknown, Basis::Nothing)),
        }
    }

    /// Calls that got no answer in time, and were decided by the setting.
    #[must_use]
    pub fn unanswered(&self) -> u64 {
        self.inner.unanswered.load(Ordering::Relaxed)
    }

    fn kept(&self, tenant: &str, meter: &str, quantity: Quantity) -> Option<Verdict> {
        let found = self
            .inner
            .cache
            .take(tenant, meter, quantity, Instant::now());
        let Found::Answer {
            allowed,
            answer,
            held,
            refresh,
        } = found
        else {
            return None;
        };
        if refresh {
            let inner = Arc::clone(&self.inner);
            let (tenant, meter) = (tenant.to_owned(), meter.to_owned());
            tokio::spawn(async move { inner.refresh(&tenant, &meter, quantity).await });
        }
        Some(Verdict::of(allowed, &answer, Basis::Kept, held))
    }
}

impl Inner {
    async fn ask(&self, tenant: &str, meter: &str, quantity: Quantity) -> Verdict {
        // Before the question is sent: the service measures the age of what it knows on its way.
        let asked = Instant::now();
        match self.service.ask(tenant, meter, quantity).await {
            Ok(answer) => {
                let now = Instant::now();
                let kept = (tenant, meter);
                let (allowed, answer) = self.cache.keep(kept, answer, quantity, asked, now);
                Verdict::of(allowed, &answer, Basis::Service, now - asked)
            }
            Err(error) => {
                self.unanswered.fetch_add(1, Ordering::Relaxed);
                // The tenant is the caller's, and may be personal: not in logs.
                tracing::warn!(meter, %error, "a quota check got no answer");
                match self.fail {
                    Fail::Open => Verdict {
                        allowed: true,
                        ..Verdict::refused(Reason::Allowed, Basis::Nothing)
                    },
                    Fail::Closed => Verdict::refused(Reason::Stale, Basis::Nothing),
                }
            }
        }
    }

    /// Asks again, for what the call wanted that found the answer old: the next one mostly wants
    /// the same. Nobody uses it by that, so that nothing is held back.
    async fn refresh(&self, tenant: &str, meter: &str, quantity: Quantity) {
        let asked = Instant::now();
        match self.service.ask(tenant, meter, quantity).await {
            Ok(answer) => {
                let now = Instant::now();
                let (kept, nothing) = ((tenant, meter), Quantity::ZERO);
                self.cache.keep(kept, answer, nothing, asked, now);
            }
            Err(error) => {
                tracing::warn!(meter, %error, "a kept quota answer could not be renewed");
                self.cache.release(tenant, meter);
            }
        }
    }
}

impl Verdict {
    fn of(allowed: bool, answer: &Answer, basis: Basis, held: Duration) -> Self {
        let reason = if allowed {
            Reason::Allowed
        } else {
            answer.reason
        };
        Self {
            allowed,
            soft: answer.soft && allowed,
            reason,
            retry_after: answer.retry_after.filter(|_| !allowed),
            basis,
            age: answer.age + held,
        }
    }

    fn refused(reason: Reason, basis: Basis) -> Self {
        Self {
            allowed: false,
            soft: false,
            reason,
            retry_after: None,
            basis,
            age: Duration::ZERO,
        }
    }
}

fn exact(given: Given<'_>) -> Option<Quantity> {
    let quantity = match given {
        Given::Exact(quantity) => quantity,
        Given::Text(text) => Quantity::parse(&text).ok()?,
    };
    (!quantity.is_negative()).then_some(quantity)
}
