//! A receiver of webhooks, by HTTP or HTTPS: keeps what it is told, and answers as it should.
//!
//! Whether signatures are right is shown by the tests of the crate that signs.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Listens on a port of its own until the process ends.
#[derive(Debug)]
pub(crate) struct Receiver {
    url: String,
    seen: Arc<Seen>,
}

#[derive(Debug)]
struct Seen {
    alerts: Mutex<Vec<Value>>,
    status: AtomicU16,
}

impl Receiver {
    /// Takes everything.
    pub(crate) fn start() -> Self {
        Self::listen("http", serve)
    }

    /// Takes everything that comes by TLS: PEM files of a certificate and its key.
    pub(crate) fn start_tls(certificate: &str, key: &str) -> Self {
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .unwrap_or_else(|e| panic!("{certificate}: {e}"));
        let key = PrivateKeyDer::from_pem_file(key).unwrap_or_else(|e| panic!("{key}: {e}"));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .expect("a certificate and its key");
        let config = Arc::new(config);
        Self::listen("https", move |stream, seen| {
            let tls = ServerConnection::new(Arc::clone(&config)).expect("the settings are right");
            serve(StreamOwned::new(tls, stream), seen);
        })
    }

    fn listen(scheme: &str, serve: impl Fn(TcpStream, &Seen) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it listens");
        let seen = Arc::new(Seen {
            alerts: Mutex::default(),
            status: AtomicU16::new(200),
        });
        let (kept, serve) = (Arc::clone(&seen), Arc::new(serve));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, serve) = (Arc::clone(&kept), Arc::clone(&serve));
                // A sender that is killed leaves half a request; the next one is another thread's.
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Self {
            url: format!("{scheme}://{address}/"),
            seen,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers with this status from here on; what comes is kept all the same.
    pub(crate) fn answer(&self, status: u16) {
        self.seen.status.store(status, Ordering::SeqCst);
    }

    /// All alerts so far, as they came; repeats too.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let alerts = self.seen.alerts.lock();
        alerts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes the requests of a connection up to its end.
fn serve(stream: impl Read + Write, seen: &Seen) {
    let mut stream = BufReader::new(stream);
    while let Some(alerts) = request(&mut stream) {
        let mut held = seen.alerts.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(alerts);
        drop(held);
        let status = seen.status.load(Ordering::SeqCst);
        let answer = format!("HTTP/1.1 {status} so\r\ncontent-length: 0\r\n\r\n");
        let stream = stream.get_mut();
        let sent = stream.write_all(answer.as_bytes());
        if sent.and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// The alerts of one request; `None` at the end of the connection.
fn request(stream: &mut impl BufRead) -> Option<Vec<Value>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    let document: Value = serde_json::from_slice(&body).expect("a webhook's body is JSON");
    let alerts = document["data"]["alerts"].as_array();
    Some(alerts.expect("a list of alerts").clone())
}
