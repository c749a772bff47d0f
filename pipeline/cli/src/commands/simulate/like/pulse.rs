//! A media platform's users: they meet in rooms, record some meetings, and call the API.
//!
//! A participant is reported when leaving, an egress when it ends: an event's time is its end.

use super::draw::{drifted, long_tailed, percent, weighted};
use super::season::{MEETINGS, Season};
use super::{Act, Draft, MINUTE, SECOND, Users};
use crate::load::event::UsageEvent;
use crate::load::random::Random;

const SESSIONS: &str = "//pulse/sessions";
const EGRESS: &str = "//pulse/egress";
const STORAGE: &str = "//pulse/storage";
const API: &str = "//pulse/api";

/// Route patterns, by how often they are called.
const ENDPOINTS: [(u64, &str); 9] = [
    (30, "POST /v1/tokens"),
    (22, "GET /v1/rooms/{room}"),
    (14, "GET /v1/rooms/{room}/participants"),
    (10, "POST /v1/rooms"),
    (8, "DELETE /v1/rooms/{room}"),
    (6, "POST /v1/rooms/{room}/mute"),
    (4, "POST /v1/egress"),
    (4, "GET /v1/egress/{egress}"),
    (2, "GET /v1/usage"),
];
const STATUSES: [(u64, u16); 6] = [(88, 200), (4, 201), (3, 404), (2, 401), (2, 429), (1, 503)];
/// A meeting's length in minutes: most are short, a few last for a working day.
const MEETING_MINUTES: (u64, u64) = (7, 480);
const PARTICIPANTS_MAX: u64 = 60;
/// People of a project, who come again from meeting to meeting.
const PEOPLE: u64 = 400;
const ROOMS: u64 = 40;
/// Media of one participant: about 1.5 Mbit in a second.
const BYTES_PER_SECOND: u64 = 187_500;

/// The users, and what their projects store in bytes.
pub(super) struct Pulse {
    stored: Vec<u64>,
}

impl Pulse {
    pub(super) fn new(tenants: usize) -> Self {
        Self {
            stored: vec![2_000_000_000; tenants],
        }
    }
}

impl Users for Pulse {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "participant.left",
            "egress.ended",
            "storage.size",
            "bandwidth.used",
            "api.request",
        ]
    }

    fn season(&self) -> &'static Season {
        &MEETINGS
    }

    fn act(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        match random.below(100) {
            0..16 => self.meeting(act, random, events),
            16..20 => {
                // Recordings that are too old are deleted.
                let stored = &mut self.stored[act.rank];
                *stored = drifted(random, *stored - *stored / 10, 1_000_000);
                stored_now(act, *stored, 0).add_to(events);
            }
            _ => requests(act, random, events),
        }
    }
}

impl Pulse {
    fn meeting(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        let (least, most) = MEETING_MINUTES;
        let length = i64::try_from(long_tailed(random, least, most)).expect("minutes") * MINUTE;
        let room = format!("room-{}", long_tailed(random, 1, ROOMS));
        for seat in 0..long_tailed(random, 2, PARTICIPANTS_MAX) {
            let joined = random.micros(0, length / 2);
            let left = random.micros(joined + SECOND, length + 2 * MINUTE);
            let session = format!("{}-s{seat}", act.key);
            // The server's clock counts milliseconds: three decimals of a second.
            let millis = (left - joined) / 1_000;
            let seconds = format!("{}.{:03}", millis / 1_000, millis % 1_000);
            act.event(SESSIONS, "participant.left", session.clone(), left)
                .quantity(seconds)
                .with("room", &room)
                .with("participant", format!("person-{}", random.below(PEOPLE)))
                .add_to(events);
            let bytes = u64::try_from(millis).expect("a length") * BYTES_PER_SECOND / 1_000;
            act.event(SESSIONS, "bandwidth.used", session + "-bytes", left)
                .quantity(bytes / 2 + random.below(bytes + 1))
                .with("room", &room)
                .add_to(events);
        }
        if percent(random, 25) {
            self.egress(act, length, random, events);
        }
    }

    fn egress(
        &mut self,
        act: &Act,
        length: i64,
        random: &mut Random,
        events: &mut Vec<UsageEvent>,
    ) {
        let ended = random.micros(length / 4 + SECOND, length + 2 * SECOND);
        let egress = format!("{}-egress", act.key);
        let seconds = u64::try_from(ended / SECOND).expect("an egress ends after it began");
        act.event(EGRESS, "egress.ended", egress.clone(), ended)
            .quantity(seconds)
            .with("egress_id", egress)
            .add_to(events);
        let stored = &mut self.stored[act.rank];
        *stored += seconds * BYTES_PER_SECOND;
        stored_now(act, *stored, ended + SECOND).add_to(events);
    }
}

fn stored_now(act: &Act, bytes: u64, after: i64) -> Draft {
    let id = format!("{}-stored", act.key);
    act.event(STORAGE, "storage.size", id, after)
        .quantity(bytes)
}

/// An application calls the API, several times in some seconds. Failed requests count as well.
fn requests(act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
    for number in 0..long_tailed(random, 1, 12) {
        let after = random.micros(0, 20 * SECOND);
        act.event(API, "api.request", format!("{}-r{number}", act.key), after)
            .quantity(1)
            .with("endpoint", weighted(random, &ENDPOINTS))
            .with("status", weighted(random, &STATUSES))
            .add_to(events);
    }
}
