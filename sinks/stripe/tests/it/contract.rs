//! Every request is one that Stripe's own description of its API accepts, and every answer that it
//! gives as an example is understood: both by stripe-mock, which is built from Stripe's source.
//!
//! stripe-mock knows the first version of the API only. The one request below `/v2`, which asks for
//! a thin event, follows <https://docs.stripe.com/api/v2/core/events/retrieve>, "Retrieves an Event
//! by ID", and is tested against the stand-in.

use crate::{client, samples};
use meterline_stack::{Service, Stack};
use meterline_stripe::Failure;
use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;

/// What stripe-mock does not know.
const BELOW_V2: &str = "events::get_thin";

#[tokio::test]
async fn stripes_own_description_accepts_every_request() {
    let mock = Stack::own(Service::StripeMock);
    let client = client(mock.stripe_mock_url());
    let mut wrong = Vec::new();
    for sample in samples::all() {
        let sent = sample.send(&client).await;
        match sent {
            Err(Failure::Refused { status: 404, .. }) if sample.name == BELOW_V2 => {}
            Ok(()) if sample.name != BELOW_V2 => {}
            other => wrong.push(format!("{}: {other:?}", sample.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Without this, a mock that accepts everything would pass for a contract.
#[test]
fn a_parameter_that_stripe_does_not_know_is_refused() {
    let mock = Stack::own(Service::StripeMock);
    let refused = |method: &str, path: &str, body: &str| {
        let address = mock.stripe_mock_url().replace("http://", "");
        let mut stream = TcpStream::connect(address).expect("it listens");
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer sk_test_123\r\n\
             content-type: application/x-www-form-urlencoded\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).expect("written");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer.starts_with("HTTP/1.1 400")
    };
    assert!(!refused("POST", "/v1/customers", "name=Acme"));
    assert!(refused("POST", "/v1/customers", "nom=Acme"));
    assert!(refused("POST", "/v1/billing/meters", "event_name=calls"));
    assert!(!refused("GET", "/v1/invoices?status=draft", ""));
    assert!(refused("GET", "/v1/invoices?state=draft", ""));
    assert!(refused("GET", "/v1/invoices?status=drafty", ""));
    assert!(refused("DELETE", "/v1/subscriptions/sub_1", "invoice=true"));
}

#[test]
fn every_builder_has_a_sample() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/requests");
    let mut builders = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("the folder of requests") {
        let path = entry.expect("a file").path();
        let module = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        let source = std::fs::read_to_string(&path).expect("a source");
        for line in source.lines() {
            // Builders are the public functions that belong to no type.
            if let Some(rest) = line.strip_prefix("pub fn ") {
                let name = rest.split(['(', '<']).next().unwrap_or_default();
                builders.insert(format!("{module}::{name}"));
            }
        }
    }
    let sampled: BTreeSet<_> = samples::all().iter().map(|s| s.name.to_owned()).collect();
    assert!(builders.len() > 30, "{builders:?}");
    assert_eq!(builders, sampled);
}
