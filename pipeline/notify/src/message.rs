//! What receivers are sent: one JSON document for webhooks and topics, one text for mailboxes.
//!
//! Both follow from the alerts alone, so a repeat is the same document under the same id. Names
//! come from producers: what goes into an e-mail's header is one short line, whatever they hold.

use crate::alert::Alert;
use chrono::{DateTime, SecondsFormat};
use meterline_core::alert::AlertState;
use meterline_core::catalog::plans::Severity;
use meterline_core::hash::content_hash;
use meterline_core::limits::{Exact, Percentage};
use meterline_core::quantity::Quantity;
use meterline_core::time::EventTime;
use serde::Serialize;
use std::fmt::Write as _;
use std::sync::Arc;

/// The type of every document.
const TYPE: &str = "usage.alerts";
/// Longest part of a subject that a name takes.
const NAME_CHARS_MAX: usize = 80;

/// Some alerts, as they are sent together.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Its id: that of its alert, or derived from those of its alerts.
    pub id: String,
    alerts: Vec<Arc<Alert>>,
}

#[derive(Serialize)]
struct Document<'a> {
    r#type: &'static str,
    timestamp: String,
    data: Alerts<'a>,
}

#[derive(Serialize)]
struct Alerts<'a> {
    alerts: Vec<Entry<'a>>,
}

/// An alert as receivers read it.
#[derive(Serialize)]
struct Entry<'a> {
    id: String,
    kind: &'a str,
    severity: &'static str,
    state: &'static str,
    episode: u32,
    tenant: &'a str,
    meter: &'a str,
    period_start: String,
    period_end: String,
    threshold: &'a str,
    percentage: String,
    used: Quantity,
    limit: Quantity,
    plan: &'a str,
    decided_at: String,
    message: String,
}

impl Message {
    /// A message of these alerts, at least one.
    pub(crate) fn new(alerts: Vec<Arc<Alert>>) -> Self {
        let id = match alerts.as_slice() {
            [alert] => alert.id,
            many => {
                let mut ids: Vec<_> = many.iter().map(|alert| alert.id.to_be_bytes()).collect();
                ids.sort_unstable();
                content_hash(&ids.concat())
            }
        };
        Self {
            id: hex(id),
            alerts,
        }
    }

    /// The document.
    pub(crate) fn json(&self) -> Vec<u8> {
        let newest = self.alerts.iter().map(|alert| alert.appended).max();
        let document = Document {
            r#type: TYPE,
            timestamp: rfc3339(newest.unwrap_or_default().as_event_time()),
            data: Alerts {
                alerts: self.alerts.iter().map(|alert| entry(alert)).collect(),
            },
        };
        serde_json::to_vec(&document).expect("texts and numbers can be written")
    }

    /// The subject of the e-mail: one line.
    pub(crate) fn subject(&self) -> String {
        let severities = self.alerts.iter().map(|alert| alert.severity);
        let severity = severities.max().unwrap_or(Severity::Info).name();
        let [first, rest @ ..] = self.alerts.as_slice() else {
            return String::new();
        };
        let tenant = line(&first.tenant);
        if rest.is_empty() {
            let meter = line(&first.meter);
            let share = percentage(first);
            return match first.state {
                AlertState::Opened => format!("[{severity}] {tenant}: {meter} at {share}%"),
                AlertState::Resolved => {
                    format!("[resolved] {tenant}: {meter} back at {share}%")
                }
            };
        }
        let count = self.alerts.len();
        if rest.iter().all(|alert| alert.tenant == first.tenant) {
            format!("[{severity}] {tenant}: {count} alerts")
        } else {
            format!("[{severity}] {count} alerts of several tenants")
        }
    }

    /// The text of the e-mail.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for alert in &self.alerts {
            // Writing to a text does not fail.
            let _ = write_alert(&mut text, alert);
        }
        text
    }
}

/// An id as it is written everywhere.
pub(crate) fn hex(id: u128) -> String {
    format!("{id:032x}")
}

fn entry(alert: &Alert) -> Entry<'_> {
    Entry {
        id: hex(alert.id),
        kind: &alert.kind,
        severity: alert.severity.name(),
        state: alert.state.name(),
        episode: alert.episode,
        tenant: &alert.tenant,
        meter: &alert.meter,
        period_start: rfc3339(alert.period_start),
        period_end: rfc3339(alert.period_end),
        threshold: &alert.threshold,
        percentage: percentage(alert).to_string(),
        used: alert.used,
        limit: alert.limit,
        plan: &alert.plan,
        decided_at: rfc3339(alert.appended.as_event_time()),
        message: sentence(alert),
    }
}

fn percentage(alert: &Alert) -> Percentage {
    Percentage(Exact::from(alert.used).tenths_of_percent(alert.limit))
}

/// What happened, for people.
fn sentence(alert: &Alert) -> String {
    let (meter, share) = (&alert.meter, percentage(alert));
    match alert.state {
        AlertState::Opened => format!("{meter} usage is at {share}% of its limit"),
        AlertState::Resolved => format!("{meter} usage is back at {share}% of its limit"),
    }
}

fn write_alert(text: &mut String, alert: &Alert) -> std::fmt::Result {
    let (from, to) = (rfc3339(alert.period_start), rfc3339(alert.period_end));
    writeln!(text, "{}", line(&sentence(alert)))?;
    writeln!(text, "  tenant:    {}", line(&alert.tenant))?;
    writeln!(text, "  meter:     {}", line(&alert.meter))?;
    writeln!(text, "  used:      {} of {}", alert.used, alert.limit)?;
    writeln!(text, "  threshold: {}%", alert.threshold)?;
    writeln!(text, "  state:     {}", alert.state.name())?;
    writeln!(text, "  severity:  {}", alert.severity.name())?;
    writeln!(text, "  plan:      {}", line(&alert.plan))?;
    writeln!(text, "  period:    {from} to {to}")?;
    writeln!(text, "  alert:     {}", hex(alert.id))?;
    writeln!(text)
}

/// A name as one short line: control characters are replaced, and so is what is too long.
fn line(name: &str) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut short: String = name.chars().take(NAME_CHARS_MAX).map(clean).collect();
    if name.chars().nth(NAME_CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

fn rfc3339(time: EventTime) -> String {
    let time = DateTime::from_timestamp_micros(time.0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{alert, quantity};

    fn message(alerts: Vec<Alert>) -> Message {
        Message::new(alerts.into_iter().map(Arc::new).collect())
    }

    #[test]
    fn documents_say_all_of_an_alert() {
        let alert = Alert {
            used: quantity("850.5"),
            ..alert("acme", 1)
        };
        let document = String::from_utf8(message(vec![alert]).json()).expect("UTF-8");
        let expected = r#"{"type":"usage.alerts","timestamp":"2023-11-14T22:13:20.001Z","data":{"alerts":[{"id":"00000000000000000000000000000001","kind":"usage.threshold","severity":"warning","state":"opened","episode":1,"tenant":"acme","meter":"api_requests","period_start":"2023-11-01T00:00:00.000Z","period_end":"2023-12-01T00:00:00.000Z","threshold":"80","percentage":"85.1","used":"850.5","limit":"1000","plan":"free","decided_at":"2023-11-14T22:13:20.001Z","message":"api_requests usage is at 85.1% of its limit"}]}}"#;
        assert_eq!(document, expected);
    }

    #[test]
    fn bundles_have_an_id_of_their_own_whatever_the_order() {
        let id = |ids: &[u128]| message(ids.iter().map(|id| alert("acme", *id)).collect()).id;
        assert_eq!(id(&[1]), "00000000000000000000000000000001");
        assert_eq!(id(&[1, 2]), id(&[2, 1]));
        assert_ne!(id(&[1, 2]), id(&[1, 3]));
        assert_ne!(id(&[1, 2]), id(&[1]));
    }

    #[test]
    fn subjects_are_one_short_line() {
        let check = |alerts: Vec<Alert>, expected: &str| {
            assert_eq!(message(alerts).subject(), expected);
        };
        let acme = || alert("acme", 1);
        check(vec![acme()], "[warning] acme: api_requests at 80.0%");
        let resolved = Alert {
            state: AlertState::Resolved,
            used: quantity("795"),
            ..acme()
        };
        check(
            vec![resolved],
            "[resolved] acme: api_requests back at 79.5%",
        );
        let critical = Alert {
            severity: Severity::Critical,
            ..alert("acme", 2)
        };
        check(vec![acme(), critical], "[critical] acme: 2 alerts");
        let others = vec![acme(), alert("other", 3)];
        check(others, "[warning] 2 alerts of several tenants");
        let evil = alert("a\r\nBcc: victim@example.com", 4);
        check(
            vec![evil],
            "[warning] a\u{fffd}\u{fffd}Bcc: victim@example.com: api_requests at 80.0%",
        );
        let long = message(vec![alert(&"x".repeat(500), 5)]).subject();
        assert!(long.chars().count() < 120 && long.contains('…'), "{long}");
    }

    #[test]
    fn texts_hold_every_alert() {
        let text = message(vec![alert("acme", 1), alert("b\nc", 2)]).text();
        assert!(text.contains("00000000000000000000000000000001"), "{text}");
        assert!(text.contains("tenant:    b\u{fffd}c"), "{text}");
        assert_eq!(text.matches("api_requests usage is at 80.0%").count(), 2);
    }
}
