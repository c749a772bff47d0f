//! Rate limits and concurrency, by the injected clock.
//!
//! "If you exceed the limits, you get `429 Too Many Requests` HTTP status responses"; the header
//! `Stripe-Rate-Limited-Reason` says which limit: `global-rate`, `endpoint-rate`,
//! `resource-specific` and others. There is no `Retry-After`. (<https://docs.stripe.com/rate-limits>)

use crate::settings::{Limits, SECOND};
use std::collections::{HashMap, HashSet};

/// The operation that has a limit of its own, outside of all others.
pub(crate) const METER_EVENTS: &str = "POST /v1/billing/meter_events";

/// A customer at a meter.
pub(crate) type Subject = (String, String);

/// The requests of the present second, and those in work.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    second: i64,
    all: u32,
    operations: HashMap<String, u32>,
    in_work: HashSet<Subject>,
}

impl Limiter {
    /// Lets a request in, or says which limit it is over.
    pub(crate) fn enter(
        &mut self,
        limits: Option<Limits>,
        now: i64,
        operation: &str,
        subject: Option<&Subject>,
    ) -> Result<(), &'static str> {
        let Some(limits) = limits else {
            return Ok(());
        };
        let second = now.div_euclid(SECOND);
        if second != self.second {
            self.second = second;
            self.all = 0;
            self.operations.clear();
        }
        let has_own = operation == METER_EVENTS;
        let used = self.operations.entry(operation.to_owned()).or_default();
        if *used
            >= if has_own {
                limits.meter_events
            } else {
                limits.endpoint
            }
        {
            return Err("endpoint-rate");
        }
        if !has_own && self.all >= limits.all {
            return Err("global-rate");
        }
        if subject.is_some_and(|subject| self.in_work.contains(subject)) {
            return Err("resource-specific");
        }
        *used += 1;
        self.all += u32::from(!has_own);
        if let Some(subject) = subject {
            self.in_work.insert(subject.clone());
        }
        Ok(())
    }

    /// Ends the work on a customer at a meter.
    pub(crate) fn leave(&mut self, subject: &Subject) {
        self.in_work.remove(subject);
    }
}
