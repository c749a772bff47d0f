//! Avro's primitive types, read by hand from the records that come by the thousand.
//!
//! A reader knows its schema by the order in which it is asked. It refuses what ends early, what is
//! out of range, and what is left over; it never guesses.
//!
//! Source of the encodings: Apache Avro specification 1.12, "Primitive Types" and "Complex Types".

use super::RecordError;
use super::codec::Codec;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;

/// What is left of a record's body.
pub(super) struct Reader<'a> {
    codec: &'a Codec,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(codec: &'a Codec, body: &'a [u8]) -> Self {
        Self { codec, rest: body }
    }

    pub(super) fn refuse(&self, reason: impl Into<String>) -> RecordError {
        self.codec.malformed(reason)
    }

    /// Says that nothing is left.
    pub(super) fn end(self) -> Result<(), RecordError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(self.refuse(format!("{} bytes follow it", self.rest.len())))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], RecordError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(self.refuse("it ends early"));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// Zigzag, seven bits a byte, lowest first.
    pub(super) fn long(&mut self) -> Result<i64, RecordError> {
        let mut value = 0u64;
        for (place, byte) in self.rest.iter().enumerate().take(10) {
            let bits = u64::from(byte & 0x7f);
            let shift = 7 * place;
            if shift == 63 && *byte > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                self.rest = &self.rest[place + 1..];
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err(self.refuse("a number that ends early or has more than 64 bits"))
    }

    /// A number in a narrower or unsigned type.
    pub(super) fn number<T: TryFrom<i64>>(
        &mut self,
        field: &'static str,
    ) -> Result<T, RecordError> {
        let value = self.long()?;
        self.codec.number(field, value)
    }

    /// An epoch, and the offset that follows it.
    pub(super) fn stamp(&mut self, field: &'static str) -> Result<Stamp, RecordError> {
        let (epoch, offset) = (self.long()?, self.long()?);
        self.codec.stamp(field, epoch, offset)
    }

    fn bytes(&mut self) -> Result<&'a [u8], RecordError> {
        let length = self.number("a length")?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, RecordError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.refuse("a text that is not UTF-8"))
    }

    /// 16 bytes, the high one first.
    pub(super) fn fixed(&mut self) -> Result<u128, RecordError> {
        let bytes = self.take(16)?;
        let bytes = bytes.try_into().expect("16 bytes were taken");
        Ok(u128::from_be_bytes(bytes))
    }

    /// A topic's id, and the partition that follows it.
    pub(super) fn log_partition(&mut self) -> Result<LogPartition, RecordError> {
        Ok(LogPartition {
            topic_id: TopicId(self.fixed()?),
            partition: self.number("partition")?,
        })
    }

    /// A decimal, at most 16 bytes of big-endian two's complement.
    pub(super) fn quantity(&mut self, field: &'static str) -> Result<Quantity, RecordError> {
        let bytes = self.bytes()?;
        self.codec.quantity(field, bytes)
    }

    /// A union of null and something, in this order.
    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        match self.long()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            branch => Err(self.refuse(format!("a union of two has no branch {branch}"))),
        }
    }

    /// One of an enum's symbols, in their order.
    pub(super) fn symbol<T: Copy>(
        &mut self,
        field: &'static str,
        symbols: &[T],
    ) -> Result<T, RecordError> {
        let place: usize = self.number(field)?;
        let symbol = symbols.get(place).copied();
        symbol.ok_or_else(|| self.refuse(format!("{field} has no symbol {place}")))
    }

    /// An array: blocks of items until an empty one. A block with a negative count says its length
    /// in bytes, too.
    pub(super) fn array<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Vec<T>, RecordError> {
        let mut items = Vec::new();
        loop {
            let count = self.long()?;
            if count == 0 {
                return Ok(items);
            }
            if count < 0 {
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                items.push(read(self)?);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::fields::put_long;
    use crate::records::total;

    #[test]
    fn numbers_survive_and_longer_ones_are_refused() {
        for value in [0, 1, -1, 63, 64, -65, i64::MAX, i64::MIN] {
            let mut bytes = Vec::new();
            put_long(&mut bytes, value);
            let mut reader = Reader::new(&total::CODEC, &bytes);
            assert_eq!(reader.long(), Ok(value));
            assert_eq!(reader.end(), Ok(()));
            let cut = &bytes[..bytes.len() - 1];
            assert!(Reader::new(&total::CODEC, cut).long().is_err(), "{value}");
        }
        for bytes in [
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02][..],
            &[0x80; 11],
        ] {
            assert!(Reader::new(&total::CODEC, bytes).long().is_err());
        }
    }

    #[test]
    fn blocks_of_an_array_may_say_their_length() {
        let items = |numbers: &[i64]| {
            let mut bytes = Vec::new();
            for number in numbers {
                put_long(&mut bytes, *number);
            }
            let mut reader = Reader::new(&total::CODEC, &bytes);
            let items = reader.array(Reader::long)?;
            reader.end().map(|()| items)
        };
        assert_eq!(items(&[2, 7, 8, 0]), Ok(vec![7, 8]));
        assert_eq!(items(&[-2, 2, 7, 8, 1, 9, 0]), Ok(vec![7, 8, 9]));
        assert!(items(&[2, 7, 8]).is_err(), "no end");
        assert!(
            items(&[i64::MIN, 2, 7, 8, 0]).is_err(),
            "more than there are"
        );
        assert!(items(&[0, 0]).is_err(), "something follows");
    }
}
