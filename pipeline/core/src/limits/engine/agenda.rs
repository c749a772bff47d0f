//! Who must be judged, from when on, and who waits for what.

use super::super::usage::{TenantId, index};
use crate::time::{EventTime, LogTime, Millis};
use std::collections::{BTreeSet, VecDeque};

/// How far back periods are judged again where time wakes a tenant, or its account changed: more
/// than an hour, so that the period that a change cuts short is among them.
const BACK: Millis = Millis(2 * 3_600_000);

const NEVER: LogTime = LogTime(i64::MAX);

/// Tenants to be judged, each once, first come first served.
#[derive(Debug, Default)]
pub(super) struct Agenda {
    notes: Vec<Note>,
    ready: VecDeque<TenantId>,
    /// By the number of the log partition whose progress they wait for.
    waiting: Vec<Vec<TenantId>>,
    timers: BTreeSet<(LogTime, TenantId)>,
}

#[derive(Clone, Copy, Debug)]
struct Note {
    /// Periods that end after this are judged; the end of time where none is to be.
    from: EventTime,
    /// Whether the tenant is in `ready` or `waiting`.
    queued: bool,
    /// When time wakes it.
    timer: LogTime,
}

impl Agenda {
    /// Has a tenant judged: all its periods that end after `from`, less [`BACK`].
    pub(super) fn mark(&mut self, tenant: TenantId, from: EventTime) {
        let note = self.note(tenant);
        note.from = note.from.min(from.before(BACK));
        if !std::mem::replace(&mut note.queued, true) {
            self.ready.push_back(tenant);
        }
    }

    /// The next one to judge, and from when on.
    pub(super) fn take(&mut self) -> Option<(TenantId, EventTime)> {
        let tenant = self.ready.pop_front()?;
        let note = self.note(tenant);
        note.queued = false;
        let from = std::mem::replace(&mut note.from, EventTime(i64::MAX));
        Some((tenant, from))
    }

    /// Has a tenant wait for further progress of a log partition.
    pub(super) fn wait(&mut self, tenant: TenantId, from: EventTime, place: usize) {
        let note = self.note(tenant);
        note.from = from;
        note.queued = true;
        if self.waiting.len() <= place {
            self.waiting.resize_with(place + 1, Vec::new);
        }
        self.waiting[place].push(tenant);
    }

    /// A log partition has made progress.
    pub(super) fn covered(&mut self, place: usize) {
        if let Some(waiting) = self.waiting.get_mut(place) {
            self.ready.extend(waiting.drain(..));
        }
    }

    /// Has a tenant judged at a moment, in the place of the moment before.
    pub(super) fn wake_at(&mut self, tenant: TenantId, moment: Option<LogTime>) {
        let timer = moment.unwrap_or(NEVER);
        let before = std::mem::replace(&mut self.note(tenant).timer, timer);
        if before == timer {
            return;
        }
        self.timers.remove(&(before, tenant));
        if timer != NEVER {
            self.timers.insert((timer, tenant));
        }
    }

    /// Marks those whose moment has come.
    pub(super) fn wake(&mut self, now: LogTime) {
        while let Some((moment, tenant)) = self.timers.first().copied() {
            if moment > now {
                return;
            }
            self.wake_at(tenant, None);
            self.mark(tenant, moment.as_event_time());
        }
    }

    pub(super) fn next_moment(&self) -> Option<LogTime> {
        self.timers.first().map(|(moment, _)| *moment)
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Those who wait for progress.
    pub(super) fn waiting(&self) -> impl Iterator<Item = TenantId> {
        self.waiting.iter().flatten().copied()
    }

    pub(super) fn len(&self) -> usize {
        self.ready.len() + self.waiting.iter().map(Vec::len).sum::<usize>()
    }

    fn note(&mut self, tenant: TenantId) -> &mut Note {
        let place = index(tenant);
        if self.notes.len() <= place {
            let clean = Note {
                from: EventTime(i64::MAX),
                queued: false,
                timer: NEVER,
            };
            self.notes.resize(place + 1, clean);
        }
        &mut self.notes[place]
    }
}
