//! Strings of JSON: borrowed where they have no escapes, checked in any case.

use super::{Fault, Json};
use std::borrow::Cow;

/// First and last code unit of the leading and of the trailing halves of surrogate pairs.
const LEADING: std::ops::RangeInclusive<u32> = 0xD800..=0xDBFF;
const TRAILING: std::ops::RangeInclusive<u32> = 0xDC00..=0xDFFF;

impl<'a> Json<'a> {
    /// Reads the string that comes next; no whitespace is skipped.
    pub(super) fn string(&mut self) -> Result<Cow<'a, str>, Fault> {
        if !self.next_is(b"\"") {
            return Err(self.fault("a string is expected"));
        }
        self.at += 1;
        let start = self.at;
        self.at += plain_length(&self.text.as_bytes()[start..]);
        if self.next_is(b"\"") {
            let text = &self.text[start..self.at];
            self.at += 1;
            return Ok(Cow::Borrowed(text));
        }
        self.string_with_escapes(start).map(Cow::Owned)
    }

    /// Reads on where the first byte that is not plain was met.
    #[cold]
    fn string_with_escapes(&mut self, start: usize) -> Result<String, Fault> {
        let mut text = self.text[start..self.at].to_owned();
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.fault("a control character in a string")),
                None => return Err(self.fault("a string does not end")),
            }
            let plain = plain_length(&self.text.as_bytes()[self.at..]);
            text.push_str(&self.text[self.at..self.at + plain]);
            self.at += plain;
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let letter = self.text.as_bytes().get(self.at + 1);
        let character = match letter {
            Some(b @ (b'"' | b'\\' | b'/')) => char::from(*b),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err(self.fault("an unknown escape")),
        };
        self.at += 2;
        Ok(character)
    }

    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let start = self.at;
        let mut code = self.code_unit()?;
        if LEADING.contains(&code) && self.next_is(b"\\") {
            let trailing = self.code_unit()?;
            if TRAILING.contains(&trailing) {
                code = 0x1_0000 + ((code - LEADING.start()) << 10) + (trailing - TRAILING.start());
            }
        }
        char::from_u32(code).ok_or_else(|| Fault::new(start, "half of a surrogate pair"))
    }

    /// Reads `\u` and four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u32, Fault> {
        let left = &self.text.as_bytes()[self.at..];
        let digits = match left {
            [b'\\', b'u', a, b, c, d, ..] => [*a, *b, *c, *d],
            _ => return Err(self.fault("`\\u` and four hexadecimal digits are expected")),
        };
        let mut code = 0;
        for digit in digits {
            let digit = char::from(digit).to_digit(16);
            let digit = digit.ok_or_else(|| self.fault("four hexadecimal digits are expected"))?;
            code = code << 4 | digit;
        }
        self.at += 6;
        Ok(code)
    }
}

/// Number of bytes before the first quote, backslash or control character.
///
/// Eight bytes at a time. A byte of `(x - n) & !x & HIGH` is set where a byte of `x` is below
/// `n`; a borrow can only falsify bytes above the first one that is set, so the first is exact.
fn plain_length(bytes: &[u8]) -> usize {
    const EACH: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let below = |x: u64, n: u64| x.wrapping_sub(EACH * n) & !x & HIGH;
    let mut length = 0;
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        let quote = below(word ^ (EACH * u64::from(b'"')), 1);
        let backslash = below(word ^ (EACH * u64::from(b'\\')), 1);
        let found = quote | backslash | below(word, 0x20);
        if found != 0 {
            return length + (found.trailing_zeros() / 8) as usize;
        }
        length += 8;
    }
    let plain = |b: &&u8| !matches!(**b, b'"' | b'\\' | 0..0x20);
    length + rest.iter().take_while(plain).count()
}
