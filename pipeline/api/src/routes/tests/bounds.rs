//! What is worked on at once is bounded, and one key's share of it below that.

use super::*;
use crate::state::{HISTORIES_MAX, INGESTS_OF_KEY_MAX};
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
