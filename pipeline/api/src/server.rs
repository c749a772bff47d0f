//! The accept loop: connections in, TLS where configured, a bounded end.
//!
//! Bounds before anything is parsed: how many connections, how long for a handshake and for the
//! headers of a request, how many headers of what size. Accepting waits while the bound of
//! connections is reached; the kernel's backlog holds who comes meanwhile.

use crate::error::ApiError;
use crate::settings::{Settings, Tls};
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use meterline_core::causes::chain;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// Longest time for a TLS handshake: some round trips of a slow network.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most headers of a request; ours need a handful, proxies add some.
const HEADERS_MAX: usize = 64;
/// Most bytes of a request's head.
const HEAD_BYTES: usize = 32 << 10;
/// How long accepting rests after an error of the system, such as no file left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where a connection comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// A listening server.
pub(crate) struct Server {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    settings: Settings,
}

impl Server {
    /// Listens, and reads certificate and key.
    ///
    /// # Errors
    /// [`ApiError::Listen`], [`ApiError::TlsFile`], [`ApiError::Tls`].
    pub(crate) async fn bind(settings: &Settings) -> Result<Self, ApiError> {
        let tls = settings.tls.as_ref().map(acceptor).transpose()?;
        let address = settings.listen;
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| ApiError::Listen { address, source })?;
        Ok(Self {
            listener,
            tls,
            settings: settings.clone(),
        })
    }

    /// The address it has, also where the settings left the port open.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap_or(self.settings.listen)
    }

    /// Serves until `shutdown` is ready, then lets running requests end within their time.
    pub(crate) async fn serve(self, router: Router, shutdown: impl Future<Output = ()>) {
        let graceful = GracefulShutdown::new();
        let room = Arc::new(Semaphore::new(self.settings.connections));
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            let accepted = tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&self.listener, &room) => accepted,
            };
            let (stream, peer, permit) = accepted;
            let connection = Connection {
                router: router.clone(),
                tls: self.tls.clone(),
                peer,
                header_timeout: self.settings.header_timeout,
                watcher: graceful.watcher(),
                _permit: permit,
            };
            tokio::spawn(connection.serve(stream));
        }
        drop(self.listener);
        let timeout = self.settings.stop_timeout;
        if tokio::time::timeout(timeout, graceful.shutdown())
            .await
            .is_err()
        {
            tracing::warn!(?timeout, "connections did not end in time and are cut");
        }
    }
}

/// The next connection, once there is room for one.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, SocketAddr, OwnedSemaphorePermit) {
    let permit = Arc::clone(room).acquire_owned().await;
    let permit = permit.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, permit),
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// One connection.
struct Connection {
    router: Router,
    tls: Option<TlsAcceptor>,
    peer: SocketAddr,
    header_timeout: Duration,
    watcher: Watcher,
    _permit: OwnedSemaphorePermit,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        // Answers are small: they must not wait for more to send.
        let _ = stream.set_nodelay(true);
        let Some(tls) = self.tls.clone() else {
            return self.speak(stream).await;
        };
        match tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
            Ok(Ok(stream)) => self.speak(stream).await,
            Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
            Err(_) => tracing::debug!("a TLS handshake took too long"),
        }
    }

    async fn speak(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let (router, peer) = (self.router, self.peer);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            router.clone().call(request)
        });
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.header_timeout)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(error = chain(&error), "a connection ended early");
        }
    }
}

/// TLS with the files of the settings.
fn acceptor(tls: &Tls) -> Result<TlsAcceptor, ApiError> {
    let failed = |what, path: &std::path::Path| {
        let path = path.to_owned();
        move |source| ApiError::TlsFile { what, path, source }
    };
    let certificates = CertificateDer::pem_file_iter(&tls.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(failed("the certificate", &tls.certificate))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(failed("the key", &tls.key))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(ApiError::Tls)?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(ApiError::Tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
