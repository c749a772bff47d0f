//! What the control log says goes to the engine: which meters are pushed, and who is billed.
//!
//! Everything is read again where a meter is pushed whose totals were passed over, and where the key
//! changes by which meters know their customer.

use super::Biller;
use crate::health::STAGE;
use crate::reconcile::Billed;
use meterline_control::{ControlEntry, ControlEvent};
use meterline_core::catalog::stripe::StripeMapping;
use meterline_core::control::Decision;
use meterline_core::halt::Halt;
use meterline_follow::LogHalt;
use std::time::Instant;

/// The meters of a mapping with their `event_name`s.
pub(crate) fn meters(mapping: &StripeMapping) -> impl Iterator<Item = (&str, &str)> {
    let meters = mapping.meters.iter();
    meters.map(|(meter, told)| (meter.as_str(), told.event_name.as_str()))
}

impl Biller {
    /// Takes an event of the control log.
    pub(super) fn take_control(&mut self, event: ControlEvent) {
        let entry = match event {
            ControlEvent::Record(entry) => entry,
            ControlEvent::Restored(_) => unreachable!("this stage uses no snapshots"),
        };
        if entry.in_force {
            self.follow(&entry);
        }
        let next = entry.offset + 1;
        if next >= self.behind.control && self.behind.control > 0 {
            self.behind.control = 0;
            self.caught_up();
        }
        let health = &self.follower.health;
        health.reads(&self.topics.control, 0, next);
    }

    fn follow(&mut self, entry: &ControlEntry) {
        match &entry.record().decision {
            Decision::Catalog(_) => {
                let view = self.log.control().view();
                let decision = view.catalog_by_pointer(entry.offset, entry.hash);
                let decision = decision.expect("the view holds what was fed");
                self.map(&decision.compiled.catalog.stripe);
            }
            Decision::Account(change) => {
                let effective = change.effective.unwrap_or(entry.append_time);
                if effective > self.clock.now().wall {
                    let accounts = self.later.entry(effective).or_default();
                    accounts.insert(change.account.clone());
                }
                self.link(&change.account);
            }
            _ => {}
        }
    }

    fn map(&mut self, mapping: &StripeMapping) {
        let is_known = self.engine.map_meters(meters(mapping));
        let is_same_key = mapping.is_empty() || mapping.customer_key == self.customer_key;
        let must_read_again = !(is_known && is_same_key);
        if must_read_again && !self.must_read_again {
            tracing::info!(
                stage = STAGE,
                "meters are pushed that were not, reading again"
            );
            self.must_read_again = true;
        }
    }

    /// Tells the engine who is billed for a tenant by the version in effect now.
    fn link(&mut self, tenant: &str) {
        let now = self.clock.now();
        let accounts = self.log.accounts();
        let customer = accounts.stripe_customer(tenant, now.wall);
        self.engine.customer(tenant, customer, now);
    }

    /// Takes versions of accounts whose time has come.
    pub(super) fn follow_later(&mut self) {
        let now = self.clock.now().wall;
        while let Some(first) = self.later.first_entry()
            && *first.key() <= now
        {
            for tenant in first.remove() {
                self.link(&tenant);
            }
        }
    }

    /// Begins a reconciliation where it is time, once everything is known.
    pub(super) fn reconcile(&mut self, now: Instant) {
        if !self.is_started || !self.hourly.is_due(now) {
            return;
        }
        let view = self.log.control().view();
        let Some(decision) = view.catalog() else {
            return;
        };
        let meters = meters(&decision.compiled.catalog.stripe);
        let at = self.clock.now().wall;
        let accounts = self.log.accounts();
        let customers = accounts.accounts().filter_map(|(tenant, _)| {
            let customer = accounts.stripe_customer(tenant, at)?;
            Some((tenant.to_owned(), customer.to_owned()))
        });
        let billed = Billed {
            meters: meters
                .map(|(m, name)| (m.to_owned(), name.to_owned()))
                .collect(),
            customers: customers.collect(),
        };
        drop(accounts);
        self.hourly.begin(billed, now);
    }

    /// The control log cannot be read on.
    pub(super) fn control_halts(&self, source: Halt) {
        self.follower.halts(&LogHalt {
            topic: self.topics.control.clone(),
            partition: 0,
            offset: self.log.control().view().position(),
            source,
        });
    }
}
