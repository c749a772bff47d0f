//! Publishes events and mixes in what real producers do: repeats, disorder and broken records.
//!
//! Every choice follows from the seed, in one order: the same events give the same records. An
//! event is sent again only after it was sent once, so a duplicate always lies behind its
//! original in its partition. Events that are held back are all sent at the end.

use super::broken::{Breaker, Weakness};
use super::event::{Form, Kind, Message, UsageEvent};
use super::forms::Encoder;
use super::random::Random;
use super::recording::Recording;
use super::sender::Sink;
use crate::args::simulate::Mixing;
use crate::units::Share;
use anyhow::{Context, Result, anyhow};
use meterline_core::time::EventTime;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Longest distance that an event is held back or repeated over, in events.
const HOLD_MAX: u64 = 5_000;
/// Of the duplicates, the share whose event time moved, where times may move.
const RESTAMPED: Share = Share(250_000);

/// How events are published.
#[derive(Clone, Debug)]
pub(crate) struct Blend {
    /// Shares of what is mixed in, and the seed.
    pub mixing: Mixing,
    /// Record forms, in equal shares.
    pub forms: Vec<Form>,
    /// The form of an event that the chosen one cannot hold; `None`: such an event is an error.
    pub fallback: Option<Form>,
    /// Number of events to come, which bounds how long one is held back.
    pub total: u64,
    /// How far a duplicate's event time may be moved back, in microseconds; 0 for not at all.
    pub restamp: i64,
}

/// How many records of each kind were sent, and the event times of those that are meant to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Counts {
    /// Events on time.
    pub events: u64,
    /// Events far older than the log.
    pub late: u64,
    /// Repeated events.
    pub duplicates: u64,
    /// Broken records.
    pub broken: u64,
    /// Earliest and latest event time.
    pub times: Option<(EventTime, EventTime)>,
}

/// What is known of an event's meters: how to break it so that it is refused for one reason.
pub(crate) trait Breakable {
    /// What can be broken about the event.
    fn weakness(&self) -> &Weakness;
    /// Makes the event one that is counted, before it is broken.
    fn mend(&self, event: &mut UsageEvent);
}

/// Publishes events into a sink.
pub(crate) struct Publisher<S> {
    /// Where records go.
    pub sink: S,
    encoder: Encoder,
    breaker: Breaker,
    blend: Blend,
    recording: Option<Recording>,
    random: Random,
    held: BinaryHeap<Reverse<Held>>,
    step: u64,
    order: u64,
    message: Message,
    counts: Counts,
}

/// An event that waits for its turn; earliest due first, then in the order they came.
struct Held {
    due: u64,
    order: u64,
    kind: Kind,
    event: UsageEvent,
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Held {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl<S: Sink> Publisher<S> {
    /// A publisher that begins with nothing held back.
    pub(crate) fn new(
        sink: S,
        encoder: Encoder,
        breaker: Breaker,
        blend: Blend,
        recording: Option<Recording>,
    ) -> Self {
        Self {
            sink,
            encoder,
            breaker,
            random: Random::new(blend.mixing.seed ^ 0x6D69_7869_6E67),
            blend,
            recording,
            held: BinaryHeap::new(),
            step: 0,
            order: 0,
            message: Message::default(),
            counts: Counts::default(),
        }
    }

    /// Takes the next event, sends what is due.
    pub(crate) fn offer(
        &mut self,
        kind: Kind,
        event: UsageEvent,
        shape: &impl Breakable,
    ) -> Result<()> {
        self.step += 1;
        if self.random.happens(self.blend.mixing.broken) {
            let mut broken = event.clone();
            shape.mend(&mut broken);
            self.send_broken(broken, shape.weakness())?;
        }
        if self.random.happens(self.blend.mixing.out_of_order) {
            self.hold(kind, event);
        } else {
            self.send(kind, event)?;
        }
        while self
            .held
            .peek()
            .is_some_and(|Reverse(held)| held.due <= self.step)
        {
            self.send_held()?;
        }
        Ok(())
    }

    /// Sends what is still held back.
    pub(crate) fn drain(&mut self) -> Result<()> {
        while !self.held.is_empty() {
            self.send_held()?;
        }
        Ok(())
    }

    /// Closes the recording; what was sent, and where to.
    pub(crate) fn finish(self) -> Result<(Counts, S)> {
        self.recording.map_or(Ok(()), Recording::finish)?;
        Ok((self.counts, self.sink))
    }

    fn hold(&mut self, kind: Kind, event: UsageEvent) {
        let bound = HOLD_MAX.min(self.blend.total / 10).max(2);
        // Half are repeated or delayed by a little: both ends of the range matter.
        let bound = if self.random.below(2) == 0 {
            bound
        } else {
            bound.min(20)
        };
        let due = self.step + self.random.below(bound);
        self.order += 1;
        self.held.push(Reverse(Held {
            due,
            order: self.order,
            kind,
            event,
        }));
    }

    fn send_held(&mut self) -> Result<()> {
        let Some(Reverse(held)) = self.held.pop() else {
            return Ok(());
        };
        self.send(held.kind, held.event)
    }

    fn send(&mut self, kind: Kind, event: UsageEvent) -> Result<()> {
        let form = self.encode(&event)?;
        self.publish(kind, form, &event)?;
        if kind != Kind::Duplicate && self.random.happens(self.blend.mixing.duplicates) {
            let mut again = event;
            if self.blend.restamp > 0 && self.random.happens(RESTAMPED) {
                again.time.0 -= self.random.micros(0, self.blend.restamp);
            }
            self.hold(Kind::Duplicate, again);
        }
        Ok(())
    }

    /// Encodes an event in a form that holds it.
    fn encode(&mut self, event: &UsageEvent) -> Result<Form> {
        let form = *self.random.pick(&self.blend.forms);
        let encoded = self.encoder.encode(form, event, &mut self.message);
        let Err(reason) = encoded else {
            return Ok(form);
        };
        if let Some(other) = self.blend.fallback.filter(|other| *other != form) {
            let encoded = self.encoder.encode(other, event, &mut self.message);
            return encoded.map(|()| other).map_err(|reason| anyhow!(reason));
        }
        let failed = format!("failed to encode event {} as {}", event.id, form.name());
        Err(anyhow!(reason).context(failed))
    }

    fn send_broken(&mut self, mut event: UsageEvent, weakness: &Weakness) -> Result<()> {
        event.id.push_str("-broken");
        let reason = self
            .breaker
            .break_event(
                &mut event,
                weakness,
                &self.encoder,
                &mut self.random,
                &mut self.message,
            )
            .map_err(|reason| anyhow!(reason).context("failed to make a broken record"))?;
        self.publish(Kind::Broken(reason), Form::Json, &event)
    }

    fn publish(&mut self, kind: Kind, form: Form, event: &UsageEvent) -> Result<()> {
        self.sink.send(&self.message)?;
        if let Some(recording) = &mut self.recording {
            recording
                .add(kind, form, event)
                .context("the recording would be incomplete")?;
        }
        let counts = &mut self.counts;
        match kind {
            Kind::Event => counts.events += 1,
            Kind::Late => counts.late += 1,
            Kind::Duplicate => counts.duplicates += 1,
            Kind::Broken(_) => {
                counts.broken += 1;
                return Ok(());
            }
        }
        let (first, last) = counts.times.unwrap_or((event.time, event.time));
        counts.times = Some((first.min(event.time), last.max(event.time)));
        Ok(())
    }
}
