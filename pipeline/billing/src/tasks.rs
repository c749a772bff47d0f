//! What the engine asked for, done beside the deciding thread, each as a task of its own.
//!
//! Every task ends with one [`Done`], for which there always is room: no more are begun than the
//! channel holds, what is beyond waits in its order. A call is written only before its deadline,
//! which is looked at where its bytes are written.

use crate::clock::Clock;
use crate::engine::{Action, Append, Call, Called, InvoiceSeen, Listed, Seen};
use crate::health::{Health, STAGE};
use crate::metrics::{Kind, Metrics};
use crate::records;
use crate::stripe::{Stripe, Told};
use crossbeam_channel::{Receiver, Sender};
use meterline_core::causes::chain;
use meterline_core::hash::partition_of;
use meterline_kafka::{Outgoing, Producer};
use meterline_stripe::{Failure, Next};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

/// Most tasks at once: all calls and readings that the engine has in flight, with the records
/// around them.
const TASKS_MAX: usize = 4_096;

/// What health calls the topic.
const PUSHES: &str = "meterline.pushes";

/// What health calls Stripe.
const NEED: &str = "stripe";

/// What came of an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Done {
    /// A record was acknowledged; it is taken when it is read.
    Appended,
    /// A record was not acknowledged; its write id.
    NotAppended(u128),
    /// A call came to an end.
    Called(Called),
    /// Summaries were read.
    Seen(Seen),
    /// Invoices were listed.
    Listed(Listed),
    /// An invoice was asked to change; how it is then, where that is known.
    Changed(Arc<str>, Option<InvoiceSeen>),
}

/// What the tasks stand on.
pub(crate) struct Outside {
    pub(crate) stripe: Arc<Stripe>,
    pub(crate) producer: Producer,
    pub(crate) topic: String,
    /// Its partitions, which never change.
    pub(crate) partitions: u32,
    pub(crate) clock: Arc<Clock>,
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: Metrics,
}

/// Tasks that run and those that wait.
pub(crate) struct Tasks {
    outside: Arc<Outside>,
    runtime: tokio::runtime::Handle,
    running: usize,
    waiting: VecDeque<Action>,
    done_in: Sender<Done>,
    /// What came of them; each is to be told to [`Tasks::ended`].
    pub(crate) done: Receiver<Done>,
}

impl Tasks {
    pub(crate) fn new(outside: Outside, runtime: tokio::runtime::Handle) -> Self {
        let (done_in, done) = crossbeam_channel::bounded(TASKS_MAX);
        Self {
            outside: Arc::new(outside),
            runtime,
            running: 0,
            waiting: VecDeque::new(),
            done_in,
            done,
        }
    }

    /// How many run and wait.
    pub(crate) fn len(&self) -> usize {
        self.running + self.waiting.len()
    }

    /// Begins an action, or has it wait for room.
    pub(crate) fn begin(&mut self, action: Action) {
        self.waiting.push_back(action);
        self.begin_waiting();
    }

    /// A task has ended.
    pub(crate) fn ended(&mut self) {
        self.running -= 1;
        self.begin_waiting();
    }

    fn begin_waiting(&mut self) {
        while self.running < TASKS_MAX
            && let Some(action) = self.waiting.pop_front()
        {
            self.running += 1;
            let (outside, done) = (Arc::clone(&self.outside), self.done_in.clone());
            self.runtime.spawn(async move {
                let result = outside.perform(action).await;
                // Nobody is there to be told where the stage has stopped.
                let _ = done.try_send(result);
            });
        }
    }
}

impl Outside {
    async fn perform(&self, action: Action) -> Done {
        match action {
            Action::Append(append) => self.append(&append).await,
            Action::Call(call) => Done::Called(self.call(&call).await),
            Action::Read(read) => {
                let told = self.stripe.seen(&read);
                Done::Seen(self.observed(Kind::Summaries, told).await)
            }
            Action::List(listing) => {
                let told = self.stripe.listed(listing);
                Done::Listed(self.observed(Kind::Invoices, told).await)
            }
            Action::Hold(id) => {
                let told = self.stripe.hold(&id);
                let seen = self.observed(Kind::InvoiceChanges, told).await;
                Done::Changed(id, seen)
            }
            Action::Finalize(id) => {
                let told = self.stripe.finalize(&id);
                let seen = self.observed(Kind::InvoiceChanges, told).await;
                Done::Changed(id, seen)
            }
        }
    }

    async fn append(&self, append: &Append) -> Done {
        let tenant = append.tenant().as_bytes();
        let bytes = records::encode(append);
        let record = Outgoing {
            topic: &self.topic,
            partition: Some(partition_of(tenant, self.partitions)),
            key: Some(tenant),
            payload: Some(&bytes),
            headers: &[],
        };
        match self.producer.send(record).await {
            Ok(_) => {
                self.health.reading.works(PUSHES);
                self.metrics.appended(records::kind(append));
                Done::Appended
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(stage = STAGE, need = PUSHES, error, "failed, trying again");
                self.metrics.failed("kafka");
                let reading = &self.health.reading;
                reading.fails(PUSHES, &error, Instant::now());
                Done::NotAppended(append.write_id())
            }
        }
    }

    async fn call(&self, call: &Call) -> Called {
        let (clock, deadline) = (Arc::clone(&self.clock), call.deadline);
        let may_write = move || clock.now().steady < deadline;
        let told = self.stripe.push(call, may_write);
        self.observed(Kind::MeterEvents, told).await
    }

    /// Notes what a result says of Stripe and of the key.
    async fn observed<T>(&self, kind: Kind, told: impl Future<Output = Told<T>>) -> T {
        let began = Instant::now();
        let Told { result, failure } = told.await;
        let now = Instant::now();
        self.metrics.called(kind, failure.as_ref(), now - began);
        self.health.judges_key(kind.name(), failure.as_ref());
        self.note(kind, failure.as_ref(), now);
        result
    }

    fn note(&self, kind: Kind, failure: Option<&Failure>, now: Instant) {
        let reading = &self.health.reading;
        match failure.map(|failure| (failure, failure.next())) {
            // Stripe is there, whatever it says of one object: of a window that is in the ledger.
            None | Some((_, Next::Halt)) => reading.works(NEED),
            Some((_, Next::Mend)) if kind == Kind::MeterEvents => reading.works(NEED),
            Some((failure, _)) => {
                let error = chain(failure);
                self.metrics.failed(NEED);
                reading.fails(NEED, &error, now);
                tracing::warn!(stage = STAGE, need = NEED, error, "failed, trying again");
            }
        }
    }
}
