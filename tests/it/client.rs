//! The client crate while its broker is killed: callers are not held up, and what is reported
//! delivered is in the log and counted once.

use crate::support::published::{assert_counted, ids, published};
use crate::support::site::Site;
use crate::support::stack::{Service, Stack};
use crate::support::turn::Turn;
use meterline_client::{Client, EmitError, Usage};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Room for so many events: less than a broker's restart takes, so that some are dropped.
const ROOM: u64 = 2_000;
const ROOM_BYTES: u64 = 8 << 20;
const PAUSE: Duration = Duration::from_millis(1);
const CLOSE: Duration = Duration::from_secs(60);

/// By id: partition and offset that the broker reported.
type Reported = Arc<Mutex<BTreeMap<String, (i32, i64)>>>;

fn client(site: &Site, reported: &Reported) -> Client {
    let reported = Arc::clone(reported);
    Client::builder(site.brokers(), "//client")
        .topic(site.usage_topic())
        .buffer(ROOM, ROOM_BYTES)
        .on_delivery(move |delivery| {
            if let Ok(place) = delivery.outcome {
                let mut reported = reported.lock().expect("nobody panics");
                let place = (place.partition, place.offset);
                let earlier = reported.insert(delivery.id.to_owned(), place);
                assert_eq!(earlier, None, "one report for each event");
            }
        })
        .connect()
        .expect("the settings are right")
}

/// Emits until told to stop; gives the longest call.
fn emit_until(client: &Client, stop: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    for n in 0u64.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let tenant = format!("tenant-{}", n % 7);
        let usage = Usage::new("llm.completion", tenant).id(format!("{n}"));
        let usage = usage.quantity(n).property("model", "small");
        let started = Instant::now();
        let emitted = client.emit(usage);
        longest = longest.max(started.elapsed());
        assert!(
            matches!(emitted, Ok(()) | Err(EmitError::Full)),
            "{emitted:?}"
        );
        std::thread::sleep(PAUSE);
    }
    longest
}

#[test]
fn a_killed_broker_holds_no_caller_up_and_what_is_delivered_counts_once() {
    let _turn = Turn::alone();
    let kafka = Stack::own(Service::Kafka);
    let site = Site::with_kafka("client", &kafka);
    site.init(3, "load");
    let _worker = site.worker("worker", &[]);
    let reported = Reported::default();
    let client = client(&site, &reported);
    let stop = AtomicBool::new(false);
    let longest = std::thread::scope(|scope| {
        let emitter = scope.spawn(|| emit_until(&client, &stop));
        let until = |what: &str, holds: &dyn Fn() -> bool| {
            let holds = || holds().then_some(()).ok_or_else(|| client.counters());
            crate::support::wait::until(what, crate::support::wait::SOON, holds);
        };
        until("deliveries", &|| client.counters().delivered > 500);
        kafka.kill(Service::Kafka);
        until("drops", &|| client.counters().dropped_full > 500);
        kafka.up(Some(Service::Kafka));
        let before = client.counters().delivered;
        until("deliveries again", &|| {
            client.counters().delivered > before + ROOM
        });
        stop.store(true, Ordering::Relaxed);
        emitter.join().expect("the emitter does not panic")
    });
    println!("longest emit while the broker was killed: {longest:?}");
    // No call waits for anything; this leaves room for two cores that also start a broker.
    assert!(longest < Duration::from_millis(500), "{longest:?}");
    let counters = client.close(CLOSE).expect("everything taken is delivered");
    assert_eq!(counters.emitted, counters.delivered);
    let found = published(&site);
    let reported = reported.lock().expect("nobody panics");
    let delivered = u64::try_from(reported.len()).expect("few");
    assert_eq!(delivered, counters.delivered);
    assert!(
        ids(&found)
            .into_iter()
            .eq(reported.keys().map(String::as_str))
    );
    for event in found
        .iter()
        .filter(|event| reported[&event.usage.id] == (event.partition, event.offset))
    {
        assert_eq!(
            event.usage.quantity,
            event.usage.id.parse().ok().map(|n: i128| n * 1_000_000_000)
        );
    }
    assert_counted(&site, &found);
    let counted = "SELECT sum(events) FROM usage_monthly WHERE meter = 'tokens'";
    assert_eq!(site.sql().number(counted), i128::from(delivered));
}
