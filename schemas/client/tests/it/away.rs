//! The broker is away: callers are not held up, and nothing is lost unseen.

use crate::support::{Cluster, Reports, SOON, until};
use meterline_client::{Client, EmitError, Usage, WhenFull};
use std::time::{Duration, Instant};

/// Room for so many events.
const ROOM: u64 = 1_000;
const BYTES: u64 = 8 << 20;
/// How long closing may wait, where it is to give up.
const WAIT: Duration = Duration::from_millis(100);
/// What a busy machine may add to a call that does not wait.
const SCHEDULER: Duration = Duration::from_millis(500);

fn usage(n: u64) -> Usage<'static> {
    Usage::new("api.call", "acme").id(format!("{n:06}"))
}

/// What a call gives, and how long it took.
fn timed<T>(call: impl FnOnce() -> T) -> (Duration, T) {
    let started = Instant::now();
    let given = call();
    (started.elapsed(), given)
}

/// The longest call of so many.
fn emit_many(
    client: &Client,
    count: u64,
    mut check: impl FnMut(u64, Result<(), EmitError>),
) -> Duration {
    let calls = (0..count).map(|n| {
        let usage = usage(n);
        let started = Instant::now();
        let emitted = client.emit(usage);
        let took = started.elapsed();
        check(n, emitted);
        took
    });
    calls.max().unwrap_or_default()
}

#[test]
fn a_caller_that_drops_never_waits_and_the_buffered_events_arrive_later() {
    let cluster = Cluster::new();
    let client = cluster
        .builder()
        .buffer(ROOM, BYTES)
        .connect()
        .expect("a client");
    cluster.take_down();
    let longest = emit_many(&client, 5 * ROOM, |n, emitted| {
        let full = Err(EmitError::Full);
        assert_eq!(emitted, if n < ROOM { Ok(()) } else { full });
    });
    // Not one call waits for the network; this only leaves room for a busy machine's scheduler.
    assert!(longest < Duration::from_millis(200), "{longest:?}");
    let counters = client.counters();
    assert_eq!((counters.pending, counters.dropped_full), (ROOM, 4 * ROOM));
    let undelivered = client
        .flush(Duration::from_millis(10))
        .expect_err("nobody answers");
    assert_eq!(undelivered.counters.pending, ROOM);
    cluster.bring_up();
    assert_eq!(client.close(SOON).expect("all arrive").delivered, ROOM);
    let last = cluster.read(1_000).pop().expect("there are events");
    assert_eq!(last.id, "000999");
}

#[test]
fn a_caller_that_waits_waits_no_longer_than_it_may() {
    let cluster = Cluster::new();
    let wait = Duration::from_millis(30);
    let builder = cluster
        .builder()
        .buffer(ROOM, BYTES)
        .when_full(WhenFull::Wait(wait));
    let client = builder.connect().expect("a client");
    cluster.take_down();
    let still_full = EmitError::StillFull { waited: wait };
    let longest = emit_many(&client, ROOM + 10, |n, emitted| {
        assert_eq!(
            emitted,
            if n < ROOM {
                Ok(())
            } else {
                Err(still_full.clone())
            }
        );
    });
    assert!(
        (wait..wait + Duration::from_millis(200)).contains(&longest),
        "{longest:?}"
    );
    assert_eq!(client.counters().dropped_still_full, 10);
    assert_eq!(
        client.try_emit(usage(0)),
        Err(EmitError::Full),
        "it never waits"
    );
    cluster.bring_up();
    until("room", || client.emit(usage(ROOM)).is_ok());
    client.close(SOON).expect("all arrive");
}

#[test]
fn closing_gives_up_at_its_deadline_and_reports_every_event() {
    let cluster = Cluster::new();
    let reports = Reports::default();
    let builder = cluster.builder().on_delivery(reports.collector());
    let client = builder.connect().expect("a client");
    cluster.take_down();
    emit_many(&client, 100, |_, emitted| emitted.expect("there is room"));
    let (took, closed) = timed(|| client.close(WAIT));
    assert!(
        (WAIT..WAIT + Client::CLOSE_GRACE).contains(&took),
        "{took:?}"
    );
    let undelivered = closed.expect_err("nobody answers");
    let counters = undelivered.counters;
    assert_eq!((counters.failed, counters.pending), (100, 0));
    let failed: Vec<_> = (0..100).map(|n| (format!("{n:06}"), false)).collect();
    assert_eq!(reports.sorted(), failed);
}

/// Whoever has less time decides: a service that has to stop now does not wait for another's minute.
#[test]
fn a_second_close_shortens_the_first() {
    let cluster = Cluster::new();
    let client = cluster.client();
    cluster.take_down();
    emit_many(&client, 100, |_, emitted| emitted.expect("there is room"));
    // A probe is refused for its empty tenant before, and for the closed client after.
    let probe = || client.try_emit(Usage::new("api.call", ""));
    let patient = client.clone();
    let first = std::thread::spawn(move || patient.close(Duration::MAX));
    until("the first", || probe() == Err(EmitError::Closed));
    let (took, second) = timed(|| client.close(WAIT));
    assert!(
        (WAIT..WAIT + Client::CLOSE_GRACE).contains(&took),
        "{took:?}"
    );
    assert_eq!(second.expect_err("nobody answers").counters.failed, 100);
    let first = first.join().expect("it does not panic");
    assert_eq!(first.expect_err("it gave up too").counters.failed, 100);
}

#[test]
fn closing_does_not_wait_for_a_report_that_hangs() {
    let cluster = Cluster::new();
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Mutex::new(held);
    let builder = cluster.builder().on_delivery(move |_| {
        // Ends with an error once the other half is dropped.
        let _ = held.lock().expect("nobody panics").recv();
    });
    let client = builder.connect().expect("a client");
    emit_many(&client, 2, |_, emitted| emitted.expect("there is room"));
    until("the first report", || client.counters().delivered == 1);
    let (took, closed) = timed(|| client.close(WAIT));
    let end = WAIT + Client::CLOSE_GRACE;
    assert!((end..end + SCHEDULER).contains(&took), "{took:?}");
    let undelivered = closed.expect_err("the other is not reported");
    assert_eq!(undelivered.counters.pending, 1);
    drop(release);
    // The other was delivered or given up, by when it was sent.
    let closed = client.close(SOON);
    assert_eq!(client.counters().pending, 0, "{closed:?}");
}

#[test]
fn a_caller_may_wait_for_ever() {
    let cluster = Cluster::new();
    let builder = cluster.builder().buffer(1, BYTES);
    let builder = builder.when_full(WhenFull::Wait(Duration::MAX));
    let client = builder
        .drop_timeout(Duration::MAX)
        .connect()
        .expect("a client");
    cluster.take_down();
    client.emit(usage(0)).expect("there is room");
    assert_eq!(client.try_emit(usage(1)), Err(EmitError::Full));
    let waiting = client.clone();
    let emitted = std::thread::spawn(move || waiting.emit(usage(1)));
    cluster.bring_up();
    emitted.join().expect("no panic").expect("room came");
    let flushed = client.flush(Duration::MAX).expect("both arrive");
    assert_eq!(flushed.delivered, 2);
    client.close(Duration::MAX).expect("both have arrived");
}

#[test]
fn an_event_is_given_up_after_the_delivery_timeout() {
    let cluster = Cluster::new();
    let reports = Reports::default();
    let builder = cluster.builder().on_delivery(reports.collector());
    let builder = builder.delivery_timeout(Duration::from_millis(500));
    let client = builder.connect().expect("a client");
    cluster.take_down();
    client.emit(usage(1)).expect("there is room");
    until("the timeout", || client.counters().failed == 1);
    assert_eq!(reports.sorted(), [("000001".to_owned(), false)]);
}

/// Emitting from several threads while the client is closed: whatever was taken is settled.
#[test]
fn closing_under_load_settles_everything_that_was_taken() {
    let cluster = Cluster::new();
    let client = cluster.client();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || {
                let taken = (0..).take_while(|n| client.emit(usage(*n)).is_ok());
                u64::try_from(taken.count()).expect("few")
            })
        })
        .collect();
    until("some events", || client.counters().emitted > 1_000);
    let closed = client.close(Duration::ZERO);
    let taken: u64 = threads
        .into_iter()
        .map(|t| t.join().expect("it ends"))
        .sum();
    let counters = client.counters();
    assert_eq!(counters.pending, 0, "{closed:?}");
    assert_eq!(counters.delivered + counters.failed, taken);
    assert_eq!(counters.emitted, taken);
}
