//! Accounts, keys and routes: written through the control log, in force when answered.

use crate::site::{Running, Site, until};
use serde_json::{Value, json};

fn put(api: &Running<'_>, path: &str, tag: Option<&str>, body: &Value) -> (u16, Value) {
    let request = api.request("PUT", path);
    let request = tag
        .into_iter()
        .fold(request, |request, tag| request.header("if-match", tag));
    let request = request.header("content-type", "application/json");
    api.send(request.body(body.to_string()))
}

fn post(api: &Running<'_>, path: &str, body: &Value) -> (u16, Value) {
    let request = api.request("POST", path);
    let request = request.header("content-type", "application/json");
    api.send(request.body(body.to_string()))
}

#[test]
fn of_two_changes_of_an_account_one_wins_and_the_other_sees_both() {
    let site = Site::new();
    let api = site.start_ready();
    let terms = |name: &str| {
        json!({"terms": {
            "plan": "free", "start": "2026-01-31", "name": name,
            "overrides": {"calls": {"limit": 200}},
        }, "note": "because"})
    };
    let path = "/v1/accounts/acme";
    let (status, made) = put(&api, path, None, &terms("one"));
    assert_eq!(status, 200, "{made}");
    assert_eq!(made["terms"]["overrides"]["calls"]["limit"], json!("200"));
    let (status, problem) = put(&api, path, None, &terms("two"));
    assert_eq!(status, 409, "{problem}");
    assert_eq!(problem["current"]["terms"]["name"], json!("one"));
    assert_eq!(problem["yours"]["name"], json!("two"));
    let tag = format!("\"{}\"", made["head"]);
    let (status, changed) = put(&api, path, Some(&tag), &terms("two"));
    assert_eq!(
        (status, &changed["terms"]["name"]),
        (200, &json!("two")),
        "{changed}"
    );
    let (status, problem) = put(&api, path, Some(&tag), &terms("three"));
    assert_eq!(
        (status, &problem["current"]["terms"]["name"]),
        (409, &json!("two"))
    );
    let (status, history) = api.send(api.request("GET", "/v1/accounts/acme/history"));
    assert_eq!(status, 200);
    let versions = history["items"].as_array().expect("a list");
    let names: Vec<_> = versions.iter().map(|v| &v["terms"]["name"]).collect();
    assert_eq!(names, ["two", "one"], "{history}");
    assert_eq!(versions[0]["origin"], json!("127.0.0.1"));
    assert_eq!(versions[0]["note"], json!("because"));
    assert!(
        versions[0]["actor"]
            .as_str()
            .is_some_and(|a| a.starts_with("key:"))
    );
}

#[test]
fn what_an_account_may_not_say_is_refused_with_its_path() {
    let site = Site::new();
    let api = site.start_ready();
    for (terms, field) in [
        (
            json!({"plan": "free", "start": "2026-02-31"}),
            "terms.start",
        ),
        (
            json!({"plan": "free", "start": "2026-01-01", "overrides": {"calls": {"limit": "-1"}}}),
            "terms.overrides.calls.limit",
        ),
        (
            json!({"plan": "free", "start": "2026-01-01", "overrides": {"calls": {"limit": "x"}}}),
            "terms.overrides.calls.limit",
        ),
        (
            json!({"plan": "free", "start": "2026-01-01", "time_zone": "Asia/Kathmandu"}),
            "terms.time_zone",
        ),
        (
            json!({"plan": "free", "start": "2026-01-01", "stripe_customer": "acct_1"}),
            "terms.stripe_customer",
        ),
    ] {
        let body = json!({ "terms": terms });
        let (status, problem) = put(&api, "/v1/accounts/acme", None, &body);
        assert_eq!(status, 422, "{problem}");
        let fields = problem["errors"].as_array().expect("errors");
        let named = fields.iter().any(|error| error["field"] == json!(field));
        assert!(named, "{field}: {problem}");
    }
}

#[test]
fn a_customer_at_stripe_is_one_account_s_and_others_are_not_told_whose() {
    let site = Site::new();
    let api = site.start_ready();
    let body = |customer: Value| {
        let terms = json!({"plan": "free", "start": "2026-01-01", "stripe_customer": customer});
        json!({ "terms": terms })
    };
    let (status, view) = put(&api, "/v1/accounts/acme", None, &body(json!("cus_1")));
    assert_eq!(status, 200, "{view}");
    assert_eq!(view["terms"]["stripe_customer"], json!("cus_1"));
    let (status, problem) = put(&api, "/v1/accounts/other", None, &body(json!("cus_1")));
    assert_eq!(status, 422, "{problem}");
    assert_eq!(
        problem["errors"][0]["field"],
        json!("terms.stripe_customer")
    );
    assert!(!problem.to_string().contains("acme"), "{problem}");
    let (status, view) = put(&api, "/v1/accounts/other", None, &body(Value::Null));
    assert_eq!(status, 200, "{view}");
    assert_eq!(view["terms"].get("stripe_customer"), None);
}

#[test]
fn a_plan_or_meter_that_is_not_there_is_404_with_the_nearest() {
    let site = Site::new();
    let api = site.start_ready();
    let check = |plan: &str, overrides: Value, nearest: Value, fields: &[&str]| {
        let terms = json!({"plan": plan, "start": "2026-01-01", "overrides": overrides});
        let body = json!({ "terms": terms });
        let (status, problem) = put(&api, "/v1/accounts/acme", None, &body);
        assert_eq!(
            (status, &problem["nearest"]),
            (404, &nearest),
            "{plan}: {problem}"
        );
        let errors = problem["errors"].as_array().expect("errors");
        let named: Vec<_> = errors.iter().map(|error| &error["field"]).collect();
        assert_eq!(named, fields, "{problem}");
    };
    check("fre", json!({}), json!("free"), &["terms.plan"]);
    check("nothing-alike", json!({}), Value::Null, &["terms.plan"]);
    let unknown = json!({"cals": {"limit": "1"}});
    check("free", unknown, json!("calls"), &["terms.overrides.cals"]);
    // All that is wrong is said at once.
    let wrong = json!({"calls": {"limit": "-1"}});
    let fields = ["terms.plan", "terms.overrides.calls.limit"];
    check("fre", wrong, json!("free"), &fields);
    let (status, _) = api.send(api.request("GET", "/v1/accounts/acme"));
    assert_eq!(status, 404, "nothing is in force");
}

#[test]
fn a_history_comes_in_pages_of_its_own_account() {
    let site = Site::new();
    let api = site.start_ready();
    let mut head = Value::Null;
    for (id, name, running) in [
        ("acme", "one", "keep"),
        ("acme", "two", "restart"),
        ("acme", "three", "keep"),
        ("globex", "one", "keep"),
    ] {
        let terms = json!({"plan": "free", "start": "2026-01-31", "name": name});
        let seen = if name == "one" { Value::Null } else { head };
        let body = json!({"terms": terms, "running": running, "head": seen});
        let (status, made) = put(&api, &format!("/v1/accounts/{id}"), None, &body);
        assert_eq!(status, 200, "{made}");
        head = made["head"].clone();
    }
    let page = |id: &str, query: &str| {
        api.send(api.request("GET", &format!("/v1/accounts/{id}/history?limit=2{query}")))
    };
    let versions = |page: &Value| -> Vec<(Value, Value)> {
        let items = page["items"].as_array().expect("a list").iter();
        let of = |item: &Value| (item["terms"]["name"].clone(), item["running"].clone());
        items.map(of).collect()
    };
    let (status, first) = page("acme", "");
    assert_eq!(status, 200, "{first}");
    let expected = [("three", "keep"), ("two", "restart")];
    let expected = expected.map(|(name, running)| (json!(name), json!(running)));
    assert_eq!(versions(&first), expected);
    let cursor = first["next"].as_str().expect("another page");
    let (status, last) = page("acme", &format!("&cursor={cursor}"));
    let expected = [(json!("one"), json!("keep"))];
    assert_eq!((status, versions(&last)), (200, expected.to_vec()));
    assert_eq!(last["next"], Value::Null);
    // Another account's version, any other record and what never was look the same.
    let (_, other) = page("globex", "");
    let other = &other["items"][0]["head"];
    for foreign in [other, &json!(0), &json!(1_000_000)] {
        let hex: String = foreign
            .to_string()
            .bytes()
            .map(|b| format!("{b:02x}"))
            .collect();
        let (status, problem) = page("acme", &format!("&cursor={hex}"));
        assert_eq!(status, 400, "{foreign}: {problem}");
        let detail = &problem["detail"];
        assert_eq!(detail, "the cursor is not one of this list", "{foreign}");
    }
}

#[test]
fn keys_are_made_rotated_and_revoked_within_seconds() {
    let site = Site::new();
    let api = site.start_ready();
    let body = json!({"name": "gateway", "roles": ["read"], "tenants": ["acme"]});
    let (status, made) = post(&api, "/v1/keys", &body);
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().expect("a token").to_owned();
    let id = made["key"]["id"].as_str().expect("an id").to_owned();
    let status_of = |token: &str| api.send(api.request_by(token, "GET", "/v1/limits")).0;
    assert_eq!(status_of(&token), 200);
    let path = format!("/v1/keys/{id}/rotate");
    let (status, rotated) = post(&api, &path, &json!({"keep_old_seconds": 3_600}));
    assert_eq!(status, 200, "{rotated}");
    let new = rotated["token"].as_str().expect("a token").to_owned();
    assert_eq!((status_of(&token), status_of(&new)), (200, 200));
    let (status, rotated) = post(&api, &path, &json!({}));
    assert_eq!(status, 200, "{rotated}");
    let newest = rotated["token"].as_str().expect("a token").to_owned();
    assert_eq!((status_of(&token), status_of(&new)), (401, 401));
    // Another instance takes the revocation from the log.
    let other = site.start_ready();
    let other_status = || other.send(other.request_by(&newest, "GET", "/v1/limits")).0;
    assert_eq!(other_status(), 200);
    let (status, revoked) = post(&api, &format!("/v1/keys/{id}/revoke"), &json!({}));
    assert_eq!(
        (status, &revoked["revoked"]),
        (200, &json!(true)),
        "{revoked}"
    );
    assert_eq!(status_of(&newest), 401);
    until("revoked everywhere", || {
        (other_status() == 401).then_some(())
    });
    let (status, problem) = post(&api, &path, &json!({}));
    assert_eq!(status, 422, "revoked is for ever: {problem}");
}

#[test]
fn routes_are_put_and_disabled() {
    let site = Site::new();
    let api = site.start_ready();
    let body = json!({
        "severity": "warning",
        "target": {"webhook": {"url": "https://receiver.example/hook"}},
    });
    let (status, made) = put(&api, "/v1/routes/ops", None, &body);
    assert_eq!((status, &made["enabled"]), (200, &json!(true)), "{made}");
    let (status, _) = put(&api, "/v1/routes/ops", None, &body);
    assert_eq!(status, 409);
    let tag = format!("\"{}\"", made["head"]);
    let other_kind = json!({"severity": "warning", "target": {"email": {}}});
    let (status, problem) = put(&api, "/v1/routes/ops", Some(&tag), &other_kind);
    let field = &problem["errors"][0]["field"];
    assert_eq!((status, field), (422, &json!("target")), "{problem}");
    let (status, gone) = api.send(api.request("DELETE", "/v1/routes/ops"));
    assert_eq!((status, &gone["enabled"]), (200, &json!(false)), "{gone}");
    let (status, list) = api.send(api.request("GET", "/v1/routes"));
    assert_eq!(status, 200);
    assert_eq!(list["items"].as_array().map(Vec::len), Some(1), "{list}");
}

#[test]
fn a_route_may_name_an_account_that_another_instance_has_just_made() {
    let site = Site::new();
    let (one, other) = (site.start_ready(), site.start_ready());
    let terms = json!({"terms": {"plan": "free", "start": "2026-01-31"}});
    for n in 0..10 {
        let id = format!("tenant-{n}");
        let (status, made) = put(&one, &format!("/v1/accounts/{id}"), None, &terms);
        assert_eq!(status, 200, "{made}");
        let body = json!({"account": id, "severity": "warning", "target": {"email": {}}});
        let (status, made) = put(&other, &format!("/v1/routes/{id}"), None, &body);
        assert_eq!((status, &made["account"]), (200, &json!(id)), "{made}");
    }
}
