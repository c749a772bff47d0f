//! A strict reader of JSON (RFC 8259) that borrows from its input and builds no tree.
//!
//! Made for one pass over one object: the caller asks for the next key and its value. A string
//! without escapes is a slice of the input, and a number is the text that was written: nothing
//! passes through a float. What a caller skips is checked all the same, so that a text is either
//! JSON as a whole or refused. Duplicate keys are the caller's to judge.

use super::fault::Fault;
use std::borrow::Cow;

mod string;

/// Deepest nesting of arrays and objects that is skipped; a bound on recursion. Nothing that is
/// read nests at all, and other readers of JSON stop at the same depth.
const DEPTH_MAX: usize = 128;

/// A JSON value; of arrays and objects only the opening bracket was seen, and not consumed.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Value<'a> {
    Null,
    Boolean(bool),
    /// The number as it was written.
    Number(&'a str),
    Text(Cow<'a, str>),
    Object,
    Array,
}

/// A cursor over one JSON text.
#[derive(Debug)]
pub(super) struct Json<'a> {
    text: &'a str,
    at: usize,
}

/// Whether RFC 8259 allows the byte between tokens.
pub(super) const fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl<'a> Json<'a> {
    /// Starts at the beginning of a text, which must be UTF-8.
    pub(super) fn new(value: &'a [u8]) -> Result<Self, Fault> {
        match std::str::from_utf8(value) {
            Ok(text) => Ok(Self { text, at: 0 }),
            Err(e) => Err(Fault::new(e.valid_up_to(), "invalid UTF-8")),
        }
    }

    /// Byte offset of the next thing to read.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Enters the object that comes next.
    pub(super) fn enter_object(&mut self) -> Result<(), Fault> {
        self.expect(b'{', "an object is expected")
    }

    /// The next key of the object, or `None` after its end; `first` right after its beginning.
    pub(super) fn next_key(&mut self, first: bool) -> Result<Option<Cow<'a, str>>, Fault> {
        if self.token() == Some(b'}') {
            self.at += 1;
            return Ok(None);
        }
        if !first {
            self.expect(b',', "`,` or `}` is expected")?;
            self.token();
        }
        let key = self.string()?;
        self.expect(b':', "`:` is expected")?;
        Ok(Some(key))
    }

    /// The next value. Arrays and objects are left for [`Json::enter_object`] or [`Json::skip`].
    pub(super) fn value(&mut self) -> Result<Value<'a>, Fault> {
        match self.token() {
            Some(b'"') => self.string().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Value::Number),
            Some(b'{') => Ok(Value::Object),
            Some(b'[') => Ok(Value::Array),
            Some(b't') => self.literal("true", Value::Boolean(true)),
            Some(b'f') => self.literal("false", Value::Boolean(false)),
            Some(b'n') => self.literal("null", Value::Null),
            _ => Err(self.fault("a value is expected")),
        }
    }

    /// Skips the next value, whatever it is.
    pub(super) fn skip(&mut self) -> Result<(), Fault> {
        self.skip_within(DEPTH_MAX)
    }

    /// Checks that nothing but whitespace is left.
    pub(super) fn end(&mut self) -> Result<(), Fault> {
        match self.token() {
            None => Ok(()),
            Some(_) => Err(self.fault("something follows the value")),
        }
    }

    fn skip_within(&mut self, depth: usize) -> Result<(), Fault> {
        let value = self.value()?;
        if !matches!(value, Value::Object | Value::Array) {
            return Ok(());
        }
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| self.fault("nested too deeply"))?;
        if value == Value::Object {
            self.skip_object(depth)
        } else {
            self.skip_array(depth)
        }
    }

    fn skip_object(&mut self, depth: usize) -> Result<(), Fault> {
        self.enter_object()?;
        let mut first = true;
        while self.next_key(first)?.is_some() {
            self.skip_within(depth)?;
            first = false;
        }
        Ok(())
    }

    fn skip_array(&mut self, depth: usize) -> Result<(), Fault> {
        self.expect(b'[', "an array is expected")?;
        let mut first = true;
        while self.token() != Some(b']') {
            if !first {
                self.expect(b',', "`,` or `]` is expected")?;
            }
            self.skip_within(depth)?;
            first = false;
        }
        self.at += 1;
        Ok(())
    }

    /// Skips whitespace and returns the byte that follows, without consuming it.
    fn token(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !is_whitespace(byte) {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, problem: &'static str) -> Result<(), Fault> {
        if self.token() == Some(byte) {
            self.at += 1;
            return Ok(());
        }
        Err(self.fault(problem))
    }

    fn literal(&mut self, word: &str, value: Value<'a>) -> Result<Value<'a>, Fault> {
        if !self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
            return Err(self.fault("a value is expected"));
        }
        self.at += word.len();
        Ok(value)
    }

    /// Reads `-12.5e3` by the grammar of RFC 8259, section 6.
    fn number(&mut self) -> Result<&'a str, Fault> {
        let start = self.at;
        self.at += usize::from(self.next_is(b"-"));
        if self.next_is(b"0") {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.next_is(b".") {
            self.at += 1;
            self.digits()?;
        }
        if self.next_is(b"eE") {
            self.at += 1;
            self.at += usize::from(self.next_is(b"+-"));
            self.digits()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn next_is(&self, bytes: &[u8]) -> bool {
        let next = self.text.as_bytes().get(self.at);
        next.is_some_and(|byte| bytes.contains(byte))
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let left = &self.text.as_bytes()[self.at..];
        let count = left.iter().take_while(|b| b.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.fault("a digit is expected"));
        }
        self.at += count;
        Ok(())
    }

    fn fault(&self, problem: &'static str) -> Fault {
        Fault::new(self.at, problem)
    }
}
