//! Queues: what waits for one receiver, by when it is due, and how the receiver does.
//!
//! A receiver that fails rests, with all that waits for it; then whatever has gathered goes in
//! bundles. How long it rests follows from the outcomes in the log.

use meterline_core::account::{Route, Target};
use meterline_core::time::LogTime;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Kinds of targets; those of one do not wait for those of another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Lane {
    /// HTTP requests.
    Webhook,
    /// The mail server.
    Email,
    /// Topics.
    Kafka,
}

impl Lane {
    pub(crate) const ALL: [Self; 3] = [Self::Webhook, Self::Email, Self::Kafka];

    pub(crate) fn of(target: &Target) -> Self {
        match target {
            Target::Webhook { .. } => Self::Webhook,
            Target::Email { .. } => Self::Email,
            Target::Kafka { .. } => Self::Kafka,
        }
    }

    /// The name in metrics.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
            Self::Kafka => "kafka",
        }
    }
}

/// A receiver: a route, or one tenant's part of a route where each tenant has its own (a topic's
/// key, an account's contacts).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Receiver {
    pub route: Arc<str>,
    pub tenant: Option<Arc<str>>,
}

/// Which queue.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct QueueKey {
    pub lane: Lane,
    pub receiver: Receiver,
}

impl QueueKey {
    /// The queue in which a route's alerts of a tenant wait.
    pub(crate) fn of(route: &Route, tenant: &Arc<str>) -> Self {
        let by_tenant = match &route.target {
            Target::Webhook { .. } => false,
            Target::Email { to } => to.is_empty(),
            Target::Kafka { .. } => true,
        };
        let receiver = Receiver {
            route: route.id.as_str().into(),
            tenant: by_tenant.then(|| Arc::clone(tenant)),
        };
        Self {
            lane: Lane::of(&route.target),
            receiver,
        }
    }
}

/// An alert's place in a queue: when it is due at the earliest, when it was decided, its id.
pub(crate) type Waiting = (LogTime, LogTime, u128);

/// What waits for one receiver.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pub waiting: BTreeSet<Waiting>,
    /// Whether something is on its way: a receiver gets one request at a time.
    pub is_sending: bool,
    /// The receiver asked not to be called earlier.
    pub not_before: Option<LogTime>,
    /// When it stands in the agenda.
    scheduled: Option<LogTime>,
}

/// All queues, and when each is looked at next.
#[derive(Debug, Default)]
pub(crate) struct Queues {
    queues: BTreeMap<Arc<QueueKey>, Queue>,
    agenda: BTreeMap<Lane, BTreeSet<(LogTime, Arc<QueueKey>)>>,
}

impl Queues {
    /// The queue, made where it is missing.
    pub(crate) fn queue(&mut self, key: &Arc<QueueKey>) -> &mut Queue {
        self.queues.entry(Arc::clone(key)).or_default()
    }

    /// Sets anew when a queue is looked at; forgets one that is empty. It is due with its first
    /// alert, or as soon as a whole bundle will be due by `horizon`, which is then `now`'s.
    pub(crate) fn schedule(&mut self, key: &Arc<QueueKey>, bundle: usize, horizon: LogTime) {
        let Some(queue) = self.queues.get_mut(key) else {
            return;
        };
        let agenda = self.agenda.entry(key.lane).or_default();
        if let Some(at) = queue.scheduled.take() {
            agenda.remove(&(at, Arc::clone(key)));
        }
        if queue.is_sending {
            return;
        }
        let Some((first, ..)) = queue.waiting.first() else {
            self.queues.remove(key);
            return;
        };
        let is_full = queue.waiting.len() >= bundle
            && queue
                .waiting
                .iter()
                .nth(bundle - 1)
                .is_some_and(|(due, ..)| *due <= horizon);
        let at = if is_full { LogTime(i64::MIN) } else { *first };
        let at = queue.not_before.map_or(at, |not_before| at.max(not_before));
        queue.scheduled = Some(at);
        agenda.insert((at, Arc::clone(key)));
    }

    /// The next queue of a lane whose time has come; it leaves the agenda.
    pub(crate) fn next_due(&mut self, lane: Lane, now: LogTime) -> Option<Arc<QueueKey>> {
        let agenda = self.agenda.get_mut(&lane)?;
        let (at, _) = agenda.first()?;
        if *at > now {
            return None;
        }
        let (_, key) = agenda.pop_first()?;
        self.queue(&key).scheduled = None;
        Some(key)
    }

    /// When a queue of the lane is to be looked at next; `None`: nothing waits.
    pub(crate) fn next_time(&self, lane: Lane) -> Option<LogTime> {
        let (at, _) = self.agenda.get(&lane)?.first()?;
        Some(*at)
    }

    /// What waits in a queue; nothing where there is none.
    pub(crate) fn waiting(&self, key: &QueueKey) -> Vec<Waiting> {
        let queue = self.queues.get(key);
        queue.map_or_else(Vec::new, |queue| queue.waiting.iter().copied().collect())
    }

    /// Takes all that waits for a receiver that is none any more.
    pub(crate) fn clear(&mut self, key: &Arc<QueueKey>) -> BTreeSet<Waiting> {
        let queue = self.queue(key);
        queue.is_sending = false;
        std::mem::take(&mut queue.waiting)
    }
}
