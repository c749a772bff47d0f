//! An accounting product's users: bookkeepers who scan, classify, send and export by day.
//!
//! Only successes are emitted. A feature is the event's type.

use super::draw::{drifted, long_tailed, percent, weighted};
use super::season::{OFFICE, Season};
use super::{Act, MINUTE, SECOND, Users};
use crate::load::event::UsageEvent;
use crate::load::random::Random;

const APP: &str = "//operate/app";

/// What people do, by how often.
const FEATURES: [(u64, &str); 10] = [
    (520, "API_CALL"),
    (130, "OCR_SCAN"),
    (110, "AI_CLASSIFICATION"),
    (80, "WEBHOOK"),
    (60, "EMAIL_SENT"),
    (30, "PDF_EXPORT"),
    (25, "BANK_SYNC"),
    (20, "STORAGE_GB"),
    (15, "SMS_SENT"),
    (10, "CUSTOM_REPORT"),
];
const KINDS: [&str; 10] = [
    "OCR_SCAN",
    "API_CALL",
    "STORAGE_GB",
    "AI_CLASSIFICATION",
    "EMAIL_SENT",
    "BANK_SYNC",
    "SMS_SENT",
    "PDF_EXPORT",
    "WEBHOOK",
    "CUSTOM_REPORT",
];
const ENDPOINTS: [(u64, (&str, &str)); 5] = [
    (40, ("GET", "/api/invoices")),
    (25, ("POST", "/api/invoices")),
    (20, ("GET", "/api/accounts/{account}")),
    (10, ("POST", "/api/documents")),
    (5, ("DELETE", "/api/documents/{document}")),
];
const DOCUMENTS: [(u64, &str); 3] = [(60, "invoice"), (30, "receipt"), (10, "statement")];
const FILE_BYTES_MAX: u64 = 20_000_000;
const USERS: u64 = 12;

/// The users, and what their organizations store in bytes.
pub(super) struct Operate {
    stored: Vec<u64>,
}

impl Operate {
    pub(super) fn new(tenants: usize) -> Self {
        // 3 GB, as powers of 1,024.
        Self {
            stored: vec![3 << 30; tenants],
        }
    }
}

impl Users for Operate {
    fn kinds(&self) -> &'static [&'static str] {
        &KINDS
    }

    fn season(&self) -> &'static Season {
        &OFFICE
    }

    fn act(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        let feature = *weighted(random, &FEATURES);
        match feature {
            "OCR_SCAN" => self.scan(act, random, events),
            "API_CALL" => api_calls(act, random, events),
            "STORAGE_GB" => {
                let stored = &mut self.stored[act.rank];
                *stored = drifted(random, *stored, 1 << 20);
                track(act, "STORAGE_GB", *stored, 0, events);
            }
            // Some are sent to many, and reported as one event.
            "EMAIL_SENT" | "SMS_SENT" => {
                track(act, feature, long_tailed(random, 1, 500), 0, events);
            }
            _ => track(act, feature, 1, 0, events),
        }
    }
}

fn track(act: &Act, feature: &str, quantity: u64, after: i64, events: &mut Vec<UsageEvent>) {
    act.event(APP, feature, format!("{}-{feature}", act.key), after)
        .quantity(quantity)
        .add_to(events);
}

impl Operate {
    /// A stack of documents: each is scanned, stored, and most are classified a little later.
    fn scan(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        let document = *weighted(random, &DOCUMENTS);
        for number in 0..long_tailed(random, 1, 40) {
            let after = random.micros(0, 10 * MINUTE);
            let size = long_tailed(random, 60_000, FILE_BYTES_MAX);
            self.stored[act.rank] += size;
            act.event(APP, "OCR_SCAN", format!("{}-scan{number}", act.key), after)
                .quantity(1)
                .with("document_type", document)
                .with("file_size", size)
                .with("user_id", format!("user-{}", random.below(USERS)))
                .add_to(events);
            if percent(random, 70) {
                let id = format!("{}-class{number}", act.key);
                let later = after + random.micros(SECOND, 30 * SECOND);
                act.event(APP, "AI_CLASSIFICATION", id, later)
                    .quantity(1)
                    .add_to(events);
            }
        }
    }
}

/// A page that asks for several things, or a script that asks for many and counts them itself.
fn api_calls(act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
    let (method, endpoint) = *weighted(random, &ENDPOINTS);
    let calls = if percent(random, 5) {
        long_tailed(random, 10, 1_000)
    } else {
        1
    };
    for number in 0..long_tailed(random, 1, 8) {
        let id = format!("{}-call{number}", act.key);
        act.event(APP, "API_CALL", id, random.micros(0, 5 * SECOND))
            .quantity(calls)
            .with("endpoint", endpoint)
            .with("method", method)
            .add_to(events);
    }
}
