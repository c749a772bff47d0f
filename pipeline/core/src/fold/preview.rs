//! What a counted event gives to each meter: shown before it is taken back or amended.

use super::judge::judge_again;
use crate::catalog::{Aggregation, CompiledCatalog};
use crate::event::Event;
use crate::quantity::Quantity;
use crate::reason::Rejection;
use crate::record::Record;
use crate::time::EventTime;

/// An event, and what it gives to each meter that counts it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Preview<'a> {
    /// The event.
    pub event: Event<'a>,
    /// When it happened.
    pub time: EventTime,
    /// The time that dedupe goes by: the event's, or the one inside its id.
    pub id_time: EventTime,
    /// In the order of the catalog's meters.
    pub shares: Vec<Share>,
}

/// What one meter takes from an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Share {
    /// The meter's name.
    pub meter: String,
    /// What it does with the quantity.
    pub aggregation: Aggregation,
    /// The quantity in the meter's unit; zero for counts.
    pub quantity: Quantity,
}

/// Judges a record by itself and by the catalog, as a void and its replacement are judged: not by
/// its place in the log, and not by log time.
///
/// # Errors
/// Why the record is no event that the catalog's meters could count.
pub fn preview<'a>(
    record: &Record<'a>,
    catalog: &CompiledCatalog,
) -> Result<Preview<'a>, Rejection> {
    let judged = judge_again(record, catalog)?;
    let shares = judged.matches.iter().map(|matched| {
        let meter = &catalog.meters[matched.meter].meter;
        Share {
            meter: meter.name.clone(),
            aggregation: meter.aggregation,
            quantity: matched.quantity,
        }
    });
    Ok(Preview {
        shares: shares.collect(),
        time: judged.time,
        id_time: judged.id_time,
        event: judged.event,
    })
}
