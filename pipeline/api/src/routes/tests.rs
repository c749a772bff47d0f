//! The router over a view in memory: who gets what answer.

mod bounds;
mod checks;
mod decisions;
mod document;

use crate::testing::{Fixture, SECRET, event_json, request};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

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
                "owner0000000",
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
