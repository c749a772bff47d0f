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
