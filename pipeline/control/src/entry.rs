//! One record of the control log, as it is handed on.

use meterline_core::control::{ControlRecord, Decision};
use meterline_core::halt::Halt;
use meterline_core::hash::content_hash;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;
use meterline_schemas::records::{control_kind, decode_control};

/// A record of the control log, where it lies and what its place in the log makes of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ControlEntry {
    /// Where it lies.
    pub offset: Offset,
    /// When the broker took it.
    pub append_time: LogTime,
    /// [`content_hash`] of its bytes; 0 of a record that is passed.
    pub hash: u128,
    /// Whether it named the head of its chain.
    pub in_force: bool,
    /// The record; `None` of one about accounts where those are not followed.
    pub(crate) record: Option<ControlRecord>,
}

impl ControlEntry {
    /// The record.
    ///
    /// # Panics
    /// Of one about accounts, where those are not followed.
    #[must_use]
    pub fn record(&self) -> &ControlRecord {
        let record = self.record.as_ref();
        record.expect("records about accounts are decoded where they are followed")
    }

    /// Decodes a record; whether it is in force is not known yet. One about accounts is looked at
    /// only where those are followed: others are spared what a million of them would take.
    ///
    /// # Errors
    /// The halt that bytes nobody can read are.
    pub(crate) fn read(
        offset: Offset,
        append_time: LogTime,
        bytes: &[u8],
        with_accounts: bool,
    ) -> Result<Self, Halt> {
        let is_passed =
            !with_accounts && control_kind(bytes).is_some_and(Decision::kind_is_of_accounts);
        let (hash, record) = if is_passed {
            (0, None)
        } else {
            (content_hash(bytes), Some(decode_control(bytes)?))
        };
        Ok(Self {
            offset,
            append_time,
            hash,
            in_force: false,
            record,
        })
    }

    pub(crate) fn is_of_accounts(&self) -> bool {
        let decision = self.record.as_ref().map(|record| &record.decision);
        decision.is_none_or(Decision::is_of_accounts)
    }
}
