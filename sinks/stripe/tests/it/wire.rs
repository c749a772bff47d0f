//! What goes over the wire: headers, bodies, one attempt, bounded answers.

use crate::{KEY, client};
use meterline_stripe::requests::{event_summaries, invoices, meter_events};
use meterline_stripe::{Failure, Read, STRIPE_VERSION};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A server that takes connections one after the other, reads one request of each, answers it with
/// the next answer and closes.
pub(crate) struct Wire {
    pub(crate) url: String,
    requests: Receiver<String>,
}

impl Wire {
    pub(crate) fn new(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("it listens"));
        let (seen, requests) = channel();
        std::thread::spawn(move || {
            for answer in answers {
                let Ok((mut stream, _)) = listener.accept() else {
                    return;
                };
                let _ = seen.send(read_request(&mut stream));
                // A client that has gone is what some tests are about.
                let _ = stream.write_all(&answer);
            }
        });
        Self { url, requests }
    }

    /// The next request, whole.
    pub(crate) fn request(&self) -> String {
        let waited = Duration::from_secs(20);
        self.requests.recv_timeout(waited).expect("a request came")
    }
}

pub(crate) fn read_request(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let mut buffer = [0; 4_096];
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
        let length = text.to_lowercase();
        let length = length.split("content-length: ").nth(1);
        let length = length.and_then(|rest| rest.lines().next()?.parse().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
        if read == 0 || body.is_some_and(|body| body >= length.unwrap_or(0)) {
            return text;
        }
    }
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    let text = format!(
        "HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    text.into_bytes()
}

pub(crate) const RECEIVED: &str = r#"{"event_name":"calls"}"#;

pub(crate) fn event() -> meter_events::MeterEvent<'static> {
    meter_events::MeterEvent {
        event_name: "calls",
        customer_key: "stripe_customer_id",
        customer: "cus_1",
        value_key: "value",
        value: "0.1",
        identifier: "ml_1",
        timestamp: 1_790_812_800,
    }
}

#[tokio::test]
async fn a_write_carries_version_key_agent_and_form() {
    let wire = Wire::new(vec![answer("200 OK", "", RECEIVED)]);
    let request = meter_events::create(&event()).with_idempotency_key("once");
    let received = client(wire.url.clone()).write(&request).await;
    assert_eq!(received.expect("received").event_name, "calls");
    let seen = wire.request();
    let (head, body) = seen.split_once("\r\n\r\n").expect("head and body");
    let head = head.to_lowercase();
    for part in [
        "post /v1/billing/meter_events http/1.1",
        &format!("authorization: bearer {KEY}"),
        &format!("stripe-version: {STRIPE_VERSION}"),
        "idempotency-key: once",
        "user-agent: meterline/",
        "content-type: application/x-www-form-urlencoded",
    ] {
        assert!(head.contains(part), "{part} is not in {head}");
    }
    assert_eq!(
        body,
        "event_name=calls&identifier=ml_1&timestamp=1790812800\
         &payload%5Bstripe_customer_id%5D=cus_1&payload%5Bvalue%5D=0.1"
    );
}

#[tokio::test]
async fn a_read_has_its_parameters_in_the_query_and_no_body() {
    let page = r#"{"data":[],"has_more":false}"#;
    let wire = Wire::new(vec![answer("200 OK", "", page)]);
    let request = invoices::list_lines("in/1", Some("il_9"));
    let lines = client(wire.url.clone()).read(&request).await;
    assert!(lines.expect("a page").data.is_empty());
    let seen = wire.request();
    let first = seen.lines().next().expect("a line");
    let expected = "GET /v1/invoices/in%2F1/lines?limit=100&starting_after=il_9 HTTP/1.1";
    assert_eq!(first, expected);
    assert!(!seen.contains("content-type") && !seen.contains("idempotency-key"));
}

#[tokio::test]
async fn a_call_without_an_answer_is_not_made_again() {
    let wire = Wire::new(vec![Vec::new(), answer("200 OK", "", RECEIVED)]);
    let client = client(wire.url.clone());
    let called = client.write(&meter_events::create(&event())).await;
    let failure = called.expect_err("no answer came");
    assert!(matches!(failure, Failure::Unknown { .. }), "{failure}");
    // The second answer is still there, for the call that is made by us.
    let called = client.write(&meter_events::create(&event())).await;
    called.expect("the second connection is answered");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Wire::new(vec![answer("200 OK", "", RECEIVED)]);
    let location = format!("location: {}/v1/billing/meter_events\r\n", elsewhere.url);
    let wire = Wire::new(vec![answer("307 Temporary Redirect", &location, "")]);
    let request = meter_events::create(&event());
    let failure = client(wire.url.clone()).write(&request).await;
    let failure = failure.expect_err("a redirect is no success");
    assert!(
        matches!(failure, Failure::ServerError { status: 307, .. }),
        "{failure}"
    );
    assert!(elsewhere.requests.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_beyond_the_bound_is_given_up() {
    let long = "a".repeat((8 << 20) + 1);
    let wire = Wire::new(vec![answer("200 OK", "", &long)]);
    let failure = client(wire.url.clone()).read(&invoices::get("in_1")).await;
    let failure = failure.expect_err("too long");
    assert!(failure.to_string().contains("length limit"), "{failure}");
}

#[tokio::test]
async fn an_answer_of_another_form_says_what_it_lacks() {
    let wire = Wire::new(vec![answer("200 OK", "", "{\"id\":\"in_1\"}")]);
    let failure = client(wire.url.clone()).read(&invoices::get("in_1")).await;
    let text = failure.expect_err("no invoice").to_string();
    assert!(
        text.contains("GET /v1/invoices/in_1") && text.contains("missing field"),
        "{text}"
    );
}

#[tokio::test]
async fn a_summary_keeps_the_text_of_its_value() {
    let page = r#"{"data":[{"id":"s","aggregated_value":123456789012345.1,"start_time":0,
        "end_time":3600,"meter":"mtr_1","unknown":{}}],"has_more":false}"#;
    let wire = Wire::new(vec![answer("200 OK", "", page)]);
    let span = meterline_stripe::requests::Period {
        start: 0,
        end: 3_600,
    };
    let request: Read<_> = event_summaries::list_hours("mtr_1", "cus_1", span, None);
    let page = client(wire.url.clone())
        .read(&request)
        .await
        .expect("a page");
    assert_eq!(page.data[0].aggregated_value.text(), "123456789012345.1");
}

#[tokio::test]
async fn what_speaks_no_tls_is_not_connected() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("it listens"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(&answer("400 Bad Request", "", ""));
        }
    });
    let failure = client(url).write(&meter_events::create(&event())).await;
    let failure = failure.expect_err("it speaks no TLS");
    assert!(
        matches!(failure, Failure::NotConnected { .. }),
        "{failure:?}"
    );
}
