//! The router over a view in memory: who gets what answer.

use super::*;
use crate::settings::WhenStale;
use crate::state::now;
use crate::testing::{Fixture, SECRET, event_json, request};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use meterline_core::time::LogTime;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

const CHECK: &str = "/v1/limits/check";

fn fixture() -> Fixture {
    Fixture::new(|_| ())
}

fn kind(problem: &Value) -> &str {
    let kind = problem["type"].as_str().unwrap_or_default();
    kind.strip_prefix("urn:meterline:problem:")
        .unwrap_or_default()
}

/// Asks and compares the status and, of a problem, its type.
async fn check(
    api: &Fixture,
    (key, method, path): (&str, &str, &str),
    body: &str,
    (status, expected): (u16, &str),
) -> Value {
    let (actual, value) = api.ask(key, method, path, body).await;
    assert_eq!(
        actual.as_u16(),
        status,
        "{key} {method} {path} {body}: {value}"
    );
    assert_eq!(
        kind(&value),
        expected,
        "{key} {method} {path} {body}: {value}"
    );
    value
}

#[tokio::test]
async fn without_a_key_everything_of_v1_is_401() {
    let api = fixture();
    for path in ["/v1/limits", "/v1/limits/acme", "/v1/keys", "/v1/plans"] {
        for header in [
            "",
            "Bearer x",
            "Bearer mlk_admin0000000_wrong",
            "Basic eDp5",
        ] {
            let request = Request::builder().uri(path).header("authorization", header);
            let request = request.body(Body::empty()).expect("a request");
            let (response, text) = api.send(request).await;
            assert_eq!(
                response.status(),
                StatusCode::UNAUTHORIZED,
                "{path} {header}"
            );
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json"
            );
            // Nothing tells a wrong secret from a key that nobody has.
            let problem: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(problem.get("detail"), None, "{text}");
        }
    }
}

#[tokio::test]
async fn keys_do_what_their_roles_and_tenants_allow() {
    let api = fixture();
    api.used("acme", 10);
    api.used("other", 10);
    let asks = r#"{"tenant":"acme","meter":"calls"}"#;
    let forbidden = (403, "forbidden");
    check(&api, ("reader000000", "POST", CHECK), asks, forbidden).await;
    check(&api, ("checker00000", "GET", "/v1/limits"), "", forbidden).await;
    check(&api, ("checker00000", "POST", "/v1/events"), "", forbidden).await;
    check(&api, ("reader000000", "GET", "/v1/keys"), "", forbidden).await;
    check(
        &api,
        ("reader000000", "PUT", "/v1/accounts/acme"),
        "{\"terms\":{\"plan\":\"free\",\"start\":\"2026-01-01\"}}",
        forbidden,
    )
    .await;
    check(&api, ("admin0000000", "POST", CHECK), asks, (200, "")).await;
    check(&api, ("checker00000", "POST", CHECK), asks, (200, "")).await;
    check(
        &api,
        ("reader000000", "GET", "/v1/limits/acme"),
        "",
        (200, ""),
    )
    .await;
    check(
        &api,
        ("reader000000", "GET", "/v1/accounts/acme"),
        "",
        (200, ""),
    )
    .await;
    // Another tenant's data does not exist, whether the tenant does or not.
    let not_found = (404, "not-found");
    for tenant in ["other", "nobody"] {
        for path in ["limits", "accounts"] {
            let path = format!("/v1/{path}/{tenant}");
            check(&api, ("reader000000", "GET", &path), "", not_found).await;
        }
        let asks = json!({"tenant": tenant, "meter": "calls"}).to_string();
        check(&api, ("checker00000", "POST", CHECK), &asks, not_found).await;
        let path = format!("/v1/alerts?tenant={tenant}");
        check(&api, ("reader000000", "GET", &path), "", not_found).await;
        let path = format!("/v1/usage?tenant={tenant}");
        check(&api, ("reader000000", "GET", &path), "", not_found).await;
    }
}

#[tokio::test]
async fn lists_hold_what_the_key_may_see() {
    let api = fixture();
    for tenant in ["acme", "beta", "other"] {
        api.used(tenant, 10);
    }
    let names = |value: &Value, field: &str| -> Vec<String> {
        let items = value["items"].as_array().expect("a list");
        items
            .iter()
            .map(|item| item[field].as_str().expect("text").to_owned())
            .collect()
    };
    let of = ("reader000000", "GET", "/v1/limits");
    assert_eq!(
        names(&check(&api, of, "", (200, "")).await, "tenant"),
        ["acme"]
    );
    let of = ("reader000000", "GET", "/v1/accounts");
    assert_eq!(names(&check(&api, of, "", (200, "")).await, "id"), ["acme"]);
    // Page by page, everything once.
    for (path, field, expected) in [
        (
            "/v1/limits?limit=2",
            "tenant",
            vec!["acme", "beta", "other"],
        ),
        (
            "/v1/accounts?limit=3",
            "id",
            vec!["acme", "beta", "gone", "other"],
        ),
        (
            "/v1/keys?limit=1",
            "id",
            vec![
                "admin0000000",
                "checker00000",
                "ingester0000",
                "reader000000",
            ],
        ),
    ] {
        let mut seen = Vec::new();
        let mut next = String::new();
        loop {
            let path = format!("{path}{next}");
            let page = check(&api, ("admin0000000", "GET", &path), "", (200, "")).await;
            seen.extend(names(&page, field));
            match page["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(seen, expected, "{path}");
    }
    let of = ("admin0000000", "GET", "/v1/limits?health=healthy");
    assert!(names(&check(&api, of, "", (200, "")).await, "tenant").is_empty());
}

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
        assert_eq!(meter["used"], json!(used.to_string()));
        assert_eq!(meter["limit"], json!("100"));
        assert_eq!(meter["included"], json!("10"));
        assert_eq!(meter["remaining"], json!((100 - used).max(0).to_string()));
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

#[tokio::test]
async fn bad_requests_are_refused_with_their_reason() {
    let api = fixture();
    let of = ("admin0000000", "POST", CHECK);
    let bad = (400, "bad-request");
    for body in [
        "",
        "{",
        "[]",
        "{}",
        r#"{"tenant":"acme"}"#,
        r#"{"tenant":"acme","meter":"calls","more":1}"#,
        r#"{"tenant":"acme","meter":"calls","meters":[{"meter":"calls"}]}"#,
        r#"{"tenant":"acme","quantity":1,"meters":[{"meter":"calls"}]}"#,
        r#"{"tenant":"acme","meter":"calls","quantity":true}"#,
    ] {
        check(&api, of, body, bad).await;
    }
    for quantity in ["-1", "\"x\"", "0.1234567891", "1e40"] {
        let body = format!("{{\"tenant\":\"acme\",\"meter\":\"calls\",\"quantity\":{quantity}}}");
        let problem = check(&api, of, &body, (422, "invalid")).await;
        assert_eq!(problem["errors"][0]["field"], json!("quantity"));
    }
    let many = vec![json!({"meter": "calls"}); 101];
    let body = json!({"tenant": "acme", "meters": many}).to_string();
    check(&api, of, &body, (413, "too-large")).await;
    let large = format!("{{\"tenant\":\"{}\"}}", "x".repeat(300 << 10));
    check(&api, of, &large, (413, "too-large")).await;
    let of = ("admin0000000", "GET", "/v1/limits?limit=0");
    check(&api, of, "", bad).await;
    let of = ("admin0000000", "GET", "/v1/limits?limits=1");
    check(&api, of, "", bad).await;
    let of = ("admin0000000", "DELETE", "/v1/limits");
    check(&api, of, "", (405, "method-not-allowed")).await;
    let of = ("admin0000000", "GET", "/v1/nothing");
    check(&api, of, "", (404, "not-found")).await;
}

#[tokio::test]
async fn events_are_refused_before_they_are_published() {
    let api = fixture();
    let send = async |media_type: &str, body: String| {
        let request = request("ingester0000", "POST", "/v1/events")
            .header("content-type", media_type)
            .body(Body::from(body))
            .expect("a request");
        let (response, text) = api.send(request).await;
        let value: Value = serde_json::from_str(&text).expect("JSON");
        (response.status().as_u16(), value)
    };
    let one = "application/cloudevents+json";
    let (status, answer) = send(one, event_json("", "call", "acme")).await;
    assert_eq!(
        (status, &answer["results"][0]["reason"]),
        (422, &json!("missing_id"))
    );
    let lines = "{}\nnonsense\n".to_owned();
    let (status, answer) = send("application/x-ndjson", lines).await;
    assert_eq!((status, &answer["rejected"]), (422, &json!(2)), "{answer}");
    let (status, problem) = send("application/cloudevents-batch+json", "{}".to_owned()).await;
    assert_eq!((status, kind(&problem)), (400, "bad-request"));
    let (status, problem) = send("application/json", "{}".to_owned()).await;
    assert_eq!((status, kind(&problem)), (415, "unsupported-media-type"));
    let many = "{}\n".repeat(10_001);
    let (status, problem) = send("application/x-ndjson", many).await;
    assert_eq!((status, kind(&problem)), (413, "too-large"));
    let large = " ".repeat((8 << 20) + 1);
    let (status, problem) = send(one, large).await;
    assert_eq!((status, kind(&problem)), (413, "too-large"));
}

#[tokio::test]
async fn answers_carry_ids_and_rates_and_no_cors() {
    let api = Fixture::new(|settings| {
        settings.rate = 2;
        settings.cors_origins = vec!["https://console.example".to_owned()];
    });
    let get = |origin: &str, id: &str| {
        request("reader000000", "GET", "/v1/limits")
            .header("origin", origin)
            .header("x-request-id", id)
            .body(Body::empty())
            .expect("a request")
    };
    let (response, _) = api.send(get("https://evil.example", "abc-1")).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["x-request-id"], "abc-1");
    assert_eq!(response.headers()["ratelimit-policy"], "\"key\";q=2;w=1");
    assert_eq!(response.headers()["ratelimit"], "\"key\";r=1;t=0");
    assert!(
        !response
            .headers()
            .contains_key("access-control-allow-origin")
    );
    let (response, _) = api.send(get("https://console.example", "not an id")).await;
    assert_ne!(response.headers()["x-request-id"], "not an id");
    let allowed = &response.headers()["access-control-allow-origin"];
    assert_eq!(allowed, "https://console.example");
    let (response, text) = api.send(get("https://evil.example", "abc-3")).await;
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(text.contains("urn:meterline:problem:rate-limited"));
    assert_eq!(response.headers()["retry-after"], "1");
}

#[tokio::test]
async fn health_and_the_document_need_no_key() {
    let api = fixture();
    for (path, status) in [
        ("/health/live", StatusCode::OK),
        ("/health/ready", StatusCode::SERVICE_UNAVAILABLE),
        ("/openapi.json", StatusCode::OK),
        ("/", StatusCode::NOT_FOUND),
    ] {
        let request = Request::builder().uri(path);
        let request = request.body(Body::empty()).expect("a request");
        let (response, _) = api.send(request).await;
        assert_eq!(response.status(), status, "{path}");
    }
    api.shared.health.phase(None);
    let request = Request::builder().uri("/health/ready");
    let (response, _) = api
        .send(request.body(Body::empty()).expect("a request"))
        .await;
    assert_eq!(response.status(), StatusCode::OK);
}

/// Every reference of a document leads somewhere, and everything in it is of the right form.
fn walk<'a>(value: &'a Value, at: &mut impl FnMut(&'a serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            at(object);
            object.values().for_each(|value| walk(value, at));
        }
        Value::Array(items) => items.iter().for_each(|value| walk(value, at)),
        _ => {}
    }
}

#[tokio::test]
async fn the_document_says_what_the_router_does() {
    let document: Value = serde_json::from_str(&openapi()).expect("JSON");
    assert_eq!(document["openapi"], json!("3.1.0"));
    let mut operations = BTreeSet::new();
    let api = fixture();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            let id = operation["operationId"].as_str().expect("an id");
            assert!(operations.insert(id.to_owned()), "{id} is there twice");
            let responses = operation["responses"].as_object().expect("responses");
            assert!(!responses.is_empty(), "{id}");
            // The router has it: neither "no route" nor "no method" without a key's help.
            let path = path.replace('{', "").replace('}', "");
            let request = request("admin0000000", &method.to_uppercase(), &path);
            let (response, text) = api
                .send(request.body(Body::empty()).expect("a request"))
                .await;
            assert_ne!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{id}");
            let names_something = text.contains("there is no such") || !text.contains("not-found");
            assert!(names_something, "{id}: {text}");
        }
    }
    assert_eq!(operations.len(), 21, "{operations:?}");
    let schemas = &document["components"]["schemas"];
    walk(&document, &mut |object| {
        if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let name = reference.strip_prefix("#/components/schemas/");
            let name = name.unwrap_or_else(|| panic!("{reference}"));
            assert!(schemas.get(name).is_some(), "{reference} leads nowhere");
        }
    });
    assert!(document["components"]["securitySchemes"]["key"].is_object());
}

#[tokio::test]
async fn nothing_of_a_secret_is_in_an_answer() {
    let api = fixture();
    for path in ["/v1/keys", "/v1/accounts", "/v1/routes", "/v1/plans"] {
        let request = request("admin0000000", "GET", path).body(Body::empty());
        let (_, text) = api.send(request.expect("a request")).await;
        assert!(!text.contains(SECRET), "{path}");
        assert!(!text.contains(&crate::testing::hash_of(SECRET)), "{path}");
    }
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
