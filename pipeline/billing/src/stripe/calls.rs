//! Calls of commands: lists page by page, and writes until it is known what became of them.
//!
//! Refuses nothing; whoever calls decides what a failure means. Invariant: a write is repeated only
//! where that does nothing a second time: with an idempotency key, or where it sets something.

use super::{Pace, READ_AGAIN, Stripe};
use crate::settings::BillingSettings;
use meterline_core::hash::Parts;
use meterline_stripe::{Client, Failure, Listed, Next, Page, Read, SettingsError, Write};
use serde::de::DeserializeOwned;

/// The request with an idempotency key that follows from its content, and from numbers that tell
/// requests of one content apart where they are meant twice.
pub(crate) fn keyed<T>(what: &str, request: Write<T>, numbers: &[u32]) -> Write<T> {
    let mut parts = Parts::default();
    parts.put(request.path().as_bytes());
    parts.put(request.body().as_bytes());
    for number in numbers {
        parts.put(&number.to_be_bytes());
    }
    request.with_idempotency_key(&format!("meterline-{what}-{:032x}", parts.hash()))
}

impl Stripe {
    /// A connection for commands, which push nothing. Nothing is sent yet.
    ///
    /// # Errors
    /// The key or the address cannot be used.
    pub fn connect(settings: &BillingSettings) -> Result<Self, SettingsError> {
        let client = Client::new(settings.client())?;
        let pace = Pace::new(settings.requests_per_second);
        Ok(Self::new(client, String::new(), pace))
    }

    /// Reads one object.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        request: &Read<T>,
    ) -> Result<T, Failure> {
        self.read(endpoint, request).await
    }

    /// Reads one object that need not be there.
    pub(crate) async fn found<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        request: &Read<T>,
    ) -> Result<Option<T>, Failure> {
        match self.read(endpoint, request).await {
            Err(failure) if failure.is_missing() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Reads a list, page by page, and hands its objects over one by one.
    pub(crate) async fn pages<T: Listed + DeserializeOwned>(
        &self,
        endpoint: &'static str,
        page: impl Fn(Option<&str>) -> Read<Page<T>>,
        mut take: impl FnMut(T),
    ) -> Result<(), Failure> {
        let mut after: Option<String> = None;
        loop {
            let read = self.read(endpoint, &page(after.as_deref())).await?;
            after = read.next().map(str::to_owned);
            read.data.into_iter().for_each(&mut take);
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Writes, again while Stripe did not say what became of it. A 500 is not repeated: Stripe
    /// gives the same answer to the same key. Other errors of a server may be a gateway's, before
    /// Stripe is done.
    pub(crate) async fn write<T: DeserializeOwned>(
        &self,
        endpoint: &'static str,
        request: &Write<T>,
    ) -> Result<T, Failure> {
        let mut attempt = 0;
        loop {
            self.pace.turn(endpoint).await;
            match self.client.write(request).await {
                Err(failure @ Failure::ServerError { status: 500, .. }) => return Err(failure),
                Err(failure) if failure.next() == Next::Retry && attempt < READ_AGAIN => {
                    attempt += 1;
                    self.pace.pause(attempt).await;
                }
                answer => return answer,
            }
        }
    }
}
