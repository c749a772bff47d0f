//! A communications platform's users: they call, and write by every channel, one by one or to many.
//!
//! Producers send every use, also those that are not charged: inbound ones, failed ones, calls
//! that nobody answered. Which of them count is the catalog's to say. Numbers and addresses of
//! people are not in the events.

use super::draw::{long_tailed, percent, weighted};
use super::season::{OFFICE, Season};
use super::{Act, Draft, MINUTE, SECOND, Users};
use crate::load::event::UsageEvent;
use crate::load::random::Random;

const CALLS: &str = "//irisx/voice";
const MESSAGES: &str = "//irisx/messages";

const CALL_STATUSES: [(u64, &str); 4] = [
    (72, "completed"),
    (16, "no-answer"),
    (8, "busy"),
    (4, "failed"),
];
const MESSAGE_STATUSES: [(u64, &str); 4] = [
    (80, "delivered"),
    (14, "sent"),
    (4, "failed"),
    (2, "undelivered"),
];
const MEDIA: [(u64, &str); 3] = [(70, "image/jpeg"), (20, "image/png"), (10, "video/mp4")];
const CARRIERS: [(u64, &str); 5] = [
    (40, "carrier-a"),
    (25, "carrier-b"),
    (20, "carrier-c"),
    (10, "carrier-d"),
    (5, "carrier-e"),
];
const REGIONS: [(u64, &str); 4] = [(55, "us"), (25, "eu"), (15, "ca"), (5, "ap")];
const NETWORKS: [(u64, &str); 3] = [(60, "facebook"), (30, "instagram"), (10, "x")];
/// Seconds of a call that was answered: some end at once, a few last for hours.
const CALL_SECONDS: (u64, u64) = (40, 14_400);
const CAMPAIGN_MAX: u64 = 60;
const RECIPIENTS_MAX: u64 = 5_000;

/// The users; the platform keeps no levels.
pub(super) struct Irisx;

impl Users for Irisx {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "call.ended",
            "sms.sent",
            "email.sent",
            "whatsapp.sent",
            "social.sent",
        ]
    }

    fn season(&self) -> &'static Season {
        &OFFICE
    }

    fn act(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        match random.below(100) {
            0..50 => call(act, random, events),
            50..62 => campaign(act, random, events),
            62..85 => email(act, random, events),
            85..95 => message(act, "whatsapp.sent", "whatsapp", 0, random).add_to(events),
            _ => message(act, "social.sent", "social", 0, random)
                .with("network", weighted(random, &NETWORKS))
                .add_to(events),
        }
    }
}

fn direction(random: &mut Random, outbound: u64) -> &'static str {
    if percent(random, outbound) {
        "outbound"
    } else {
        "inbound"
    }
}

fn call(act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
    let status = *weighted(random, &CALL_STATUSES);
    // A few calls are completed within their first second.
    let is_answered = status == "completed" && !percent(random, 2);
    let seconds = if is_answered {
        let longest = long_tailed(random, CALL_SECONDS.0, CALL_SECONDS.1);
        1 + random.below(longest)
    } else {
        0
    };
    let rings = random.micros(2 * SECOND, MINUTE);
    let talks = i64::try_from(seconds).expect("hours of seconds") * SECOND;
    let id = format!("{}:minute", act.key);
    act.event(CALLS, "call.ended", id, rings + talks)
        .with("direction", direction(random, 65))
        .with("status", status)
        .with("duration_seconds", seconds)
        .with("carrier", weighted(random, &CARRIERS))
        .with("region", weighted(random, &REGIONS))
        .add_to(events);
}

/// A message of any channel, identified by the resource and its type.
fn message(act: &Act, kind: &str, name: &str, after: i64, random: &mut Random) -> Draft {
    let id = format!("{}-{name}:message", act.key);
    act.event(MESSAGES, kind, id, after)
        .with("direction", direction(random, 80))
        .with("status", weighted(random, &MESSAGE_STATUSES))
}

/// One text message, or one to many, some of them with media.
fn campaign(act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
    for number in 0..long_tailed(random, 1, CAMPAIGN_MAX) {
        let after = random.micros(0, 3 * MINUTE);
        let mut sms = message(act, "sms.sent", &format!("sms{number}"), after, random)
            .with("region", weighted(random, &REGIONS));
        // What came in by another way has no carrier.
        if !percent(random, 5) {
            sms = sms.with("carrier", weighted(random, &CARRIERS));
        }
        if percent(random, 12) {
            sms = sms.with("media_type", weighted(random, &MEDIA));
        }
        sms.add_to(events);
    }
}

fn email(act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
    message(act, "email.sent", "email", 0, random)
        .with("recipients", long_tailed(random, 1, RECIPIENTS_MAX))
        .add_to(events);
}
