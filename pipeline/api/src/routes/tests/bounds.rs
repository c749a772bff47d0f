//! What is worked on at once is bounded, and one key's share of it below that.

use super::*;
use crate::state::{HISTORIES_MAX, INGESTS_OF_KEY_MAX};
use crate::testing::api_key;
use meterline_core::account::{Route, Target, TenantScope};
use meterline_core::catalog::plans::Severity;
use meterline_core::control::Decision;
use std::sync::Arc;

#[tokio::test]
async fn a_key_whose_ingest_calls_hang_keeps_out_itself_alone() {
    let api = fixture();
    let turns = &api.shared.ingests;
    let hanging: Vec<_> = (0..INGESTS_OF_KEY_MAX)
        .map(|_| turns.take("ingester0000").expect("its share"))
        .collect();
    let send = async |key: &str| {
        let request = request(key, "POST", "/v1/events")
            .header("content-type", "application/x-ndjson")
            .body(Body::from("nonsense"))
            .expect("a request");
        let (response, _) = api.send(request).await;
        let wait = response.headers().get("retry-after").cloned();
        let wait = wait.map(|wait| wait.to_str().expect("text").to_owned());
        (response.status().as_u16(), wait)
    };
    assert_eq!(send("ingester0000").await, (429, Some("1".to_owned())));
    assert_eq!(send("admin0000000").await, (422, None));
    drop(hanging);
    assert_eq!(send("ingester0000").await, (422, None));
}

#[tokio::test]
async fn histories_are_read_a_few_at_once() {
    let api = fixture();
    let permits = Arc::clone(&api.shared.histories);
    let many = u32::try_from(HISTORIES_MAX).expect("few");
    let held = permits.acquire_many(many).await.expect("open");
    let ask = async || {
        let request = request("admin0000000", "GET", "/v1/accounts/acme/history");
        let request = request.body(Body::empty()).expect("a request");
        let (response, text) = api.send(request).await;
        // The fixture has no log: whoever is let in is told so, in other words.
        let is_full = text.contains("too many histories");
        let wait = response.headers().contains_key("retry-after");
        (response.status().as_u16(), is_full, wait)
    };
    assert_eq!(ask().await, (503, true, true));
    drop(held);
    assert_eq!(ask().await, (503, false, false));
}

/// An API with so many keys and routes of acme beside the fixture's.
fn with_keys_and_routes(keys: usize, routes: usize) -> Fixture {
    let key = |at| {
        let mut key = api_key(&format!("more{at:08}"));
        key.tenants = TenantScope::These(vec!["acme".to_owned()]);
        // A key that has ended takes no room.
        key.revoked = at == 0;
        Decision::ApiKey(Box::new(key))
    };
    let route = |at| {
        Decision::Route(Box::new(Route {
            id: format!("more-{at}"),
            account: Some("acme".to_owned()),
            meters: Vec::new(),
            severity: Severity::Info,
            target: Target::Kafka {
                topic: "acme.alerts".to_owned(),
            },
            enabled: at > 0,
        }))
    };
    let more = (0..keys).map(key).chain((0..routes).map(route));
    Fixture::with(|_| (), more.collect())
}

#[tokio::test]
async fn keys_and_routes_of_a_scope_are_bounded() {
    const KEY: &str = r#"{"name":"one","roles":["read"],"tenants":["acme"]}"#;
    const ROUTE: &str = r#"{"account":"acme","severity":"info",
        "target":{"email":{"to":["ops@example.com"]}}}"#;
    let make_key = ("owner0000000", "POST", "/v1/keys");
    let make_route = ("owner0000000", "PUT", "/v1/routes/another");
    // The fixture has three keys and a route of acme. Whoever has room ends at the missing log.
    let api = with_keys_and_routes(97, 98);
    check(&api, make_key, KEY, (503, "unavailable")).await;
    check(&api, make_route, ROUTE, (503, "unavailable")).await;
    let api = with_keys_and_routes(98, 99);
    let full = (422, "invalid");
    let problem = check(&api, make_key, KEY, full).await;
    assert!(
        problem["detail"]
            .as_str()
            .expect("why")
            .contains("100 live keys")
    );
    let problem = check(&api, make_route, ROUTE, full).await;
    assert!(
        problem["detail"]
            .as_str()
            .expect("why")
            .contains("100 routes")
    );
    // The operator is not bounded.
    let by_operator = ("admin0000000", "POST", "/v1/keys");
    check(&api, by_operator, KEY, (503, "unavailable")).await;
}
