//! What Meterline takes: checked where the event is made, because there somebody can still mend it.
//!
//! Invariant: an event that passes here, with the bounds of the catalog in force, is never
//! dead-lettered for its form or for the length of a field.

use crate::error::EmitError;
use meterline_core::catalog::Bounds;
use meterline_core::event::Event;
use meterline_core::time::{EVENT_TIME_END, EVENT_TIME_MIN};

/// Most properties of an event: catalogs name a few, and comparing all pairs must stay cheap.
pub const PROPERTIES_MAX: usize = 64;

/// Checks everything but the quantity and the record's size, which encoding finds out.
pub(crate) fn check(event: &Event<'_>, bounds: &Bounds) -> Result<(), EmitError> {
    let fields = [
        ("type", &event.kind, bounds.name_bytes),
        ("tenant", &event.tenant, bounds.tenant_bytes),
        ("source", &event.source, bounds.name_bytes),
        ("id", &event.id, bounds.id_bytes),
    ];
    for (field, text, most) in fields {
        if text.is_empty() {
            return Err(EmitError::Empty { field });
        }
        not_longer(field, text, most)?;
    }
    let is_in_range = event
        .time
        .is_some_and(|time| EVENT_TIME_MIN <= time && time < EVENT_TIME_END);
    if !is_in_range {
        return Err(EmitError::Time);
    }
    properties(event, bounds)
}

fn properties(event: &Event<'_>, bounds: &Bounds) -> Result<(), EmitError> {
    let count = event.properties.len();
    if count > PROPERTIES_MAX {
        let most = PROPERTIES_MAX;
        return Err(EmitError::TooManyProperties { count, most });
    }
    for (place, (key, value)) in event.properties.iter().enumerate() {
        if key.is_empty() {
            return Err(EmitError::Empty {
                field: "property's key",
            });
        }
        if key == "quantity" {
            return Err(EmitError::ReservedProperty);
        }
        not_longer("property's key", key, bounds.name_bytes)?;
        not_longer(key, value, bounds.dimension_bytes)?;
        let earlier = event.properties.iter().take(place);
        if earlier.into_iter().any(|(other, _)| other == key) {
            let key = key.clone().into_owned();
            return Err(EmitError::RepeatedProperty { key });
        }
    }
    Ok(())
}

fn not_longer(field: &str, text: &str, most: u32) -> Result<(), EmitError> {
    let bytes = text.len();
    if u32::try_from(bytes).is_ok_and(|bytes| bytes <= most) {
        return Ok(());
    }
    // A key that is too long itself would make the message as long.
    let field = field.chars().take(64).collect();
    Err(EmitError::TooLong { field, bytes, most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::NewIds;
    use crate::usage::Usage;
    use std::time::{Duration, SystemTime};

    fn check_usage(usage: Usage<'_>, expected: Result<(), &str>) {
        let event = usage.into_event("//here", &NewIds::new());
        let checked = event.and_then(|event| check(&event, &Bounds::default()));
        let text = checked.map_err(|error| error.to_string());
        match (&text, expected) {
            (Ok(()), Ok(())) => {}
            (Err(text), Err(part)) => assert!(text.contains(part), "{text}"),
            _ => panic!("{text:?}, not {expected:?}"),
        }
    }

    fn plain() -> Usage<'static> {
        Usage::new("api.call", "acme")
    }

    #[test]
    fn names_the_field_that_is_empty_or_too_long() {
        let long = |bytes: usize| "x".repeat(bytes);
        check_usage(plain(), Ok(()));
        check_usage(Usage::new("", "acme"), Err("type is empty"));
        check_usage(Usage::new("api.call", ""), Err("tenant is empty"));
        check_usage(plain().source(""), Err("source is empty"));
        check_usage(plain().id(""), Err("id is empty"));
        check_usage(plain().id(long(256)), Ok(()));
        check_usage(plain().id(long(257)), Err("id has 257 bytes; at most 256"));
        check_usage(
            Usage::new("api.call", long(129)),
            Err("tenant has 129 bytes; at most 128"),
        );
        check_usage(
            plain().property("model", long(257)),
            Err("model has 257 bytes"),
        );
        check_usage(plain().property(long(300), ""), Err("key has 300 bytes"));
        check_usage(plain().property("", ""), Err("key is empty"));
    }

    #[test]
    fn properties_are_few_and_each_is_said_once() {
        check_usage(plain().property("a", "1").property("b", "1"), Ok(()));
        check_usage(
            plain().property("a", "1").property("a", "1"),
            Err("`a` is given twice"),
        );
        check_usage(
            plain().property("quantity", "1"),
            Err("cannot be named `quantity`"),
        );
        let many = |count: usize| (0..count).fold(plain(), |u, n| u.property(n.to_string(), ""));
        check_usage(many(PROPERTIES_MAX), Ok(()));
        check_usage(many(PROPERTIES_MAX + 1), Err("has 65 properties"));
    }

    #[test]
    fn a_time_that_no_window_holds_is_refused() {
        let years = |n: u64| Duration::from_secs(n * 366 * 86_400);
        check_usage(plain().at(SystemTime::UNIX_EPOCH - years(60)), Ok(()));
        check_usage(
            plain().at(SystemTime::UNIX_EPOCH - years(80)),
            Err("1900 to 2299"),
        );
        check_usage(
            plain().at(SystemTime::UNIX_EPOCH + years(340)),
            Err("1900 to 2299"),
        );
    }
}
