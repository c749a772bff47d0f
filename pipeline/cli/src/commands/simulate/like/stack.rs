//! An LLM product's users: they chat and run agents; every call under `/api` is metered.
//!
//! Only what was let through is emitted. One request may use several things: the request's id is
//! the id of all its events, and every emitter has a source of its own.

use super::draw::{by_deciles, drifted, long_tailed, percent, weighted};
use super::season::{OFFICE, Season};
use super::{Act, SECOND, Users};
use crate::load::event::UsageEvent;
use crate::load::random::Random;

const API: &str = "//stack/api";
const LLM: &str = "//stack/llm";
const AGENTS: &str = "//stack/agents";
const LEVELS: &str = "//stack/levels";

const MODELS: [(u64, &str); 4] = [
    (60, "small"),
    (25, "large"),
    (10, "reasoning"),
    (5, "embedding"),
];
const AGENT_TYPES: [(u64, &str); 4] = [
    (45, "research"),
    (30, "support"),
    (20, "coding"),
    (5, "data"),
];
/// Tokens of a conversation's turn, by deciles of the Azure LLM inference trace of 2023.
const CONTEXT_TOKENS: [u64; 11] = [
    2, 207, 387, 403, 703, 1_020, 1_071, 1_130, 1_315, 2_735, 14_050,
];
const GENERATED_TOKENS: [u64; 11] = [7, 54, 77, 91, 103, 129, 177, 384, 400, 424, 1_000];

/// What the product knows of one tenant.
#[derive(Clone, Copy)]
struct Account {
    stored: u64,
    seats: u64,
}

/// The users.
pub(super) struct Stack {
    accounts: Vec<Account>,
}

impl Stack {
    pub(super) fn new(tenants: usize) -> Self {
        let begun = Account {
            stored: 40_000_000_000,
            seats: 3,
        };
        Self {
            accounts: vec![begun; tenants],
        }
    }
}

impl Users for Stack {
    fn kinds(&self) -> &'static [&'static str] {
        &[
            "llm.completion",
            "agent.execution",
            "api.call",
            "storage.size",
            "seats.size",
        ]
    }

    fn season(&self) -> &'static Season {
        &OFFICE
    }

    fn act(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        let account = &mut self.accounts[act.rank];
        match random.below(100) {
            0..3 => account.report(act, random, events),
            3..13 => agent(act, random, events),
            13..60 => conversation(act, random, events),
            _ => call(act, "c", random.micros(0, SECOND), events),
        }
    }
}

impl Account {
    /// Both levels, as a nightly job or an upload states them.
    fn report(&mut self, act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
        self.stored = drifted(random, self.stored, 1_000_000);
        self.seats = (self.seats + random.below(3)).saturating_sub(1).max(1);
        for (kind, size) in [("storage.size", self.stored), ("seats.size", self.seats)] {
            act.event(LEVELS, kind, format!("{}-{kind}", act.key), 0)
                .quantity(size)
                .add_to(events);
        }
    }
}

fn call(act: &Act, name: &str, after: i64, events: &mut Vec<UsageEvent>) {
    act.event(API, "api.call", format!("{}-{name}", act.key), after)
        .quantity(1)
        .add_to(events);
}

/// One completion of a model, under the id of its request.
fn completion(
    act: &Act,
    id: String,
    after: i64,
    random: &mut Random,
    events: &mut Vec<UsageEvent>,
) {
    let context = by_deciles(random, &CONTEXT_TOKENS);
    let generated = by_deciles(random, &GENERATED_TOKENS);
    act.event(LLM, "llm.completion", id, after)
        .quantity(context + generated)
        .with("model", weighted(random, &MODELS))
        .with("context_tokens", context)
        .with("generated_tokens", generated)
        .add_to(events);
}

/// Some turns, with time to read and write between them.
fn conversation(act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
    let mut after = 0;
    for turn in 0..long_tailed(random, 1, 20) {
        let name = format!("t{turn}");
        call(act, &name, after, events);
        completion(act, format!("{}-{name}", act.key), after, random, events);
        after += random.micros(5 * SECOND, 200 * SECOND);
    }
}

/// An agent: one request, several completions, and it may end long after it was asked for.
fn agent(act: &Act, random: &mut Random, events: &mut Vec<UsageEvent>) {
    call(act, "a", 0, events);
    let mut after = 0;
    for step in 0..long_tailed(random, 2, 40) {
        after += random.micros(SECOND, 40 * SECOND);
        completion(act, format!("{}-a-{step}", act.key), after, random, events);
    }
    // An agent that gave up half way is not let through to its end.
    if percent(random, 92) {
        act.event(AGENTS, "agent.execution", format!("{}-a", act.key), after)
            .quantity(1)
            .with("agent_type", weighted(random, &AGENT_TYPES))
            .add_to(events);
    }
}
