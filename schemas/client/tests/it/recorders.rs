//! The rules of products, by what arrives.

use crate::support::{Cluster, SOON, Seen};
use meterline_client::Usage;
use meterline_client::recorders::irisx::Call;
use meterline_client::recorders::pulse::{self, Stay};
use meterline_client::recorders::{Backwards, irisx, operate};
use std::time::{Duration, SystemTime};

mod messages;

/// An event in one line: id, type, quantity, properties.
fn check(usage: Option<Usage<'_>>, expected: Option<&str>) {
    let seen = usage.map(|usage| arrived(vec![usage]).remove(0));
    let line = seen.map(line);
    assert_eq!(line.as_deref(), expected);
}

/// The events as they are read back.
fn arrived(usages: Vec<Usage<'_>>) -> Vec<Seen> {
    let (cluster, count) = (Cluster::new(), usages.len());
    let client = cluster.client();
    for usage in usages {
        client.emit(usage).expect("it is taken");
    }
    client.close(SOON).expect("it is delivered");
    cluster.read(count)
}

fn line(seen: Seen) -> String {
    let quantity = seen.quantity.as_deref().unwrap_or("-");
    let pairs = seen.properties.iter().map(|(k, v)| format!(" {k}={v}"));
    let pairs = pairs.collect::<String>();
    format!("{} {} {quantity}{pairs}", seen.id, seen.kind)
}

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_251_600_000 + millis)
}

fn ended() -> Call<'static> {
    Call {
        id: "call-17",
        direction: irisx::Direction::Outbound,
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
    for direction in [irisx::Direction::Inbound, irisx::Direction::Outbound] {
        for status in ["ringing", "failed", "busy"] {
            call(Call {
                direction,
                status,
                ..ended()
            });
        }
    }
    call(Call {
        direction: irisx::Direction::Inbound,
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
