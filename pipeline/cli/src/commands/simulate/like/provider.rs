//! A point-of-sale platform's users: shops that sell, and systems that are told about it.
//!
//! Every request and every delivery attempt is an event, failed or not; a delivery that fails is
//! tried again, later and later.

use super::draw::{by_deciles, long_tailed, millis, percent, weighted};
use super::season::{SHOPS, Season};
use super::{Act, HOUR, MINUTE, SECOND, Users};
use crate::load::event::UsageEvent;
use crate::load::random::Random;

const API: &str = "//provider/api";
const WEBHOOKS: &str = "//provider/webhooks";
const LEVELS: &str = "//provider/levels";

const STATUSES: [(u64, u16); 10] = [
    (700, 200),
    (180, 201),
    (30, 204),
    (12, 304),
    (25, 400),
    (10, 401),
    (25, 404),
    (8, 409),
    (6, 429),
    (4, 500),
];
const ENDPOINTS: [(u64, &str); 6] = [
    (40, "POST /sales"),
    (25, "GET /products"),
    (15, "GET /stock"),
    (10, "POST /tickets"),
    (6, "GET /reports/day"),
    (4, "PUT /products/{product}"),
];
/// Milliseconds to an answer: the deciles of a service with a slow tail.
const RESPONSE: [u64; 11] = [2, 8, 12, 16, 21, 28, 37, 52, 90, 240, 9_000];
const REQUEST_BYTES: [u64; 11] = [120, 210, 260, 340, 410, 520, 700, 980, 1_600, 4_200, 96_000];
/// When a delivery that failed is tried again, after the attempt before.
const RETRIES: [i64; 4] = [MINUTE, 5 * MINUTE, 30 * MINUTE, 2 * HOUR];
const WEBHOOKS_MAX: u64 = 8;
/// What a tenant stores before it sold anything: 100 MB, KB and MB being powers of 1,024.
const STORED_LEAST: u64 = 100 * 1_024 * 1_024;
const SALE_BYTES: u64 = 1_024;
const TICKET_BYTES: u64 = 512;
const AUDIT_BYTES: u64 = 256;

/// What the platform knows of one tenant.
#[derive(Clone, Copy, Default)]
struct Shop {
    sales: u64,
    tickets: u64,
    audits: u64,
    devices: u64,
    stores: u64,
}

/// The users.
pub(super) struct Provider {
    shops: Vec<Shop>,
}

impl Provider {
    pub(super) fn new(tenants: usize) -> Self {
        Self {
            shops: vec![Shop::default(); tenants],
        }
    }
}

impl Users for Provider {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "api.request",
            "webhook.attempt",
            "storage.size",
            "devices.active",
            "stores.active",
        ]
    }

    fn season(&self) -> &'static Season {
        &SHOPS
    }

    fn act(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        let shop = &mut self.shops[act.rank];
        match random.below(100) {
            0..4 => shop.report_storage(act, events),
            4..7 => shop.report_devices(act, random, events),
            _ => shop.requests(act, random, events),
        }
    }
}

impl Shop {
    fn requests(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        for number in 0..long_tailed(random, 1, 10) {
            let after = random.micros(0, 30 * SECOND);
            let endpoint = *weighted(random, &ENDPOINTS);
            let status = *weighted(random, &STATUSES);
            let request = format!("{}-r{number}", act.key);
            act.event(API, "api.request", request.clone(), after)
                .with("endpoint", endpoint)
                .with("status", status)
                .with("request_bytes", by_deciles(random, &REQUEST_BYTES))
                .with("response_ms", millis(random, &RESPONSE))
                .add_to(events);
            self.audits += 1;
            if status != 201 {
                continue;
            }
            match endpoint {
                "POST /sales" => self.sales += 1,
                _ => self.tickets += 1,
            }
            if percent(random, 60) {
                deliver(act, &request, after, random, events);
            }
        }
    }

    fn report_storage(self, act: &Act, events: &mut Vec<UsageEvent>) {
        let stored = STORED_LEAST
            + self.sales * SALE_BYTES
            + self.tickets * TICKET_BYTES
            + self.audits * AUDIT_BYTES;
        act.event(LEVELS, "storage.size", format!("{}-stored", act.key), 0)
            .quantity(stored)
            .add_to(events);
    }

    fn report_devices(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        self.stores = step(random, self.stores, 20);
        self.devices = step(random, self.devices.max(self.stores), 60);
        for (kind, count) in [
            ("devices.active", self.devices),
            ("stores.active", self.stores),
        ] {
            act.event(LEVELS, kind, format!("{}-{kind}", act.key), 0)
                .quantity(count)
                .add_to(events);
        }
    }
}

/// One more, one less, or as before; never less than one.
fn step(random: &mut Random, count: u64, most: u64) -> u64 {
    (count + random.below(3)).saturating_sub(1).clamp(1, most)
}

/// Tells the tenant's systems of something, until one attempt succeeds or all were made.
fn deliver(
    act: &Act,
    request: &str,
    after: i64,
    random: &mut Random,
    events: &mut Vec<UsageEvent>,
) {
    let webhook = format!("webhook-{}", long_tailed(random, 1, WEBHOOKS_MAX));
    let mut after = after + SECOND;
    for attempt in 0..=RETRIES.len() {
        // A system that has failed is probably still down at the next attempt.
        let succeeds = percent(random, if attempt == 0 { 94 } else { 50 });
        act.event(
            WEBHOOKS,
            "webhook.attempt",
            format!("{request}-w{attempt}"),
            after,
        )
        .with("webhook_id", &webhook)
        .with("success", succeeds)
        .with("response_ms", millis(random, &RESPONSE))
        .add_to(events);
        match RETRIES.get(attempt) {
            Some(pause) if !succeeds => after += pause,
            _ => return,
        }
    }
}
