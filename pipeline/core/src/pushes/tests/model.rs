//! A model: two instances, one window, a Stripe that keeps what it received last, and faults in
//! any order. What is checked: calls arrive in the order of their intents, an identifier has one
//! quantity, and in the end Stripe has the value of the window.

use crate::position::{LogPartition, Stamp, TopicId};
use crate::push::{Intent, Outcome, PushKey, PushRecord, Stamps, Step, identifier};
use crate::pushes::{Head, Link, Next, Pushes, REFUSED_AGAIN, State, Wanted, again, next};
use crate::quantity::Quantity;
use crate::time::{EventTime, LogTime, Millis};
use proptest::prelude::*;
use std::collections::BTreeMap;

const CALL_WITHIN: Millis = Millis(30_000);
const LINK: Link<'_> = Link {
    customer: "cus_1",
    event_name: "calls",
};
/// Stripe may process what it received so much later.
const REORDERS_MILLIS: i64 = 60_000;
/// A request that nobody waits for any more may still be on its way for so long.
const IN_THE_NETWORK_MILLIS: i64 = 120_000;
/// Between two looks in the end; longer than all that settles.
const PAUSE_MILLIS: i64 = 600_000;

/// Something happens; the numbers choose what exactly.
#[derive(Clone, Debug)]
enum Event {
    /// Time passes, in milliseconds.
    Passes(u32),
    /// Usage changes the window's value.
    Usage(u8),
    /// An instance does what it wants to do next.
    Acts { instance: bool, fate: Fate },
    /// An instance is killed and starts anew.
    Crashes { instance: bool },
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Answered, and counted so much later.
    Received(u32),
    /// Counted so much later, and never answered.
    AnswerLost(u32),
    /// Never arrives, and nobody knows.
    Lost,
    /// 429.
    NotTaken,
    /// 400.
    Refused,
    /// The caller is killed after the call, which is counted so much later.
    CallerKilled(u32),
}

struct Arrival {
    at: i64,
    /// Place of its intent in the log.
    intent: usize,
    quantity: Quantity,
}

#[derive(Default)]
struct Instance {
    pushes: Option<Pushes>,
    read: usize,
    /// The intent that it wrote: its write id, and when it began to write it.
    wrote: Option<(u128, i64)>,
}

struct World {
    now: i64,
    log: Vec<(LogTime, PushRecord)>,
    arrivals: Vec<Arrival>,
    counted: Option<(usize, Quantity)>,
    quantities: BTreeMap<String, Quantity>,
    version: u64,
    value: Quantity,
    instances: [Instance; 2],
}

fn key() -> PushKey {
    PushKey {
        tenant: "acme".to_owned(),
        meter: "calls".to_owned(),
        window: EventTime(0),
    }
}

fn number(n: u8) -> Quantity {
    Quantity::from_unscaled(i128::from(n), 0).expect("small numbers fit")
}

fn stamps(version: u64) -> Stamps {
    let log_partition = LogPartition {
        topic_id: TopicId(1),
        partition: 0,
    };
    let stamp = Stamp {
        epoch: 0,
        offset: version,
    };
    Stamps::new(vec![(log_partition, stamp)])
}

impl World {
    fn new() -> Self {
        Self {
            now: 3_600_000,
            log: Vec::new(),
            arrivals: Vec::new(),
            counted: None,
            quantities: BTreeMap::new(),
            version: 0,
            value: Quantity::ZERO,
            instances: Default::default(),
        }
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Passes(millis) => self.passes(i64::from(*millis)),
            Event::Usage(value) => {
                self.version += 1;
                self.value = number(*value);
            }
            Event::Acts { instance, fate } => self.acts(usize::from(*instance), *fate, false),
            Event::Crashes { instance } => {
                self.instances[usize::from(*instance)] = Instance::default();
            }
        }
    }

    /// Time passes, and what was sent arrives.
    fn passes(&mut self, millis: i64) {
        self.now += millis;
        self.arrivals.sort_by_key(|arrival| arrival.at);
        let later = self
            .arrivals
            .split_off(self.arrivals.partition_point(|a| a.at <= self.now));
        for Arrival {
            intent, quantity, ..
        } in std::mem::replace(&mut self.arrivals, later)
        {
            let last = self.counted.map_or(0, |(last, _)| last);
            assert!(last <= intent, "an older push arrives after a newer one");
            self.counted = Some((intent, quantity));
        }
    }

    fn acts(&mut self, who: usize, fate: Fate, recheck: bool) {
        self.read(who);
        let instance = &self.instances[who];
        let pushes = instance.pushes.as_ref().expect("it has read");
        let head = pushes.head(&key()).cloned();
        if let (Some((write_id, began)), Some(head)) = (instance.wrote, &head) {
            let is_mine = head.state == State::Called && head.write_id == write_id;
            if is_mine && self.now - began <= i64::from(CALL_WITHIN.0) {
                return self.calls(who, head, fate);
            }
        }
        let stamps = stamps(self.version);
        let wanted = Wanted {
            quantity: self.value,
            stamps: &stamps,
            recheck,
        };
        let now = LogTime(self.now);
        let mut step = next(&key(), head.as_ref(), &wanted, Some(LINK), CALL_WITHIN, now);
        if step == Next::ReadSummary {
            let head = head.as_ref().expect("a summary is of something pushed");
            if self.counted.map(|(_, counted)| counted) == Some(head.intent.quantity) {
                self.append(Some(head), Step::Confirmed);
                return;
            }
            step = again(&key(), head, &wanted, CALL_WITHIN, now);
        }
        if let Next::Push(intent) = step {
            let write_id = self.append(head.as_ref(), Step::Intent(intent));
            self.instances[who].wrote = Some((write_id, self.now));
        }
    }

    fn read(&mut self, who: usize) {
        let Self { instances, log, .. } = self;
        let instance = &mut instances[who];
        let pushes = instance.pushes.get_or_insert_with(|| Pushes::new(1));
        for (offset, (at, record)) in log.iter().enumerate().skip(instance.read) {
            let offset = u64::try_from(offset).expect("a short log");
            pushes.apply(0, offset, *at, record).expect("in order");
        }
        instance.read = log.len();
    }

    fn append(&mut self, head: Option<&Head>, step: Step) -> u128 {
        let write_id = self.log.len() as u128 + 1;
        let record = PushRecord {
            write_id,
            head: head.map(|head| head.offset),
            key: key(),
            step,
            instance: "i".to_owned(),
        };
        self.log.push((LogTime(self.now), record));
        write_id
    }

    fn calls(&mut self, who: usize, head: &Head, fate: Fate) {
        self.instances[who].wrote = None;
        let Intent {
            stamps,
            attempt,
            quantity,
            ..
        } = &head.intent;
        let id = identifier(&key(), stamps, *attempt);
        let before = self.quantities.insert(id, *quantity);
        assert!(before.is_none(), "an identifier is sent once");
        let delay = match fate {
            Fate::Received(millis) => Some(i64::from(millis) % REORDERS_MILLIS),
            Fate::AnswerLost(millis) | Fate::CallerKilled(millis) => {
                Some(i64::from(millis) % (REORDERS_MILLIS + IN_THE_NETWORK_MILLIS))
            }
            Fate::Lost | Fate::NotTaken | Fate::Refused => None,
        };
        self.arrivals.extend(delay.map(|delay| Arrival {
            at: self.now + delay,
            intent: usize::try_from(head.offset).expect("a short log"),
            quantity: *quantity,
        }));
        let detail = String::new();
        let outcome = match fate {
            Fate::Received(_) => Outcome::Received,
            Fate::AnswerLost(_) | Fate::Lost => Outcome::Unknown { detail },
            Fate::NotTaken => Outcome::NotTaken { detail },
            Fate::Refused => Outcome::Refused { detail },
            Fate::CallerKilled(_) => {
                self.instances[who] = Instance::default();
                return;
            }
        };
        self.append(Some(head), Step::Outcome(outcome));
    }

    /// Nothing fails any more: until nothing is left to do.
    fn settles(&mut self) {
        let longest = i64::from(REFUSED_AGAIN.0) + 3_600_000;
        for _ in 0..longest / PAUSE_MILLIS {
            self.passes(PAUSE_MILLIS);
            for recheck in [false, true] {
                // An intent, and its call.
                for _ in 0..2 {
                    self.acts(0, Fate::Received(0), recheck);
                    self.passes(1);
                }
            }
        }
    }
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        4 => any::<u32>().prop_map(Fate::Received),
        2 => any::<u32>().prop_map(Fate::AnswerLost),
        1 => Just(Fate::Lost),
        1 => Just(Fate::NotTaken),
        1 => Just(Fate::Refused),
        2 => any::<u32>().prop_map(Fate::CallerKilled),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let acts = (any::<bool>(), fate()).prop_map(|(instance, fate)| Event::Acts { instance, fate });
    prop_oneof![
        3 => (1u32..5_000).prop_map(Event::Passes),
        3 => (20_000u32..400_000).prop_map(Event::Passes),
        1 => Just(Event::Passes(30 * 3_600_000)),
        3 => (0u8..4).prop_map(Event::Usage),
        12 => acts,
        1 => any::<bool>().prop_map(|instance| Event::Crashes { instance }),
    ]
}

proptest! {
    #[test]
    fn stripe_ends_with_the_value_of_the_window(events in prop::collection::vec(event(), 1..120)) {
        let mut world = World::new();
        for event in &events {
            world.happens(event);
        }
        world.settles();
        let counted = world.counted.map_or(Quantity::ZERO, |(_, quantity)| quantity);
        prop_assert_eq!(counted, world.value);
        world.read(0);
        let head = world.instances[0].pushes.as_ref().and_then(|pushes| pushes.head(&key()));
        prop_assert!(head.is_none_or(|head| head.state == State::Confirmed));
    }
}
