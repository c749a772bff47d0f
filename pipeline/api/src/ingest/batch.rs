//! The first elements of a JSON array, as they are written.
//!
//! It stops where it has as many as are wanted, and judges nothing behind them: an array of
//! millions of small values must not become millions of slices before it is refused.

use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// At most `wanted` elements of the array in `body`; fewer only where it has no more.
///
/// # Errors
/// That it is no JSON array, as far as it was read.
pub(super) fn first(body: &[u8], wanted: usize) -> Result<Vec<&[u8]>, serde_json::Error> {
    let mut found = Vec::new();
    let mut json = serde_json::Deserializer::from_slice(body);
    let elements = Elements {
        found: &mut found,
        wanted,
    };
    let read = elements.deserialize(&mut json).and_then(|()| json.end());
    match read {
        // The error of stopping short, and no other.
        Err(_) if found.len() == wanted => Ok(found),
        read => read.map(|()| found),
    }
}

struct Elements<'f, 'a> {
    found: &'f mut Vec<&'a [u8]>,
    wanted: usize,
}

impl<'a> DeserializeSeed<'a> for Elements<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'a> Visitor<'a> for Elements<'_, 'a> {
    type Value = ();

    fn expecting(&self, text: &mut fmt::Formatter<'_>) -> fmt::Result {
        text.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut elements: A) -> Result<(), A::Error> {
        while let Some(element) = elements.next_element::<&RawValue>()? {
            self.found.push(element.get().as_bytes());
            if self.found.len() == self.wanted {
                return Err(A::Error::custom("has as many as are wanted"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_read_no_further_than_wanted() {
        let check = |body: &str, expected: Result<&[&str], &str>| {
            let found = first(body.as_bytes(), 3);
            let found = found.map_err(|error| error.to_string());
            match (&found, expected) {
                (Ok(found), Ok(expected)) => {
                    let expected: Vec<_> = expected.iter().map(|text| text.as_bytes()).collect();
                    assert_eq!(*found, expected, "{body}");
                }
                (Err(why), Err(expected)) => assert!(why.contains(expected), "{body}: {why}"),
                _ => panic!("{body}: {found:?}"),
            }
        };
        check("[]", Ok(&[]));
        check(" [ 1 , {\"a\": [2]} ] ", Ok(&["1", "{\"a\": [2]}"]));
        // What follows is nobody's business: the answer is the same, whatever it is.
        check("[1,2,3]", Ok(&["1", "2", "3"]));
        check("[1,2,3,4,5]", Ok(&["1", "2", "3"]));
        check("[1,2,3,nonsense", Ok(&["1", "2", "3"]));
        check("[1,2,", Err("EOF"));
        check("[1,2] 3", Err("trailing characters"));
        check("{}", Err("expected an array of events"));
    }
}
