//! The edge of the HTTP API: what a request leaves in the log, and what browsers are told.

use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use reqwest::Method;
use reqwest::blocking::{Client, Response};
use serde_json::Value;

const ORIGIN: &str = "https://console.example";

#[test]
fn a_request_leaves_one_line_and_no_secret_and_browsers_hear_what_is_set() {
    let _turn = Turn::light();
    let mut site = Site::new("http_edge");
    site.set("log.format", "\"json\"");
    site.init(1, "limits");
    let token = site.key(&["--role", "read", "--all-tenants"]);
    let (closed, address) = site.api("closed", &[]);
    lines(&closed, &address, &token);
    let hears = cors_headers(&ask(
        &address,
        "GET",
        "/openapi.json",
        &[("origin", ORIGIN)],
    ));
    assert!(hears.is_empty(), "{hears:?}");
    let preflight = preflight(&address, ORIGIN);
    assert_ne!(preflight.status(), 204);
    assert!(cors_headers(&preflight).is_empty(), "{preflight:?}");

    let origins = format!("\"{ORIGIN}\"");
    let (_open, address) = site.api("open", &[("api.cors_origins", &origins)]);
    browsers(&address, &token);
}

/// One line a request, with the key's id and without what the caller sent.
fn lines(api: &Worker, address: &str, token: &str) {
    let (id, secret) = parts(token);
    let bearer = format!("Bearer {token}");
    let path = "/v1/accounts/hidden-tenant?hidden-query=1";
    let known = [
        ("authorization", bearer.as_str()),
        ("x-request-id", "known-1"),
    ];
    let answer = ask(address, "GET", path, &known);
    assert_eq!(answer.headers()["x-request-id"], "known-1");
    let line = line_of(api, "known-1");
    let status = u64::from(answer.status().as_u16());
    for (field, expected) in [
        ("target", Value::from("meterline_api::access")),
        ("level", "INFO".into()),
        ("method", "GET".into()),
        ("route", "/v1/accounts/{id}".into()),
        ("status", status.into()),
        ("key", id.into()),
    ] {
        assert_eq!(line[field], expected, "{field} of {line}");
    }
    assert!(line["duration_us"].is_u64(), "{line}");

    let wrong = format!("Bearer mlk_{id}_hidden-secret");
    let unknown = [
        ("authorization", wrong.as_str()),
        ("x-request-id", "wrong-1"),
    ];
    assert_eq!(ask(address, "GET", path, &unknown).status(), 401);
    let line = line_of(api, "wrong-1");
    assert_eq!((&line["status"], &line["key"]), (&401.into(), &"".into()));

    // An id that is not safe to repeat is not repeated.
    let unsafe_id = [("x-request-id", "hidden id\"")];
    let answer = ask(address, "GET", "/v1/plans", &unsafe_id);
    let given = answer.headers()["x-request-id"].to_str().expect("text");
    line_of(api, given);
    let log = api.log();
    for hidden in ["hidden", secret, token] {
        assert!(!log.contains(hidden), "{hidden} is in the log:\n{log}");
    }
}

/// The access line of a request, once; others have other ids.
fn line_of(api: &Worker, request_id: &str) -> Value {
    let line = until(&format!("the line of {request_id}"), SOON, || {
        let log = api.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut of_it = lines.filter(|line: &Value| line["request_id"] == request_id);
        of_it.next().ok_or("no line")
    });
    let log = api.log();
    assert_eq!(log.matches(request_id).count(), 1, "{log}");
    line
}

/// Preflights of the origin that is set are answered, and others hear nothing.
fn browsers(address: &str, token: &str) {
    let answer = preflight(address, ORIGIN);
    assert_eq!(answer.status(), 204);
    let headers = answer.headers();
    let says = |name: &str, part: &str| {
        let text = headers[name].to_str().expect("text");
        assert!(text.split(", ").any(|it| it == part), "{name}: {text}");
    };
    says("access-control-allow-origin", ORIGIN);
    says("access-control-allow-methods", "POST");
    says("access-control-allow-headers", "authorization");
    says("access-control-max-age", "600");
    says("vary", "origin");
    assert!(!headers.contains_key("access-control-allow-credentials"));

    let bearer = format!("Bearer {token}");
    let of = |origin| [("authorization", bearer.as_str()), ("origin", origin)];
    let answer = ask(address, "GET", "/v1/plans", &of(ORIGIN));
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["access-control-allow-origin"], ORIGIN);
    let exposed = &answer.headers()["access-control-expose-headers"];
    assert!(exposed.to_str().expect("text").contains("x-request-id"));
    for origin in [
        "https://console.example.evil",
        "null",
        "http://console.example",
    ] {
        let answer = ask(address, "GET", "/v1/plans", &of(origin));
        assert_eq!(answer.status(), 200, "CORS is the browser's to enforce");
        assert!(cors_headers(&answer).is_empty(), "{answer:?}");
        assert!(
            cors_headers(&preflight(address, origin)).is_empty(),
            "{origin}"
        );
    }
}

fn preflight(address: &str, origin: &str) -> Response {
    let asks = ("access-control-request-method", "POST");
    ask(
        address,
        "OPTIONS",
        "/v1/events",
        &[("origin", origin), asks],
    )
}

fn ask(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = Client::new().request(method, format!("http://{address}{path}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().expect("the API answers")
}

fn cors_headers(answer: &Response) -> Vec<String> {
    let names = answer.headers().keys().map(ToString::to_string);
    names
        .filter(|name| name.starts_with("access-control-"))
        .collect()
}

/// Id and secret of `mlk_<id>_<secret>`.
fn parts(token: &str) -> (&str, &str) {
    let rest = token.strip_prefix("mlk_").expect("a token");
    rest.split_once('_').expect("an id and a secret")
}
