//! What receivers of webhooks are sent, and what their answers lead to.

use crate::log::{KEY, Log, settings};
use crate::receiver::{Behaviour, Receiver, Request};
use crate::routes::{Routes, webhook};
use crate::verify::verified;
use meterline_clickhouse::Secret;
use meterline_core::account::Target;
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_core::time::LogTime;
use meterline_notify::webhook_secret;
use std::collections::BTreeSet;
use std::time::Duration;

fn secret(generation: u32) -> String {
    let secret = webhook_secret(&Secret::new(KEY), "hook", generation);
    secret.expose().to_owned()
}

fn ids(requests: &[Request]) -> Vec<u128> {
    requests.iter().flat_map(Request::alerts).collect()
}

/// One alert for one route; answers its first outcome.
async fn outcome_of(path: &str, behaviour: Behaviour) -> (Receiver, Delivery) {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves(path, behaviour);
    let routes = Routes::new([("hook", webhook(receiver.url(path)))]);
    let mut settings = settings();
    settings.webhook.timeout = Duration::from_millis(300);
    let running = log.start("a", settings, &routes);
    log.opens("acme", "80", "a");
    receiver.awaits(path, 1).await;
    let parked = behaviour == Behaviour::Status(410);
    let is_told = matches!(behaviour, Behaviour::Status(200..300) | Behaviour::Endless);
    let expected = match (parked, is_told) {
        (true, _) => DeliveryOutcome::Parked,
        (_, true) => DeliveryOutcome::Delivered,
        _ => DeliveryOutcome::Failed,
    };
    let mut outcomes = log.awaits(expected, 1).await;
    running.kill().await;
    (receiver, outcomes.remove(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_signed_as_the_reference_library_verifies() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let routes = Routes::new([("hook", webhook(receiver.url("ok")))]);
    let running = log.start("a", settings(), &routes);
    let id = log.opens("acme", "80", "a");
    let outcomes = log.awaits(DeliveryOutcome::Delivered, 1).await;
    running.stop().await;

    let requests = receiver.requests("ok");
    assert_eq!(verified(&requests, &secret(1)), [true]);
    assert_eq!(verified(&requests, &secret(2)), [false]);
    assert_eq!(requests[0].headers["webhook-id"], format!("{id:032x}"));
    assert_eq!(requests[0].headers["content-type"], "application/json");
    assert_eq!(ids(&requests), [id]);
    let outcome = &outcomes[0];
    assert_eq!((outcome.notification, outcome.attempt), (id, 1));
    assert_eq!(
        (outcome.route.as_str(), outcome.tenant.as_str()),
        ("hook", "acme")
    );
    assert_eq!(
        (outcome.instance.as_str(), outcome.detail.as_str()),
        ("a", "http 200")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn during_a_rotation_both_secrets_verify() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let target = |path, previous_until| Target::Webhook {
        url: receiver.url(path),
        generation: 2,
        previous_until,
    };
    let rotated = target("rotated", Some(LogTime(i64::MAX)));
    let routes = Routes::new([("hook", rotated)]);
    let running = log.start("a", settings(), &routes);
    log.opens("acme", "80", "a");
    log.awaits(DeliveryOutcome::Delivered, 1).await;
    routes.set("hook", target("done", None), true);
    log.opens("acme", "95", "a");
    log.awaits(DeliveryOutcome::Delivered, 2).await;
    running.stop().await;

    let check = |path, generation, expected: bool| {
        let verified = verified(&receiver.requests(path), &secret(generation));
        assert_eq!(verified, [expected], "{path} {generation}");
    };
    check("rotated", 1, true);
    check("rotated", 2, true);
    check("rotated", 3, false);
    check("done", 1, false);
    check("done", 2, true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_receiver_is_asked_until_it_takes_it() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves("flaky", Behaviour::Status(500));
    let routes = Routes::new([("hook", webhook(receiver.url("flaky")))]);
    let running = log.start("a", settings(), &routes);
    let id = log.opens("acme", "80", "a");
    receiver.awaits("flaky", 3).await;
    receiver.behaves("flaky", Behaviour::Status(204));
    let delivered = log.awaits(DeliveryOutcome::Delivered, 1).await;
    running.stop().await;

    let failed = log.awaits(DeliveryOutcome::Failed, 2).await;
    let attempts: Vec<_> = log.outcomes().iter().map(|o| o.attempt).collect();
    assert!(
        attempts.iter().copied().eq(1..=delivered[0].attempt),
        "{attempts:?}"
    );
    assert!(
        failed
            .iter()
            .all(|o| o.detail == "http 500" && o.notification == id)
    );
    let requests = receiver.requests("flaky");
    let bodies: BTreeSet<_> = requests.iter().map(|r| &r.body).collect();
    assert_eq!(bodies.len(), 1, "a repeat is the same document");
    assert!(verified(&requests, &secret(1)).iter().all(|ok| *ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_lead_to_outcomes() {
    let check = async |behaviour, expected: &str| {
        let (receiver, outcome) = outcome_of("path", behaviour).await;
        assert_eq!(outcome.detail, expected, "{behaviour:?}");
        assert!(receiver.requests("elsewhere").is_empty(), "{behaviour:?}");
    };
    check(Behaviour::Status(202), "http 202").await;
    check(Behaviour::Status(404), "http 404").await;
    check(Behaviour::Status(429), "http 429").await;
    check(Behaviour::Status(410), "http 410").await;
    check(Behaviour::Hang, "no answer within 300ms").await;
    check(Behaviour::Endless, "http 200").await;
    let followed = "http 307: redirects are not followed";
    check(Behaviour::Redirect, followed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_receiver_delays_no_other() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves("dead", Behaviour::Hang);
    let dead = webhook(receiver.url("dead"));
    let topic = Target::Kafka {
        topic: "alerts".to_owned(),
    };
    let routes = Routes::new([
        ("dead", dead),
        ("hook", webhook(receiver.url("ok"))),
        ("topic", topic),
    ]);
    let mut settings = settings();
    settings.webhook.timeout = Duration::from_secs(120);
    let running = log.start("a", settings, &routes);
    log.opens("acme", "80", "a");
    receiver.awaits("dead", 1).await;
    for tenant in 0..500 {
        log.opens(&format!("tenant-{tenant}"), "80", "a");
    }
    log.awaits(DeliveryOutcome::Delivered, 2 * 501).await;
    assert_eq!(receiver.requests("dead").len(), 1, "it still hangs");
    assert_eq!(running.notifier.backlog().pending, 501);
    running.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_goes_in_bundles_each_alert_once() {
    const ALERTS: usize = 10_000;
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let routes = Routes::new([("hook", webhook(receiver.url("ok")))]);
    let running = log.start("a", settings(), &routes);
    let opened = (0..ALERTS).map(|n| log.opens(&format!("tenant-{n}"), "80", "a"));
    let opened: BTreeSet<u128> = opened.collect();
    let delivered = log.awaits(DeliveryOutcome::Delivered, ALERTS).await;
    running.stop().await;

    let requests = receiver.requests("ok");
    let told = ids(&requests);
    assert_eq!(told.len(), ALERTS, "each once");
    assert_eq!(told.into_iter().collect::<BTreeSet<_>>(), opened);
    let recorded: BTreeSet<u128> = delivered.iter().map(|o| o.notification).collect();
    assert_eq!(recorded, opened);
    assert!(requests.iter().all(|r| r.alerts().len() <= 100));
    assert!(requests.len() <= 400, "{} requests", requests.len());
    assert!(verified(&requests, &secret(1)).iter().all(|ok| *ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_never_connected_to() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let routes = Routes::new([
        ("literal", webhook(receiver.url("literal"))),
        ("name", webhook(receiver.url_by_name("name"))),
    ]);
    let mut settings = settings();
    settings.webhook.allow_private_addresses = false;
    let running = log.start("a", settings, &routes);
    log.opens("acme", "80", "a");
    let failed = log.awaits(DeliveryOutcome::Failed, 4).await;
    running.stop().await;
    assert!(
        failed.iter().all(|o| o.detail.contains("private")),
        "{failed:?}"
    );
    assert!(
        failed.iter().all(|o| !o.detail.contains("127.")),
        "{failed:?}"
    );
    let all = receiver.requests("literal").len() + receiver.requests("name").len();
    assert_eq!(all, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_url_has_what_waited() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves("old", Behaviour::Status(500));
    let routes = Routes::new([("hook", webhook(receiver.url("old")))]);
    let running = log.start("a", settings(), &routes);
    let id = log.opens("acme", "80", "a");
    log.awaits(DeliveryOutcome::Failed, 1).await;
    routes.set("hook", webhook(receiver.url("new")), true);
    let requests = receiver.awaits("new", 1).await;
    assert_eq!(ids(&requests), [id]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_another_kind_has_what_waited_for_the_first() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    receiver.behaves("old", Behaviour::Status(500));
    let routes = Routes::new([("hook", webhook(receiver.url("old")))]);
    let running = log.start("a", settings(), &routes);
    log.opens("acme", "80", "a");
    log.awaits(DeliveryOutcome::Failed, 1).await;
    let topic = Target::Kafka {
        topic: "billing.alerts".to_owned(),
    };
    routes.set("hook", topic, true);
    log.awaits(DeliveryOutcome::Delivered, 1).await;
    running.stop().await;

    let published = log.published();
    let [message] = published.as_slice() else {
        panic!("{published:?}");
    };
    assert_eq!(
        (message.topic.as_str(), message.key.as_str()),
        ("billing.alerts", "acme")
    );
    let sent = &receiver.requests("old")[0];
    assert_eq!(message.payload, sent.body.as_bytes(), "the same document");
    assert_eq!(
        message.headers[1],
        ("webhook-id", sent.headers["webhook-id"].clone())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_name_no_part_of_a_url() {
    let (log, receiver) = (Log::new(), Receiver::start().await);
    let url = receiver.url("secret-path?token=secret-token");
    drop(receiver);
    let routes = Routes::new([("hook", webhook(url))]);
    let running = log.start("a", settings(), &routes);
    log.opens("acme", "80", "a");
    let failed = log.awaits(DeliveryOutcome::Failed, 1).await;
    assert_eq!(failed[0].detail, "no connection");
    assert!(!format!("{:?}", running.notifier).contains("secret"));
    running.stop().await;
}
