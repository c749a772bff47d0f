//! Signatures, verified by the reference library of Standard Webhooks in a process of its own.

use crate::receiver::Request;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Whether each request carries a valid signature by the secret, and is dated now.
pub(crate) fn verified(requests: &[Request], secret: &str) -> Vec<bool> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/verify.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3");
    let requests = requests
        .iter()
        .map(|request| serde_json::json!({ "headers": request.headers, "body": request.body }));
    let asked = serde_json::json!({ "secret": secret, "requests": requests.collect::<Vec<_>>() });
    let mut input = child.stdin.take().expect("it is piped");
    input
        .write_all(asked.to_string().as_bytes())
        .expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "the verifier failed");
    serde_json::from_slice(&output.stdout).expect("it answers in JSON")
}
