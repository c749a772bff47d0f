//! What the records of the control log have come to: the newest view, and accounts where they are
//! followed.
//!
//! One thread applies records, in batches; any number of threads read. The view is shared as a
//! whole and copied only when somebody holds it while a record changes it, at most once a batch.
//! Accounts are never copied: readers lock them, for microseconds. Both are at the same position
//! between two batches, accounts first: whoever sees a position in the view finds it reached in
//! the accounts.

use crate::entry::ControlEntry;
use crate::recent::Recent;
use meterline_core::accounts::Accounts;
use meterline_core::chain::Ruling;
use meterline_core::control::View;
use meterline_core::halt::Halt;
use meterline_core::position::{Offset, TopicId};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{
    Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use std::time::Instant;

/// Most records that are applied to the accounts under one lock: readers wait for no more.
const LOCKED_MAX: usize = 64;

/// What the reading thread shares with everybody.
#[derive(Debug, Default)]
pub(crate) struct Folds {
    state: Mutex<State>,
    changed: Condvar,
    stop: AtomicBool,
    /// `None` where accounts are passed.
    accounts: Option<RwLock<Accounts>>,
    recent: Mutex<Recent>,
}

#[derive(Debug, Default)]
struct State {
    view: Arc<View>,
    topic_id: Option<TopicId>,
    halted: Option<Halt>,
}

impl Folds {
    /// The state before the log's first record.
    pub(crate) fn new(with_accounts: bool) -> Self {
        Self {
            accounts: with_accounts.then(RwLock::default),
            ..Self::default()
        }
    }

    pub(crate) fn view(&self) -> Arc<View> {
        Arc::clone(&self.state().view)
    }

    pub(crate) fn topic_id(&self) -> Option<TopicId> {
        self.state().topic_id
    }

    pub(crate) fn halted(&self) -> Option<Halt> {
        self.state().halted.clone()
    }

    /// `None` where they are not followed.
    pub(crate) fn accounts(&self) -> Option<RwLockReadGuard<'_, Accounts>> {
        let accounts = self.accounts.as_ref()?;
        Some(accounts.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn follows_accounts(&self) -> bool {
        self.accounts.is_some()
    }

    pub(crate) fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    pub(crate) fn name_topic(&self, topic_id: TopicId) {
        self.state().topic_id = Some(topic_id);
    }

    pub(crate) fn halt(&self, halt: Halt) {
        self.state().halted = Some(halt);
        self.changed.notify_all();
    }

    /// Begins with what a snapshot holds instead of with nothing.
    pub(crate) fn restore(&self, view: View, accounts: Accounts) {
        *self.lock_accounts() = accounts;
        self.state().view = Arc::new(view);
        self.changed.notify_all();
    }

    /// Waits until records before `end` are read; at the deadline, the view as it is then.
    pub(crate) fn wait_for(&self, end: Offset, deadline: Instant) -> Result<Arc<View>, Halt> {
        let left = deadline.saturating_duration_since(Instant::now());
        let behind = |state: &mut State| state.view.position() < end && state.halted.is_none();
        let (state, _) = self
            .changed
            .wait_timeout_while(self.state(), left, behind)
            .unwrap_or_else(PoisonError::into_inner);
        match &state.halted {
            Some(halt) if state.view.position() < end => Err(halt.clone()),
            _ => Ok(Arc::clone(&state.view)),
        }
    }

    /// Applies records in order, and says of each whether it is in force.
    ///
    /// Those about accounts, in a row, and every other one alone: so neither fold is ahead of the
    /// other by a record that the other can refuse.
    pub(crate) fn apply(&self, entries: &mut [ControlEntry]) -> Result<(), Halt> {
        let both = |a: &ControlEntry, b: &ControlEntry| a.is_of_accounts() && b.is_of_accounts();
        for run in entries.chunk_by_mut(both) {
            if run[0].is_of_accounts() {
                self.apply_accounts(run)?;
            } else {
                self.apply_other(&mut run[0])?;
            }
            self.changed.notify_all();
        }
        Ok(())
    }

    fn apply_accounts(&self, run: &mut [ControlEntry]) -> Result<(), Halt> {
        for chunk in run.chunks_mut(LOCKED_MAX) {
            if self.follows_accounts() {
                let mut accounts = self.lock_accounts();
                for entry in &mut *chunk {
                    let record = entry.record.as_ref();
                    let record = record.expect("records are decoded where accounts are followed");
                    let ruling = accounts.apply(entry.offset, entry.append_time, record)?;
                    entry.in_force = ruling == Ruling::InForce;
                }
            }
            let mut recent = self.recent();
            chunk.iter().for_each(|entry| recent.note(entry));
        }
        let last = run.last().expect("a run holds a record");
        let times = run.iter().map(|entry| entry.append_time);
        let log_time = times.max().unwrap_or(last.append_time);
        self.change_view(|view| view.pass(last.offset, log_time))
    }

    fn apply_other(&self, entry: &mut ControlEntry) -> Result<(), Halt> {
        if self.follows_accounts() {
            self.lock_accounts().pass(entry.offset, entry.append_time)?;
        }
        let (offset, hash, append_time) = (entry.offset, entry.hash, entry.append_time);
        let record = entry.record.clone();
        let record = record.expect("a record that is not about accounts is decoded");
        let applied =
            self.change_view(move |view| view.apply(offset, hash, append_time, Ok(record)))?;
        entry.in_force = applied.ruling == Ruling::InForce;
        Ok(())
    }

    fn change_view<T>(&self, change: impl FnOnce(&mut View) -> T) -> T {
        change(Arc::make_mut(&mut self.state().view))
    }

    fn lock_accounts(&self) -> RwLockWriteGuard<'_, Accounts> {
        let accounts = self.accounts.as_ref();
        let accounts = accounts.expect("asked only where accounts are followed");
        accounts.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state; a reader that panicked left it as it was before its last record.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
