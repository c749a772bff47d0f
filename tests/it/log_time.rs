//! Log time that moves by days while nobody runs.
//!
//! The broker and the worker run under libfaketime, ClickHouse does not: only logs decide.

use crate::support::load::mix::DAY;
use crate::support::load::{Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::stack::{Service, Stack};
use crate::support::turn::Turn;
use crate::support::wait::SOON;

/// The JVM's own timers must keep running by the monotonic clock.
const LATER: [&str; 5] = [
    "env",
    "FAKETIME_DONT_FAKE_MONOTONIC=1",
    "faketime",
    "-f",
    "+3d",
];

#[test]
fn days_without_a_worker_seal_windows_and_move_what_is_too_late() {
    let _turn = Turn::alone();
    let mut kafka = Stack::own(Service::Kafka);
    let mut site = Site::with_kafka("log_time", &kafka);
    site.init(2, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("before", 2), rand::random());
    publisher.send_many(&mut mixer, 20_000);
    let worker = site.worker("before", &[]);
    assert_exact(&site, &publisher);
    assert!(worker.stop().success());
    let open = site
        .sql()
        .number("SELECT count() FROM usage_hourly WHERE NOT sealed");
    assert!(open > 0, "the present hour is open");
    publisher.send_many(&mut mixer, 5_000);

    kafka.rewrap_kafka(&LATER.join(" "));
    let mix = Mix {
        clock_ahead: 3 * DAY,
        ..Mix::new("after", 2)
    };
    let mut later = Mixer::new(mix, rand::random());
    publisher.send_many(&mut later, 20_000);
    // Old producers go on sending what is three days old by now: late, or too late.
    publisher.send_many(&mut mixer, 5_000);

    // A worker that does not know the new time believes no clock but its own.
    let mut unaware = site.worker("unaware", &[]);
    unaware.wait_partition(0, "stalled", "log_time_ahead");
    unaware.wait_partition(1, "stalled", "log_time_ahead");
    let to = site.progress();
    unaware.kill();
    assert_eq!(site.progress(), to);
    for (progress, end) in to.iter().zip(publisher.ends().values()) {
        assert!(progress.to_offset < *end, "{progress:?} is before the jump");
    }

    site.wrap(&LATER);
    let worker = site.worker("later", &[]);
    assert_exact(&site, &publisher);
    let sql = site.sql();
    let sealed = "SELECT count() FROM usage_hourly WHERE NOT sealed AND window_end < now()";
    assert_eq!(sql.number(sealed), 0, "hours of three days ago are sealed");
    let raw = site.raw_sql();
    let late = "SELECT sum(records) FROM counters_expected WHERE name = 'late'";
    assert!(
        raw.number(late) > 5_000,
        "events of three days ago are late"
    );
    let too_late = "SELECT count() FROM judged WHERE reason = 'too_late' \
                    AND time > (append_time - 39 * 86400000) * 1000 AND id LIKE 'before-%'";
    assert!(
        raw.number(too_late) > 0,
        "what was in time three days ago is too late"
    );
    let log = worker.log().to_lowercase();
    assert!(log.contains("warn"), "a jump of days is logged loudly");
    worker.stop();
    drop(publisher);
    site.wait_complete(&std::collections::BTreeMap::new(), SOON);
}
