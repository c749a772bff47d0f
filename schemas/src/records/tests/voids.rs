//! Voids and amends on the control log: what they carry survives byte by byte.

use super::{LOG_PARTITION, check_survives, control};
use crate::records::Record;
use meterline_core::control::{Bytes, Decision, EventRecord, Void};

fn void(replacement: Option<EventRecord>) -> Decision {
    Decision::Void(Box::new(Void {
        tenant: "acme".to_owned(),
        source: "/s".to_owned(),
        id: "1".to_owned(),
        log_partition: LOG_PARTITION,
        offset: 77,
        record: EventRecord {
            headers: Vec::new(),
            payload: Some(Bytes(b"{}".to_vec())),
        },
        replacement,
    }))
}

#[test]
fn voids_and_amends_survive_their_encoding() {
    let replacement = EventRecord {
        headers: vec![
            ("ce_id".to_owned(), Some(Bytes(vec![0, 255]))),
            ("absent".to_owned(), None),
        ],
        payload: None,
    };
    for decision in [void(None), void(Some(replacement))] {
        check_survives(Record::Control(Box::new(control(None, decision.clone()))));
        check_survives(Record::Control(Box::new(control(Some(5), decision))));
    }
}
