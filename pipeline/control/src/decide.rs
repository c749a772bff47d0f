//! Writing a decision: under one write id, answered only after reading back.

use crate::error::ControlError;
use crate::log::{ControlLog, PARTITION};
use meterline_core::control::{ChainKey, ControlRecord, Decision, View};
use meterline_core::position::Offset;
use meterline_kafka::{Backoff, Next, Outgoing};
use meterline_schemas::records::encode_control;
use rand::Rng;
use std::sync::Arc;
use std::time::{Duration, Instant};

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

/// Makes the record of a decision on top of what `view` knows, under a new write id.
#[must_use]
pub fn propose(view: &View, decision: Decision, author: &Author) -> ControlRecord {
    ControlRecord {
        write_id: rand::rng().random(),
        actor: author.actor.clone(),
        note: author.note.clone(),
        head: view.head_of(&ChainKey::of(&decision)),
        decision,
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
    /// the brokers refuse the record, [`ControlError::NoSuchHead`], and those of
    /// [`ControlLog::read_to_end`].
    pub fn decide(
        &self,
        record: &ControlRecord,
        timeout: Duration,
    ) -> Result<Decided, ControlError> {
        let deadline = Instant::now() + timeout;
        let chain = ChainKey::of(&record.decision);
        let mut bytes = Vec::new();
        encode_control(record, &mut bytes);
        let mut backoff = Backoff::new();
        let mut attempted = false;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let view = match self.read_to_end(left) {
                Ok(view) => view,
                Err(error) if attempted && error.passes() => {
                    return Err(ControlError::Unanswered {
                        chain,
                        waited: timeout,
                        source: Box::new(error),
                    });
                }
                Err(error) => return Err(error),
            };
            if let Some(decided) = judge(&view, &chain, record)? {
                return Ok(decided);
            }
            attempted = true;
            let written = self.producer().send_blocking(Outgoing {
                topic: self.topic(),
                partition: Some(PARTITION),
                payload: Some(&bytes),
                ..Outgoing::default()
            });
            match written {
                Ok(_) => {}
                // It may be in the log: read before writing again.
                Err(error) if error.next() == Next::Retry => std::thread::sleep(backoff.pause()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What the log up to the view says of a record; `None` where it says nothing yet.
fn judge(
    view: &Arc<View>,
    chain: &ChainKey,
    record: &ControlRecord,
) -> Result<Option<Decided>, ControlError> {
    if let Some(offset) = view.written(record.write_id) {
        let view = Arc::clone(view);
        return Ok(Some(Decided::InForce { offset, view }));
    }
    if view.head_of(chain) == record.head {
        return Ok(None);
    }
    match view.successor(chain, record.head) {
        Some(offset) => {
            let link = view.link(offset).expect("a successor is in force");
            Ok(Some(Decided::Lost {
                offset,
                actor: link.actor.clone(),
                view: Arc::clone(view),
            }))
        }
        None => Err(ControlError::NoSuchHead {
            chain: chain.clone(),
            head: record.head.expect("a chain with a head has a first record"),
        }),
    }
}
