//! The edge: real connections, and the clock by HTTP.

use super::START;
use crate::{Clock, FakeStripe, Faults, HOUR, SECOND, Settings, Webhooks};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

type Http = Client<HttpConnector, Full<Bytes>>;

fn client() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

fn fake(settings: Settings) -> FakeStripe {
    FakeStripe::start(settings, Clock::Manual(START * SECOND)).expect("a free port")
}

/// The status and the body of an answer; none if there is no answer.
async fn post(client: &Http, fake: &FakeStripe, path: &str, body: &str) -> Option<(u16, Value)> {
    let request = hyper::Request::post(format!("{}{path}", fake.url()))
        .header("authorization", "Bearer sk_test")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("idempotency-key", body)
        .body(Full::from(body.to_owned()))
        .expect("a request");
    let response = client.request(request).await.ok()?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.ok()?.to_bytes();
    Some((
        status,
        serde_json::from_slice(&body).expect("answers are JSON"),
    ))
}

#[tokio::test]
async fn a_request_is_answered_and_told_by_the_truth() {
    let (fake, client) = (fake(Settings::default()), client());
    let (status, customer) = post(&client, &fake, "/v1/customers", "name=A%20B")
        .await
        .expect("an answer");
    assert_eq!((status, &customer["name"]), (200, &"A B".into()));
    let calls = fake.truth(|truth| truth.calls().cloned().collect::<Vec<_>>());
    assert_eq!(calls.len(), 1);
    assert_eq!(
        (calls[0].at, calls[0].path.as_str()),
        (START * SECOND, "/v1/customers")
    );
    assert_eq!(calls[0].parameters, "name=A%20B");
    assert_eq!(calls[0].idempotency_key.as_deref(), Some("name=A%20B"));
}

#[tokio::test]
async fn requests_without_an_answer_end_the_connection() {
    for faults in [
        Faults {
            timeout_after: 1.0,
            ..Faults::default()
        },
        Faults {
            reset: 1.0,
            ..Faults::default()
        },
    ] {
        let done = faults.timeout_after > 0.0;
        let (fake, client) = (
            fake(Settings {
                faults,
                ..Settings::default()
            }),
            client(),
        );
        assert_eq!(post(&client, &fake, "/v1/customers", "name=A").await, None);
        fake.change(|settings| settings.faults = Faults::default());
        let calls = fake.truth(|truth| truth.calls().cloned().collect::<Vec<_>>());
        assert_eq!(calls[0].answer.is_some(), done);
        post(&client, &fake, "/v1/customers", "name=B")
            .await
            .expect("an answer");
    }
}

#[tokio::test]
async fn a_key_of_a_request_in_work_is_a_conflict() {
    let work = Duration::from_secs(1);
    let (fake, client) = (
        fake(Settings {
            work,
            ..Settings::default()
        }),
        client(),
    );
    let request = post(&client, &fake, "/v1/customers", "name=A");
    let second = post(&client, &fake, "/v1/customers", "name=A");
    let (first, second) = tokio::join!(request, second);
    let mut statuses = [first, second].map(|answer| answer.expect("an answer").0);
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[tokio::test]
async fn the_clock_goes_on_by_http_too() {
    let (fake, client) = (fake(Settings::default()), client());
    let (_, now) = post(&client, &fake, "/_test/clock", "seconds=90")
        .await
        .expect("an answer");
    assert_eq!(now["now"], (START + 90) * SECOND);
    assert_eq!(fake.now(), (START + 90) * SECOND);
    let uri = format!("{}/_test/clock", fake.url());
    let read = client.get(uri.parse().expect("a URL")).await;
    let read = read.expect("an answer").into_body().collect().await;
    let read = read.expect("a body").to_bytes();
    assert_eq!(read, format!("{{\"now\":{}}}", fake.now()).as_bytes());
    let (status, _) = post(&client, &fake, "/_test/clock", "days=1")
        .await
        .expect("an answer");
    assert_eq!(status, 400);
}

/// Takes deliveries, refuses the first, and hands on signatures and bodies.
fn receiver() -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/", listener.local_addr().expect("it listens"));
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            let status = if number == 0 { "500 No" } else { "200 OK" };
            if sender.send(take(stream, status)).is_err() {
                return;
            }
        }
    });
    (url, receiver)
}

fn take(mut stream: TcpStream, status: &str) -> String {
    let mut request = Vec::new();
    let mut buffer = [0; 4_096];
    while !request.ends_with(b"}") {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream
        .write_all(answer.as_bytes())
        .expect("the sender listens");
    String::from_utf8(request).expect("text")
}

#[tokio::test]
async fn webhooks_are_sent_as_the_clock_passes_them_until_they_are_taken() {
    let (url, received) = receiver();
    let webhooks = Webhooks {
        url: Some(url),
        ..Webhooks::default()
    };
    let (fake, client) = (
        fake(Settings {
            webhooks,
            ..Settings::default()
        }),
        client(),
    );
    post(&client, &fake, "/v1/customers", "name=A")
        .await
        .expect("an answer");
    assert!(received.try_recv().is_err());
    fake.advance(10 * SECOND).await;
    let first = received.try_recv().expect("a delivery");
    assert!(first.contains("stripe-signature: t="), "{first}");
    assert!(received.try_recv().is_err());
    fake.advance(HOUR).await;
    let second = received.try_recv().expect("another attempt");
    let body = |text: &str| text.split("\r\n\r\n").nth(1).map(str::to_owned);
    assert_eq!(body(&first), body(&second));
    fake.advance(24 * HOUR).await;
    assert!(received.try_recv().is_err());
}

#[test]
fn it_can_be_used_without_a_runtime() {
    let fake = fake(Settings::default());
    fake.advance_blocking(HOUR);
    assert_eq!(fake.now(), START * SECOND + HOUR);
}
