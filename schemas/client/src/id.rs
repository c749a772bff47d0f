//! Where an event's id comes from.
//!
//! An id decides what is counted once: Meterline counts the same tenant, source and id once. So
//! the first of these that the caller knows is used: a given id, an idempotency key, the id of
//! what was used, and last a new one, with which a repeat by the caller counts again.
//!
//! Keys and ids of things are joined with what kind of use it was, `<key>:<kind>`: one request
//! that uses two things must not look like one event. Two different pairs never join to the same
//! text, because a kind with a `:` is refused; the key may hold any.

use crate::error::EmitError;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an event's id is made from, best first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct IdSource<'a> {
    given: Option<Cow<'a, str>>,
    idempotency_key: Option<Cow<'a, str>>,
    /// The id of what was used, and its kind where that is not the event's type.
    used: Option<(Cow<'a, str>, Option<Cow<'a, str>>)>,
}

impl<'a> IdSource<'a> {
    pub(crate) fn give(&mut self, id: Cow<'a, str>) {
        self.given = Some(id);
    }

    pub(crate) fn give_key(&mut self, key: Cow<'a, str>) {
        self.idempotency_key = Some(key);
    }

    pub(crate) fn give_used(&mut self, id: Cow<'a, str>, kind: Option<Cow<'a, str>>) {
        self.used = Some((id, kind));
    }

    /// The id, for an event of this type.
    pub(crate) fn resolve(self, event_type: &str, new: &NewIds) -> Result<Cow<'a, str>, EmitError> {
        match (self.given, self.idempotency_key, self.used) {
            (Some(id), _, _) => Ok(id),
            (None, Some(key), _) => joined(&key, event_type),
            (None, None, Some((id, kind))) => joined(&id, kind.as_deref().unwrap_or(event_type)),
            (None, None, None) => Ok(Cow::Owned(new.next())),
        }
    }
}

fn joined<'a>(key: &str, kind: &str) -> Result<Cow<'a, str>, EmitError> {
    if key.is_empty() {
        return Err(EmitError::Empty { field: "id" });
    }
    if kind.contains(':') {
        let kind = kind.to_owned();
        return Err(EmitError::AmbiguousId { kind });
    }
    let mut id = String::with_capacity(key.len() + 1 + kind.len());
    id.push_str(key);
    id.push(':');
    id.push_str(kind);
    Ok(Cow::Owned(id))
}

/// Makes ids that nobody else makes: 122 random bits for the client, and a number for the event.
///
/// A random id per event would cost a call of the operating system on the caller's path.
#[derive(Debug)]
pub(crate) struct NewIds {
    client: String,
    next: AtomicU64,
}

impl NewIds {
    pub(crate) fn new() -> Self {
        Self {
            client: uuid::Uuid::new_v4().simple().to_string(),
            next: AtomicU64::new(0),
        }
    }

    fn next(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // By hand: `format!` costs three times as much, on the caller's path.
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            let [digit, ..] = (rest % 10).to_le_bytes();
            digits[at] = b'0' + digit;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let written = std::str::from_utf8(&digits[at..]).expect("digits are text");
        let mut id = String::with_capacity(self.client.len() + 1 + written.len());
        id.push_str(&self.client);
        id.push('-');
        id.push_str(written);
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "llm.completion";

    fn check(fill: impl FnOnce(&mut IdSource<'static>), expected: Result<&str, &str>) {
        let mut source = IdSource::default();
        fill(&mut source);
        let id = source.resolve(TYPE, &NewIds::new());
        let id = id.map_err(|error| error.to_string());
        match (&id, expected) {
            (Ok(id), Ok(expected)) => assert_eq!(id, expected),
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            _ => panic!("{id:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_given_id_wins_then_the_key_then_what_was_used() {
        let used = |s: &mut IdSource<'static>| s.give_used("req-1".into(), None);
        check(used, Ok("req-1:llm.completion"));
        check(
            |s| s.give_used("call-17".into(), Some("minute".into())),
            Ok("call-17:minute"),
        );
        let keyed = |s: &mut IdSource<'static>| {
            used(s);
            s.give_key("k".into());
        };
        check(keyed, Ok("k:llm.completion"));
        check(
            |s| {
                keyed(s);
                s.give("mine".into());
            },
            Ok("mine"),
        );
    }

    #[test]
    fn what_would_join_to_one_text_is_refused() {
        check(|s| s.give_used("a:b".into(), Some("c".into())), Ok("a:b:c"));
        check(
            |s| s.give_used("a".into(), Some("b:c".into())),
            Err("`b:c`"),
        );
        check(|s| s.give_key("".into()), Err("empty"));
    }

    #[test]
    fn new_ids_differ_within_and_between_clients() {
        let (one, other) = (NewIds::new(), NewIds::new());
        let ids: std::collections::BTreeSet<_> = (0..1_000)
            .flat_map(|_| [one.next(), other.next()])
            .collect();
        assert_eq!(ids.len(), 2_000);
        assert!(one.next().ends_with("-1000"));
    }
}
