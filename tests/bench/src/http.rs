//! A kept HTTP/1.1 connection that blocks its thread: what a client costs least with.
//!
//! For the API on this machine only. It refuses what the API does not send: a body without a
//! length, an answer longer than a mebibyte.

use anyhow::{Context, Result, bail, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// No answer takes this long.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest answer.
const ANSWER_BYTES: usize = 1 << 20;

/// Where the token of the key is looked for: not among the arguments, which everybody can see.
const TOKEN: &str = "BENCH_TOKEN";

/// The token of the key that is used.
///
/// # Errors
/// Where the environment has none.
pub fn token() -> Result<String> {
    std::env::var(TOKEN).with_context(|| format!("{TOKEN} has no token of a key"))
}

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    /// `host` and `authorization`.
    headers: String,
    sent: Vec<u8>,
    received: Vec<u8>,
}

/// What was answered.
#[derive(Clone, Copy, Debug)]
pub struct Answer<'a> {
    /// Status code.
    pub status: u16,
    /// The body.
    pub body: &'a [u8],
}

impl Connection {
    /// Connects to `host:port`; every request carries the token.
    ///
    /// # Errors
    /// Where nobody listens.
    pub fn open(address: &str, token: &str) -> Result<Self> {
        let failed = || format!("failed to connect to {address}");
        let stream = TcpStream::connect(address).with_context(failed)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream,
            headers: format!("host: {address}\r\nauthorization: Bearer {token}\r\n"),
            sent: Vec::new(),
            received: Vec::new(),
        })
    }

    /// Sends a request in one piece and waits for its answer.
    ///
    /// # Errors
    /// Where the connection fails, or what comes is no answer.
    pub fn post(&mut self, path: &str, media_type: &str, body: &[u8]) -> Result<Answer<'_>> {
        self.sent.clear();
        let length = body.len();
        write!(
            self.sent,
            "POST {path} HTTP/1.1\r\n{}content-type: {media_type}\r\ncontent-length: {length}\r\n\r\n",
            self.headers
        )?;
        self.sent.extend_from_slice(body);
        self.stream.write_all(&self.sent)?;
        self.received.clear();
        let mut piece = [0; 16 << 10];
        loop {
            let count = self.stream.read(&mut piece)?;
            ensure!(count > 0, "the connection was closed instead of an answer");
            self.received.extend_from_slice(&piece[..count]);
            if let Some((status, head, length)) = head(&self.received)? {
                ensure!(length <= ANSWER_BYTES, "an answer of {length} bytes");
                if self.received.len() >= head + length {
                    let body = &self.received[head..head + length];
                    return Ok(Answer { status, body });
                }
            }
        }
    }
}

/// Status, length of the head, length of the body; `None` while the head is not there.
fn head(received: &[u8]) -> Result<Option<(u16, usize, usize)>> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&received[..end]).context("a head that is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let status = status.context("an answer without a status")?.parse()?;
    for line in lines {
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            return Ok(Some((status, end + 4, value.trim().parse()?)));
        }
    }
    bail!("an answer without a length: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_when_they_are_whole() {
        let text = b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 12\r\n\r\n";
        assert_eq!(head(text).expect("a head"), Some((429, text.len(), 12)));
        assert_eq!(head(&text[..text.len() - 1]).expect("half a head"), None);
        let endless = head(b"HTTP/1.1 200 OK\r\n\r\n");
        assert!(endless.is_err(), "{endless:?}");
    }
}
