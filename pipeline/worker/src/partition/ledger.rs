//! Which of a partition's changes have left it: the bookkeeping of its lanes and its progress.
//!
//! Pure: it sees cuts, acknowledgements and nothing else, so that its rules can be tested on any
//! order of them. It keeps four invariants. `to` never exceeds what every lane that it stands
//! for has had acknowledged. A day or month is told sealed only once the rows of its lane are
//! acknowledged that far. What a progress record says of the log is a function of `to` and
//! `levels_to` (INV-STAMP). A position in the totals topic is only named once every total before
//! it has its row, of every level, acknowledged by ClickHouse.

use meterline_core::fold::Header;
use meterline_core::position::{Offset, Stamp};
use meterline_core::time::{EventTime, LogTime};
use std::collections::VecDeque;
use std::sync::Arc;

/// Most progress records that wait to become a starting position for readers: at one every two
/// seconds, more than eight minutes of day and month rows that are not acknowledged. While it is
/// full, later records are not remembered: readers then start earlier, which is always right.
const CANDIDATES_MAX: usize = 256;

/// One way that changes leave the partition. Lanes do not wait for each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// Hour rows to ClickHouse.
    Hours,
    /// Day and month rows to ClickHouse.
    Levels,
    /// Totals of all levels to their topic.
    Totals,
    /// Dead letters to their topic and to ClickHouse.
    DeadLetters,
}

impl Lane {
    /// All lanes.
    pub(crate) const ALL: [Self; 4] = [Self::Hours, Self::Levels, Self::Totals, Self::DeadLetters];

    /// The lanes that `to` stands for.
    const COMPLETE: [Self; 3] = [Self::Hours, Self::Totals, Self::DeadLetters];

    /// The name in metrics and logs.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Hours => "hours",
            Self::Levels => "levels",
            Self::Totals => "totals",
            Self::DeadLetters => "dead_letters",
        }
    }
}

/// A position of the log with the small part of the state there: what progress speaks of.
#[derive(Clone, Debug)]
pub(crate) struct Mark(Arc<Header>);

impl Mark {
    /// The state's small part at some position.
    pub(crate) fn new(header: Header) -> Self {
        Self(Arc::new(header))
    }

    /// Epoch and the next record.
    pub(crate) fn position(&self) -> Stamp {
        Stamp {
            epoch: self.0.epoch,
            offset: self.0.position,
        }
    }

    /// The state's small part there.
    pub(crate) fn header(&self) -> &Header {
        &self.0
    }
}

/// A progress record that is due.
#[derive(Clone, Debug)]
pub(crate) struct Progress {
    /// The small part of the state at `to`, with what holds of day and month rows now.
    pub(crate) header: Header,
    /// Where a reader that has read the tables starts in the totals topic, once that is known.
    pub(crate) totals_position: Option<Offset>,
}

#[derive(Debug)]
struct LaneState {
    acked: Mark,
    in_flight: Option<Mark>,
}

impl LaneState {
    fn sent_to(&self) -> Stamp {
        self.in_flight.as_ref().unwrap_or(&self.acked).position()
    }
}

/// A progress record in the totals topic.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Its offset there.
    offset: Offset,
    /// Changes in totals before it lie before this position.
    carried_to: Stamp,
}

/// The bookkeeping of one partition. See the module's text.
#[derive(Debug)]
pub(crate) struct Ledger {
    lanes: [LaneState; 4],
    /// (`to`, `levels_to`) of the newest progress record that was sent.
    told: (Stamp, Offset),
    telling: bool,
    candidates: VecDeque<Candidate>,
    totals_position: Option<Offset>,
}

impl Ledger {
    /// The bookkeeping of a partition that was just loaded: everything before `start` has left
    /// it, and day and month rows before `levels_to`, where the log was sealed to
    /// `levels_sealed_to`.
    pub(crate) fn new(start: Mark, levels_to: Stamp, levels_sealed_to: EventTime) -> Self {
        let levels_to = levels_to.min(start.position());
        let mut levels = Header::clone(start.header());
        (levels.epoch, levels.position) = (levels_to.epoch, levels_to.offset);
        levels.sealed_to = levels_sealed_to.min(start.header().sealed_to);
        let levels = Mark::new(levels);
        let lanes = Lane::ALL.map(|lane| LaneState {
            acked: if lane == Lane::Levels {
                &levels
            } else {
                &start
            }
            .clone(),
            in_flight: None,
        });
        let mut ledger = Self {
            told: (start.position(), 0),
            lanes,
            telling: false,
            candidates: VecDeque::new(),
            totals_position: None,
        };
        ledger.told.1 = ledger.levels().0;
        ledger
    }

    /// Whether the lane has no batch in flight.
    pub(crate) fn is_free(&self, lane: Lane) -> bool {
        self.lanes[lane as usize].in_flight.is_none()
    }

    /// Whether any lane has a batch in flight, or a progress record is.
    pub(crate) fn is_quiet(&self) -> bool {
        !self.telling && Lane::ALL.into_iter().all(|lane| self.is_free(lane))
    }

    /// Up to where the lane's changes were cut.
    pub(crate) fn sent_to(&self, lane: Lane) -> Stamp {
        self.lanes[lane as usize].sent_to()
    }

    /// Up to where the lane's changes are acknowledged.
    pub(crate) fn acked_to(&self, lane: Lane) -> Stamp {
        self.lanes[lane as usize].acked.position()
    }

    /// The lane's changes before `mark` were cut; an empty cut needs no acknowledgement.
    pub(crate) fn cut(&mut self, lane: Lane, mark: Mark, is_empty: bool) {
        let state = &mut self.lanes[lane as usize];
        assert!(
            state.in_flight.is_none(),
            "a lane has one batch in flight at most"
        );
        assert!(
            state.acked.position() <= mark.position(),
            "positions only grow, by epoch and offset"
        );
        if is_empty {
            state.acked = mark;
        } else {
            state.in_flight = Some(mark);
        }
    }

    /// The lane's batch in flight was acknowledged.
    pub(crate) fn acked(&mut self, lane: Lane) {
        let state = &mut self.lanes[lane as usize];
        state.acked = state
            .in_flight
            .take()
            .expect("only a batch in flight is acknowledged");
    }

    /// `to`: hour rows, totals and dead letters are complete up to here.
    pub(crate) fn complete_to(&self) -> Stamp {
        self.complete().position()
    }

    /// Log time at [`Ledger::complete_to`].
    pub(crate) fn complete_log_time(&self) -> LogTime {
        self.complete().header().log_time
    }

    fn complete(&self) -> &Mark {
        Lane::COMPLETE
            .into_iter()
            .map(|lane| &self.lanes[lane as usize].acked)
            .min_by_key(|mark| mark.position())
            .expect("there are lanes")
    }

    /// `sealed_to` at [`Ledger::acked_to`].
    pub(crate) fn acked_sealed_to(&self, lane: Lane) -> EventTime {
        self.lanes[lane as usize].acked.header().sealed_to
    }

    /// `levels_to` beside the current `to`, and the `sealed_to` there; 0 while day and month rows
    /// are of an earlier epoch.
    fn levels(&self) -> (Offset, EventTime) {
        let to = self.complete();
        let acked = &self.lanes[Lane::Levels as usize].acked;
        let levels = if acked.position() < to.position() {
            acked
        } else {
            to
        };
        if levels.header().epoch == to.header().epoch {
            (levels.header().position, levels.header().sealed_to)
        } else {
            (0, EventTime(0))
        }
    }

    /// Takes the progress record that is due: something grew and none is on its way.
    pub(crate) fn take_progress(&mut self) -> Option<Progress> {
        let levels = self.levels();
        let now = (self.complete_to(), levels.0);
        if self.telling || now <= self.told {
            return None;
        }
        self.told = now;
        self.telling = true;
        let mut header = Header::clone(self.complete().header());
        (header.levels_to, header.levels_sealed_to) = levels;
        Some(Progress {
            header,
            totals_position: self.known_totals_position(),
        })
    }

    /// The progress record lies in the totals topic at `offset`, and its row in ClickHouse.
    pub(crate) fn progress_acked(&mut self, offset: Offset) {
        assert!(self.telling, "only a record on its way is acknowledged");
        self.telling = false;
        if self.candidates.len() < CANDIDATES_MAX {
            // Totals in flight may lie before the record as well as after it.
            let carried_to = self.sent_to(Lane::Totals);
            self.candidates.push_back(Candidate { offset, carried_to });
        }
    }

    /// The latest progress record such that every total before it has its rows in ClickHouse.
    fn known_totals_position(&mut self) -> Option<Offset> {
        let rows = self.acked_to(Lane::Hours).min(self.acked_to(Lane::Levels));
        while let Some(first) = self.candidates.front() {
            if first.carried_to > rows {
                break;
            }
            self.totals_position = Some(first.offset);
            self.candidates.pop_front();
        }
        self.totals_position
    }
}

#[cfg(test)]
mod tests;
