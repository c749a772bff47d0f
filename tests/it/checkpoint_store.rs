//! The checkpoint store is lost: recovery from the log, or a halt by name.

use crate::support::load::{Mix, Mixer};
use crate::support::recount::assert_exact;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};

#[test]
fn a_lost_store_is_made_again_from_the_adopted_offset() {
    let _turn = Turn::light();
    let site = Site::new("store_lost");
    site.init(3, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("store_lost", 3), rand::random());
    publisher.send_many(&mut mixer, 30_000);
    let worker = site.worker("before", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    worker.stop();
    assert_eq!(
        site.manifests().len(),
        3,
        "every partition had a checkpoint"
    );
    std::fs::remove_dir_all(site.checkpoints()).expect("the store can be deleted");
    publisher.send_many(&mut mixer, 10_000);
    let worker = site.worker("after", &[]);
    assert_exact(&site, &publisher);
    assert!(
        !worker.log().contains("from_checkpoint=true"),
        "nothing was left of the store"
    );
}

#[test]
fn a_lost_store_and_a_log_that_starts_later_halt_that_partition_by_name() {
    let _turn = Turn::light();
    let mut site = Site::new("store_halt");
    site.init(3, "load");
    let publisher = site.publisher();
    let mut mixer = Mixer::new(Mix::new("store_halt", 3), rand::random());
    publisher.send_many(&mut mixer, 10_000);
    let worker = site.worker("before", &[]);
    site.wait_complete(&publisher.ends(), SOON);
    worker.stop();
    std::fs::remove_dir_all(site.checkpoints()).expect("the store can be deleted");
    let log = site.kafka();
    log.delete_records(&site.usage_topic(), 1, 5);
    let before = written(&site);
    publisher.send_many(&mut mixer, 10_000);

    let mut worker = site.worker("after", &[]);
    worker.wait_partition(1, "halted", "no_checkpoint");
    let mut others = publisher.ends();
    others.remove(&1);
    site.wait_complete(&others, SOON);
    until("the worker not to be ready", SOON, || {
        let status = worker.status_of("/health/ready");
        (status == Some(503))
            .then_some(())
            .ok_or_else(|| format!("{status:?}"))
    });
    // `status` asks the worker that listens where its settings say.
    site.set("http.listen", &format!("\"{}\"", worker.http()));
    site.meterline(&["status"]).ok().says(&["no_checkpoint"]);
    assert_eq!(
        written(&site),
        before,
        "the halted partition writes nothing"
    );
}

/// Everything that partition 1 has written, as one number.
fn written(site: &Site) -> String {
    let tables = [
        "bucket_hourly",
        "bucket_daily",
        "bucket_monthly",
        "progress",
        "dead_letters",
    ];
    let sums = tables.map(|table| {
        let query =
            format!("SELECT count(), sum(sipHash64(*)) FROM {table} FINAL WHERE log_partition = 1");
        site.sql().run(&query)
    });
    sums.join(" ")
}
