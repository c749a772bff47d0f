//! The question to the API stage: `POST /v1/limits/check`.
//!
//! One attempt within its time; the answer is read up to a bound. Redirects are refused, because
//! they would carry the key elsewhere. The key is in no error.

use super::Reason;
use super::cache::Answer;
use super::settings::{Builder, CheckError};
use meterline_core::quantity::Quantity;
use reqwest::{Client, StatusCode, Url, redirect};
use serde::{Deserialize, Deserializer, Serialize};
use std::time::Duration;

/// Largest answer: one meter's is some 600 bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Age of an answer where the service does not know it: as old as matters to nobody.
const UNKNOWN_AGE: Duration = Duration::from_secs(86_400);
/// Path of the question under the service's address.
const PATH: &str = "v1/limits/check";

/// Where to ask, and with what.
#[derive(Debug)]
pub(super) struct Service {
    client: Client,
    url: Url,
    key: Key,
}

/// A key that is not shown.
struct Key(String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

/// No answer that can be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Nobody answered in time, or not in HTTP.
    #[error("the service did not answer")]
    Unanswered(#[source] reqwest::Error),
    /// An answer, but no verdict.
    #[error("the service answered with status {0}")]
    Status(StatusCode),
    /// A verdict that cannot be read.
    #[error("the service's answer cannot be read: {0}")]
    Unreadable(String),
}

#[derive(Serialize)]
struct Question<'a> {
    tenant: &'a str,
    meter: &'a str,
    quantity: Quantity,
}

#[derive(Deserialize)]
struct Wire {
    age_ms: Option<u64>,
    meters: [WireMeter; 1],
}

#[derive(Deserialize)]
struct WireMeter {
    allowed: bool,
    soft: bool,
    reason: String,
    #[serde(default)]
    room: Room,
    #[serde(default)]
    cap: String,
    /// Not said by a service of an earlier time: then uses are added up, which is stricter.
    #[serde(default)]
    measure: Option<String>,
    retry_after: Option<u64>,
}

/// What may still be used before any cap refuses.
#[derive(Default)]
enum Room {
    /// No cap would refuse.
    Endless,
    /// This much.
    Left(Quantity),
    /// It is not said: a service of another time.
    #[default]
    Unsaid,
}

impl<'de> Deserialize<'de> for Room {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => return Ok(Self::Endless),
            serde_json::Value::String(text) => text,
            _ => return Ok(Self::Unsaid),
        };
        let left = Quantity::parse(&text)
            .ok()
            .filter(|left| !left.is_negative());
        Ok(left.map_or(Self::Unsaid, Self::Left))
    }
}

impl Service {
    pub(super) fn new(settings: &Builder) -> Result<Self, CheckError> {
        let refuse = |problem| CheckError::Setting {
            setting: "url",
            problem,
        };
        let base = settings.url.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/{PATH}")).map_err(|_| refuse("is no address"))?;
        match url.scheme() {
            "https" => {}
            "http" if settings.plain => {}
            "http" => return Err(refuse("has no TLS: ask for that by `without_tls`")),
            _ => return Err(refuse("must begin with `https://`")),
        }
        if !settings.key.bytes().all(|b| b.is_ascii_graphic()) || settings.key.is_empty() {
            return Err(CheckError::Setting {
                setting: "key",
                problem: "is no API key",
            });
        }
        let client = Client::builder()
            .timeout(settings.timeout)
            .redirect(redirect::Policy::none())
            .build()
            .map_err(|source| CheckError::Http { source })?;
        Ok(Self {
            client,
            url,
            key: Key(settings.key.clone()),
        })
    }

    /// Asks once.
    pub(super) async fn ask(
        &self,
        tenant: &str,
        meter: &str,
        quantity: Quantity,
    ) -> Result<Answer, AskError> {
        let question = Question {
            tenant,
            meter,
            quantity,
        };
        let request = self.client.post(self.url.clone()).bearer_auth(&self.key.0);
        let response = request.json(&question).send().await;
        let mut response = response.map_err(|e| AskError::Unanswered(e.without_url()))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(unknown()),
            status => return Err(AskError::Status(status)),
        }
        let mut body = Vec::new();
        while let Some(piece) = response
            .chunk()
            .await
            .map_err(|e| AskError::Unanswered(e.without_url()))?
        {
            if body.len() + piece.len() > ANSWER_BYTES_MAX {
                return Err(AskError::Unreadable("it is too long".to_owned()));
            }
            body.extend_from_slice(&piece);
        }
        read(&body, quantity)
    }
}

fn unknown() -> Answer {
    Answer {
        allowed: false,
        soft: false,
        room: None,
        reason: Reason::Unknown,
        retry_after: None,
        age: Duration::ZERO,
        adds_up: true,
    }
}

fn read(body: &[u8], asked: Quantity) -> Result<Answer, AskError> {
    let wire: Wire =
        serde_json::from_slice(body).map_err(|error| AskError::Unreadable(error.to_string()))?;
    let [meter] = wire.meters;
    let reason = match meter.reason.as_str() {
        // What beyond the room would be refused for.
        _ if meter.allowed && meter.cap == "soft" => Reason::GraceOver,
        _ if meter.allowed => Reason::Limit,
        "hard_cap" => Reason::Limit,
        "grace_over" => Reason::GraceOver,
        "suspended" | "closed" => Reason::Account,
        "stale" => Reason::Stale,
        other => return Err(AskError::Unreadable(format!("reason `{other}`"))),
    };
    let counts = matches!(reason, Reason::Limit | Reason::GraceOver);
    let room = match meter.room {
        Room::Endless => None,
        Room::Left(room) => Some(room),
        // The answer holds for what was asked, and for nothing beyond.
        Room::Unsaid if meter.allowed => Some(asked),
        Room::Unsaid => Some(Quantity::ZERO),
    };
    Ok(Answer {
        allowed: meter.allowed,
        soft: meter.soft,
        room: room.filter(|_| counts),
        reason,
        retry_after: meter.retry_after.map(Duration::from_secs),
        age: wire.age_ms.map_or(UNKNOWN_AGE, Duration::from_millis),
        adds_up: meter.measure.as_deref() != Some("peak"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: &str, expected: Option<(bool, Option<&str>, Reason)>) {
        let mut wire = serde_json::json!({
            "tenant": "acme", "allowed": true, "age_ms": 1_500, "stale": false,
            "meters": [{
                "meter": "calls", "allowed": true, "soft": false, "reason": "within",
                "used": "10", "included": null, "limit": "100", "remaining": "90",
                "percentage": "10.0", "room": "90", "cap": "hard", "resets_at": "2026-12-01T00:00:00Z",
                "retry_after": null, "grace_until": null,
            }],
        });
        let changes: serde_json::Value = serde_json::from_str(change).expect("JSON");
        for (key, value) in changes.as_object().expect("an object") {
            wire["meters"][0][key] = value.clone();
        }
        let answer = read(wire.to_string().as_bytes(), Quantity::ONE).ok();
        let seen = answer.map(|a| (a.allowed, a.room.map(|q| q.to_string()), a.reason));
        let expected = expected.map(|(a, room, r)| (a, room.map(str::to_owned), r));
        assert_eq!(seen, expected, "{change}");
    }

    #[test]
    fn answers_are_read_by_their_reason_and_cap() {
        check("{}", Some((true, Some("90"), Reason::Limit)));
        check(
            r#"{"allowed": false, "reason": "hard_cap", "room": "2"}"#,
            Some((false, Some("2"), Reason::Limit)),
        );
        check(r#"{"room": null}"#, Some((true, None, Reason::Limit)));
        // A soft cap refuses where its grace ends.
        check(
            r#"{"cap": "soft", "soft": true, "reason": "soft_cap", "room": "1"}"#,
            Some((true, Some("1"), Reason::GraceOver)),
        );
        check(
            r#"{"allowed": false, "cap": "soft", "reason": "grace_over", "room": "4"}"#,
            Some((false, Some("4"), Reason::GraceOver)),
        );
        // Another quantity's cap concerns it, whatever its own terms say.
        check(
            r#"{"because": "credit", "remaining": "900", "room": "3.5"}"#,
            Some((true, Some("3.5"), Reason::Limit)),
        );
        check(
            r#"{"cap": "none", "limit": null, "remaining": null, "room": "7"}"#,
            Some((true, Some("7"), Reason::Limit)),
        );
        check(
            r#"{"allowed": false, "reason": "suspended"}"#,
            Some((false, None, Reason::Account)),
        );
        check(r#"{"allowed": false, "reason": "whatever"}"#, None);
    }

    #[test]
    fn without_a_room_that_can_be_read_only_what_was_asked_is_allowed() {
        for room in ["-1", "many", ""] {
            let change = format!("{{\"room\": \"{room}\"}}");
            check(&change, Some((true, Some("1"), Reason::Limit)));
        }
        check(r#"{"room": 0.1}"#, Some((true, Some("1"), Reason::Limit)));
        check(
            r#"{"allowed": false, "reason": "hard_cap", "room": {}}"#,
            Some((false, Some("0"), Reason::Limit)),
        );
        let missing = br#"{"age_ms": 1, "meters": [{
            "allowed": true, "soft": false, "reason": "within", "retry_after": null}]}"#;
        let answer = read(missing, Quantity::ONE).expect("an answer");
        assert_eq!(answer.room, Some(Quantity::ONE));
    }

    #[test]
    fn addresses_without_tls_are_refused_unless_asked_for() {
        let is_taken = |url: &str, plain: bool| {
            let builder = super::super::Checker::builder(url, "mlk_a_b");
            let builder = if plain {
                builder.without_tls()
            } else {
                builder
            };
            builder.connect().is_ok()
        };
        assert!(is_taken("https://usage.example/base/", false));
        assert!(!is_taken("http://127.0.0.1:8080", false));
        assert!(is_taken("http://127.0.0.1:8080", true));
        assert!(!is_taken("ftp://usage.example", true));
    }

    #[test]
    fn the_key_is_in_no_debug_text() {
        let builder = super::super::Checker::builder("https://usage.example", "mlk_a_secret");
        assert!(!format!("{builder:?}").contains("secret"));
        let checker = builder.connect().expect("a checker");
        assert!(!format!("{checker:?}").contains("secret"));
    }
}
