//! A receiver of webhooks: an HTTP server that keeps what it is sent and answers as it is told.

use crate::TIMEOUT;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// How a path answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Behaviour {
    /// With this status.
    Status(u16),
    /// With a redirect to the path `elsewhere`.
    Redirect,
    /// Never.
    Hang,
    /// With 200 and a body without end.
    Endless,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

#[derive(Default)]
struct Seen {
    requests: Mutex<Vec<Request>>,
    behaviours: Mutex<BTreeMap<String, Behaviour>>,
    changed: Notify,
}

/// The server.
pub(crate) struct Receiver {
    port: u16,
    seen: Arc<Seen>,
    server: AbortHandle,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receiver {
    /// Starts one; every path answers 200 until told otherwise.
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("it listens").port();
        let seen = Arc::new(Seen::default());
        let router = Router::new().route("/{path}", any(answer));
        let router = router.with_state(Arc::clone(&seen));
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves");
        });
        Self {
            port,
            seen,
            server: server.abort_handle(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}/{path}", self.port)
    }

    /// The same by the host's name.
    pub(crate) fn url_by_name(&self, path: &str) -> String {
        format!("http://localhost:{}/{path}", self.port)
    }

    pub(crate) fn behaves(&self, path: &str, behaviour: Behaviour) {
        let mut behaviours = self.seen.behaviours.lock().expect("no test has panicked");
        behaviours.insert(path.to_owned(), behaviour);
    }

    /// What came to a path.
    pub(crate) fn requests(&self, path: &str) -> Vec<Request> {
        let requests = self.seen.requests.lock().expect("no test has panicked");
        let of_path = requests.iter().filter(|request| request.path == path);
        of_path.cloned().collect()
    }

    /// Waits until so many requests came to a path; answers them.
    pub(crate) async fn awaits(&self, path: &str, count: usize) -> Vec<Request> {
        let waiting = async {
            loop {
                let mut changed = std::pin::pin!(self.seen.changed.notified());
                changed.as_mut().enable();
                let requests = self.requests(path);
                if requests.len() >= count {
                    return requests;
                }
                changed.await;
            }
        };
        let found = tokio::time::timeout(TIMEOUT, waiting).await;
        found.unwrap_or_else(|_| panic!("{count} requests to {path}"))
    }
}

impl Request {
    /// The ids of the alerts in it.
    pub(crate) fn alerts(&self) -> Vec<u128> {
        let document: Value = serde_json::from_str(&self.body).expect("JSON");
        let alerts = document["data"]["alerts"].as_array().expect("alerts");
        let id = |alert: &Value| {
            let id = alert["id"].as_str().expect("an id");
            u128::from_str_radix(id, 16).expect("hexadecimal digits")
        };
        alerts.iter().map(id).collect()
    }
}

async fn answer(
    State(seen): State<Arc<Seen>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |(name, value): (&header::HeaderName, &header::HeaderValue)| {
        let value = value.to_str().expect("ASCII");
        (name.to_string(), value.to_owned())
    };
    let request = Request {
        path: path.clone(),
        headers: headers.iter().map(text).collect(),
        body: String::from_utf8(body.to_vec()).expect("UTF-8"),
    };
    let requests = seen.requests.lock();
    requests.expect("no test has panicked").push(request);
    seen.changed.notify_waiters();
    let behaviour = {
        let behaviours = seen.behaviours.lock().expect("no test has panicked");
        behaviours.get(&path).copied()
    };
    match behaviour.unwrap_or(Behaviour::Status(200)) {
        Behaviour::Status(status) => StatusCode::from_u16(status)
            .expect("a status")
            .into_response(),
        Behaviour::Redirect => {
            let to = [(header::LOCATION, "/elsewhere")];
            (StatusCode::TEMPORARY_REDIRECT, to).into_response()
        }
        Behaviour::Hang => std::future::pending().await,
        Behaviour::Endless => {
            let chunk = || Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 1_024]));
            let chunks = futures::stream::iter(std::iter::repeat_with(chunk));
            axum::body::Body::from_stream(chunks).into_response()
        }
    }
}
