//! A usage topic that was there before Meterline, with other data in it.

use crate::support::load::{Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::turn::Turn;

/// Makes the usage topic as somebody else did, and puts other data into it.
fn foreign_topic(site: &Site) {
    let topic = site.usage_topic();
    let kafka = site.kafka();
    kafka.create_topic(
        &topic,
        2,
        &[
            ("message.timestamp.type", "LogAppendTime"),
            ("retention.ms", "-1"),
        ],
    );
    for number in 0..25 {
        kafka.append(&topic, number % 2, &[("shop", b"order")]);
    }
}

#[test]
fn other_data_before_the_adopted_end_is_never_looked_at() {
    let _turn = Turn::light();
    let site = Site::new("adopt_end");
    foreign_topic(&site);
    site.meterline(&["init"]).ok();
    let refused = site.meterline(&["init", "--adopt", "end"]).with_code(1);
    refused.says(&["catalog"]);
    site.apply("load");
    let mut worker = site.worker("early", &[]);
    worker.wait_ready(503);
    worker.assert_running();
    assert_eq!(site.progress(), [], "nothing is adopted by itself");
    site.meterline(&["init", "--adopt", "end"]).ok();
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("adopt_end", 2), rand::random());
    publisher.send_many(&mut mixer, 10_000);
    assert_exact(&site, &publisher);
    // Again: the adoption stays as it is.
    site.meterline(&["init", "--adopt", "end"]).ok();
    publisher.send_many(&mut mixer, 1_000);
    assert_exact(&site, &publisher);
    let firsts = "SELECT min(offset) FROM raw GROUP BY log_partition ORDER BY log_partition";
    assert_eq!(
        site.raw_sql().run(firsts),
        "13\n12\n",
        "other data came first"
    );
}

#[test]
fn adopted_offsets_count_what_is_behind_them() {
    let _turn = Turn::light();
    let site = Site::new("adopt_at");
    foreign_topic(&site);
    site.meterline(&["init"]).ok();
    site.apply("load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("adopt_at", 2), rand::random());
    publisher.send_many(&mut mixer, 5_000);
    for wrong in ["0=13", "0=13,1=12,2=0", "0=13,1=99999999", "0=x"] {
        let ended = site.meterline(&["init", "--adopt", wrong]);
        assert!(ended.code == 1 || ended.code == 2, "{ended}");
    }
    site.meterline(&["init", "--adopt", "0=13,1=12"]).ok();
    let _worker = site.worker("worker", &[]);
    publisher.send_many(&mut mixer, 5_000);
    assert_exact(&site, &publisher);
}
