//! The auditor: looks at every call that is written, and at nothing that its caller believes.
//!
//! What is billed in the end is right even where a call was wrong, if a later one or a carry mends
//! it. So the rules that calls must keep are looked at where they are made: an intent in force
//! before the call, for the customer of its chain, never two meanings of one identifier, and never a
//! call while an older one of its window may still arrive and be the last that Stripe received.

use crate::log::Log;
use meterline_billing::engine::Call;
use meterline_core::push::{Outcome, PushKey, identifier};
use meterline_fake_stripe::Settings;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// What it has seen.
#[derive(Debug, Default)]
pub(crate) struct Audit(Mutex<Seen>);

#[derive(Debug, Default)]
struct Seen {
    meanings: HashMap<String, (String, String)>,
    /// Until when, by the clock of the world, what was sent for a window may still arrive.
    arrives_until: HashMap<PushKey, i64>,
    faults: Vec<String>,
}

impl Audit {
    /// Looks at a call that is about to be written.
    pub(crate) fn call(&self, call: &Call, log: &Log, at: i64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let head = log.ledger.head(&call.key);
        if head.is_none_or(|head| head.intent_write_id != call.write_id) {
            seen.faults.push(format!("not in force: {:?}", call.key));
        }
        if head.is_some_and(|head| head.intent.customer != call.intent.customer) {
            seen.faults
                .push(format!("another customer: {:?}", call.key));
        }
        let until = seen.arrives_until.get(&call.key);
        if until.is_some_and(|until| at < *until) {
            let fault = format!("what was sent before may still arrive: {:?}", call.key);
            seen.faults.push(fault);
        }
        let name = identifier(&call.key, &call.intent.stamps, call.intent.attempt);
        let means = (
            call.intent.customer.clone(),
            call.intent.quantity.to_string(),
        );
        let known = seen.meanings.insert(name, means.clone());
        if known.is_some_and(|known| known != means) {
            seen.faults.push(format!("two meanings: {:?}", call.key));
        }
    }

    /// Looks at what really became of a call.
    pub(crate) fn called(&self, call: &Call, outcome: &Outcome, at: i64) {
        if matches!(outcome, Outcome::NotTaken { .. }) {
            return;
        }
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let until = at + Settings::default().arrival_delay_max;
        seen.arrives_until.insert(call.key.clone(), until);
    }

    pub(crate) fn faults(&self) -> Vec<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.faults.clone()
    }
}
