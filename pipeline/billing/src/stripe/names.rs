//! Ids behind names: a meter's by its event name, and the event name behind a price.
//!
//! Both never change at Stripe, so what was once read holds; what is not known is asked for, at
//! most once for each name and minute.

use super::Stripe;
use meterline_stripe::requests::{meters, prices};
use meterline_stripe::{Failure, Said};
use std::collections::HashMap;
use std::sync::{Arc, MutexGuard, PoisonError};

/// What was read.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// A meter's id, by its event name.
    meters: HashMap<Arc<str>, Arc<str>>,
    event_names: HashMap<Arc<str>, Arc<str>>,
    /// A meter's event name by a price's id; `None` of a price without a meter.
    prices: HashMap<Arc<str>, Option<Arc<str>>>,
}

impl Stripe {
    fn names(&self) -> MutexGuard<'_, Names> {
        // Every write leaves it whole.
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The id of the active meter with an event name.
    pub(super) async fn meter(&self, event_name: &str) -> Result<Arc<str>, Failure> {
        if let Some(id) = self.names().meters.get(event_name) {
            return Ok(Arc::clone(id));
        }
        self.read_meters().await?;
        let known = self.names().meters.get(event_name).cloned();
        known.ok_or_else(|| Failure::Refused {
            status: 404,
            said: Said {
                message: Some(format!(
                    "there is no active meter with event_name {event_name}; run \
                     `meterline stripe setup`"
                )),
                ..Said::default()
            },
        })
    }

    async fn read_meters(&self) -> Result<(), Failure> {
        let mut after: Option<String> = None;
        loop {
            let page = self.read("meters", &meters::list(after.as_deref())).await?;
            {
                let mut names = self.names();
                for meter in &page.data {
                    let (id, name): (Arc<str>, Arc<str>) =
                        (meter.id.as_str().into(), meter.event_name.as_str().into());
                    names.event_names.insert(Arc::clone(&id), Arc::clone(&name));
                    if meter.is_active() {
                        names.meters.insert(name, id);
                    }
                }
            }
            match page.next() {
                Some(next) => after = Some(next.to_owned()),
                None => return Ok(()),
            }
        }
    }

    /// The event name of the meter behind a price; `None` where there is none.
    pub(super) async fn event_name(&self, price: &str) -> Result<Option<Arc<str>>, Failure> {
        if let Some(known) = self.names().prices.get(price) {
            return Ok(known.clone());
        }
        let read = self.read("prices", &prices::get(price)).await?;
        let meter = read.recurring.and_then(|recurring| recurring.meter);
        let name = match meter {
            Some(meter) => self.event_name_of(&meter).await?,
            None => None,
        };
        self.names().prices.insert(price.into(), name.clone());
        Ok(name)
    }

    async fn event_name_of(&self, meter: &str) -> Result<Option<Arc<str>>, Failure> {
        if let Some(name) = self.names().event_names.get(meter) {
            return Ok(Some(Arc::clone(name)));
        }
        self.read_meters().await?;
        Ok(self.names().event_names.get(meter).cloned())
    }
}
