//! The client against recorded answers, and against a registry that misbehaves.
//!
//! The answers have the shapes of the Confluent Schema Registry's API reference, version 7.

use super::*;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// How a fake registry answers one request.
enum Answers {
    /// Status and body.
    With(u16, String),
    /// Promises more than it sends.
    Cut,
    /// Says nothing until the caller gives up.
    Never,
}

/// Serves these answers, one connection each, and returns what was asked.
fn serve(answers: Vec<Answers>) -> (Url, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it listens");
    let url = Url::parse(&format!("http://{address}/apis/ccompat/v7/")).expect("an address");
    let thread = std::thread::spawn(move || {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().expect("a caller");
            asked.push(read_request(&mut stream));
            let text = match answer {
                Answers::With(status, body) => format!(
                    "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                ),
                Answers::Cut => {
                    "HTTP/1.1 200 X\r\ncontent-length: 50\r\n\r\n{\"schema\"".to_owned()
                }
                Answers::Never => {
                    // Ends when the caller closes the connection.
                    let _ = stream.read(&mut [0; 1]);
                    continue;
                }
            };
            // A caller that gave up is what some tests are about.
            let _ = stream.write_all(text.as_bytes());
        }
        asked
    });
    (url, thread)
}

/// Head of a request.
fn read_request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("a head is text")
}

fn ask(url: Url, which: &Which, login: Option<Login>) -> Result<Found, RegistryError> {
    let settings = Settings {
        url,
        login,
        timeout: Duration::from_secs(2),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let registry = Registry::new(settings).expect("a client");
    runtime.block_on(registry.schema(which))
}

fn answer(schema: &str, more: &str) -> Answers {
    let schema = serde_json::to_string(schema).expect("JSON");
    Answers::With(200, format!("{{\"schema\":{schema}{more}}}"))
}

fn refused(code: u32, message: &str) -> String {
    format!("{{\"error_code\":{code},\"message\":\"{message}\"}}")
}

fn subject(version: &str) -> Which {
    Which::Subject {
        name: "usage/events-value".to_owned(),
        version: version.to_owned(),
    }
}

#[test]
fn schemas_are_asked_for_by_id_or_subject() {
    let found = |id| Found {
        id,
        schema: "\"long\"".to_owned(),
    };
    let (url, asked) = serve(vec![answer("\"long\"", "")]);
    assert_eq!(ask(url, &Which::Id(7), None).expect("found"), found(7));
    let asked = asked.join().expect("served");
    assert!(
        asked[0].starts_with("GET /apis/ccompat/v7/schemas/ids/7 "),
        "{asked:?}"
    );
    assert!(!asked[0].to_lowercase().contains("authorization"));

    let more = r#","subject":"usage/events-value","version":3,"id":12,"schemaType":"AVRO""#;
    let (url, asked) = serve(vec![answer("\"long\"", more)]);
    let login = Login {
        user: "me".to_owned(),
        password: "secret".to_owned(),
    };
    assert!(!format!("{login:?}").contains("secret"));
    let answered = ask(url, &subject("latest"), Some(login));
    assert_eq!(answered.expect("found"), found(12));
    let asked = asked.join().expect("served");
    let line = "GET /apis/ccompat/v7/subjects/usage%2Fevents-value/versions/latest ";
    assert!(asked[0].starts_with(line), "{asked:?}");
    assert!(asked[0].contains("Basic bWU6c2VjcmV0"), "{asked:?}");
}

#[test]
fn references_are_put_in() {
    let whole = r#"{"type":"record","name":"acme.Use","fields":[{"name":"a","type":"acme.Id"}]}"#;
    let more = r#","references":[{"name":"acme.Id","subject":"ids","version":2}]"#;
    let id = r#"{"type":"fixed","name":"Id","namespace":"acme","size":16}"#;
    let of_subject = r#","subject":"ids","version":2,"id":1"#;
    let (url, asked) = serve(vec![answer(whole, more), answer(id, of_subject)]);
    let found = ask(url, &Which::Id(9), None).expect("found");
    assert!(found.schema.contains("\"size\":16"), "{}", found.schema);
    let asked = asked.join().expect("served");
    assert!(
        asked[1].starts_with("GET /apis/ccompat/v7/subjects/ids/versions/2 "),
        "{asked:?}"
    );
}

#[test]
fn what_a_registry_does_not_give_is_said() {
    let text = |status, body: String| vec![Answers::With(status, body)];
    let cases = [
        (
            text(404, refused(40403, "Schema not found")),
            "has no schema 7 (code 40403): Schema",
        ),
        (
            text(404, "<html>".to_owned()),
            "status 404: check that the address",
        ),
        (
            text(302, String::new()),
            "status 302: check that the address",
        ),
        (
            text(401, refused(401, "Unauthorized")),
            "status 401: check --user",
        ),
        (
            text(500, refused(50001, "store")),
            "status 500: try again later",
        ),
        (text(503, String::new()), "status 503: try again later"),
        (text(200, "{".to_owned()), "cannot be used: EOF"),
        (
            text(200, " ".repeat((1 << 20) + 1)),
            "has more than 1048576 bytes",
        ),
        (
            vec![answer("message X {}", r#","schemaType":"PROTOBUF""#)],
            "of type PROTOBUF",
        ),
        (vec![Answers::Cut], "its answer was cut"),
        (vec![Answers::Never], "it took too long"),
    ];
    for (answers, expected) in cases {
        let (url, _asked) = serve(answers);
        let error = ask(url, &Which::Id(7), None).expect_err(expected);
        assert!(
            error.to_string().contains(expected),
            "{error}, not {expected}"
        );
    }
    let nobody = Url::parse("http://127.0.0.1:1").expect("an address");
    let error = ask(nobody, &subject("3"), None).expect_err("nobody listens");
    let expected = "version 3 of subject `usage/events-value`: it cannot be reached";
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn endless_references_end() {
    let more = |n: usize| {
        let version = n + 1;
        format!(r#","references":[{{"name":"n{version}","subject":"s","version":{version}}}]"#)
    };
    let answers = (0..=100).map(|n| answer("\"long\"", &more(n))).collect();
    let (url, _asked) = serve(answers);
    let error = ask(url, &Which::Id(7), None).expect_err("too many");
    assert!(
        error.to_string().contains("more than 100 schemas"),
        "{error}"
    );
}
