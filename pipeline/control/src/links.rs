//! Chains of the control log, backwards: from the head to the record before it, and so on.
//!
//! Every record in force names the one before it, so the log itself is the history of each chain.
//! What the folds do not keep is read from there, one record at a time.

use crate::error::ControlError;
use crate::log::{ControlLog, PARTITION};
use crate::recent::Known;
use meterline_core::control::{ChainKey, ControlRecord, View};
use meterline_core::halt::Halt;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use meterline_kafka::{ReadRecord, Reader};
use meterline_schemas::records::decode_control;
use std::time::{Duration, Instant};

/// Group name for the client library; the group is never joined.
const GROUP: &str = "meterline-control-chains";

/// A record in force, with where it lies.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Past {
    /// Its offset.
    pub offset: Offset,
    /// When the broker took it.
    pub append_time: LogTime,
    /// The record.
    pub record: ControlRecord,
}

/// Follows chains backwards; connects when the folds do not know a link.
pub(crate) struct Links<'a> {
    log: &'a ControlLog,
    view: &'a View,
    reader: Option<Reader>,
    deadline: Instant,
}

impl<'a> Links<'a> {
    pub(crate) fn new(log: &'a ControlLog, view: &'a View, deadline: Instant) -> Self {
        Self {
            log,
            view,
            reader: None,
            deadline,
        }
    }

    /// The record in force that follows `head` in a chain, whose newest is at `newest`.
    ///
    /// # Errors
    /// [`ControlError::NoSuchHead`] where the chain never had that head, and those of reading.
    pub(crate) fn successor(
        &mut self,
        chain: &ChainKey,
        newest: Option<Offset>,
        head: Option<Offset>,
    ) -> Result<(Offset, Known), ControlError> {
        let mut at = newest;
        while let Some(offset) = at {
            let known = self.known(offset)?;
            if known.follows == head {
                return Ok((offset, known));
            }
            at = known.follows;
        }
        Err(ControlError::NoSuchHead {
            chain: chain.clone(),
            head: head.expect("a chain with a head has a first record"),
        })
    }

    /// What the record at `offset` follows in a chain, whose newest is at `newest`.
    ///
    /// # Errors
    /// [`ControlError::NoSuchHead`] where the chain never had that record, and those of reading.
    fn before(
        &mut self,
        chain: &ChainKey,
        newest: Option<Offset>,
        offset: Offset,
    ) -> Result<Option<Offset>, ControlError> {
        // Older records have lower offsets: below the one that is looked for it cannot be.
        let mut at = newest;
        while let Some(newer) = at.filter(|newer| *newer > offset) {
            at = self.known(newer)?.follows;
        }
        match at {
            Some(found) if found == offset => Ok(self.known(found)?.follows),
            _ => Err(ControlError::NoSuchHead {
                chain: chain.clone(),
                head: offset,
            }),
        }
    }

    fn known(&mut self, offset: Offset) -> Result<Known, ControlError> {
        if let Some(link) = self.view.link(offset) {
            return Ok(Known {
                follows: link.follows,
                write_id: link.write_id,
                actor: link.actor.clone(),
            });
        }
        if let Some(known) = self.log.folds().recent().get(offset) {
            return Ok(known);
        }
        let record = self.read(offset)?.record;
        Ok(Known {
            follows: record.head,
            write_id: record.write_id,
            actor: record.actor,
        })
    }

    /// Reads a record that is in force.
    fn read(&mut self, offset: Offset) -> Result<Past, ControlError> {
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => none.insert(Reader::connect(self.log.settings(), GROUP)?),
        };
        let left = self.deadline.saturating_duration_since(Instant::now());
        let topic = self.log.topic();
        let found = reader.read_at(topic, PARTITION, offset, left)?;
        found
            .and_then(past)
            .ok_or_else(|| ControlError::Missing {
                topic: topic.to_owned(),
                offset,
            })?
            .map_err(|source| ControlError::Halted {
                topic: topic.to_owned(),
                position: offset,
                source,
            })
    }
}

fn past(read: ReadRecord) -> Option<Result<Past, Halt>> {
    let (append_time, bytes) = (read.append_time?, read.payload?);
    Some(decode_control(&bytes).map(|record| Past {
        offset: read.offset,
        append_time,
        record,
    }))
}

impl ControlLog {
    /// The records in force of one chain, newest first, at most `limit`. Blocks.
    ///
    /// # Errors
    /// [`ControlError::NotFollowed`] for a chain about accounts where those are not followed,
    /// those of [`ControlLog::read_to_end`] and of reading single records.
    pub fn history(
        &self,
        chain: &ChainKey,
        limit: usize,
        timeout: Duration,
    ) -> Result<Vec<Past>, ControlError> {
        self.history_before(chain, None, limit, timeout)
    }

    /// [`ControlLog::history`] of those records alone that are older than the one at `before`.
    ///
    /// `before` is looked for in the chain, from its newest record on: an offset of another chain,
    /// or of a record that is not in force, is never read.
    ///
    /// # Errors
    /// Those of [`ControlLog::history`]; [`ControlError::NoSuchHead`] where the chain never had
    /// `before`.
    pub fn history_before(
        &self,
        chain: &ChainKey,
        before: Option<Offset>,
        limit: usize,
        timeout: Duration,
    ) -> Result<Vec<Past>, ControlError> {
        let deadline = Instant::now() + timeout;
        let view = self.read_to_end(timeout)?;
        let mut links = Links::new(self, &view, deadline);
        let newest = self.head_of(&view, chain)?;
        let mut at = match before {
            Some(before) => links.before(chain, newest, before)?,
            None => newest,
        };
        let mut history = Vec::new();
        while let Some(offset) = at.filter(|_| history.len() < limit) {
            let past = links.read(offset)?;
            at = past.record.head;
            history.push(past);
        }
        Ok(history)
    }

    /// One record in force, by its offset. Blocks.
    ///
    /// # Errors
    /// [`ControlError::Missing`] where there is no record, and those of reading.
    pub fn record_at(&self, offset: Offset, timeout: Duration) -> Result<Past, ControlError> {
        let view = self.view();
        Links::new(self, &view, Instant::now() + timeout).read(offset)
    }
}
