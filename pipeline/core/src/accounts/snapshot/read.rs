//! Reads the parts of a snapshot; never past the end.

use crate::time::LogTime;

/// Items that room is made for before they are read: a count may be a lie.
const ROOM_MAX: usize = 1 << 20;

/// What is wrong with a snapshot: the end of "a snapshot of accounts …".
#[derive(Debug)]
pub(super) struct Fault(pub(super) String);

/// What is left of a snapshot's bytes.
#[derive(Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next bytes.
    pub(super) fn take<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.take().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.take().map(u64::from_le_bytes)
    }

    pub(super) fn log_time(&mut self) -> Result<LogTime, Fault> {
        self.take().map(i64::from_le_bytes).map(LogTime)
    }

    /// A value by its place in the list of all.
    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> Result<T, Fault> {
        let [place] = self.take()?;
        let one = all.get(usize::from(place)).copied();
        one.ok_or_else(|| Fault(format!("has a value {place} where {} are known", all.len())))
    }

    /// Text after its length.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let length = self.u32()? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        std::str::from_utf8(text).map_err(|_| Fault("holds text that is not UTF-8".to_owned()))
    }

    /// Items after their count.
    pub(super) fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let count = self.u32()?;
        // An item has at least one byte of its own.
        let room = (count as usize).min(self.0.len()).min(ROOM_MAX);
        let mut items = Vec::with_capacity(room);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// Nothing may be left.
    pub(super) fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() {
            return Ok(());
        }
        Err(Fault(format!(
            "goes on for {} bytes after its end",
            self.0.len()
        )))
    }
}

fn short() -> Fault {
    Fault("ends too early".to_owned())
}
