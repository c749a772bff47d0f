//! What decoding a record comes to, as the archive keeps it.
//!
//! Pure: a function of the record and the catalog in force at it. It finds what decoding and the
//! envelope show alone; what the fold finds beyond that (lengths, times, quantities, bounds) is in
//! `dead_letters`, whose word counts. The order of reasons is the core's.

use crate::message::RawRecord;
use meterline_core::catalog::CompiledCatalog;
use meterline_core::catalog::compiled::id_time_of;
use meterline_core::event::Event;
use meterline_core::reason::Reason;
use meterline_core::time::{EventTime, Hour};

/// An event that a meter counts, or several.
pub(super) const EVENT: &str = "event";
/// An event of a known type that no meter's filter fits.
const UNMATCHED: &str = "unmatched";
/// An event of a type that the catalog ignores.
const IGNORED: &str = "ignored";
/// Whatever it is, the rollup begins behind it.
const BEFORE_ADOPTION: &str = "before_adoption";

/// A record as it was read.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) outcome: &'static str,
    pub(super) detail: String,
    pub(super) event: Option<Event<'a>>,
    pub(super) id_time: EventTime,
    pub(super) touches: (Hour, Hour),
}

impl Judged<'_> {
    /// The same as a record that nobody judges: what could be decoded of it, and no reason.
    pub(super) fn before_adoption(self) -> Self {
        Self {
            outcome: BEFORE_ADOPTION,
            detail: String::new(),
            ..self
        }
    }

    /// A record that is no event.
    pub(super) fn other(outcome: &'static str, detail: String) -> Self {
        Self {
            outcome,
            detail,
            event: None,
            id_time: EventTime(0),
            touches: (Hour(0), Hour(0)),
        }
    }
}

/// Judges a record that is no placement.
pub(super) fn judge<'a>(catalog: &CompiledCatalog, raw: &'a RawRecord<'_>) -> Judged<'a> {
    let bound = catalog.catalog.bounds.record_bytes as usize;
    if raw.size() > bound {
        let detail = format!("record of {} bytes; the bound is {bound}", raw.size());
        return Judged::other(Reason::TooLarge.name(), detail);
    }
    let event = match catalog.decoder.decode(&raw.to_decode()) {
        Ok(event) => event,
        Err(rejection) => return Judged::other(rejection.reason.name(), rejection.detail),
    };
    let time = event.time.unwrap_or(EventTime(0));
    let in_id = catalog.id_time(&event.source);
    let id_time = in_id.and_then(|form| id_time_of(&event.id, form));
    let id_time = id_time.unwrap_or(time);
    let window = catalog.catalog.restamp_window;
    Judged {
        outcome: outcome(catalog, &event),
        detail: String::new(),
        id_time,
        touches: (id_time.before(window).hour(), id_time.after(window).hour()),
        event: Some(event),
    }
}

fn outcome(catalog: &CompiledCatalog, event: &Event<'_>) -> &'static str {
    let present = [
        (&event.id, Reason::MissingId),
        (&event.source, Reason::MissingSource),
        (&event.kind, Reason::MissingType),
        (&event.tenant, Reason::MissingTenant),
    ];
    if let Some((_, reason)) = present.into_iter().find(|(text, _)| text.is_empty()) {
        return reason.name();
    }
    if catalog.ignores(&event.kind) {
        return IGNORED;
    }
    if event.time.is_none() {
        return Reason::BadTime.name();
    }
    let candidates = catalog.meters_of(&event.kind);
    if candidates.is_empty() {
        return Reason::NoMeter.name();
    }
    let is_matched = candidates.iter().any(|m| catalog.meters[*m].matches(event));
    if is_matched { EVENT } else { UNMATCHED }
}

/// Name of the record's form, by the rules of [`meterline_core::decode`]; empty where it has none.
pub(super) fn form(raw: &RawRecord<'_>) -> &'static str {
    let header = |wanted: &str| raw.headers.iter().find(|(name, _)| *name == wanted);
    let content_type = header("content-type").and_then(|(_, value)| *value);
    let content_type = content_type.unwrap_or_default();
    let names = |start: &str| {
        let head = content_type.get(..start.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
    };
    if names("application/cloudevents-batch") {
        return "";
    }
    if names("application/cloudevents") {
        return "structured";
    }
    if header("ce_specversion").is_some() {
        return "binary";
    }
    match raw.payload.unwrap_or_default() {
        [0xC3, 0x01, ..] => "avro_single_object",
        [0x00, ..] => "avro_confluent",
        value => {
            let first = value.iter().find(|byte| !b" \t\r\n".contains(byte));
            if first == Some(&b'{') {
                "structured"
            } else {
                ""
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{catalog, raw};
    use meterline_core::time::LogTime;

    fn check(payload: &str, expected: &str) {
        let catalog = catalog();
        let raw = raw(&[], payload.as_bytes());
        let judged = judge(&catalog, &raw);
        assert_eq!(judged.outcome, expected, "{payload}");
    }

    #[test]
    fn outcomes_are_what_decoding_and_the_envelope_show() {
        let event = |fields: &str| format!("{{\"specversion\":\"1.0\",{fields}}}");
        let whole = "\"id\":\"1\",\"source\":\"s\",\"subject\":\"acme\"";
        let time = "\"time\":\"2026-11-21T10:50:00Z\"";
        check(
            &event(&format!("{whole},{time},\"type\":\"call\"")),
            "event",
        );
        let unmatched = format!("{whole},{time},\"type\":\"filtered\"");
        check(&event(&unmatched), "unmatched");
        check(&event(&format!("{whole},\"type\":\"noise\"")), "ignored");
        check(&event(&format!("{whole},\"type\":\"call\"")), "bad_time");
        check(
            &event(&format!("{whole},{time},\"type\":\"other\"")),
            "no_meter",
        );
        check(&event(&format!("{whole},{time}")), "missing_type");
        check(&event("\"id\":\"1\",\"source\":\"s\""), "missing_type");
        check(&event("\"source\":\"s\""), "missing_id");
        check("[]", "batch");
        check("{", "malformed");
        check(&"x".repeat(2 << 20), "too_large");
    }

    #[test]
    fn what_lies_before_the_adoption_has_no_other_outcome() {
        let catalog = catalog();
        for payload in [
            "{",
            "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\"}",
        ] {
            let raw = raw(&[], payload.as_bytes());
            let early = judge(&catalog, &raw).before_adoption();
            assert_eq!((early.outcome, &*early.detail), ("before_adoption", ""));
        }
    }

    #[test]
    fn an_event_near_the_hour_touches_the_next() {
        let catalog = catalog();
        let payload = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"subject\":\"a\",\
                       \"type\":\"call\",\"time\":\"1970-01-01T01:50:00Z\"}";
        let raw = raw(&[], payload.as_bytes());
        assert_eq!(raw.append_time, Some(LogTime(1)));
        let judged = judge(&catalog, &raw);
        assert_eq!(judged.touches, (Hour(1), Hour(2)));
        assert_eq!(judged.id_time, EventTime(110 * 60_000_000));
    }

    #[test]
    fn forms_are_told_apart_as_decoding_does() {
        let check = |headers: &[(&str, Option<&[u8]>)], payload: &[u8], expected| {
            assert_eq!(form(&raw(headers, payload)), expected, "{payload:?}");
        };
        check(&[], b" {}", "structured");
        check(&[], b"[]", "");
        check(&[], b"\xC3\x01x", "avro_single_object");
        check(&[], b"\0\0\0\0\x01", "avro_confluent");
        check(&[("ce_specversion", Some(b"1.0"))], b"{}", "binary");
        let structured: &[u8] = b"Application/CloudEvents+json; charset=utf-8";
        let both = [("ce_specversion", None), ("content-type", Some(structured))];
        check(&both, b"{}", "structured");
        let batch: &[u8] = b"application/cloudevents-batch+json";
        check(&[("content-type", Some(batch))], b"{}", "");
    }
}
