//! Doing at Stripe what the engine asks for, and telling it what became of it.
//!
//! It knows the ids behind names (a meter's by its `event_name`, a meter's by its price) and how
//! answers are read; it decides nothing. What it refuses: a call without a deadline, an answer in
//! a form that is not documented.

mod calls;
mod invoices;
mod names;
mod pace;
mod summaries;

pub(crate) use calls::keyed;
pub use pace::Pace;

use crate::engine::{Call, Called, InvoiceSeen, Listed, Listing, Read, Seen, Weather};
use meterline_core::push::identifier;
use meterline_stripe::Read as Request;
use meterline_stripe::requests::meter_events::{self, MeterEvent};
use meterline_stripe::{Client, Failure, Next, Write, meter_event_outcome, requests};
use names::Names;
use serde::de::DeserializeOwned;
use std::sync::Mutex;

/// How often a reading is tried again before the engine is told.
const READ_AGAIN: u32 = 4;

/// The connection to one Stripe account, with what is known of its names.
#[derive(Debug)]
pub struct Stripe {
    client: Client,
    customer_key: String,
    pace: Pace,
    names: Mutex<Names>,
}

/// A result for the engine, and why the call behind it failed, if it did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Told<T> {
    /// For the engine.
    pub result: T,
    /// What people are told; bounded, no secrets.
    pub failure: Option<Failure>,
}

impl Stripe {
    /// Nothing is sent yet. `pace` is kept by all calls but those of meter events, which the engine
    /// paces.
    #[must_use]
    pub fn new(client: Client, customer_key: String, pace: Pace) -> Self {
        Self {
            client,
            customer_key,
            pace,
            names: Mutex::default(),
        }
    }

    /// Reads, again where Stripe did not answer: a list of many pages must not begin again for one.
    async fn read<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        request: &Request<T>,
    ) -> Result<T, Failure> {
        let mut attempt = 0;
        loop {
            self.pace.turn(endpoint).await;
            match self.client.read(request).await {
                Err(failure) if failure.next() == Next::Retry && attempt < READ_AGAIN => {
                    attempt += 1;
                    self.pace.pause(attempt).await;
                }
                answer => return answer,
            }
        }
    }

    /// Calls Stripe with a meter event, while `may_write` allows it.
    pub async fn push(
        &self,
        call: &Call,
        may_write: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Told<Called> {
        let intent = &call.intent;
        let value = intent.quantity.to_string();
        let identifier = identifier(&call.key, &intent.stamps, intent.attempt);
        let request = meter_events::create(&MeterEvent {
            event_name: &intent.event_name,
            customer_key: &self.customer_key,
            customer: &intent.customer,
            value_key: "value",
            value: &value,
            identifier: &identifier,
            timestamp: call.key.window.0.div_euclid(1_000_000),
        });
        let answer = self.client.write_while(&request, may_write).await;
        let called = Called {
            write_id: call.write_id,
            outcome: meter_event_outcome(&answer),
            weather: weather(answer.as_ref().err()),
        };
        Told {
            result: called,
            failure: answer.err(),
        }
    }

    /// Reads summaries, and compares them with what they should show.
    pub async fn seen(&self, read: &Read) -> Told<Seen> {
        let differing = self.differing(read).await;
        let (differing, failure) = apart(differing);
        let seen = Seen {
            id: read.id,
            differing,
            weather: weather(failure.as_ref()),
        };
        Told {
            result: seen,
            failure,
        }
    }

    /// Lists invoices with lines of ours.
    pub async fn listed(&self, listing: Listing) -> Told<Listed> {
        let (listed, failure) = apart(self.invoices(listing).await);
        let result = Listed {
            listed,
            weather: weather(failure.as_ref()),
        };
        Told { result, failure }
    }

    /// Holds a draft; the invoice as it is then, `None` where that is not known to be done.
    pub async fn hold(&self, invoice: &str) -> Told<Option<InvoiceSeen>> {
        self.change(&requests::invoices::set_auto_advance(invoice, false))
            .await
    }

    /// Makes a draft final; the same.
    pub async fn finalize(&self, invoice: &str) -> Told<Option<InvoiceSeen>> {
        self.change(&requests::invoices::finalize(invoice)).await
    }

    async fn change(
        &self,
        change: &Write<requests::invoices::Invoice>,
    ) -> Told<Option<InvoiceSeen>> {
        self.pace.turn("invoices").await;
        let changed = match self.client.write(change).await {
            Ok(invoice) => self.invoice(&invoice).await,
            Err(failure) => Err(failure),
        };
        let (changed, failure) = apart(changed);
        Told {
            result: changed.flatten(),
            failure,
        }
    }
}

fn apart<T>(result: Result<T, Failure>) -> (Option<T>, Option<Failure>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(failure) => (None, Some(failure)),
    }
}

/// What a failure says of calls to come.
fn weather(failure: Option<&Failure>) -> Weather {
    match failure {
        None => Weather::Fine,
        Some(failure) if failure.next() == Next::Halt => Weather::Denied,
        Some(Failure::RateLimited { .. }) => Weather::TooMany,
        Some(
            Failure::NotConnected { .. } | Failure::ServerError { .. } | Failure::Unknown { .. },
        ) => Weather::Away,
        // What concerns one object says nothing of others, and a deadline nothing of Stripe.
        Some(_) => Weather::Fine,
    }
}
