//! Forged control records: a pointer grants nothing.

use crate::support::load::{Encoded, Form, Mix, Mixer, Outgoing, Publisher, Usage};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};

const HEADER: &str = "meterline-control";

/// Sends a record with a control header that has to be rejected.
fn forge(publisher: &Publisher, header: &str) {
    let usage = Usage {
        id: String::new(),
        source: String::new(),
        kind: String::new(),
        tenant: "acme".to_owned(),
        time: 0,
        quantity: None,
        properties: Vec::new(),
    };
    publisher.send(&Outgoing {
        usage,
        form: Form::Json,
        encoded: Encoded {
            headers: vec![(HEADER.to_owned(), header.as_bytes().to_vec())],
            value: None,
        },
        fault: "bad_pointer",
        partition: Some(0),
    });
}

#[test]
fn forged_pointers_are_dead_letters_now_and_in_every_replay() {
    let _turn = Turn::light();
    let site = Site::new("pointers");
    site.init(1, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("pointers", 1), rand::random());
    publisher.send_many(&mut mixer, 2_000);
    let (_, control_end) = site.kafka().ends(&site.topic("meterline.control"), 0);
    let hash = "0123456789abcdef0123456789abcdef";
    // The worker adopts the partition first, so the next offsets of the control log come later.
    let to_come = control_end + 1;
    let forged = [
        "nonsense".to_owned(),
        "TICK".to_owned(),
        String::new(),
        "catalog".to_owned(),
        format!("{to_come}:{hash}"),
        format!("{}:{hash}", to_come + 1_000),
        format!("0:{hash}"),
        format!("{}:{hash}", control_end - 1),
        format!("18446744073709551615:{hash}"),
    ];
    for header in &forged {
        forge(&publisher, header);
    }
    publisher.send_many(&mut mixer, 2_000);
    let worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);

    // The offset that was still to come is there now; what was judged stays judged.
    site.apply("load_more");
    let (_, end) = site.kafka().ends(&site.topic("meterline.control"), 0);
    assert!(
        end > to_come,
        "the forged offset {to_come} exists, the log ends at {end}"
    );
    wait_catalog(&site, 2);
    publisher.send_many(&mut mixer, 2_000);
    assert_exact(&site, &publisher);
    let before = letters(&site);
    assert_eq!(before.lines().count(), forged.len(), "{before}");

    // A copy of a true pointer by somebody else is one more copy.
    let usage_topic = site.usage_topic();
    let log = site.kafka().read_all(&usage_topic);
    let placed = log.iter().find_map(|r| {
        r.header(HEADER)
            .filter(|h| h.starts_with(|c: char| c.is_ascii_digit()) && !h.ends_with(hash))
    });
    let placed = placed.expect("the catalog was placed");
    site.kafka()
        .append(&usage_topic, 0, &[(HEADER, placed.as_bytes())]);
    site.kafka().append(&usage_topic, 0, &[(HEADER, b"tick")]);
    publisher.send_many(&mut mixer, 1_000);
    assert_exact(&site, &publisher);

    worker.stop();
    std::fs::remove_dir_all(site.checkpoints()).expect("the store can be deleted");
    let _replay = site.worker("replay", &[]);
    publisher.send_many(&mut mixer, 1_000);
    assert_exact(&site, &publisher);
    assert_eq!(
        letters(&site),
        before,
        "a replay judges as the first time did"
    );
}

/// The dead letters of forged pointers, with what was said of them.
fn letters(site: &Site) -> String {
    site.sql().run(
        "SELECT offset, detail, hex(hash) FROM dead_letters FINAL \
         WHERE reason = 'bad_pointer' ORDER BY offset",
    )
}

fn wait_catalog(site: &Site, version: i128) {
    until("the catalog to be placed", SOON, || {
        let seen = site
            .sql()
            .number("SELECT min(catalog_version) FROM progress FINAL");
        (seen == version).then_some(()).ok_or(seen)
    });
}
