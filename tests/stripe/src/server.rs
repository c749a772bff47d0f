//! The edge: connections in, webhooks out, and the clock.
//!
//! The only module that does IO. Requests are done one at a time under one lock, which costs
//! microseconds each; waiting happens outside of it.

use crate::account::Account;
use crate::form::Form;
use crate::gate::{self, Outcome, Ticket};
use crate::request::{Answer, Request};
use crate::webhooks::{self, PATIENCE_OF_ONE, Ready};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::{TcpListener, TcpStream};

/// The largest body that is read; Stripe's requests are small.
const BODY_MAX: usize = 1 << 20;

/// What time it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    /// This time, in milliseconds since the epoch, until it is moved.
    Manual(i64),
    /// The machine's.
    Wall,
}

/// How often a stand-in by the wall's clock looks for what is due.
const TICK: Duration = Duration::from_millis(50);

/// The account with its clock and its way out.
#[derive(Debug)]
pub(crate) struct Shared {
    account: Mutex<Account>,
    wall: bool,
    client: Client<HttpConnector, Full<Bytes>>,
    /// One advance at a time, with its deliveries.
    advancing: tokio::sync::Mutex<()>,
}

/// A connection that ends without an answer.
#[derive(Debug, thiserror::Error)]
#[error("the connection ends without an answer")]
struct Cut;

impl Shared {
    pub(crate) fn new(account: Account, wall: bool) -> Self {
        Self {
            account: Mutex::new(account),
            wall,
            client: Client::builder(TokioExecutor::new()).build_http(),
            advancing: tokio::sync::Mutex::default(),
        }
    }

    /// The account, at the present time.
    pub(crate) fn account(&self) -> MutexGuard<'_, Account> {
        let mut account = self.account.lock().unwrap_or_else(PoisonError::into_inner);
        if self.wall {
            account.advance(wall_time());
        }
        account
    }

    /// Moves the clock, and sends what became due.
    pub(crate) async fn advance(&self, to: i64) {
        let _one = self.advancing.lock().await;
        self.account().advance(to);
        loop {
            let ready = webhooks::next(&mut self.account());
            let Some(ready) = ready else {
                return;
            };
            if !self.send(&ready).await {
                webhooks::again(&mut self.account(), ready);
            }
        }
    }

    /// Whether the receiver took a delivery.
    async fn send(&self, ready: &Ready) -> bool {
        let request = hyper::Request::post(&ready.url)
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header("stripe-signature", &ready.signature)
            .body(Full::from(ready.body.clone()));
        let Ok(request) = request else {
            return false;
        };
        let response = tokio::time::timeout(PATIENCE_OF_ONE, self.client.request(request)).await;
        matches!(response, Ok(Ok(response)) if response.status().is_success())
    }
}

/// Milliseconds since the epoch, by the machine.
///
/// # Panics
/// When the machine's clock is before 1970.
pub(crate) fn wall_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.expect("the machine's clock is past 1970");
    i64::try_from(since.as_millis()).expect("milliseconds of this age fit 64 bits")
}

/// Serves connections until the future is dropped.
pub(crate) async fn run(listener: TcpListener, shared: Arc<Shared>) {
    if shared.wall {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            loop {
                shared.advance(wall_time()).await;
                tokio::time::sleep(TICK).await;
            }
        });
    }
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, Arc::clone(&shared)));
        }
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // Small answers go out at once; if that cannot be had they only go later.
    let _ = stream.set_nodelay(true);
    let reset = Arc::new(AtomicBool::new(false));
    let service =
        service_fn(|request| Box::pin(respond(Arc::clone(&shared), Arc::clone(&reset), request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // An error is how a connection without an answer ends, and how clients go.
    let _ = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    if reset.load(Ordering::Relaxed) {
        let stream = connection.into_parts().io.into_inner();
        let _ = stream.set_zero_linger();
    }
}

async fn respond(
    shared: Arc<Shared>,
    reset: Arc<AtomicBool>,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Cut> {
    let request = read(request).await?;
    if request.path.starts_with("/_test/") {
        return Ok(response(&control(&shared, &request).await, &request));
    }
    let entered = gate::enter(&mut shared.account(), request.clone());
    let outcome = match entered {
        Err(outcome) => outcome,
        Ok(ticket) => work(&shared, ticket).await,
    };
    match outcome {
        Outcome::Answer(answer) => Ok(response(&answer, &request)),
        Outcome::Reset => {
            reset.store(true, Ordering::Relaxed);
            Err(Cut)
        }
        Outcome::Silence => {
            let hold = shared.account().settings.faults.timeout_hold;
            if !hold.is_zero() {
                tokio::time::sleep(hold).await;
            }
            Err(Cut)
        }
    }
}

/// Ends what was let in, also when its client goes while it is in work.
async fn work(shared: &Arc<Shared>, ticket: Ticket) -> Outcome {
    struct InWork(Arc<Shared>, Option<Ticket>);
    impl Drop for InWork {
        fn drop(&mut self) {
            if let Some(ticket) = self.1.take() {
                gate::abandon(&mut self.0.account(), &ticket);
            }
        }
    }
    let mut in_work = InWork(Arc::clone(shared), Some(ticket));
    let time = shared.account().settings.work;
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
    let ticket = in_work.1.take().expect("only the end of work takes it");
    gate::finish(&mut shared.account(), &ticket)
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Cut> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, BODY_MAX)
        .collect()
        .await
        .map_err(|_| Cut)?;
    let text = |name: &str| {
        let value = head.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    Ok(Request {
        method: head.method.as_str().to_owned(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8(body.to_bytes().into()).map_err(|_| Cut)?,
        key: api_key(&head.headers),
        idempotency_key: text("idempotency-key"),
        version: text("stripe-version"),
    })
}

/// "Authentication to the API is performed via HTTP Basic Auth. Provide your API key as the
/// basic auth username value." Or by "bearer auth". (<https://docs.stripe.com/api/authentication>)
fn api_key(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    if let Some(key) = value.strip_prefix("Bearer ") {
        return Some(key.to_owned());
    }
    let decoded = STANDARD.decode(value.strip_prefix("Basic ")?).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    Some(text.split(':').next().unwrap_or_default().to_owned())
}

/// What no Stripe has: `GET /_test/clock`, the time in milliseconds; `POST /_test/clock` with
/// `seconds` to go on by, or `to` in milliseconds; `POST /_test/webhooks` with `url` and `secret`.
async fn control(shared: &Shared, request: &Request) -> Answer {
    let form = Form::parse(&request.body);
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/_test/clock") => {}
        ("POST", "/_test/clock") => {
            let now = shared.account().now();
            let by = form.integer("seconds").ok().flatten();
            let to = form.integer("to").ok().flatten();
            let Some(to) = to.or(by.map(|seconds| now + seconds * 1_000)) else {
                return Answer::json(400, &serde_json::json!({ "error": "seconds or to" }));
            };
            shared.advance(to).await;
        }
        ("POST", "/_test/webhooks") => {
            let settings = &mut shared.account().settings.webhooks;
            settings.url = form.get("url").map(str::to_owned);
            if let Some(secret) = form.get("secret") {
                settings.secrets = vec![secret.to_owned()];
            }
        }
        _ => return Answer::json(404, &serde_json::json!({ "error": "no such control" })),
    }
    let now = shared.account().now();
    Answer::json(200, &serde_json::json!({ "now": now }))
}

fn response(answer: &Answer, request: &Request) -> hyper::Response<Full<Bytes>> {
    let mut response = hyper::Response::builder()
        .status(answer.status)
        .header(CONTENT_TYPE, "application/json")
        .header("request-id", "req_fake");
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    for (name, value) in [
        ("stripe-version", &request.version),
        ("idempotency-key", &request.idempotency_key),
    ] {
        if let Some(value) = value {
            response = response.header(name, value);
        }
    }
    response
        .body(Full::new(answer.body.clone()))
        .expect("names and values came from headers or from here")
}
