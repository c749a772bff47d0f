//! The rules of products, by what arrives.

use crate::support::{Cluster, SOON};
use meterline_client::Usage;
use meterline_client::recorders::irisx::{self, Call, Direction, Email, Message};
use meterline_client::recorders::pulse::{self, Stay};
use meterline_client::recorders::{Backwards, operate};
use std::time::{Duration, SystemTime};

/// An event in one line: id, type, quantity, properties.
fn check(usage: Option<Usage<'_>>, expected: Option<&str>) {
    let Some(usage) = usage else {
        return assert_eq!(None, expected);
    };
    let cluster = Cluster::new();
    let client = cluster.client();
    client.emit(usage).expect("it is taken");
    client.close(SOON).expect("it is delivered");
    let seen = cluster.read(1).remove(0);
    let quantity = seen.quantity.as_deref().unwrap_or("-");
    let pairs = seen.properties.iter().map(|(k, v)| format!(" {k}={v}"));
    let line = format!(
        "{} {} {quantity}{}",
        seen.id,
        seen.kind,
        pairs.collect::<String>()
    );
    assert_eq!(Some(line.as_str()), expected);
}

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_251_600_000 + millis)
}

fn ended() -> Call<'static> {
    Call {
        id: "call-17",
        direction: Direction::Outbound,
        status: "completed",
        answered: at(0),
        ended: at(315_250),
        carrier: Some("one"),
        region: None,
    }
}

#[test]
fn only_completed_outbound_calls_count_by_their_exact_seconds() {
    let call = |call: Call<'_>| {
        let usage = irisx::call("acme", &call).expect("it did not end before it began");
        let line = "call-17:minute call.ended - carrier=one direction=outbound \
                    duration_seconds=315.25 status=completed";
        check(usage, (call == ended()).then_some(line));
    };
    call(ended());
    for direction in [Direction::Inbound, Direction::Outbound] {
        for status in ["ringing", "failed", "busy"] {
            call(Call {
                direction,
                status,
                ..ended()
            });
        }
    }
    call(Call {
        direction: Direction::Inbound,
        ..ended()
    });
    call(Call {
        ended: at(0),
        ..ended()
    });
    let backwards = irisx::call(
        "acme",
        &Call {
            answered: at(400_000),
            ..ended()
        },
    );
    assert_eq!(backwards, Err(Backwards));
}

#[test]
fn media_make_an_mms_and_an_email_counts_its_recipients() {
    let message = |media_types: &[&str], status: &str, expected: Option<&str>| {
        let direction = Direction::Outbound;
        let message = Message {
            id: "m-1",
            direction,
            status,
            media_types,
        };
        check(irisx::message("acme", &message), expected);
    };
    let plain = "m-1:message sms.sent - direction=outbound status=sent";
    message(&[], "sent", Some(plain));
    let mms = "m-1:mms sms.sent - direction=outbound media_type=image/png status=delivered";
    message(&["image/png", "video/mp4"], "delivered", Some(mms));
    message(&[], "queued", None);
    let email = |cc: usize, bcc: usize, to: usize, expected: Option<&str>| {
        let email = Email {
            id: "e-1",
            status: "sent",
            to,
            cc,
            bcc,
        };
        check(irisx::email("acme", &email), expected);
    };
    let line = "e-1:message email.sent - direction=outbound recipients=6 status=sent";
    email(2, 3, 1, Some(line));
    email(0, 0, 0, None);
}

#[test]
fn a_stay_an_egress_and_a_feature_are_one_event_each() {
    let stay = Stay {
        session_id: "s-1",
        room: "r",
        participant: "p",
        joined: at(0),
        left: at(90_001),
    };
    let usage = pulse::participant_left("project", &stay).expect("in order");
    check(
        Some(usage),
        Some("s-1:participant.left participant.left 90.001 participant=p room=r"),
    );
    let usage = pulse::egress_ended("project", "eg-1", at(0), at(1_500)).expect("in order");
    check(
        Some(usage),
        Some("eg-1:egress.ended egress.ended 1.5 egress_id=eg-1"),
    );
    let usage = operate::feature("PDF_EXPORT", "org").idempotency_key("k");
    check(Some(usage), Some("k:PDF_EXPORT PDF_EXPORT 1"));
}
