//! Reads the primitives of Avro's binary encoding; never past the end.

use crate::decode::fault::Fault;

/// A cursor over one value.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Starts at an offset of the value, at most its length.
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The next bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let rest = &self.bytes[self.at..];
        let Some(taken) = rest.get(..length) else {
            return Err(self.cut(length));
        };
        self.at += length;
        Ok(taken)
    }

    /// A zigzag integer of at most ten bytes and 64 bits.
    pub(super) fn long(&mut self) -> Result<i64, Fault> {
        let start = self.at;
        let mut zigzag = 0u64;
        for shift in (0..64).step_by(7) {
            let Some(byte) = self.bytes.get(self.at) else {
                return Err(self.cut(1));
            };
            self.at += 1;
            if shift == 63 && *byte > 1 {
                break;
            }
            zigzag |= u64::from(byte & 0x7F) << shift;
            if byte & 0x80 == 0 {
                let magnitude = (zigzag >> 1).cast_signed();
                return Ok(magnitude ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(Fault::new(start, "an integer is longer than 64 bits"))
    }

    /// A zigzag integer of 32 bits.
    pub(super) fn int(&mut self) -> Result<i32, Fault> {
        let start = self.at;
        i32::try_from(self.long()?)
            .map_err(|_| Fault::new(start, "an integer is longer than 32 bits"))
    }

    /// A length or place, which must not be negative.
    pub(super) fn size(&mut self) -> Result<usize, Fault> {
        let start = self.at;
        usize::try_from(self.long()?).map_err(|_| Fault::new(start, "a length is negative"))
    }

    /// Bytes after their length.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = self.size()?;
        self.take(length)
    }

    /// Text after its length; must be UTF-8.
    pub(super) fn text(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.bytes()?;
        let start = self.at - bytes.len();
        std::str::from_utf8(bytes).map_err(|e| Fault::new(start + e.valid_up_to(), "invalid UTF-8"))
    }

    /// The chosen branch of a union, below `count`.
    pub(super) fn branch(&mut self, count: usize) -> Result<usize, Fault> {
        let start = self.at;
        let branch = self.size()?;
        if branch < count {
            return Ok(branch);
        }
        Err(Fault::new(
            start,
            format!("a union of {count} has no branch {branch}"),
        ))
    }

    /// Begins the next block of an array or map; `None` after the last.
    pub(super) fn block(&mut self) -> Result<Option<Block>, Fault> {
        let start = self.at;
        let count = self.long()?;
        if count == 0 {
            return Ok(None);
        }
        let length = if count < 0 { Some(self.size()?) } else { None };
        let count = usize::try_from(count.unsigned_abs())
            .map_err(|_| Fault::new(start, "a block has too many items"))?;
        if length.is_some_and(|length| length > self.left()) {
            return Err(Fault::new(start, "a block is longer than what is left"));
        }
        Ok(Some(Block { count, length }))
    }

    #[cold]
    fn cut(&self, wanted: usize) -> Fault {
        let left = self.left();
        Fault::new(
            self.at,
            format!("{wanted} bytes are needed, {left} are left"),
        )
    }
}

/// A block of an array or map.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    /// Number of items.
    pub(super) count: usize,
    /// Bytes of the items together, where they are written.
    pub(super) length: Option<usize>,
}
