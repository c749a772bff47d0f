//! A receiver of webhooks: takes everything, and keeps what it was told.
//!
//! Whether signatures are right is shown by the tests of the crate that signs.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// Listens on a port of its own until the process ends.
#[derive(Debug)]
pub(crate) struct Receiver {
    url: String,
    alerts: Arc<Mutex<Vec<Value>>>,
}

impl Receiver {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let url = format!("http://{}/", listener.local_addr().expect("it listens"));
        let alerts = Arc::default();
        let kept = Arc::clone(&alerts);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                // A sender that is killed leaves half a request; the next one is another thread's.
                std::thread::spawn(move || while serve(&stream, &kept).is_some() {});
            }
        });
        Self { url, alerts }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// All alerts so far, as they came; repeats too.
    pub(crate) fn alerts(&self) -> Vec<Value> {
        let alerts = self.alerts.lock();
        alerts.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes one request of a connection; `None` at its end.
fn serve(stream: &TcpStream, kept: &Mutex<Vec<Value>>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
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
    reader.read_exact(&mut body).ok()?;
    let document: Value = serde_json::from_slice(&body).expect("a webhook's body is JSON");
    let alerts = document["data"]["alerts"]
        .as_array()
        .expect("a list of alerts");
    let mut held = kept.lock().unwrap_or_else(PoisonError::into_inner);
    held.extend(alerts.iter().cloned());
    drop(held);
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").ok()
}
