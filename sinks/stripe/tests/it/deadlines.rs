//! A request whose deadline has passed is not written, wherever the call stands when it passes.

use crate::wire::{RECEIVED, Wire, answer, event, read_request};
use crate::{client, settings, stripe};
use meterline_stripe::requests::meter_events;
use meterline_stripe::{Client, Deadline, Failure};
use std::io::Read as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[tokio::test]
async fn a_deadline_that_passed_before_sends_nothing() {
    let (fake, client) = stripe(|_| ());
    let deadline = Deadline::begin(Duration::ZERO);
    let request = meter_events::create(&event());
    let called = client
        .write_while(&request, move || !deadline.has_passed())
        .await;
    assert_eq!(called, Err(Failure::DeadlinePassed));
    assert_eq!(fake.truth(|truth| truth.calls().count()), 0);
}

#[tokio::test]
async fn a_deadline_that_passes_while_connecting_sends_nothing() {
    let (fake, client) = stripe(|_| ());
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let request = meter_events::create(&event());
    // Yes before the connection is asked for, no when it is ready.
    let may_write = move || counter.fetch_add(1, Ordering::SeqCst) == 0;
    let called = client.write_while(&request, may_write).await;
    assert_eq!(called, Err(Failure::DeadlinePassed));
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(fake.truth(|truth| truth.calls().count()), 0);
    // The connection that was promised bytes is gone; the next call has one of its own.
    let called = client.write_while(&request, || true).await;
    assert_eq!(called.expect("received").event_name, "calls");
}

/// Also when a connection is at hand, nothing but the head may be on the wire.
#[tokio::test]
async fn no_byte_of_a_refused_body_reaches_the_wire() {
    let wire = Wire::new(vec![answer("200 OK", "", RECEIVED)]);
    let asked = AtomicUsize::new(0);
    let request = meter_events::create(&event());
    let client = client(wire.url.clone());
    let may_write = move || asked.fetch_add(1, Ordering::SeqCst) == 0;
    let called = client.write_while(&request, may_write).await;
    assert_eq!(called, Err(Failure::DeadlinePassed));
    let seen = wire.request();
    assert!(!seen.contains("ml_1"), "{seen}");
}

/// So that nothing of a call that was given up is written later.
#[tokio::test]
async fn a_call_that_is_given_up_closes_its_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a connection");
        read_request(&mut stream);
        let patience = Some(Duration::from_secs(20));
        stream.set_read_timeout(patience).expect("a timeout");
        stream.read(&mut [0])
    });
    let mut impatient = settings(url);
    impatient.answer_timeout = Duration::from_millis(300);
    let client = Client::new(impatient).expect("settings that can be used");
    let called = client.write(&meter_events::create(&event())).await;
    let failure = called.expect_err("nobody answers");
    assert!(matches!(failure, Failure::Unknown { .. }), "{failure:?}");
    let end = tokio::task::spawn_blocking(|| server.join()).await;
    let end = end.expect("it ran").expect("it ended");
    assert_eq!(end.expect("the connection is closed"), 0);
}

/// The turn of the second call comes when the first is given up, after its deadline.
#[tokio::test]
async fn a_deadline_that_passes_while_waiting_for_a_turn_sends_nothing() {
    let (fake, _) = stripe(|behaviour| behaviour.work = Duration::from_millis(50));
    let mut one = settings(fake.url());
    one.connections_max = 1;
    let client = Client::new(one).expect("settings that can be used");
    let request = meter_events::create(&event());
    let done = Arc::new(AtomicUsize::new(0));
    let (first, second) = (Arc::clone(&done), Arc::clone(&done));
    let (first, second) = tokio::join!(
        async {
            let received = client.write(&request).await;
            first.store(1, Ordering::SeqCst);
            received
        },
        client.write_while(&request, move || second.load(Ordering::SeqCst) == 0),
    );
    assert_eq!(first.expect("received").event_name, "calls");
    assert_eq!(second, Err(Failure::DeadlinePassed));
    assert_eq!(fake.truth(|truth| truth.calls().count()), 1);
}
