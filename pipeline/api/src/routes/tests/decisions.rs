//! What is refused before it is decided. There is no log behind these: what is let through ends
//! with 503.

use super::{check, fixture};
use serde_json::{Value, json};

const LET_THROUGH: (u16, &str) = (503, "unavailable");

#[tokio::test]
async fn a_key_says_for_whom_it_speaks() {
    let api = fixture();
    let keys = |key| (key, "POST", "/v1/keys");
    let body = |tenants: Option<Value>| {
        let mut body = json!({"name": "a test", "roles": ["read"]});
        if let Some(tenants) = tenants {
            body["tenants"] = tenants;
        }
        body.to_string()
    };
    for tenants in [
        None,
        Some(Value::Null),
        Some(json!([])),
        Some(json!(["*", "acme"])),
        Some(json!(["acme", ""])),
    ] {
        let of = keys("admin0000000");
        let problem = check(&api, of, &body(tenants), (422, "invalid")).await;
        assert_eq!(problem["errors"][0]["field"], json!("tenants"), "{problem}");
    }
    for (key, tenants, expected) in [
        ("admin0000000", json!(["*"]), LET_THROUGH),
        ("admin0000000", json!(["acme", "beta"]), LET_THROUGH),
        ("owner0000000", json!(["acme"]), LET_THROUGH),
        ("owner0000000", json!(["*"]), (403, "forbidden")),
        ("owner0000000", json!(["acme", "beta"]), (403, "forbidden")),
    ] {
        check(&api, keys(key), &body(Some(tenants)), expected).await;
    }
    // As they are written, so they are shown.
    let list = check(&api, ("admin0000000", "GET", "/v1/keys"), "", (200, "")).await;
    assert_eq!(list["items"][0]["tenants"], json!(["*"]), "{list}");
    assert_eq!(list["items"][3]["tenants"], json!(["acme"]), "{list}");
}

fn route(account: Option<&str>, meters: &[&str], target: Value) -> String {
    json!({"account": account, "meters": meters, "severity": "warning", "target": target})
        .to_string()
}

fn email() -> Value {
    json!({"email": {}})
}

fn topic() -> Value {
    json!({"kafka": {"topic": "usage.events"}})
}

#[tokio::test]
async fn a_route_tells_of_accounts_and_meters_that_are_there() {
    let api = fixture();
    let not_found = (404, "not-found");
    for (key, account, meters, field, nearest) in [
        ("admin0000000", "acm", vec![], "account", json!("acme")),
        (
            "admin0000000",
            "nothing-alike",
            vec![],
            "account",
            Value::Null,
        ),
        (
            "admin0000000",
            "acme",
            vec!["calls", "cals"],
            "meters[1]",
            json!("calls"),
        ),
        // What another tenant's name is like, its key does not hear.
        ("owner0000000", "other", vec![], "account", Value::Null),
    ] {
        let body = route(Some(account), &meters, email());
        let problem = check(&api, (key, "PUT", "/v1/routes/new"), &body, not_found).await;
        assert_eq!(problem["errors"][0]["field"], json!(field), "{problem}");
        assert_eq!(problem["nearest"], nearest, "{problem}");
    }
    for (key, account) in [
        ("admin0000000", None),
        ("admin0000000", Some("acme")),
        ("owner0000000", Some("acme")),
    ] {
        let body = route(account, &["calls"], email());
        check(&api, (key, "PUT", "/v1/routes/new"), &body, LET_THROUGH).await;
    }
}

#[tokio::test]
async fn a_route_to_a_topic_is_for_keys_of_all_tenants() {
    let api = fixture();
    let forbidden = (403, "forbidden");
    let of_acme = |target| route(Some("acme"), &[], target);
    let (admin, owner) = ("admin0000000", "owner0000000");
    for (key, method, path, body, expected) in [
        (owner, "PUT", "/v1/routes/new", of_acme(topic()), forbidden),
        (
            owner,
            "PUT",
            "/v1/routes/stream",
            of_acme(topic()),
            forbidden,
        ),
        (
            owner,
            "PUT",
            "/v1/routes/stream",
            of_acme(email()),
            forbidden,
        ),
        (
            owner,
            "DELETE",
            "/v1/routes/stream",
            String::new(),
            forbidden,
        ),
        (
            owner,
            "PUT",
            "/v1/routes/new",
            route(None, &[], email()),
            forbidden,
        ),
        (owner, "GET", "/v1/routes/stream", String::new(), (200, "")),
        (
            admin,
            "PUT",
            "/v1/routes/new",
            of_acme(topic()),
            LET_THROUGH,
        ),
        (
            admin,
            "DELETE",
            "/v1/routes/stream",
            String::new(),
            LET_THROUGH,
        ),
    ] {
        check(&api, (key, method, path), &body, expected).await;
    }
}

#[tokio::test]
async fn a_wrong_type_in_a_body_is_told_by_its_path() {
    let api = fixture();
    for (method, path, body, field) in [
        (
            "PUT",
            "/v1/accounts/acme",
            json!({"terms": {"plan": "free", "start": 2026}}),
            "terms.start",
        ),
        (
            "PUT",
            "/v1/accounts/acme",
            json!({"terms": {"plan": "free", "start": "2026-01-01", "overrides":
                {"calls": {"thresholds": [{"percent": "80", "severity": "hunter2"}]}}}}),
            "terms.overrides.calls.thresholds[0].severity",
        ),
        (
            "PUT",
            "/v1/routes/new",
            json!({"severity": "info", "target": {"webhook": {"url": ["hunter2"]}}}),
            "target.webhook.url",
        ),
        (
            "POST",
            "/v1/keys",
            json!({"name": "x", "roles": ["hunter2"], "tenants": ["acme"]}),
            "roles[0]",
        ),
        (
            "POST",
            "/v1/limits/check",
            json!({"tenant": "acme", "meters": [{"meter": "calls"}, {"meter": 7}]}),
            "meters[1].meter",
        ),
    ] {
        let of = ("admin0000000", method, path);
        let problem = check(&api, of, &body.to_string(), (400, "bad-request")).await;
        assert_eq!(problem["errors"][0]["field"], json!(field), "{problem}");
        assert!(!problem.to_string().contains("hunter2"), "{problem}");
    }
}
