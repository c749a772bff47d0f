//! Calls that stages ask for, made at once, and how long they seem to take.

use crate::mutation::Mutation;
use crate::usage::{self, METERS};
use crate::world::{Event, World};
use meterline_billing::engine::{Action, Append, Call, Called, Seen, Weather};
use meterline_core::push::{Outcome, Stamps, Step};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl World {
    /// Makes one call; how long it takes in virtual time, and what its caller is told.
    pub(crate) async fn call(&self, action: &Action) -> (i64, Event) {
        match action {
            Action::Call(call) => {
                let called = self.push(call).await;
                let is_unknown = matches!(called.outcome, Outcome::Unknown { .. });
                (if is_unknown { 30_000 } else { 150 }, Event::Called(called))
            }
            Action::Read(read) => {
                let seen = match self.mutation {
                    Some(Mutation::ConfirmedByTheAnswer) => Seen {
                        id: read.id,
                        differing: Some(Vec::new()),
                        weather: Weather::Fine,
                    },
                    _ => self.stripe.seen(read).await.result,
                };
                (300, Event::Seen(seen))
            }
            Action::List(listing) => {
                let listed = self.stripe.listed(*listing).await.result;
                (2_000, Event::Listed(listed))
            }
            Action::Hold(id) => {
                let seen = self.stripe.hold(id).await.result;
                (300, Event::Changed(Arc::clone(id), seen))
            }
            Action::Finalize(id) => {
                let seen = self.stripe.finalize(id).await.result;
                (300, Event::Changed(Arc::clone(id), seen))
            }
            Action::Append(_) => unreachable!("records are appended, not called"),
        }
    }

    async fn push(&self, call: &Call) -> Called {
        let clock = Arc::clone(&self.clock);
        let deadline = call.deadline;
        let may_write = move || clock.load(Ordering::Acquire) < deadline;
        let mut call = call.clone();
        match self.mutation {
            Some(Mutation::CustomerOfTheCurrentLink) => {
                let number: usize = call.key.tenant[7..].parse().expect("a number");
                call.intent.customer.clone_from(&self.customers[number]);
            }
            Some(Mutation::IdentifierOfTheRevision) => {
                let hour = call.key.window.hour();
                let known = self.all.iter().filter(|known| {
                    known.hour == hour
                        && usage::tenant(known.tenant) == call.key.tenant
                        && METERS[known.meter] == call.key.meter
                        && known.value == call.intent.quantity
                });
                let revision = known.map(|known| known.revision).max().unwrap_or(0);
                call.intent.stamps = Stamps::default();
                call.intent.attempt = revision;
            }
            _ => {}
        }
        if may_write() {
            self.audit.call(&call, &self.log, self.at);
        }
        let mut called = self.stripe.push(&call, may_write).await.result;
        self.audit.called(&call, &called.outcome, self.at);
        if self.mutation == Some(Mutation::LastReceivedIgnored)
            && matches!(called.outcome, Outcome::Unknown { .. })
        {
            let detail = "what is not known to be taken is pushed again".to_owned();
            called.outcome = Outcome::NotTaken { detail };
        }
        called
    }
}

/// The call of an intent that was not even written.
pub(crate) fn called_at_once(record: &Append) -> Option<Call> {
    let Append::Push(record) = record else {
        return None;
    };
    let Step::Intent(intent) = &record.step else {
        return None;
    };
    Some(Call {
        write_id: record.write_id,
        key: record.key.clone(),
        intent: intent.clone(),
        deadline: u64::MAX,
    })
}
