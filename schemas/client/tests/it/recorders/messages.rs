//! irisx: messages of every channel, and what its catalog makes of them.

use super::{arrived, at, check, ended};
use crate::support::Seen;
use meterline_client::Usage;
use meterline_client::recorders::irisx::{self, ChatMessage, Direction, Email, Message};
use meterline_core::catalog::CompiledCatalog;
use meterline_core::event::{Event, EventQuantity};
use meterline_core::time::EventTime;

fn sms() -> Message<'static> {
    Message {
        id: "m-1",
        direction: Direction::Outbound,
        status: "sent",
        sent: at(0),
        media_types: &[],
        carrier: None,
        region: None,
    }
}

fn mms() -> Message<'static> {
    Message {
        media_types: &["image/png", "video/mp4"],
        carrier: Some("one"),
        region: Some("eu"),
        ..sms()
    }
}

fn email() -> Email<'static> {
    Email {
        id: "m-1",
        direction: Direction::Outbound,
        status: "sent",
        sent: at(0),
        to: 1,
        cc: 2,
        bcc: 3,
    }
}

fn chat() -> ChatMessage<'static> {
    ChatMessage {
        id: "m-1",
        direction: Direction::Outbound,
        status: "delivered",
        sent: at(0),
    }
}

#[test]
fn media_make_an_mms_and_an_email_counts_its_recipients() {
    let plain = "m-1:message sms.sent - direction=outbound status=sent";
    check(irisx::message("acme", &sms()), Some(plain));
    let with_media = "m-1:mms sms.sent - carrier=one direction=outbound media_type=image/png \
                      region=eu status=sent";
    check(irisx::message("acme", &mms()), Some(with_media));
    let line = "m-1:message email.sent - direction=outbound recipients=6 status=sent";
    check(irisx::email("acme", &email()), Some(line));
    let to_nobody = Email {
        to: 0,
        cc: 0,
        bcc: 0,
        ..email()
    };
    assert_eq!(irisx::email("acme", &to_nobody), None);
}

#[test]
fn whatsapp_and_social_messages_are_one_each() {
    let line = "m-1:message whatsapp.sent - direction=outbound status=delivered";
    check(irisx::whatsapp("acme", &chat()), Some(line));
    let line = "m-1:message social.sent - direction=outbound network=x status=delivered";
    check(irisx::social("acme", "x", &chat()), Some(line));
}

/// What each channel of messages makes of this direction and status.
fn by_channel(direction: Direction, status: &'static str) -> [Option<Usage<'static>>; 5] {
    let text = |message: Message<'static>| Message {
        direction,
        status,
        ..message
    };
    let email = Email {
        direction,
        status,
        ..email()
    };
    let chat = ChatMessage {
        direction,
        status,
        ..chat()
    };
    [
        irisx::message("acme", &text(sms())),
        irisx::message("acme", &text(mms())),
        irisx::email("acme", &email),
        irisx::whatsapp("acme", &chat),
        irisx::social("acme", "x", &chat),
    ]
}

#[test]
fn only_outbound_messages_that_were_accepted_are_charged() {
    for direction in [Direction::Outbound, Direction::Inbound] {
        for status in ["sent", "delivered", "queued", "failed", "undelivered", ""] {
            let is_charged =
                direction == Direction::Outbound && ["sent", "delivered"].contains(&status);
            let charged = by_channel(direction, status).map(|usage| usage.is_some());
            assert_eq!(charged, [is_charged; 5], "{direction:?} {status}");
        }
    }
}

/// The event as the fold sees it.
fn event(seen: &Seen) -> Event<'_> {
    let properties = seen.properties.iter();
    Event {
        id: seen.id.as_str().into(),
        source: seen.source.as_str().into(),
        kind: seen.kind.as_str().into(),
        tenant: seen.tenant.as_str().into(),
        time: Some(EventTime(seen.micros)),
        quantity: EventQuantity::Absent,
        properties: properties
            .map(|(k, v)| (k.as_str().into(), v.as_str().into()))
            .collect(),
    }
}

#[test]
fn each_recorder_feeds_one_meter_of_the_catalog_with_all_its_dimensions() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../catalogs/irisx.yaml");
    let text = std::fs::read_to_string(FILE).expect("the catalog is there");
    let catalog = meterline_schemas::catalog_yaml::read(FILE, &text).expect("it is valid");
    let catalog = CompiledCatalog::new(catalog).expect("it is valid");
    let of_sms = Message {
        media_types: &[],
        ..mms()
    };
    let call = irisx::Call {
        region: Some("eu"),
        ..ended()
    };
    let usages = [
        irisx::call("acme", &call).expect("in order"),
        irisx::message("acme", &of_sms),
        irisx::message("acme", &mms()),
        irisx::email("acme", &email()),
        irisx::whatsapp("acme", &chat()),
        irisx::social("acme", "x", &chat()),
    ];
    let usages: Vec<_> = usages.into_iter().flatten().collect();
    let mut fed = Vec::new();
    let seen = arrived(usages);
    for seen in &seen {
        let event = event(seen);
        for place in catalog.meters_of(&seen.kind) {
            let compiled = &catalog.meters[*place];
            let meter = &catalog.catalog.meters[*place];
            if compiled.matches(&event) {
                let needed = meter.group_by.iter().chain(&meter.value);
                let lacking: Vec<_> = needed.filter(|p| event.property(p).is_none()).collect();
                assert!(lacking.is_empty(), "{}: {lacking:?}", meter.name);
                fed.push(meter.name.as_str());
            }
        }
    }
    let all: Vec<_> = catalog.catalog.meters.iter().map(|m| &*m.name).collect();
    assert_eq!(fed, all);
}

#[test]
fn a_use_that_is_told_again_later_is_the_same_and_channels_do_not_share_ids() {
    let usages = || {
        let usages = [
            irisx::message("acme", &sms()),
            irisx::email("acme", &email()),
            irisx::whatsapp("acme", &chat()),
            irisx::social("acme", "x", &chat()),
        ];
        usages.into_iter().flatten().collect::<Vec<_>>()
    };
    let first = arrived(usages());
    assert_eq!(first, arrived(usages()), "the moment of telling is in it");
    let id = |seen: &Seen| (seen.source.clone(), seen.id.clone());
    let ids: std::collections::BTreeSet<_> = first.iter().map(id).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");
}
