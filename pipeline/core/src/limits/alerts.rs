//! Alerts: the fold of `usage.alerts`.
//!
//! A transition is in force if it names the head of its chain, was judged by no less than the head
//! was, and follows from it: opened from nothing or from resolved with the next episode, opened
//! again where the limit is another, resolved from opened. Every other record is ignored by every
//! reader and counted. All of it depends on the log alone, so readers at one position agree
//! (INV-CHAIN). A chain is forgotten by log time, [`FORGET_AFTER_MILLIS`] after its period's start.

use crate::alert::{AlertKey, AlertState, Judged, Transition};
use crate::catalog::plans::Severity;
use crate::chain::{Chains, Ruling, of_partition};
use crate::halt::Halt;
use crate::hash::partition_of;
use crate::position::Offset;
use crate::quantity::Quantity;
use crate::time::{EventTime, LogTime};
use hashbrown::HashMap;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// How long after its period's start a chain is forgotten: 165 days, in milliseconds. A period has
/// at most 31 days and a bit, corrections reach it for 35 more, and 98 are left for who was down.
pub const FORGET_AFTER_MILLIS: i64 = 165 * 24 * 3_600_000;

/// The head of a chain: the last transition in force.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head {
    /// Its offset in its partition.
    pub offset: Offset,
    /// Chosen by its writer.
    pub write_id: u128,
    /// What became of the alert.
    pub state: AlertState,
    /// Number of the opening.
    pub episode: u32,
    /// How bad it is.
    pub severity: Severity,
    /// What receivers call it.
    pub kind: String,
    /// First moment after the period.
    pub period_end: EventTime,
    /// Use that it was judged by.
    pub used: Quantity,
    /// What the share is taken of.
    pub limit: Quantity,
    /// The plan in force.
    pub plan: String,
    /// What it was judged by.
    pub judged: Judged,
    /// Append time of this transition.
    pub at: LogTime,
    /// Append time of this episode's opening.
    pub opened_at: LogTime,
    /// Of each limit that it was opened with, the append time of the first opening.
    crossings: SmallVec<[(Quantity, LogTime); 1]>,
}

impl Head {
    /// When use first reached the threshold of this limit: from here a grace counts. Falling below
    /// and rising again is no other crossing; another limit has its own.
    #[must_use]
    pub fn crossed_at(&self, limit: Quantity) -> Option<LogTime> {
        let crossing = self.crossings.iter().find(|(own, _)| *own == limit);
        crossing.map(|(_, at)| *at)
    }
}

/// How many transitions the log had.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// In force.
    pub in_force: u64,
    /// Ignored: they did not name the head, or their chain is forgotten.
    pub not_the_head: u64,
    /// Ignored: they were judged by less than the head was.
    pub behind: u64,
    /// Ignored: their state or episode does not follow, or they lie in a foreign partition.
    pub unfit: u64,
}

/// All alerts of all tenants, as of one position in each partition.
#[derive(Clone, Debug)]
pub struct Alerts {
    partitions: Vec<Chains<AlertKey>>,
    heads: HashMap<Box<str>, BTreeMap<Place, Head>, foldhash::fast::FixedState>,
    counts: Counts,
}

/// A chain of one tenant.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    /// When the period starts.
    pub period_start: EventTime,
    /// The meter or derived quantity.
    pub meter: Box<str>,
    /// Name of the threshold.
    pub threshold: Box<str>,
}

impl Place {
    fn of(key: &AlertKey) -> Self {
        Self {
            period_start: key.period_start,
            meter: key.meter.as_str().into(),
            threshold: key.threshold.as_str().into(),
        }
    }

    /// The key of this tenant's chain.
    #[must_use]
    pub fn key(&self, tenant: &str) -> AlertKey {
        AlertKey {
            tenant: tenant.to_owned(),
            meter: self.meter.as_ref().to_owned(),
            period_start: self.period_start,
            threshold: self.threshold.as_ref().to_owned(),
        }
    }
}

impl Alerts {
    /// The state before the first record of a log of so many partitions.
    #[must_use]
    pub fn new(partitions: u32) -> Self {
        Self {
            partitions: (0..partitions).map(|_| Chains::new(forgets)).collect(),
            heads: HashMap::default(),
            counts: Counts::default(),
        }
    }

    /// Rules on the transition at `offset` of a partition.
    ///
    /// # Errors
    /// [`Halt::Order`] where `offset` is below the partition's position,
    /// [`Halt::PartitionsChanged`] where there is no such partition; nothing has changed then.
    pub fn apply(
        &mut self,
        partition: u32,
        offset: Offset,
        append_time: LogTime,
        transition: &Transition,
    ) -> Result<Ruling, Halt> {
        let count = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        let chains = of_partition(&mut self.partitions, partition, "usage.alerts")?;
        let key = &transition.key;
        let ruling = chains.rule(key, transition.head, offset, append_time)?;
        let head = self.heads.get(key.tenant.as_str());
        let head = head.and_then(|heads| heads.get(&Place::of(key)));
        let fault = match ruling {
            Ruling::Ignored { .. } => Some(&mut self.counts.not_the_head),
            Ruling::InForce if partition_of(key.tenant.as_bytes(), count) != partition => {
                Some(&mut self.counts.unfit)
            }
            Ruling::InForce => match transition.head.and(head) {
                Some(head) if transition.judged.is_behind(&head.judged) => {
                    Some(&mut self.counts.behind)
                }
                head if !follows(head, transition) => Some(&mut self.counts.unfit),
                _ => None,
            },
        };
        if let Some(count) = fault {
            *count += 1;
            chains.pass(offset, append_time)?;
            let head = transition.head;
            return Ok(match ruling {
                Ruling::InForce => Ruling::Ignored { head },
                ignored @ Ruling::Ignored { .. } => ignored,
            });
        }
        chains.offer(key.clone(), transition.head, offset, append_time)?;
        self.counts.in_force += 1;
        let next = Head::new(head, transition, offset, append_time);
        let heads = self.heads.entry(key.tenant.as_str().into()).or_default();
        heads.insert(Place::of(key), next);
        Ok(Ruling::InForce)
    }

    /// Moves past a record that is no transition.
    ///
    /// # Errors
    /// As [`Alerts::apply`].
    pub fn pass(
        &mut self,
        partition: u32,
        offset: Offset,
        append_time: LogTime,
    ) -> Result<(), Halt> {
        of_partition(&mut self.partitions, partition, "usage.alerts")?.pass(offset, append_time)
    }

    /// The next record of a partition; `None` where there is no such partition.
    #[must_use]
    pub fn position(&self, partition: u32) -> Option<Offset> {
        let chains = self.partitions.get(usize::try_from(partition).ok()?)?;
        Some(chains.position())
    }

    /// The head of a chain; `None` where it is empty or forgotten.
    #[must_use]
    pub fn head(&self, key: &AlertKey) -> Option<&Head> {
        let place = Place::of(key);
        if self.is_forgotten(&key.tenant, &place) {
            return None;
        }
        self.heads.get(key.tenant.as_str())?.get(&place)
    }

    /// Heads of one tenant's chains, for whoever asks for many.
    pub(super) fn heads(&self, tenant: &str) -> Heads<'_> {
        let count = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        Heads {
            heads: self.heads.get(tenant),
            log_time: log_time_of(&self.partitions, tenant, count),
        }
    }

    /// Heads of a tenant's chains, by period, meter and threshold.
    pub fn of_tenant<'a>(
        &'a self,
        tenant: &'a str,
    ) -> impl Iterator<Item = (&'a Place, &'a Head)> + 'a {
        self.heads(tenant).since(EventTime(i64::MIN))
    }

    /// Open alerts of a tenant, of all periods that are not forgotten: those of a period that is
    /// over say how it ended, see [`Head::period_end`].
    pub fn open_of<'a>(
        &'a self,
        tenant: &'a str,
    ) -> impl Iterator<Item = (&'a Place, &'a Head)> + 'a {
        let heads = self.of_tenant(tenant);
        heads.filter(|(_, head)| head.state == AlertState::Opened)
    }

    /// Tenants that have chains, in no order.
    pub fn tenants(&self) -> impl Iterator<Item = &str> {
        self.heads.keys().map(AsRef::as_ref)
    }

    /// How many transitions were in force and ignored.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Frees the memory of forgotten chains. When it is called changes no ruling.
    pub fn sweep(&mut self) {
        self.partitions.iter_mut().for_each(Chains::sweep);
        let Self {
            partitions, heads, ..
        } = self;
        let count = u32::try_from(partitions.len()).unwrap_or(u32::MAX);
        heads.retain(|tenant, places| {
            let log_time = log_time_of(partitions, tenant, count);
            places.retain(|place, _| !is_old(place.period_start, log_time));
            !places.is_empty()
        });
    }

    fn is_forgotten(&self, tenant: &str, place: &Place) -> bool {
        let count = u32::try_from(self.partitions.len()).unwrap_or(u32::MAX);
        let log_time = log_time_of(&self.partitions, tenant, count);
        is_old(place.period_start, log_time)
    }
}

/// Heads of one tenant's chains; those that are forgotten are not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heads<'a> {
    heads: Option<&'a BTreeMap<Place, Head>>,
    log_time: LogTime,
}

impl<'a> Heads<'a> {
    /// Whether there is none: the usual tenant, of whom no place needs to be named.
    pub(super) fn is_empty(self) -> bool {
        self.heads.is_none()
    }

    /// The head of a chain.
    pub(super) fn get(self, place: &Place) -> Option<&'a Head> {
        let head = self.heads?.get(place)?;
        (!is_old(place.period_start, self.log_time)).then_some(head)
    }

    /// Those of periods that start at a moment or later, by period, meter and threshold.
    pub(super) fn since(
        self,
        period_start: EventTime,
    ) -> impl Iterator<Item = (&'a Place, &'a Head)> {
        let first = Place {
            period_start,
            meter: "".into(),
            threshold: "".into(),
        };
        let heads = self.heads.into_iter();
        let heads = heads.flat_map(move |heads| heads.range(first.clone()..));
        heads.filter(move |(place, _)| !is_old(place.period_start, self.log_time))
    }
}

impl Head {
    fn new(
        before: Option<&Self>,
        transition: &Transition,
        offset: Offset,
        append_time: LogTime,
    ) -> Self {
        let opens = transition.state == AlertState::Opened;
        let mut crossings = before.map_or_else(SmallVec::new, |head| head.crossings.clone());
        if opens
            && crossings
                .iter()
                .all(|(limit, _)| *limit != transition.limit)
        {
            crossings.push((transition.limit, append_time));
        }
        Self {
            offset,
            write_id: transition.write_id,
            state: transition.state,
            episode: transition.episode,
            severity: transition.severity,
            kind: transition.kind.clone(),
            period_end: transition.period_end,
            used: transition.used,
            limit: transition.limit,
            plan: transition.plan.clone(),
            judged: transition.judged.clone(),
            at: append_time,
            opened_at: before
                .filter(|_| !opens)
                .map_or(append_time, |b| b.opened_at),
            crossings,
        }
    }
}

/// Whether a transition's state and episode follow from the head.
fn follows(head: Option<&Head>, next: &Transition) -> bool {
    let Some(head) = head else {
        return next.state == AlertState::Opened && next.episode == 1;
    };
    match (head.state, next.state) {
        (AlertState::Opened, AlertState::Resolved) => next.episode == head.episode,
        (AlertState::Opened, AlertState::Opened) => {
            next.episode == head.episode + 1 && next.limit != head.limit
        }
        (AlertState::Resolved, AlertState::Opened) => next.episode == head.episode + 1,
        (AlertState::Resolved, AlertState::Resolved) => false,
    }
}

fn forgets(key: &AlertKey, log_time: LogTime) -> bool {
    is_old(key.period_start, log_time)
}

fn is_old(period_start: EventTime, log_time: LogTime) -> bool {
    let start = period_start.0.div_euclid(1_000);
    log_time.0 >= start.saturating_add(FORGET_AFTER_MILLIS)
}

/// Log time of the partition that a tenant's records lie in.
fn log_time_of(partitions: &[Chains<AlertKey>], tenant: &str, count: u32) -> LogTime {
    let place = partition_of(tenant.as_bytes(), count.max(1));
    let chains = usize::try_from(place).ok().and_then(|p| partitions.get(p));
    chains.map_or(LogTime(i64::MIN), Chains::log_time)
}
