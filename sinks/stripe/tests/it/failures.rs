//! What a failed call proves, against the stand-in's faults.

use crate::wire::event;
use crate::{client, settings, stripe};
use meterline_core::push::Outcome;
use meterline_fake_stripe::{Faults, HOUR, Key, Limits, Outage};
use meterline_stripe::requests::{invoices, meter_events};
use meterline_stripe::{Client, Failure, Next, meter_event_outcome};
use std::net::TcpListener;
use std::time::Duration;

async fn called(client: &Client) -> Result<meter_events::Received, Failure> {
    client.write(&meter_events::create(&event())).await
}

fn faulty(change: impl FnOnce(&mut Faults)) -> (meterline_fake_stripe::FakeStripe, Client) {
    stripe(|behaviour| change(&mut behaviour.faults))
}

#[tokio::test]
async fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("it listens"));
    drop(listener);
    let failure = called(&client(url)).await.expect_err("nobody is there");
    assert!(
        matches!(failure, Failure::NotConnected { .. }),
        "{failure:?}"
    );
    let outcome = meter_event_outcome(&Err::<(), _>(failure));
    assert!(matches!(outcome, Outcome::NotTaken { .. }), "{outcome:?}");
}

#[tokio::test]
async fn what_http_cannot_carry_is_not_sent_and_must_be_mended() {
    let (fake, client) = stripe(|_| ());
    let request = meter_events::create(&event()).with_idempotency_key("two\nlines");
    let failure = client.write(&request).await.expect_err("no header has it");
    assert!(matches!(failure, Failure::Unsendable { .. }), "{failure:?}");
    assert!(
        failure.to_string().contains("/v1/billing/meter_events"),
        "{failure}"
    );
    assert_eq!(failure.next(), Next::Mend);
    assert!(failure.proves_nothing_done());
    assert_eq!(fake.truth(|truth| truth.calls().count()), 0);
}

#[tokio::test]
async fn an_answer_that_never_comes_is_unknown_and_frees_its_turn() {
    let (fake, _) = faulty(|faults| {
        faults.timeout_after = 1.0;
        faults.timeout_hold = Duration::from_secs(60);
    });
    let mut impatient = settings(fake.url());
    impatient.answer_timeout = Duration::from_millis(300);
    impatient.connections_max = 1;
    let client = Client::new(impatient).expect("settings that can be used");
    let failure = called(&client).await.expect_err("no answer comes");
    assert!(matches!(failure, Failure::Unknown { .. }), "{failure:?}");
    assert_eq!(failure.next(), Next::Retry);
    fake.change(|behaviour| behaviour.faults = Faults::default());
    // Its turn is free: the repeated identifier is refused without a code.
    let again = called(&client).await;
    let outcome = meter_event_outcome(&again);
    assert!(matches!(outcome, Outcome::Refused { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_that_is_reset_is_unknown() {
    let (_fake, client) = faulty(|faults| faults.reset = 1.0);
    let failure = called(&client).await.expect_err("reset");
    assert!(matches!(failure, Failure::Unknown { .. }), "{failure:?}");
}

#[tokio::test]
async fn an_outage_is_never_taken_for_success() {
    let (fake, client) = faulty(|faults| {
        let from = crate::START * 1_000;
        let until = from + HOUR;
        faults.outages = vec![Outage { from, until }];
    });
    let outcome = meter_event_outcome(&called(&client).await);
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    fake.advance(HOUR).await;
    assert_eq!(
        meter_event_outcome(&called(&client).await),
        Outcome::Received
    );
}

#[tokio::test]
async fn a_server_error_is_unknown() {
    let (_fake, client) = faulty(|faults| faults.server_error = 1.0);
    let failure = called(&client).await.expect_err("500");
    assert!(
        matches!(failure, Failure::ServerError { status: 500, .. }),
        "{failure:?}"
    );
    let outcome = meter_event_outcome(&Err::<(), _>(failure));
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_lock_timeout_is_not_taken_with_either_status() {
    let (fake, client) = faulty(|faults| faults.lock_timeout = 1.0);
    for _ in 0..8 {
        let failure = called(&client).await.expect_err("locked");
        assert!(matches!(failure, Failure::LockTimeout(_)), "{failure:?}");
    }
    let mut statuses: Vec<_> = fake.truth(|truth| {
        let calls = truth.calls();
        calls
            .filter_map(|call| Some(call.answer.as_ref()?.0))
            .collect()
    });
    statuses.sort_unstable();
    statuses.dedup();
    assert_eq!(statuses, [409, 429]);
}

#[tokio::test]
async fn too_many_calls_say_which_limit() {
    let (_fake, client) = stripe(|behaviour| {
        behaviour.limits = Some(Limits {
            meter_events: 1,
            endpoint: 1,
            all: 2,
        });
    });
    assert_eq!(
        meter_event_outcome(&called(&client).await),
        Outcome::Received
    );
    let failure = called(&client)
        .await
        .expect_err("the second of one a second");
    match failure {
        Failure::RateLimited { reason } => assert!(reason.ends_with("-rate"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_key_and_a_missing_permission_halt() {
    let (fake, client) = stripe(|behaviour| behaviour.keys = vec![Key::full("another")]);
    let failure = called(&client).await.expect_err("an unknown key");
    assert_eq!(
        (&failure, failure.next()),
        (&Failure::Unauthorized, Next::Halt)
    );
    fake.change(|behaviour| {
        behaviour.keys = vec![Key {
            secret: crate::KEY.to_owned(),
            denied: vec!["billing/meter_events".to_owned()],
        }];
    });
    let failure = called(&client).await.expect_err("a restricted key");
    assert!(matches!(failure, Failure::Forbidden(_)), "{failure:?}");
    assert_eq!(failure.next(), Next::Halt);
    assert!(!format!("{failure:?} {failure}").contains(crate::KEY));
}

#[tokio::test]
async fn what_does_not_exist_is_missing() {
    let (_fake, client) = stripe(|_| ());
    let failure = client.read(&invoices::get("in_none")).await;
    let failure = failure.expect_err("there is none");
    assert!(failure.is_missing(), "{failure:?}");
    assert_eq!(failure.next(), Next::Mend);
}
