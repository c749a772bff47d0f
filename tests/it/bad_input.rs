//! Bad input: every record that cannot count is a dead letter with its reason, and only that.

use crate::support::load::broken::{self, BAD_QUANTITIES, with_fault};
use crate::support::load::encode::{Encoder, json_event, time_text};
use crate::support::load::mix::{DAY, HOUR, MINUTE, now, plain};
use crate::support::load::{Encoded, Form, Mix, Mixer, Outgoing, Publisher, Usage};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::totals::read;
use crate::support::turn::Turn;
use serde::Deserialize;

const PARTITIONS: u32 = 2;
/// The largest value that the broker's bound of 8 MiB takes, less what frames it.
const LARGEST: usize = (8 << 20) - 1_024;
/// Every reason but `bad_pointer`, which has a test of its own.
const REASONS: [&str; 19] = [
    "bad_dimension",
    "bad_id",
    "bad_quantity",
    "bad_time",
    "batch",
    "from_the_future",
    "malformed",
    "missing_id",
    "missing_source",
    "missing_tenant",
    "missing_type",
    "no_meter",
    "overflow",
    "too_large",
    "too_late",
    "too_long",
    "too_many_dimensions",
    "unknown_schema",
    "wrong_partition",
];
/// Dead letters keep this much of the original.
const ORIGINAL_MAX: usize = 64 << 10;

#[test]
fn bad_records_are_dead_letters_with_their_reason_and_stop_nothing() {
    let _turn = Turn::light();
    let site = Site::new("bad_input");
    site.init(PARTITIONS, "load");
    let publisher = site.publisher();
    for outgoing in [forms(&publisher), fields(), quantities(), sizes(), bounds()].concat() {
        publisher.send(&outgoing);
    }
    times_and_duplicates(&publisher);
    let mut mixer = Mixer::new(Mix::new("bad_input", PARTITIONS), rand::random());
    publisher.send_many(&mut mixer, 2_000);
    let worker = site.worker("worker", &[]);
    assert_exact(&site, &publisher);
    assert_letters_are_whole(&site);
    assert!(worker.stop().success());
    let reasons = site
        .sql()
        .run("SELECT DISTINCT reason FROM dead_letters ORDER BY reason");
    assert_eq!(reasons.lines().collect::<Vec<_>>(), REASONS);

    // Replayed as a whole by a worker that knows nothing: the same letters, each once.
    std::fs::remove_dir_all(site.checkpoints()).expect("the store can be deleted");
    let _replay = site.worker("replay", &[]);
    publisher.send_many(&mut mixer, 500);
    assert_exact(&site, &publisher);
    assert_letters_are_whole(&site);
}

fn usage(id: &str) -> Usage {
    plain("bad-tenant", id, now())
}

fn raw(id: &str, fault: &'static str, value: impl Into<Vec<u8>>) -> Outgoing {
    Outgoing {
        usage: usage(id),
        form: Form::Json,
        encoded: Encoded::plain(value),
        fault,
        partition: None,
    }
}

/// Records that are no event of any form.
fn forms(publisher: &Publisher) -> Vec<Outgoing> {
    let encoder = publisher.encoder();
    let json = |id: &str, from: &str, to: &str| {
        let usage = usage(id);
        let text = json_event(
            &usage,
            &time_text(usage.time),
            "{\"quantity\":1,\"model\":\"small\"}",
        );
        let changed = text.replacen(from, to, 1);
        assert_ne!(text, changed, "{from} is not in {text}");
        raw(id, "malformed", changed)
    };
    let headers = |id: &str, fault, header: (&str, &[u8])| {
        let mut outgoing = raw(id, fault, "{}");
        outgoing.encoded.headers = vec![(header.0.to_owned(), header.1.to_vec())];
        outgoing
    };
    let nothing = Outgoing {
        encoded: Encoded::default(),
        ..raw("tombstone", "malformed", "")
    };
    vec![
        nothing,
        raw("empty", "malformed", ""),
        raw("text", "malformed", "hello"),
        raw("binary", "malformed", *b"\xDE\xAD\xBE\xEF"),
        raw("null", "malformed", "null"),
        json("specversion", "\"1.0\"", "\"0.3\""),
        json("no specversion", "\"specversion\":\"1.0\",", ""),
        json(
            "nested",
            "\"model\":\"small\"",
            "\"model\":{\"name\":\"small\"}",
        ),
        json("list", "\"model\":\"small\"", "\"model\":[\"small\"]"),
        json(
            "twice",
            "\"model\":\"small\"",
            "\"model\":\"small\",\"model\":\"large\"",
        ),
        json("number as id", "\"number as id\"", "5"),
        json("cut", "\"data\"", "\"data"),
        json(
            "data",
            "\"data\":{\"quantity\":1,\"model\":\"small\"}",
            "\"data\":[1]",
        ),
        headers(
            "avro data",
            "malformed",
            ("content-type", b"application/cloudevents+avro"),
        ),
        headers(
            "batch",
            "batch",
            ("content-type", b"application/cloudevents-batch+json"),
        ),
        headers("ce latin1", "malformed", ("ce_specversion", b"1\xE9")),
        broken::batch(usage("batch of one"), encoder),
        raw("two events", "batch", " [ ]"),
        broken::cut_short(usage("cut avro"), encoder),
        broken::unknown_fingerprint(usage("fingerprint"), encoder),
        broken::unknown_registry_id(usage("registry id"), encoder),
        raw("short frame", "malformed", *b"\x00\x00"),
        raw("short fingerprint", "malformed", *b"\xC3\x01\x00"),
    ]
}

/// Fields that are missing or too long.
fn fields() -> Vec<Outgoing> {
    let encoder = Encoder::new();
    let changed = |id: &str, fault: &'static str, change: fn(&mut Usage)| {
        let mut usage = usage(id);
        change(&mut usage);
        with_fault(usage, fault, &encoder)
    };
    let no_time = {
        let usage = usage("no time");
        let text = json_event(&usage, "T", "{}").replace("\"time\":\"T\",", "");
        raw("no time", "bad_time", text)
    };
    vec![
        changed("no id", "missing_id", |u| u.id.clear()),
        changed("no source", "missing_source", |u| u.source.clear()),
        changed("no type", "missing_type", |u| u.kind.clear()),
        changed("no tenant", "missing_tenant", |u| u.tenant.clear()),
        changed("long id", "bad_id", |u| u.id = "i".repeat(257)),
        changed("no uuid", "bad_id", |u| u.source = "//uuid".to_owned()),
        changed("long source", "too_long", |u| u.source = "s".repeat(257)),
        changed("long type", "too_long", |u| u.kind = "t".repeat(257)),
        changed("long tenant", "too_long", |u| u.tenant = "t".repeat(129)),
        changed("unknown type", "no_meter", |u| {
            u.kind = "unheard.of".to_owned()
        }),
        changed("long dimension", "bad_dimension", |u| {
            u.properties[0].1 = "ä".repeat(129)
        }),
        // At the bound is within it.
        changed("longest id", "", |u| u.id = "i".repeat(256)),
        changed("longest tenant", "", |u| u.tenant = "t".repeat(128)),
        changed("longest dimension", "", |u| {
            u.properties[0].1 = "ä".repeat(128)
        }),
        no_time,
        broken::unreadable_time(usage("without zone"), &encoder),
        broken::elsewhere(usage("elsewhere"), PARTITIONS, &encoder),
    ]
}

/// Quantities that are none, and the largest and smallest that are.
fn quantities() -> Vec<Outgoing> {
    let encoder = Encoder::new();
    let mut all: Vec<_> = BAD_QUANTITIES
        .iter()
        .map(|text| broken::bad_quantity(usage(&format!("quantity {text}")), text))
        .collect();
    // Seconds times 0.125 would need ten decimals and more.
    let mut call = usage("scale");
    call.kind = "call".to_owned();
    call.properties = vec![
        ("direction".to_owned(), "outbound".to_owned()),
        ("seconds".to_owned(), "0.0000001".to_owned()),
    ];
    all.push(with_fault(call, "bad_quantity", &encoder));
    // 10²⁹, as Avro can write it.
    let mut beyond = usage("avro");
    beyond.quantity = Some(10_i128.pow(38));
    let mut outgoing = encoder.record(beyond, Form::Avro);
    outgoing.fault = "bad_quantity";
    outgoing.usage.quantity = None;
    all.push(outgoing);
    let mut largest = plain("rich", "largest", now());
    largest.quantity = Some(10_i128.pow(38) - 1);
    all.push(encoder.record(largest, Form::Json));
    let mut one_more = plain("rich", "one more", now());
    one_more.quantity = Some(1);
    all.push(with_fault(one_more, "overflow", &encoder));
    let mut smallest = plain("poor", "smallest", now());
    smallest.quantity = Some(1);
    all.push(encoder.record(smallest, Form::Binary));
    all
}

/// Records above the bound of 1 MiB, up to what the broker takes, compressed or not.
fn sizes() -> Vec<Outgoing> {
    let filled = |id: &str, fault, length: usize| {
        let usage = usage(id);
        let data = format!(
            "{{\"quantity\":1,\"model\":\"small\",\"filler\":\"{}\"}}",
            "x".repeat(length)
        );
        let value = json_event(&usage, &time_text(usage.time), &data);
        Outgoing {
            usage,
            ..raw(id, fault, value)
        }
    };
    let mut random = vec![0_u8; LARGEST];
    rand::Rng::fill(&mut rand::rng(), random.as_mut_slice());
    vec![
        filled("nearly a mebibyte", "", (1 << 20) - 1_000),
        filled("above a mebibyte", "too_large", 1 << 20),
        raw("as large as the broker allows", "too_large", random),
        // The broker bounds what is compressed.
        filled(
            "larger than the broker seems to allow",
            "too_large",
            30 << 20,
        ),
        raw("zeros", "too_large", vec![0; 20 << 20]),
    ]
}

/// More combinations of dimensions in one tenant's hour than the meter's bound of 20.
fn bounds() -> Vec<Outgoing> {
    let encoder = Encoder::new();
    let time = now() - 5 * HOUR;
    let request = |number: usize, fault| {
        let mut usage = plain("many", &format!("dimension {number} {fault}"), time);
        usage.kind = "api.request".to_owned();
        usage.properties = vec![("endpoint".to_owned(), format!("/{number}"))];
        with_fault(usage, fault, &encoder)
    };
    let mut all: Vec<_> = (0..20).map(|number| request(number, "")).collect();
    all.push(request(20, "too_many_dimensions"));
    all.push(request(21, "too_many_dimensions"));
    // What is there already goes on.
    let mut again = request(19, "");
    again.usage.id = "again".to_owned();
    all.push(encoder.record(again.usage, Form::Avro));
    all
}

/// What time and identity decide; the recount judges it.
fn times_and_duplicates(publisher: &Publisher) {
    let at = |id: &str, time: i64| publisher.send_event(plain("times", id, time), Form::Json);
    let now = now();
    at("old", now - 35 * DAY - MINUTE);
    at("nearly too old", now - 35 * DAY + MINUTE);
    at("ahead", now + 6 * MINUTE);
    at("nearly ahead", now + 4 * MINUTE);
    let hour = now / HOUR * HOUR - 3 * HOUR;
    for (id, first, second) in [
        ("same", hour, hour),
        ("over the border", hour - MINUTE, hour + 13 * MINUTE),
        ("back over the border", hour + MINUTE, hour - 13 * MINUTE),
        ("too far", hour + 30 * MINUTE, hour + 80 * MINUTE),
        ("34 days ago", now - 34 * DAY, now - 34 * DAY),
    ] {
        at(id, first);
        at(id, second);
        at(id, second);
    }
}

#[derive(Deserialize)]
struct Letter {
    log_partition: i64,
    offset: i64,
    length: usize,
    original: usize,
    hash: String,
    truncated: u8,
    detail: usize,
}

/// Position, length, hash and a bounded original: the same in the table and in the topic.
fn assert_letters_are_whole(site: &Site) {
    let rows: Vec<Letter> = site.sql().rows(
        "SELECT log_partition, offset, length, length(original) AS original, \
         lower(hex(hash)) AS hash, truncated, length(detail) AS detail FROM dead_letters FINAL",
    );
    let topic = read(site, "usage.dead-letter");
    let sizes: Vec<usize> = rows.iter().map(|row| row.length).collect();
    assert!(sizes.contains(&LARGEST), "the largest record is there");
    for row in rows {
        let of = format!("{}/{}", row.log_partition, row.offset);
        assert_eq!(row.original, row.length.min(ORIGINAL_MAX), "{of}");
        assert_eq!(row.truncated, u8::from(row.length > ORIGINAL_MAX), "{of}");
        assert!((1..=512).contains(&row.detail), "{of} explains itself");
        let published = topic.iter().filter(|letter| {
            letter.number("partition") == row.log_partition && letter.number("offset") == row.offset
        });
        let mut times = 0;
        for letter in published {
            times += 1;
            let length = usize::try_from(letter.number("length")).expect("lengths are positive");
            assert_eq!(length, row.length, "{of}");
            assert_eq!(
                letter.bytes("original").unwrap_or_default().len(),
                row.original,
                "{of}"
            );
            let hash: String = letter
                .bytes("hash")
                .unwrap_or_default()
                .iter()
                .map(|b| format!("{b:02x}"))
                .collect();
            assert_eq!(
                hash.trim_start_matches('0'),
                row.hash.trim_start_matches('0'),
                "{of}"
            );
        }
        assert!(times > 0, "{of} is in the topic");
    }
}

#[test]
fn aborted_transactions_leave_holes_that_are_no_gaps() {
    let _turn = Turn::light();
    let site = Site::new("transactions");
    site.init(2, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("transactions", 2), rand::random());
    let mut aborted = Mixer::new(Mix::new("aborted", 2), rand::random());
    let transactional = publisher.transactional(&site.kafka(), "transactions");
    let _worker = site.worker("worker", &[]);
    for round in 0..6 {
        transactional.transaction(round % 2 == 1, |to| {
            let mixer = if round % 2 == 1 {
                &mut mixer
            } else {
                &mut aborted
            };
            to.send_many(mixer, 700);
        });
        publisher.send_many(&mut mixer, 100);
    }
    assert_exact(&site, &publisher);
    let holes = "SELECT sum(end - records) FROM (SELECT max(offset) + 1 AS end, count() AS records \
                 FROM raw GROUP BY log_partition)";
    assert!(site.raw_sql().number(holes) > 2_000, "there are holes");
}
