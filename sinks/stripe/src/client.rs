//! The client: one attempt for each call, and a deadline that is looked at where bytes are written.
//!
//! It never repeats a request, follows no redirect, asks no proxy of the environment, and reads
//! answers up to a bound. Invariant: a request that may no longer be written is not; after
//! permission nothing waits but the socket.
//!
//! Three places keep late bytes from Stripe. The body asks when a ready connection wants its bytes
//! ([`crate::body`]). A call that is given up drops its connection with what it had not written.
//! What the kernel has taken and cannot get rid of, it drops with the connection after
//! [`UNSENT_MAX`].

use crate::body::{GuardedBody, MayNotWrite, Progress, Watch};
use crate::failure::{Failure, bounded, judge};
use crate::request::{Parts, Read, Write};
use crate::settings::{Settings, SettingsError};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The version of the API whose forms are sent and read. In it values of meter events are decimals
/// of at most 15 significant digits
/// (<https://docs.stripe.com/changelog/dahlia/2026-04-22/billing-meter-event-values-validation>).
pub const STRIPE_VERSION: &str = "2026-04-22.dahlia";

/// Most bytes of an answer: a page of 100 invoices with ten lines each has about 1 MB.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// How long the kernel tries to get bytes to Stripe before it gives the connection up, by
/// `TCP_USER_TIMEOUT`; by default it would try for a quarter of an hour. It is far below the five
/// minutes after which a call without an answer counts as ended.
const UNSENT_MAX: Duration = Duration::from_secs(30);
/// Idle connections are given up before the other side or what is in between does.
const IDLE_MAX: Duration = Duration::from_secs(30);
/// How often the kernel asks whether the other side of an idle connection is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

const AGENT: &str = concat!("meterline/", env!("CARGO_PKG_VERSION"));

type Connections = legacy::Client<HttpsConnector<HttpConnector>, GuardedBody>;

/// The connection to one Stripe account. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    connections: Connections,
    turns: Arc<Semaphore>,
    settings: Arc<Settings>,
    authorization: HeaderValue,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Checks the settings. Nothing is sent: that Stripe is away shows in the first call.
    ///
    /// # Errors
    /// Settings that cannot be used, or no certificate authorities.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        let bearer = format!("Bearer {}", settings.api_key.expose());
        let mut authorization = HeaderValue::try_from(bearer).map_err(|_| SettingsError::Key)?;
        authorization.set_sensitive(true);
        let connections = legacy::Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(settings.connections_max)
            .build(connector(&settings)?);
        Ok(Self {
            connections,
            turns: Arc::new(Semaphore::new(settings.connections_max)),
            settings: Arc::new(settings),
            authorization,
        })
    }

    /// Sends a request that changes nothing, once.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn read<T: DeserializeOwned>(&self, request: &Read<T>) -> Result<T, Failure> {
        self.send(request.parts(), || true).await
    }

    /// Sends a request that changes something, once.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn write<T: DeserializeOwned>(&self, request: &Write<T>) -> Result<T, Failure> {
        self.send(request.parts(), || true).await
    }

    /// The same, if `may_write` still allows it when its bytes are about to be written: it is asked
    /// before a connection is asked for, and again when one that is ready takes the bytes. It must
    /// not block.
    ///
    /// # Errors
    /// [`Failure::DeadlinePassed`] once it says no; else see [`Failure`].
    pub async fn write_while<T: DeserializeOwned>(
        &self,
        request: &Write<T>,
        may_write: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<T, Failure> {
        self.send(request.parts(), may_write).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        parts: Parts,
        may_write: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<T, Failure> {
        let watch = Watch::default();
        let call = self.attempt(&parts, Box::new(may_write), &watch);
        let timeout = self.settings.answer_timeout;
        let answered = tokio::time::timeout(timeout, call).await;
        let body = answered.unwrap_or_else(|_| {
            let detail = format!("nothing within {timeout:?}");
            Err(not_answered(watch.progress(), detail))
        })?;
        parts.understood(&body, self.settings.api_key.expose())
    }

    /// One request and its whole answer, which is a 2xx.
    async fn attempt(
        &self,
        parts: &Parts,
        may_write: Box<dyn Fn() -> bool + Send + Sync>,
        watch: &Watch,
    ) -> Result<Bytes, Failure> {
        let turn = self.turns.acquire().await;
        let _turn = turn.expect("the turns are never closed");
        if !may_write() {
            return Err(Failure::DeadlinePassed);
        }
        let body = Bytes::from(parts.body.clone());
        if body.is_empty() {
            // No body will say when this one is on its way.
            watch.set(Progress::Given);
        }
        let request = self.request(parts, GuardedBody::new(body, may_write, watch.clone()));
        let response = self.connections.request(request?).await;
        let response = response.map_err(|error| self.broken(&error, watch))?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| {
            let detail = bounded(&error.to_string(), self.settings.api_key.expose());
            Failure::Unknown { detail }
        })?;
        let body = body.to_bytes();
        if head.status.is_success() {
            return Ok(body);
        }
        let limited_by = head.headers.get("stripe-rate-limited-reason");
        let limited_by = limited_by.and_then(|value| value.to_str().ok());
        let key = self.settings.api_key.expose();
        Err(judge(head.status.as_u16(), limited_by, &body, key))
    }

    fn request(
        &self,
        parts: &Parts,
        body: GuardedBody,
    ) -> Result<http::Request<GuardedBody>, Failure> {
        let uri = format!("{}{}", self.settings.origin(), parts.path_and_query);
        let mut request = http::Request::builder()
            .method(parts.method.clone())
            .uri(uri)
            .header(AUTHORIZATION, self.authorization.clone())
            .header(USER_AGENT, AGENT)
            .header("stripe-version", STRIPE_VERSION);
        if !parts.body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if let Some(key) = &parts.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        request.body(body).map_err(|error| Failure::Unsendable {
            what: parts.what.clone(),
            detail: error.to_string(),
        })
    }

    /// What a request without an answer is.
    fn broken(&self, error: &legacy::Error, watch: &Watch) -> Failure {
        let chain = || std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
        if chain().any(|error| error.is::<MayNotWrite>()) {
            return Failure::DeadlinePassed;
        }
        let texts: Vec<_> = chain().map(ToString::to_string).collect();
        let detail = bounded(&texts.join(": "), self.settings.api_key.expose());
        if error.is_connect() {
            return Failure::NotConnected { detail };
        }
        not_answered(watch.progress(), detail)
    }
}

fn not_answered(progress: Progress, detail: String) -> Failure {
    match progress {
        Progress::Waiting => Failure::NotConnected { detail },
        Progress::Refused => Failure::DeadlinePassed,
        Progress::Given => Failure::Unknown { detail },
    }
}

fn connector(settings: &Settings) -> Result<HttpsConnector<HttpConnector>, SettingsError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(settings.connect_timeout));
    tcp.set_keepalive(Some(KEEPALIVE));
    #[cfg(target_os = "linux")]
    tcp.set_tcp_user_timeout(Some(UNSENT_MAX));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(provider)
        .map_err(|error| SettingsError::Authorities {
            reason: error.to_string(),
        })?;
    // `check` has refused plain HTTP to all but loopback addresses.
    Ok(tls.https_or_http().enable_http1().wrap_connector(tcp))
}
