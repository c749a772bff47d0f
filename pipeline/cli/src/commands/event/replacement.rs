//! The event that an amend puts in the place of another.

use crate::args::event::AmendArgs;
use crate::failure::Failure;
use anyhow::Context as _;
use meterline_core::control::{Bytes, EventRecord, VOID_RECORD_BYTES_MAX};
use meterline_core::event::Event;
use meterline_core::fold::Preview;
use meterline_core::quantity::Quantity;
use serde_json::{Map, Value, json};

/// The replacement that the arguments ask for; structured CloudEvents JSON without headers.
pub(super) fn of(args: &AmendArgs, event: &Preview<'_>) -> Result<EventRecord, Failure> {
    let payload = match (&args.quantity, &args.file) {
        (Some(quantity), _) => with_quantity(event, *quantity)?,
        (None, Some(path)) => {
            let name = path.display();
            let size = std::fs::metadata(path).with_context(|| format!("failed to read {name}"))?;
            if size.len() > VOID_RECORD_BYTES_MAX as u64 {
                return Err(Failure::usage(format!(
                    "{name} has {} bytes; a replacement has at most {VOID_RECORD_BYTES_MAX}",
                    size.len()
                )));
            }
            std::fs::read(path).with_context(|| format!("failed to read {name}"))?
        }
        (None, None) => return Err(Failure::usage("give --quantity or --file")),
    };
    Ok(EventRecord {
        headers: Vec::new(),
        payload: Some(Bytes(payload)),
    })
}

/// The event again with another quantity.
fn with_quantity(event: &Preview<'_>, quantity: Quantity) -> Result<Vec<u8>, Failure> {
    let Event {
        id,
        source,
        kind,
        tenant,
        properties,
        ..
    } = &event.event;
    let mut data: Map<String, Value> = properties
        .iter()
        .map(|(name, value)| (name.to_string(), json!(value)))
        .collect();
    if data.contains_key("quantity") {
        return Err(Failure::usage(
            "the event has a property named quantity; give the whole event with --file",
        ));
    }
    data.insert("quantity".to_owned(), json!(quantity.to_string()));
    let whole = json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": kind,
        "subject": tenant,
        "time": event.time.to_string(),
        "data": data,
    });
    Ok(whole.to_string().into_bytes())
}
