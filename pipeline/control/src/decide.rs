//! Writing a decision: under one write id, answered only after reading back.

use crate::error::ControlError;
use crate::links::Links;
use crate::log::{ControlLog, PARTITION};
use meterline_core::control::{ChainKey, ControlRecord, Decision, View};
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use meterline_kafka::{Backoff, Next, Outgoing, SendError};
use meterline_schemas::records::encode_control;
use rand::Rng;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Who decides, and why, for the audit trail.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Author {
    /// The principal.
    pub actor: String,
    /// Why, in the actor's words; may be empty.
    pub note: String,
}

/// What became of a decision.
#[derive(Clone, Debug)]
pub enum Decided {
    /// It is in force.
    InForce {
        /// Its offset in the control log.
        offset: Offset,
        /// A view that holds it.
        view: Arc<View>,
    },
    /// Another decision took its place; this one is ignored for ever.
    Lost {
        /// The decision that follows the head which this one named.
        offset: Offset,
        /// Who wrote that one.
        actor: String,
        /// A view that holds it.
        view: Arc<View>,
    },
}

/// Makes the record of a decision that follows `head` in its chain, under a new write id.
#[must_use]
pub fn propose_after(head: Option<Offset>, decision: Decision, author: &Author) -> ControlRecord {
    ControlRecord {
        write_id: rand::rng().random(),
        actor: author.actor.clone(),
        note: author.note.clone(),
        head,
        decision,
    }
}

/// Makes the record of a decision on top of what `view` knows, under a new write id.
///
/// A view knows nothing of accounts; see [`crate::AccountLog::propose`].
#[must_use]
pub fn propose(view: &View, decision: Decision, author: &Author) -> ControlRecord {
    let head = view.head_of(&ChainKey::of(&decision));
    propose_after(head, decision, author)
}

/// A record that is to be decided.
struct Pending<'a> {
    chain: ChainKey,
    record: &'a ControlRecord,
    bytes: Vec<u8>,
    decided: Option<Decided>,
}

impl<'a> Pending<'a> {
    fn new(record: &'a ControlRecord) -> Self {
        let mut bytes = Vec::new();
        encode_control(record, &mut bytes);
        Self {
            chain: ChainKey::of(&record.decision),
            record,
            bytes,
            decided: None,
        }
    }
}

impl ControlLog {
    /// Writes a decision and says what became of it; the same record may be handed in again.
    ///
    /// Retries under the record's write id. Answers only after reading back a record with it, or
    /// another that took its place. Blocks.
    ///
    /// # Errors
    /// [`ControlError::Unanswered`] where nothing is known in time, [`ControlError::Write`] where
    /// the brokers refuse the record, [`ControlError::NoSuchHead`], [`ControlError::NotFollowed`],
    /// and those of [`ControlLog::read_to_end`].
    pub fn decide(
        &self,
        record: &ControlRecord,
        timeout: Duration,
    ) -> Result<Decided, ControlError> {
        let mut decided = self.decide_all(std::slice::from_ref(record), timeout)?;
        Ok(decided.pop().expect("an answer for each record"))
    }

    /// [`ControlLog::decide`] for many records of different chains at once: all are on their way
    /// together, and one reading answers for all. The answers are in the order of the records.
    ///
    /// # Errors
    /// As [`ControlLog::decide`]. Some of the records may be in force then: hand them in again, or
    /// look.
    pub fn decide_all(
        &self,
        records: &[ControlRecord],
        timeout: Duration,
    ) -> Result<Vec<Decided>, ControlError> {
        let deadline = Instant::now() + timeout;
        let mut pending: Vec<Pending<'_>> = records.iter().map(Pending::new).collect();
        let mut backoff = Backoff::new();
        let mut attempted = false;
        loop {
            let judged = self.judge_all(&mut pending, deadline);
            let open = pending.iter().find(|pending| pending.decided.is_none());
            match (judged, open) {
                (Ok(()), None) => break,
                (Ok(()), Some(_)) => {}
                (Err(error), Some(open)) if attempted && error.passes() => {
                    return Err(ControlError::Unanswered {
                        chain: open.chain.clone(),
                        waited: timeout,
                        source: Box::new(error),
                    });
                }
                (Err(error), _) => return Err(error),
            }
            attempted = true;
            let undecided = pending.iter().filter(|pending| pending.decided.is_none());
            match self.write_all(undecided) {
                Ok(()) => {}
                // They may be in the log: read before writing again.
                Err(error) if error.next() == Next::Retry => std::thread::sleep(backoff.pause()),
                Err(error) => return Err(error.into()),
            }
        }
        let decided = pending.into_iter().map(|pending| pending.decided);
        Ok(decided
            .map(|decided| decided.expect("none is open"))
            .collect())
    }

    fn write_all<'a>(
        &self,
        pending: impl Iterator<Item = &'a Pending<'a>>,
    ) -> Result<(), SendError> {
        self.producer()
            .send_all_blocking(pending.map(|pending| Outgoing {
                topic: self.topic(),
                partition: Some(PARTITION),
                payload: Some(&pending.bytes),
                ..Outgoing::default()
            }))
    }

    /// Reads to the end, and takes down what the log says of each record.
    fn judge_all(
        &self,
        pending: &mut [Pending<'_>],
        deadline: Instant,
    ) -> Result<(), ControlError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let view = self.read_to_end(left)?;
        let mut links = Links::new(self, &view, deadline);
        for pending in pending
            .iter_mut()
            .filter(|pending| pending.decided.is_none())
        {
            let newest = self.head_of(&view, &pending.chain)?;
            if newest == pending.record.head {
                // Else it would be written again and again, and ignored each time.
                self.check_fit(pending.record)?;
                continue;
            }
            // Of a chain that has moved on: what follows the head that the record names is this
            // record, or what took its place.
            let successor = links.successor(&pending.chain, newest, pending.record.head)?;
            let (offset, known) = successor;
            let view = Arc::clone(&view);
            pending.decided = Some(if known.write_id == pending.record.write_id {
                Decided::InForce { offset, view }
            } else {
                let actor = known.actor;
                Decided::Lost {
                    offset,
                    actor,
                    view,
                }
            });
        }
        Ok(())
    }

    /// Whether readers would take a record that names its chain's head.
    fn check_fit(&self, record: &ControlRecord) -> Result<(), ControlError> {
        match self.folds().accounts() {
            Some(accounts) if record.decision.is_of_accounts() => {
                let now = clock().max(accounts.log_time());
                let fit = accounts.check(&record.decision, now);
                fit.map_err(ControlError::Unfit)
            }
            _ => Ok(()),
        }
    }

    /// The head of a chain, whichever fold has it.
    pub(crate) fn head_of(
        &self,
        view: &View,
        chain: &ChainKey,
    ) -> Result<Option<Offset>, ControlError> {
        if !chain.is_of_accounts() {
            return Ok(view.head_of(chain));
        }
        let accounts = self.folds().accounts();
        let accounts = accounts.ok_or_else(|| ControlError::NotFollowed {
            chain: chain.clone(),
        })?;
        Ok(accounts.head_of(chain))
    }
}

/// This machine's clock.
pub(crate) fn clock() -> LogTime {
    SystemTime::now().into()
}
