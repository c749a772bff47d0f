//! Log time that moves by days while nobody runs.
//!
//! The broker's clock is libfaketime's: three days ago at first, then the present, then a day
//! ahead. The worker keeps this machine's clock, because librdkafka's waits do not end under
//! libfaketime; to the worker it is the same, since log time is all that it knows of the past.

use crate::support::load::mix::DAY;
use crate::support::load::{Mix, Mixer};
use crate::support::process::Ended;
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::stack::Stack;
use crate::support::turn::Turn;
use std::process::Command;

/// A command that gives what follows another clock, all of its clocks, and becomes it.
pub(crate) fn at(offset: &str) -> String {
    let mut faketime = Command::new("faketime");
    let library = Ended::of(faketime.args(["-f", "+0", "printenv", "LD_PRELOAD"])).ok();
    let library = library.stdout.trim();
    format!("env 'LD_PRELOAD={library}' FAKETIME={offset}")
}

fn mixer(name: &str, days: i64) -> Mixer {
    let mix = Mix {
        clock_ahead: days * DAY,
        ..Mix::new(name, 2)
    };
    Mixer::new(mix, rand::random())
}

#[test]
fn days_without_a_worker_seal_windows_and_move_what_is_too_late() {
    let _turn = Turn::alone();
    let mut kafka = Stack::wrapped_kafka(&at("-3d"));
    let site = Site::with_kafka("log_time", &kafka);
    site.init(2, "load");
    let publisher = site.publisher();
    let mut old = mixer("old", -3);
    publisher.send_many(&mut old, 20_000);
    let worker = site.worker("old", &[]);
    assert_exact(&site, &publisher);
    assert!(worker.stop().success());
    let open = "SELECT count() FROM usage_hourly WHERE NOT sealed";
    assert!(site.sql().number(open) > 0, "the newest hours are open");
    publisher.send_many(&mut old, 5_000);

    kafka.rewrap_kafka("");
    publisher.send_many(&mut mixer("now", 0), 20_000);
    // Old producers go on sending what is three days old by now: late, or too late.
    publisher.send_many(&mut old, 5_000);
    let worker = site.worker("now", &[]);
    assert_exact(&site, &publisher);
    assert!(
        worker.log().contains("WARN"),
        "a jump of days is logged loudly"
    );
    assert!(worker.stop().success());
    let open = "SELECT count() FROM usage_hourly WHERE NOT sealed AND window_end < now() - 86400";
    assert_eq!(
        site.sql().number(open),
        0,
        "hours of three days ago are sealed"
    );
    let raw = site.raw_sql();
    let late = "SELECT sum(records) FROM counters_expected WHERE name = 'late'";
    assert!(
        raw.number(late) > 5_000,
        "events of three days ago are late"
    );
    let too_late = "SELECT count() FROM judged WHERE reason = 'too_late' \
                    AND time > (log_time - 38 * 86400000) * 1000 AND id LIKE 'old-%'";
    assert!(
        raw.number(too_late) > 0,
        "what was in time three days ago is too late"
    );

    // A broker that is ahead of the worker's clock: nothing of it is published.
    let before = site.progress();
    kafka.rewrap_kafka(&at("+1d"));
    publisher.send_many(&mut mixer("ahead", 1), 1_000);
    let mut worker = site.worker("ahead", &[]);
    for partition in 0..2 {
        worker.wait_partition(partition, "stalled", "log_time_ahead");
    }
    worker.wait_ready(503);
    assert_eq!(
        site.progress(),
        before,
        "a stalled partition publishes nothing"
    );
}
