//! An OpenTelemetry collector as small as it can be: takes OTLP over HTTP, decodes, keeps spans.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

/// What was taken: decoded spans, and every byte that came.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) spans: Vec<Span>,
    pub(crate) bytes: Vec<u8>,
}

/// A collector; its threads end with the test binary.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Taken>>,
}

impl Collector {
    /// Listens at a port of its own.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let taken: Arc<Mutex<Taken>> = Arc::default();
        let keep = Arc::clone(&taken);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let keep = Arc::clone(&keep);
                std::thread::spawn(move || serve(stream, &keep));
            }
        });
        Self { address, taken }
    }

    /// The value of `telemetry.otlp_endpoint`, in TOML.
    pub(crate) fn endpoint(&self) -> String {
        format!("\"http://{}\"", self.address)
    }

    /// Looks at what was taken.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Taken) -> T) -> T {
        look(&self.taken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A listener that takes connections and never answers.
pub(crate) fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it listens");
    (listener, format!("\"http://{address}\""))
}

/// Answers the requests of one connection.
fn serve(stream: TcpStream, taken: &Mutex<Taken>) {
    let mut answers = stream.try_clone().expect("a socket can be shared");
    let mut requests = BufReader::new(stream);
    while let Some(body) = read_request(&mut requests) {
        let request = ExportTraceServiceRequest::decode(body.as_slice()).expect("OTLP");
        let scopes = request
            .resource_spans
            .into_iter()
            .flat_map(|r| r.scope_spans);
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.spans.extend(scopes.flat_map(|scope| scope.spans));
        taken.bytes.extend(body);
        let answer =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The body of the next request; `None` at the connection's end.
fn read_request(from: &mut BufReader<TcpStream>) -> Option<Vec<u8>> {
    let mut line = String::new();
    from.read_line(&mut line).ok().filter(|read| *read > 0)?;
    assert!(line.starts_with("POST /v1/traces "), "{line}");
    let (mut length, mut kind) = (0, String::new());
    loop {
        let mut header = String::new();
        from.read_line(&mut header).ok()?;
        match header.trim_end().to_lowercase().split_once(": ") {
            None => break,
            Some(("content-length", text)) => length = text.parse().expect("a number"),
            Some(("content-type", text)) => text.clone_into(&mut kind),
            Some(_) => {}
        }
    }
    assert_eq!(kind, "application/x-protobuf");
    let mut body = vec![0; length];
    from.read_exact(&mut body).ok()?;
    Some(body)
}
