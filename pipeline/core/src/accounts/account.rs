//! One account: its versions, and which is in effect when.

use super::form::{Calendar, Refused};
use crate::account::{AccountChange, AccountTerms, RunningPeriod};
use crate::catalog::plans::{PeriodZone, Reset};
use crate::period::{PeriodRule, Timeline, Zone};
use crate::position::Offset;
use crate::time::LogTime;
use smallvec::SmallVec;
use std::sync::Arc;

/// How long a version is kept, by log time, after the one behind it took effect: 230 days, in
/// milliseconds.
///
/// A period is judged until 165 days after its start and is at most 32 days long, and what a
/// version does to the periods around it ends 32 days after it takes effect: nothing that is
/// dropped bears on a period that is judged.
pub const VERSIONS_KEPT_MILLIS: i64 = 230 * 86_400_000;

/// Most versions of one account that are kept: one every five hours of [`VERSIONS_KEPT_MILLIS`].
/// Beyond, the oldest is dropped.
pub const VERSIONS_MAX: usize = 1_024;

/// Most versions of one account that may still have to take effect.
pub const PENDING_MAX: usize = 64;

/// An account in force.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Account {
    /// By rising moment of effect, all different; at least one. The last is the chain's head.
    versions: SmallVec<[Version; 1]>,
}

/// A version of an account.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// Its record's offset in the control log.
    pub offset: Offset,
    /// When it takes effect: the stated moment, or the log time of its record if that is later.
    pub effective: LogTime,
    /// What becomes of the period that runs then.
    pub running: RunningPeriod,
    /// The account's time zone.
    pub zone: Zone,
    /// The day of the month that billing months begin on, 1 to 31.
    pub anchor_day: u8,
    /// Who wrote it.
    pub actor: Arc<str>,
    /// What was decided.
    pub terms: Arc<AccountTerms>,
}

impl Version {
    /// The version that a record at `offset` makes, at log time `now`.
    pub(super) fn new(
        offset: Offset,
        now: LogTime,
        actor: Arc<str>,
        change: &AccountChange,
        calendar: Calendar,
    ) -> Self {
        Self {
            offset,
            effective: change.effective.map_or(now, |stated| stated.max(now)),
            running: change.running,
            zone: calendar.zone,
            anchor_day: calendar.anchor_day,
            actor,
            terms: Arc::new(change.terms.clone()),
        }
    }

    /// When the periods of a meter end whose plan names this reset and zone.
    #[must_use]
    pub fn rule(&self, reset: Reset, zone: PeriodZone) -> PeriodRule {
        let zone = match zone {
            PeriodZone::Utc => Zone::utc(),
            PeriodZone::Account => self.zone,
        };
        PeriodRule::new(reset, zone, self.anchor_day)
    }
}

impl Account {
    /// The version in effect at a moment; `None` before the first took effect.
    ///
    /// Exact for moments within 165 days of log time.
    #[must_use]
    pub fn at(&self, now: LogTime) -> Option<&Version> {
        let in_effect = self.versions.iter().rev();
        in_effect
            .into_iter()
            .find(|version| version.effective <= now)
    }

    /// The version of the last record in force, whether it is in effect or not: the chain's head.
    #[must_use]
    pub fn newest(&self) -> &Version {
        let newest = self.versions.last();
        newest.expect("an account begins with its first version")
    }

    /// The versions that are kept, by the moment of their effect.
    #[must_use]
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    /// The versions that take effect after a moment, by that moment.
    #[must_use]
    pub fn pending(&self, now: LogTime) -> &[Version] {
        let pending = self
            .versions
            .partition_point(|version| version.effective <= now);
        &self.versions[pending..]
    }

    /// The periods of a meter across the versions; `rule` says by which rule those of a version
    /// end. Versions that it says nothing of go on with the rule before them. `None` where it says
    /// nothing of any.
    pub fn timeline(
        &self,
        mut rule: impl FnMut(&Version) -> Option<PeriodRule>,
    ) -> Option<Timeline> {
        let mut rules = self
            .versions
            .iter()
            .filter_map(|version| Some((version, rule(version)?)));
        let mut timeline = Timeline::new(rules.next()?.1);
        for (version, rule) in rules {
            timeline.change(version.effective, version.running, rule);
        }
        Some(timeline)
    }

    /// Whether another version may be decided at log time `now`.
    pub(super) fn check_pending(
        &self,
        change: &AccountChange,
        now: LogTime,
    ) -> Result<(), Refused> {
        let effective = change.effective.unwrap_or(now);
        let stay = self.pending(now).iter();
        let pending = stay.filter(|version| version.effective < effective).count();
        if pending < PENDING_MAX {
            return Ok(());
        }
        Err(Refused::TooManyPending(change.account.clone()))
    }

    /// Takes the version of a record in force at log time `now`, which is not after its effect.
    ///
    /// A version that was to take effect at the same moment or later is dropped. Versions that no
    /// longer bear on anything are dropped here and nowhere else, so that what is kept follows from
    /// the log alone.
    pub(super) fn push(&mut self, version: Version, now: LogTime) {
        while self
            .versions
            .last()
            .is_some_and(|last| last.effective >= version.effective)
        {
            self.versions.pop();
        }
        let horizon = LogTime(now.0.saturating_sub(VERSIONS_KEPT_MILLIS));
        let spent = self
            .versions
            .partition_point(|version| version.effective <= horizon);
        let crowded = (self.versions.len() + 1).saturating_sub(VERSIONS_MAX);
        self.versions.drain(..spent.saturating_sub(1).max(crowded));
        self.versions.push(version);
    }

    /// Takes versions as they were kept; `None` where they are no account's.
    pub(super) fn from_versions(versions: SmallVec<[Version; 1]>) -> Option<Self> {
        let sorted = versions.is_sorted_by(|a, b| a.effective < b.effective && a.offset < b.offset);
        (sorted && !versions.is_empty()).then_some(Self { versions })
    }
}
