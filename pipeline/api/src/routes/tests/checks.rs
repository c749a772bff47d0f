//! Quota checks: verdicts at their boundaries, staleness, unknown names.

use super::{CHECK, check, fixture};
use crate::settings::WhenStale;
use crate::state::now;
use crate::testing::{Fixture, request};
use axum::body::Body;
use meterline_core::time::LogTime;
use proptest::prelude::*;
use serde_json::{Value, json};

#[tokio::test]
async fn checks_answer_at_below_and_above_the_limit() {
    let api = fixture();
    for (tenant, used, wanted, allowed, soft, reason) in [
        ("acme", 98, "1", true, false, "within"),
        ("acme", 99, "1", true, false, "within"),
        ("acme", 100, "1", false, false, "hard_cap"),
        ("acme", 100, "0", true, false, "within"),
        ("beta", 100, "1", true, true, "soft_cap"),
        ("beta", 119, "1", true, true, "soft_cap"),
        ("beta", 120, "1", false, false, "grace_over"),
        ("gone", 1, "1", false, false, "closed"),
    ] {
        api.used(tenant, used);
        let asks = json!({"tenant": tenant, "meter": "calls", "quantity": wanted});
        let of = ("admin0000000", "POST", CHECK);
        let answer = check(&api, of, &asks.to_string(), (200, "")).await;
        let meter = &answer["meters"][0];
        let actual = (&meter["allowed"], &meter["soft"], &meter["reason"]);
        assert_eq!(
            actual,
            (&json!(allowed), &json!(soft), &json!(reason)),
            "{answer}"
        );
        assert_eq!(answer["allowed"], json!(allowed));
        assert_eq!(meter["measure"], json!("flow"), "a sum adds up");
        assert_eq!(meter["used"], json!(used.to_string()));
        assert_eq!(meter["limit"], json!("100"));
        assert_eq!(meter["included"], json!("10"));
        assert_eq!(meter["remaining"], json!((100 - used).max(0).to_string()));
        // Up to the hard cap, or as far as the soft one's grace goes.
        let most = if tenant == "beta" { 120 } else { 100 };
        assert_eq!(meter["room"], json!((most - used).to_string()));
        assert_eq!(answer["stale"], json!(false));
        // With enforce, a refusal is a status.
        let path = format!("{CHECK}?enforce=true");
        let (status, enforced) = api
            .ask("admin0000000", "POST", &path, &asks.to_string())
            .await;
        assert_eq!(
            status.as_u16(),
            if allowed { 200 } else { 429 },
            "{enforced}"
        );
        assert_eq!(enforced["meters"][0]["reason"], json!(reason));
    }
}

#[tokio::test]
async fn a_refusal_says_when_to_come_back() {
    let api = fixture();
    api.used("acme", 100);
    let path = format!("{CHECK}?enforce=true");
    let request = request("checker00000", "POST", &path)
        .header("content-type", "application/json")
        .body(Body::from(r#"{"tenant":"acme","meter":"calls"}"#))
        .expect("a request");
    let (response, text) = api.send(request).await;
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    let wait = answer["meters"][0]["retry_after"]
        .as_u64()
        .expect("a number");
    assert!((1..=31 * 86_400).contains(&wait), "{answer}");
    let header = response.headers()["retry-after"].to_str().expect("text");
    assert_eq!(header, wait.to_string());
}

#[tokio::test]
async fn what_is_known_too_long_ago_is_stale_and_follows_the_rule() {
    for (when_stale, allowed, reason) in [
        (WhenStale::Open, true, "within"),
        (WhenStale::Closed, false, "stale"),
    ] {
        // Nothing tells of this view's progress but a record of long ago.
        let api = Fixture::new(|settings| settings.when_stale = when_stale);
        let asks = r#"{"tenant":"acme","meter":"calls"}"#;
        let of = ("checker00000", "POST", CHECK);
        let fresh = check(&api, of, asks, (200, "")).await;
        assert_eq!(
            (&fresh["stale"], &fresh["allowed"]),
            (&json!(false), &json!(true))
        );
        api.shared.ages.forget();
        for age in [None, Some(120_000)] {
            if let Some(age) = age {
                api.progress(LogTime(now().0 - age));
            }
            let stale = check(&api, of, asks, (200, "")).await;
            assert_eq!(stale["stale"], json!(true), "{stale}");
            assert_eq!(stale["age_ms"].is_null(), age.is_none(), "{stale}");
            assert_eq!(stale["meters"][0]["allowed"], json!(allowed), "{stale}");
            assert_eq!(stale["meters"][0]["reason"], json!(reason), "{stale}");
        }
    }
}

#[tokio::test]
async fn what_stands_on_decisions_that_are_not_known_here_is_stale() {
    let api = Fixture::new(|settings| settings.when_stale = WhenStale::Closed);
    let asks = r#"{"tenant":"acme","meter":"calls"}"#;
    let of = ("checker00000", "POST", CHECK);
    // Said now, so not by its time; but an account or key may have changed that is not seen here.
    let ahead = api.shared.view().position() + 1;
    api.shared.ages.forget();
    api.progress_of(now(), ahead);
    let stale = check(&api, of, asks, (200, "")).await;
    assert_eq!(stale["stale"], json!(true), "{stale}");
    assert_eq!(stale["meters"][0]["reason"], json!("stale"), "{stale}");
    api.progress(LogTime(now().0 + 1));
    let fresh = check(&api, of, asks, (200, "")).await;
    assert_eq!(fresh["stale"], json!(false), "{fresh}");
}

#[tokio::test]
async fn unknown_names_are_404_with_the_nearest() {
    let api = fixture();
    let of = ("admin0000000", "POST", CHECK);
    let unknown = (404, "not-found");
    let problem = check(&api, of, r#"{"tenant":"acme","meter":"call"}"#, unknown).await;
    assert_eq!(problem["nearest"], json!("calls"));
    let problem = check(&api, of, r#"{"tenant":"acmee","meter":"calls"}"#, unknown).await;
    assert_eq!(problem["nearest"], json!("acme"));
    // Only among what the key may see.
    let of = ("checker00000", "POST", CHECK);
    let problem = check(&api, of, r#"{"tenant":"othe","meter":"calls"}"#, unknown).await;
    assert_eq!(problem.get("nearest"), None, "{problem}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn no_body_makes_a_check_panic(
        body in prop_oneof![
            any::<Vec<u8>>(),
            "\\{\"tenant\":\"acme\",\"meter\":\"calls\",\"quantity\":.{0,20}\\}".prop_map(String::into_bytes),
            "\\{\"tenant\":\".{0,9}\",\"meters\":\\[\\{\"meter\":\".{0,9}\",\"quantity\":\"?[-+.e0-9]{0,40}\"?\\}\\]\\}"
                .prop_map(String::into_bytes),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let status = runtime.expect("a runtime").block_on(async {
            let api = fixture();
            let request = request("checker00000", "POST", CHECK)
                .header("content-type", "application/json")
                .body(Body::from(body))
                .expect("a request");
            api.send(request).await.0.status()
        });
        // A panic would be 500.
        prop_assert!(matches!(status.as_u16(), 200 | 400 | 404 | 422), "{status}");
    }
}
