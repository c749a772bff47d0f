//! Everything that can be decided about a record without the state of buckets and ids.
//!
//! The checks come in the order of [`Reason`]; the first that fits wins. Duplicates, dimension
//! bounds and overflow, which need state, come after all of these.

use super::moment::Moment;
use crate::catalog::compiled::id_time_of;
use crate::catalog::{Bounds, CompiledCatalog, Meter};
use crate::event::{Event, EventQuantity};
use crate::hash::partition_of;
use crate::position::{LogPartition, TopicId};
use crate::quantity::{NotAQuantity, Quantity};
use crate::reason::{Reason, Rejection};
use crate::record::Record;
use crate::time::EventTime;
use smallvec::SmallVec;

/// An event that may be counted, as far as it can be judged alone.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) event: Event<'a>,
    pub(super) time: EventTime,
    /// The time that dedupe goes by: the event's, or the one inside its id.
    pub(super) id_time: EventTime,
    /// Meters that count it, with the quantity in the meter's unit (zero for counts).
    pub(super) matches: SmallVec<[Match; 4]>,
}

/// One meter that counts the event.
#[derive(Clone, Copy, Debug)]
pub(super) struct Match {
    pub(super) meter: usize,
    pub(super) quantity: Quantity,
}

/// Why an event goes no further.
#[derive(Debug)]
pub(super) enum Early {
    Ignored,
    Rejected(Rejection),
}

impl From<Rejection> for Early {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Judges a record by itself, by the catalog and by log time.
pub(super) fn judge<'a>(
    record: &Record<'a>,
    log_partition: LogPartition,
    partitions: u32,
    catalog: &CompiledCatalog,
    moment: &Moment,
) -> Result<Judged<'a>, Early> {
    let bounds = &catalog.catalog.bounds;
    if record.size > bounds.record_bytes as usize {
        let detail = format!(
            "record of {} bytes; the bound is {}",
            record.size, bounds.record_bytes
        );
        return Err(Rejection::new(Reason::TooLarge, detail).into());
    }
    let event = catalog.decoder.decode(record)?;
    let named = |rejection: Rejection| match event.tenant.len() {
        1.. if event.tenant.len() <= bounds.tenant_bytes as usize => {
            rejection.of_tenant(&event.tenant)
        }
        _ => rejection,
    };
    let in_id = check_envelope(&event, bounds, catalog).map_err(named)?;
    if catalog.ignores(&event.kind) {
        return Err(Early::Ignored);
    }
    let time = check_place(&event, log_partition, partitions).map_err(named)?;
    let id_time = in_id.unwrap_or(time);
    for (what, at) in [("event time", time), ("time in the id", id_time)] {
        check_time(what, at, catalog, moment).map_err(named)?;
    }
    let matches = match_meters(&event, catalog).map_err(named)?;
    Ok(Judged {
        event,
        time,
        id_time,
        matches,
    })
}

/// What the fold will say of an event by itself, were it appended now to its tenant's partition.
///
/// For those who publish: duplicates, bounds over many events and overflow are still to be judged
/// where the event lies. `append_time` of the record is the moment to judge by.
///
/// # Errors
/// Why the event would become a dead letter.
pub fn foresee<'a>(record: &Record<'a>, catalog: &CompiledCatalog) -> Result<Event<'a>, Rejection> {
    // Of one partition, every tenant's is the first.
    let home = LogPartition {
        topic_id: TopicId(0),
        partition: 0,
    };
    let moment = Moment::BEGIN.at(record.append_time, &catalog.catalog);
    match judge(record, home, 1, catalog, &moment) {
        Ok(judged) => Ok(judged.event),
        Err(Early::Ignored) => catalog.decoder.decode(record),
        Err(Early::Rejected(rejection)) => Err(rejection),
    }
}

/// Judges an event again that was counted, or one to be put in its place: by itself and by the
/// catalog that counted it, but not by its place in the log or by log time.
pub(super) fn judge_again<'a>(
    record: &Record<'a>,
    catalog: &CompiledCatalog,
) -> Result<Judged<'a>, Rejection> {
    let event = catalog.decoder.decode(record)?;
    let in_id = check_envelope(&event, &catalog.catalog.bounds, catalog)?;
    let time = time_of(&event)?;
    let matches = match_meters(&event, catalog)?;
    Ok(Judged {
        event,
        time,
        id_time: in_id.unwrap_or(time),
        matches,
    })
}

fn time_of(event: &Event<'_>) -> Result<EventTime, Rejection> {
    event.time.ok_or_else(|| {
        let detail = "the time is missing, or not RFC 3339 with an offset between 1900 and 2299";
        Rejection::new(Reason::BadTime, detail)
    })
}

/// Presence and lengths; the time inside the id where the source promises one.
fn check_envelope(
    event: &Event<'_>,
    bounds: &Bounds,
    catalog: &CompiledCatalog,
) -> Result<Option<EventTime>, Rejection> {
    let present = [
        (&event.id, Reason::MissingId, "id"),
        (&event.source, Reason::MissingSource, "source"),
        (&event.kind, Reason::MissingType, "type"),
        (
            &event.tenant,
            Reason::MissingTenant,
            "tenant (the subject of a CloudEvent)",
        ),
    ];
    for (text, reason, what) in present {
        if text.is_empty() {
            return Err(Rejection::new(
                reason,
                format!("the {what} is missing or empty"),
            ));
        }
    }
    let too_long = |what: &str, text: &str, bound: u32, reason: Reason| {
        (text.len() > bound as usize).then(|| {
            let detail = format!("{what} of {} bytes; the bound is {bound}", text.len());
            Rejection::new(reason, detail)
        })
    };
    let found = too_long("id", &event.id, bounds.id_bytes, Reason::BadId);
    found.map_or(Ok(()), Err)?;
    let in_id = match catalog.id_time(&event.source) {
        None => None,
        Some(form) => Some(id_time_of(&event.id, form).ok_or_else(|| {
            let detail = format!("the source promises ids of form {form:?}, this one is not");
            Rejection::new(Reason::BadId, detail)
        })?),
    };
    let found = too_long("source", &event.source, bounds.name_bytes, Reason::TooLong)
        .or_else(|| too_long("type", &event.kind, bounds.name_bytes, Reason::TooLong))
        .or_else(|| {
            too_long(
                "tenant",
                &event.tenant,
                bounds.tenant_bytes,
                Reason::TooLong,
            )
        });
    found.map_or(Ok(in_id), Err)
}

/// The event's time, and that it is in its tenant's partition.
fn check_place(
    event: &Event<'_>,
    log_partition: LogPartition,
    partitions: u32,
) -> Result<EventTime, Rejection> {
    let time = time_of(event)?;
    let home = partition_of(event.tenant.as_bytes(), partitions);
    if home != log_partition.partition {
        let detail = format!(
            "in partition {}, but its tenant's is {home} of {partitions} (key by tenant, murmur2)",
            log_partition.partition
        );
        return Err(Rejection::new(Reason::WrongPartition, detail));
    }
    Ok(time)
}

fn check_time(
    what: &str,
    time: EventTime,
    catalog: &CompiledCatalog,
    moment: &Moment,
) -> Result<(), Rejection> {
    if time < moment.accept_floor {
        let detail = format!("{what} {time} is before {}", moment.accept_floor);
        return Err(Rejection::new(Reason::TooLate, detail));
    }
    let ceiling = moment.log_time.after(catalog.catalog.ahead).as_event_time();
    if time > ceiling {
        let detail = format!("{what} {time} is after {ceiling}");
        return Err(Rejection::new(Reason::FromTheFuture, detail));
    }
    Ok(())
}

/// The meters that count the event, with exact quantities and bounded dimensions.
fn match_meters(
    event: &Event<'_>,
    catalog: &CompiledCatalog,
) -> Result<SmallVec<[Match; 4]>, Rejection> {
    let candidates = catalog.meters_of(&event.kind);
    if candidates.is_empty() {
        let detail = format!("no meter counts events of type `{}`", event.kind);
        return Err(Rejection::new(Reason::NoMeter, detail));
    }
    let mut matches = SmallVec::new();
    for &meter in candidates
        .iter()
        .filter(|m| catalog.meters[**m].matches(event))
    {
        let quantity = quantity_of(event, &catalog.meters[meter].meter)?;
        matches.push(Match { meter, quantity });
    }
    let bound = catalog.catalog.bounds.dimension_bytes;
    for Match { meter, .. } in &matches {
        for name in &catalog.meters[*meter].meter.group_by {
            let length = event.property(name).map_or(0, str::len);
            if length > bound as usize {
                let detail = format!("dimension `{name}` of {length} bytes; the bound is {bound}");
                return Err(Rejection::new(Reason::BadDimension, detail));
            }
        }
    }
    Ok(matches)
}

/// The event's quantity in the meter's unit.
fn quantity_of(event: &Event<'_>, meter: &Meter) -> Result<Quantity, Rejection> {
    if !meter.aggregation.reads_quantity() {
        return Ok(Quantity::ZERO);
    }
    let (what, read) = match &meter.value {
        Some(name) => (name.as_str(), event.property(name).map(Quantity::parse)),
        None => match &event.quantity {
            EventQuantity::Absent => ("quantity", None),
            EventQuantity::Text(text) => ("quantity", Some(Quantity::parse(text))),
            EventQuantity::Exact(exact) => ("quantity", Some(*exact)),
            EventQuantity::NotANumber => ("quantity", Some(Err(NotAQuantity::Malformed))),
        },
    };
    let bad = |why: String| {
        let detail = format!("`{what}` {why} (meter `{}`)", meter.name);
        Rejection::new(Reason::BadQuantity, detail)
    };
    let quantity = read
        .ok_or_else(|| bad("is missing".to_owned()))?
        .map_err(|e| bad(e.to_string()))?;
    if quantity.is_negative() && !meter.negative {
        return Err(bad("is negative, which the meter forbids".to_owned()));
    }
    let scaled = quantity.times(meter.scale);
    scaled.map_err(|e| bad(format!("times the meter's scale {} {e}", meter.scale)))
}
