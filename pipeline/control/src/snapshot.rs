//! Snapshots: the state of both folds at one position, as bytes.
//!
//! Of accounts the fold's own bytes are kept; of everything else the records themselves, which are
//! few, so that a view from a snapshot is made by the code that makes any view. A binary takes only
//! its own format; whatever does not fit is no snapshot, and the log is read from its beginning.
//!
//! ```text
//! format u32 | position u64 | log time i64 | records u32
//! per record: offset u64 | append time i64 | length u32 | bytes
//! bytes of the accounts
//! ```
//! Integers are little-endian.

use crate::entry::ControlEntry;
use meterline_core::accounts::Accounts;
use meterline_core::control::View;
use meterline_core::halt::Halt;
use meterline_core::position::Offset;
use meterline_core::time::LogTime;

/// The format that this binary reads and writes.
const FORMAT: u32 = 1;

/// A record that is not about accounts, as the log has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Kept {
    pub(crate) offset: Offset,
    pub(crate) append_time: LogTime,
    pub(crate) bytes: Vec<u8>,
}

/// What a reader of the control log knows at one position, taken from a snapshot.
#[derive(Debug)]
pub struct Restored {
    /// The next record to read.
    pub position: Offset,
    /// Log time before that record.
    pub log_time: LogTime,
    /// Accounts, API keys and routes.
    pub accounts: Accounts,
    /// All other records in force before the position, in order.
    pub records: Vec<ControlEntry>,
}

/// A snapshot that was read and found whole.
pub(crate) struct Opened {
    pub(crate) position: Offset,
    pub(crate) log_time: LogTime,
    pub(crate) kept: Vec<Kept>,
    accounts: Vec<u8>,
}

/// Writes a snapshot at a position.
pub(crate) fn encode(
    position: Offset,
    log_time: LogTime,
    kept: &[Kept],
    accounts: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(accounts.len() + 1_024);
    out.extend_from_slice(&FORMAT.to_le_bytes());
    out.extend_from_slice(&position.to_le_bytes());
    out.extend_from_slice(&log_time.0.to_le_bytes());
    out.extend_from_slice(&length(kept.len()).to_le_bytes());
    for record in kept {
        out.extend_from_slice(&record.offset.to_le_bytes());
        out.extend_from_slice(&record.append_time.0.to_le_bytes());
        out.extend_from_slice(&length(record.bytes.len()).to_le_bytes());
        out.extend_from_slice(&record.bytes);
    }
    out.extend_from_slice(accounts);
    out
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a log of 2³² catalogs, or one of 4 GiB, is never read")
}

impl Opened {
    /// Reads a snapshot that should be of this position.
    ///
    /// # Errors
    /// [`Halt::UnknownFormat`] where it is of another format or does not fit itself.
    pub(crate) fn read(position: Offset, bytes: &[u8]) -> Result<Self, Halt> {
        let mut rest = bytes;
        let format = u32::from_le_bytes(take(&mut rest)?);
        if format != FORMAT {
            return Err(refused(&format!(
                "has format {format}, this binary reads {FORMAT}"
            )));
        }
        let found = u64::from_le_bytes(take(&mut rest)?);
        if found != position {
            return Err(refused(&format!(
                "is of position {found}, not of {position}"
            )));
        }
        let log_time = LogTime(i64::from_le_bytes(take(&mut rest)?));
        let count = u32::from_le_bytes(take(&mut rest)?);
        let mut kept = Vec::new();
        for _ in 0..count {
            let offset = u64::from_le_bytes(take(&mut rest)?);
            let append_time = LogTime(i64::from_le_bytes(take(&mut rest)?));
            let length = u32::from_le_bytes(take(&mut rest)?);
            let length = usize::try_from(length).map_err(|_| short())?;
            let (record, after) = rest.split_at_checked(length).ok_or_else(short)?;
            rest = after;
            kept.push(Kept {
                offset,
                append_time,
                bytes: record.to_vec(),
            });
        }
        Ok(Self {
            position,
            log_time,
            kept,
            accounts: rest.to_vec(),
        })
    }

    /// Makes both folds, with the records that the view was made of.
    ///
    /// # Errors
    /// Where this binary cannot read a record or the accounts, or they are of another position.
    pub(crate) fn folds(&self) -> Result<(View, Restored), Halt> {
        let accounts = Accounts::restore(&self.accounts)?;
        if accounts.position() != self.position {
            let found = accounts.position();
            return Err(refused(&format!("holds accounts of position {found}")));
        }
        let mut view = View::default();
        let mut records = Vec::with_capacity(self.kept.len());
        for kept in &self.kept {
            let mut entry = ControlEntry::read(kept.offset, kept.append_time, &kept.bytes, true)?;
            let record = Ok(entry.record().clone());
            view.apply(kept.offset, entry.hash, kept.append_time, record)?;
            entry.in_force = true;
            records.push(entry);
        }
        if let Some(last) = self
            .position
            .checked_sub(1)
            .filter(|at| *at >= view.position())
        {
            view.pass(last, self.log_time)?;
        }
        let restored = Restored {
            position: self.position,
            log_time: self.log_time,
            accounts,
            records,
        };
        Ok((view, restored))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Halt> {
    let (first, after) = rest.split_first_chunk::<N>().ok_or_else(short)?;
    *rest = after;
    Ok(*first)
}

fn short() -> Halt {
    refused("ends too early")
}

fn refused(reason: &str) -> Halt {
    Halt::UnknownFormat(format!(
        "a snapshot of the control log {reason}; read the log from its beginning instead"
    ))
}
