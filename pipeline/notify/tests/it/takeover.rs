//! Several processes, restarts, and a log that is away: each alert reaches its receiver at least
//! once, and as a rule once.

use crate::log::{Log, settings};
use crate::receiver::{Behaviour, Receiver, Request};
use crate::routes::{Routes, webhook};
use meterline_core::alert::DeliveryOutcome;
use meterline_notify::Settings;
use std::collections::BTreeMap;
use std::time::Duration;

/// Settings with the shortest takeover.
fn hasty() -> Settings {
    Settings {
        takeover_delay: Duration::from_secs(1),
        ..settings()
    }
}

/// How often each alert came to a path.
fn counts(requests: &[Request]) -> BTreeMap<u128, usize> {
    let mut counts = BTreeMap::new();
    for id in requests.iter().flat_map(Request::alerts) {
        *counts.entry(id).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_writer_sends_and_the_other_does_not() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let routes = Routes::new([("hook", webhook(receiver.url("ok")))]);
    let a = log.start("a", settings(), &routes);
    let b = log.start("b", settings(), &routes);
    let of_a = log.opens("acme", "80", "a");
    let of_b = log.opens("acme", "95", "b");
    let delivered = log.awaits(DeliveryOutcome::Delivered, 2).await;
    a.stop().await;
    b.stop().await;
    let by: BTreeMap<_, _> = delivered
        .iter()
        .map(|o| (o.notification, o.instance.as_str()))
        .collect();
    assert_eq!(by, BTreeMap::from([(of_a, "a"), (of_b, "b")]));
    let counts = counts(&receiver.requests("ok"));
    assert_eq!(counts, BTreeMap::from([(of_a, 1), (of_b, 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_sends_for_one_that_is_dead() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let routes = Routes::new([("hook", webhook(receiver.url("ok")))]);
    let b = log.start("b", hasty(), &routes);
    let id = log.opens("acme", "80", "dead");
    let delivered = log.awaits(DeliveryOutcome::Delivered, 1).await;
    b.stop().await;
    assert_eq!(delivered[0].instance, "b");
    assert_eq!(counts(&receiver.requests("ok")), BTreeMap::from([(id, 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_goes_on_where_one_was_killed() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves("hook", Behaviour::Status(503));
    let routes = Routes::new([("hook", webhook(receiver.url("hook")))]);
    let a = log.start("a", hasty(), &routes);
    let b = log.start("b", hasty(), &routes);
    let id = log.opens("acme", "80", "a");
    log.awaits(DeliveryOutcome::Failed, 1).await;
    a.kill().await;
    receiver.behaves("hook", Behaviour::Status(200));
    let delivered = log.awaits(DeliveryOutcome::Delivered, 1).await;
    b.stop().await;
    assert_eq!(
        (delivered[0].instance.as_str(), delivered[0].notification),
        ("b", id)
    );
    assert!(delivered[0].attempt > 1, "attempts of all processes count");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_sends_what_the_log_does_not_say_was_sent() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves("late", Behaviour::Hang);
    let hooks = [
        ("hook", webhook(receiver.url("ok"))),
        ("late", webhook(receiver.url("late"))),
    ];
    let routes = Routes::new(hooks);
    let first = log.start("a", settings(), &routes);
    let before = log.opens("acme", "80", "a");
    log.awaits(DeliveryOutcome::Delivered, 1).await;
    receiver.awaits("late", 1).await;
    first.kill().await;

    let while_down = log.opens("acme", "95", "a");
    receiver.behaves("late", Behaviour::Status(200));
    let second = log.start("a", settings(), &routes);
    log.awaits(DeliveryOutcome::Delivered, 4).await;
    second.stop().await;
    let once = BTreeMap::from([(before, 1), (while_down, 1)]);
    assert_eq!(counts(&receiver.requests("ok")), once, "nothing twice");
    let again = BTreeMap::from([(before, 2), (while_down, 1)]);
    assert_eq!(counts(&receiver.requests("late")), again, "nothing missing");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_parked_is_sent_again_when_somebody_asks() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves("gone", Behaviour::Status(410));
    let routes = Routes::new([("hook", webhook(receiver.url("gone")))]);
    let running = log.start("a", settings(), &routes);
    let id = log.opens("acme", "80", "a");
    log.awaits(DeliveryOutcome::Parked, 1).await;
    receiver.behaves("gone", Behaviour::Status(200));
    log.asks_again(id, "acme", "hook");
    let delivered = log.awaits(DeliveryOutcome::Delivered, 1).await;
    running.stop().await;
    assert_eq!((delivered[0].notification, delivered[0].attempt), (id, 2));
    assert_eq!(receiver.requests("gone").len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_for_too_long_is_parked() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves("dead", Behaviour::Status(500));
    let routes = Routes::new([("hook", webhook(receiver.url("dead")))]);
    let patience = Settings {
        retry_for: Duration::from_secs(1),
        ..settings()
    };
    let running = log.start("a", patience, &routes);
    let id = log.opens("acme", "80", "a");
    let parked = log.awaits(DeliveryOutcome::Parked, 1).await;
    running.stop().await;
    assert_eq!(parked[0].notification, id);
    assert!(!log.awaits(DeliveryOutcome::Failed, 1).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_away_costs_repeats_but_no_alert() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let routes = Routes::new([("hook", webhook(receiver.url("ok")))]);
    let running = log.start("a", settings(), &routes);
    log.set_away(true);
    let id = log.opens("acme", "80", "a");
    receiver.awaits("ok", 1).await;
    log.set_away(false);
    let delivered = log.awaits(DeliveryOutcome::Delivered, 1).await;
    running.stop().await;
    assert_eq!(delivered[0].notification, id);
    assert_eq!(receiver.requests("ok").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_writes_down_what_it_sent() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let routes = Routes::new([("hook", webhook(receiver.url("ok")))]);
    let running = log.start("a", settings(), &routes);
    log.set_away(true);
    log.opens("acme", "80", "a");
    receiver.awaits("ok", 1).await;
    let stopped = running.stop();
    log.set_away(false);
    stopped.await;
    assert_eq!(log.awaits(DeliveryOutcome::Delivered, 1).await.len(), 1);
}
