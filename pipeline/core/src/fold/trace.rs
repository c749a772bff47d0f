//! The running hash over all outcomes: two histories that differ anywhere differ from there on.
//!
//! Manifests carry samples of it, taken before the first record at or after each multiple of
//! 2¹⁸, so that two workers' manifests can be compared although they were written elsewhere.

use super::Outcome;
use crate::position::Offset;
use siphasher::sip128::{Hasher128, SipHasher13};
use std::collections::VecDeque;
use std::hash::Hasher;

/// Distance between samples, in offsets.
const SAMPLE_EVERY: Offset = 1 << 18;

/// Number of samples kept.
const SAMPLES: usize = 64;

/// The running hash and its samples.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    hash: u128,
    next_sample: Offset,
    samples: VecDeque<(Offset, u128)>,
}

impl Trace {
    /// A trace whose next record is at `position` or later.
    pub(super) fn begin(position: Offset) -> Self {
        Self {
            hash: 0,
            next_sample: first_multiple(position),
            samples: VecDeque::new(),
        }
    }

    /// Reads what [`Trace::hash_text`] and [`Trace::sample_texts`] wrote; `None` if malformed.
    pub(super) fn restore(
        position: Offset,
        hash: &str,
        samples: &[(Offset, String)],
    ) -> Option<Self> {
        let samples: Option<VecDeque<_>> = samples
            .iter()
            .map(|(at, text)| Some((*at, parse_hash(text)?)))
            .collect();
        let next_sample = first_multiple(position);
        Some(Self {
            hash: parse_hash(hash)?,
            next_sample,
            samples: samples?,
        })
    }

    /// Takes in one record's outcome; `digest` stands for what it changed.
    pub(super) fn record(&mut self, offset: Offset, outcome: &Outcome, digest: u64) {
        self.sample(offset);
        let mut hasher = SipHasher13::new();
        hasher.write_u128(self.hash);
        hasher.write_u64(offset);
        let (tag, detail) = match outcome {
            Outcome::Accepted { late } => (1u8, u32::from(*late)),
            Outcome::Duplicate => (2, 0),
            Outcome::Ignored => (3, 0),
            Outcome::Unmatched => (4, 0),
            Outcome::Rejected(rejection) => (5, u32::from(rejection.reason as u8)),
            Outcome::Tick => (6, 0),
            Outcome::Placed(version) => (7, *version),
            Outcome::PlacedAgain(version) => (8, *version),
            Outcome::Voided => (9, 0),
            Outcome::Amended => (10, 0),
            Outcome::VoidPassed => (11, 0),
        };
        hasher.write_u8(tag);
        hasher.write_u32(detail);
        hasher.write_u64(digest);
        self.hash = hasher.finish128().as_u128();
    }

    fn sample(&mut self, offset: Offset) {
        if offset < self.next_sample {
            return;
        }
        let newest = offset / SAMPLE_EVERY * SAMPLE_EVERY;
        // A hole of more than the kept samples: only the last ones are worth writing.
        let kept = (SAMPLES as Offset - 1) * SAMPLE_EVERY;
        self.next_sample = self.next_sample.max(newest.saturating_sub(kept));
        while self.next_sample <= newest {
            self.samples.push_back((self.next_sample, self.hash));
            self.next_sample += SAMPLE_EVERY;
        }
        while self.samples.len() > SAMPLES {
            self.samples.pop_front();
        }
    }

    pub(super) fn hash_text(&self) -> String {
        format!("{:032x}", self.hash)
    }

    pub(super) fn sample_texts(&self) -> Vec<(Offset, String)> {
        self.samples
            .iter()
            .map(|(at, hash)| (*at, format!("{hash:032x}")))
            .collect()
    }
}

fn first_multiple(position: Offset) -> Offset {
    position.div_ceil(SAMPLE_EVERY) * SAMPLE_EVERY
}

fn parse_hash(text: &str) -> Option<u128> {
    (text.len() == 32).then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_stand_before_the_first_record_at_or_after_each_multiple() {
        let mut trace = Trace::begin(5);
        trace.record(7, &Outcome::Duplicate, 0);
        let before = trace.hash_text();
        trace.record(SAMPLE_EVERY + 3, &Outcome::Tick, 0);
        assert_eq!(trace.sample_texts(), [(SAMPLE_EVERY, before)]);
        trace.record(SAMPLE_EVERY * 1_000, &Outcome::Tick, 0);
        assert_eq!(trace.sample_texts().len(), SAMPLES);
    }

    #[test]
    fn a_restored_trace_goes_on_as_the_first() {
        let mut first = Trace::begin(0);
        first.record(SAMPLE_EVERY - 1, &Outcome::Tick, 1);
        let position = SAMPLE_EVERY;
        let restored = Trace::restore(position, &first.hash_text(), &first.sample_texts());
        let mut second = restored.expect("well-formed");
        for trace in [&mut first, &mut second] {
            trace.record(SAMPLE_EVERY, &Outcome::Duplicate, 2);
        }
        assert_eq!(first.hash_text(), second.hash_text());
        assert_eq!(first.sample_texts(), second.sample_texts());
    }
}
