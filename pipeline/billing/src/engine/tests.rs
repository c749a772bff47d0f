//! The engine in virtual time, with a log and a Stripe that do at once what they are asked for:
//! what is left is what the engine decides. Everything that goes wrong is in `tests/simulation`.

mod alarms;
mod late;
mod lists;
mod parked;
mod two;

use super::{
    Action, Append, Called, Engine, EngineSettings, InvoiceSeen, LineSeen, Listed, Notice, Now,
    Read, Seen, Status, Topics, Weather,
};
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::push::Outcome;
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, Hour, Level, LogTime, Millis, Window};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

const USAGE: LogPartition = LogPartition {
    topic_id: TopicId(1),
    partition: 0,
};
const HOUR: i64 = 3_600_000;
/// When a play begins: 2026-10-01 00:00 UTC.
const BEGIN: i64 = 1_790_812_800_000;

/// One tenant's meter.
struct Play {
    engine: Engine,
    at: i64,
    /// The next offset of usage, and of pushes.
    usage: u64,
    offset: u64,
    /// What Stripe has of each hour.
    shown: BTreeMap<Hour, Quantity>,
    /// It says that it received what it is called with, and loses it.
    loses: bool,
    invoices: Vec<InvoiceSeen>,
    carries: Vec<Quantity>,
    notices: Vec<Notice>,
    /// How long after their end hours are sealed, in milliseconds.
    lateness: i64,
    /// How far back invoices were listed, in whole hours, in the order of the lists.
    listed: Vec<i64>,
}

fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect("a quantity")
}

/// The hour that begins so many hours after the play.
fn hour(number: i32) -> Hour {
    Hour(EventTime(BEGIN * 1_000).hour().0 + number)
}

impl Play {
    fn new() -> Self {
        let settings = EngineSettings {
            invoices_every: Millis(600_000),
            ..EngineSettings::default()
        };
        let topics = Topics {
            usage: USAGE.topic_id,
            usage_partitions: 1,
            pushes: TopicId(2),
            pushes_partitions: 1,
        };
        let mut play = Self {
            engine: Engine::new(settings, topics, "a".to_owned(), 1),
            at: BEGIN,
            usage: 0,
            offset: 0,
            shown: BTreeMap::new(),
            loses: false,
            invoices: Vec::new(),
            carries: Vec::new(),
            notices: Vec::new(),
            lateness: 0,
            listed: Vec::new(),
        };
        play.engine.map_meters([("calls", "calls")].into_iter());
        let now = play.now();
        play.engine.customer("acme", Some("cus_1"), now);
        play.engine.start(now);
        play
    }

    fn now(&self) -> Now {
        Now {
            wall: LogTime(self.at),
            steady: u64::try_from(self.at).expect("after 1970"),
        }
    }

    /// An hour has this value now.
    fn uses(&mut self, hour: Hour, value: &str) {
        self.usage += 1;
        let row = BucketRow {
            series: Arc::new(Series {
                tenant: "acme".into(),
                meter: "calls".into(),
                kind: Kind::Only,
                aggregation: Aggregation::Sum,
                dimensions: Box::default(),
                dimensions_hash: 0,
            }),
            window: Window::of(Level::Hour, hour),
            bucket: Bucket {
                events: 1,
                sum: quantity(value),
                changed: Stamp {
                    epoch: 0,
                    offset: self.usage,
                },
                ..Bucket::default()
            },
        };
        let now = self.now();
        self.engine.total(USAGE, &row, now);
    }

    /// Stripe has made a draft for some hours.
    fn draft(&mut self, id: &str, hours: Range<Hour>) {
        self.invoices.push(InvoiceSeen {
            id: id.into(),
            customer: "cus_1".into(),
            status: Status::Draft,
            auto_advance: true,
            created: LogTime(self.at),
            lines: vec![LineSeen {
                event_name: "calls".into(),
                hours,
                quantity: Quantity::ZERO,
            }],
        });
    }

    fn invoice(&mut self, id: &str) -> &mut InvoiceSeen {
        let mut invoices = self.invoices.iter_mut();
        invoices
            .find(|known| *known.id == *id)
            .expect("it was made")
    }

    /// Lets time pass until so many hours after the beginning.
    fn until(&mut self, hours: i64) {
        self.until_at(BEGIN + hours * HOUR);
    }

    /// The same until a moment, in milliseconds.
    fn until_at(&mut self, end: i64) {
        while self.at < end {
            let sealed = EventTime((self.at - self.lateness) * 1_000).hour().start();
            let now = self.now();
            self.engine.progress(USAGE, sealed, now);
            loop {
                let actions = self.engine.run(now);
                if actions.is_empty() {
                    break;
                }
                for action in actions {
                    self.perform(action, now);
                }
            }
            self.notices.extend(self.engine.notices());
            let due = self.engine.due().map_or(end, |at| at.0);
            self.at = due.clamp(self.at + 1_000, self.at + 600_000).min(end);
        }
    }

    fn perform(&mut self, action: Action, now: Now) {
        match action {
            Action::Append(record) => self.append(&record, now),
            Action::Call(call) => {
                if !self.loses {
                    let hour = call.key.window.hour();
                    self.shown.insert(hour, call.intent.quantity);
                }
                let called = Called {
                    write_id: call.write_id,
                    outcome: Outcome::Received,
                    weather: Weather::Fine,
                };
                self.engine.called(called, now);
            }
            Action::Read(read) => {
                let seen = Seen {
                    id: read.id,
                    differing: Some(self.differing(&read)),
                    weather: Weather::Fine,
                };
                self.engine.seen(seen, now);
            }
            Action::List(listing) => {
                let back = now.wall.0 - listing.created_from.0;
                self.listed.push(back / HOUR);
                let listed = Listed {
                    listed: Some(self.invoices.clone()),
                    weather: Weather::Fine,
                };
                self.engine.listed(listed, now);
            }
            Action::Hold(id) => {
                self.invoice(&id).auto_advance = false;
                let seen = self.invoice(&id).clone();
                self.engine.invoice_changed(&id, Some(seen), now);
            }
            Action::Finalize(id) => {
                let hours = self.invoice(&id).lines[0].hours.clone();
                let billed = self.shown.range(hours).map(|(_, value)| *value);
                let billed = billed.fold(Quantity::ZERO, |a, b| a.plus(b).expect("small"));
                let invoice = self.invoice(&id);
                invoice.status = Status::Final;
                invoice.lines[0].quantity = billed;
                let seen = invoice.clone();
                self.engine.invoice_changed(&id, Some(seen), now);
            }
        }
    }

    fn append(&mut self, record: &Append, now: Now) {
        let offset = self.offset;
        self.offset += 1;
        let taken = match record {
            Append::Push(record) => self.engine.push(0, offset, now.wall, record, now),
            Append::Carry(record) => {
                self.carries.push(record.carry.quantity);
                self.engine.carry(0, offset, now.wall, record, now)
            }
        };
        taken.expect("offsets rise");
    }

    fn differing(&self, read: &Read) -> Vec<(Hour, Option<Quantity>)> {
        let expected: BTreeMap<_, _> = read.expected.iter().copied().collect();
        let shown = self.shown.range(read.hours.clone()).map(|(hour, _)| *hour);
        let hours: BTreeSet<_> = shown.chain(expected.keys().copied()).collect();
        let of = |map: &BTreeMap<Hour, Quantity>, hour: &Hour| {
            map.get(hour).copied().unwrap_or_default()
        };
        let differs = |hour: &Hour| of(&self.shown, hour) != of(&expected, hour);
        let differing = hours.into_iter().filter(differs);
        differing
            .map(|hour| (hour, Some(of(&self.shown, &hour))))
            .collect()
    }
}
