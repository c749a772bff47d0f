//! Transitions of alerts on `usage.alerts`.
//!
//! A storm of crossings is tens of thousands of them, so they are written and read field by
//! field; a test holds that to the bytes of the schema-driven serializer.

use super::RecordError;
use super::codec::{Codec, long};
use super::fields::{put_long, put_option, put_quantity, put_symbol, put_text};
use super::judged::{self, put_changes, put_control};
use super::reader::Reader;
use meterline_core::alert::{AlertKey, AlertState, Transition};
use meterline_core::catalog::plans::Severity;
use meterline_core::time::EventTime;
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/alert_transition.avsc");
    Codec::new("transition of an alert", text)
});

/// The schema's symbols, in its order.
const STATES: [AlertState; 2] = [AlertState::Opened, AlertState::Resolved];

/// Appends a transition. Equal transitions have equal bytes.
///
/// # Panics
/// For an offset of 2⁶³ or above, which no log reaches.
pub fn encode_transition(transition: &Transition, out: &mut Vec<u8>) {
    let key = &transition.key;
    out.extend_from_slice(CODEC.frame());
    out.extend_from_slice(&transition.write_id.to_be_bytes());
    put_option(out, transition.head, |out, head| put_long(out, long(head)));
    put_text(out, &key.tenant);
    put_text(out, &key.meter);
    put_long(out, key.period_start.0);
    put_text(out, &key.threshold);
    put_symbol(out, &STATES, transition.state);
    put_long(out, transition.episode.into());
    put_symbol(out, &Severity::ALL, transition.severity);
    put_text(out, &transition.kind);
    put_long(out, transition.period_end.0);
    put_quantity(out, transition.used);
    put_quantity(out, transition.limit);
    put_text(out, &transition.plan);
    put_changes(out, &transition.judged.usage);
    put_control(out, &transition.judged);
    put_text(out, &transition.instance);
}

pub(super) fn decode(body: &[u8]) -> Result<Transition, RecordError> {
    let mut reader = Reader::new(&CODEC, body);
    let write_id = reader.fixed()?;
    let head = reader.option(|reader| reader.number("head"))?;
    let key = AlertKey {
        tenant: reader.text()?.to_owned(),
        meter: reader.text()?.to_owned(),
        period_start: EventTime(reader.long()?),
        threshold: reader.text()?.to_owned(),
    };
    let transition = Transition {
        write_id,
        head,
        key,
        state: reader.symbol("state", &STATES)?,
        episode: reader.number("episode")?,
        severity: reader.symbol("severity", &Severity::ALL)?,
        kind: reader.text()?.to_owned(),
        period_end: EventTime(reader.long()?),
        used: reader.quantity("used")?,
        limit: reader.quantity("limit")?,
        plan: reader.text()?.to_owned(),
        judged: {
            let usage = judged::changes(&mut reader, "judged_usage")?;
            judged::with_control(&mut reader, usage)?
        },
        instance: reader.text()?.to_owned(),
    };
    reader.end()?;
    Ok(transition)
}
