//! The envelope of decisions on the control log.

use super::RecordError;
use super::codec::{Codec, long};
use meterline_core::catalog::NEWEST_FOLD;
use meterline_core::control::{ControlRecord, Decision};
use serde::{Deserialize, Serialize};
use std::sync::LazyLock;

pub(super) static CODEC: LazyLock<Codec> = LazyLock::new(|| {
    let text = include_str!("../../avro/control_record.avsc");
    Codec::new("control record", text)
});

#[derive(Serialize, Deserialize)]
struct Wire {
    #[serde(with = "apache_avro::serde_avro_fixed")]
    write_id: [u8; 16],
    actor: String,
    note: String,
    head: Option<i64>,
    kind: String,
    body: String,
}

/// Appends a control record. Equal records have equal bytes, so retries have one hash.
pub fn encode_control(record: &ControlRecord, out: &mut Vec<u8>) {
    let wire = Wire {
        write_id: record.write_id.to_be_bytes(),
        actor: record.actor.clone(),
        note: record.note.clone(),
        head: record.head.map(long),
        kind: record.decision.kind().to_owned(),
        body: serde_json::to_string(&record.decision).expect("decisions are plain data"),
    };
    CODEC.encode(&wire, out);
}

pub(super) fn decode(body: &[u8]) -> Result<ControlRecord, RecordError> {
    let wire: Wire = CODEC.decode(body)?;
    if !Decision::KINDS.contains(&wire.kind.as_str()) {
        return Err(RecordError::UnknownKind { kind: wire.kind });
    }
    let decision: Decision =
        serde_json::from_str(&wire.body).map_err(|error| unreadable(&wire.body, &error))?;
    if decision.kind() != wire.kind {
        let (outer, inner) = (wire.kind, decision.kind());
        return Err(CODEC.malformed(format!("kind `{outer}` with a body of kind `{inner}`")));
    }
    let head = wire.head.map(|head| CODEC.number("head", head));
    Ok(ControlRecord {
        write_id: u128::from_be_bytes(wire.write_id),
        actor: wire.actor,
        note: wire.note,
        head: head.transpose()?,
        decision,
    })
}

/// Names a body that cannot be read: a catalog of a later release by its fold, if it has one.
fn unreadable(body: &str, error: &serde_json::Error) -> RecordError {
    #[derive(Deserialize)]
    struct Content {
        catalog: Fold,
    }
    #[derive(Deserialize)]
    struct Fold {
        fold: u32,
    }
    match serde_json::from_str::<Content>(body) {
        Ok(content) if content.catalog.fold > NEWEST_FOLD => RecordError::UnknownFold {
            fold: content.catalog.fold,
        },
        _ => CODEC.malformed(format!("its body: {error}")),
    }
}
