//! Rows of `audit_log`: what the control log says, for people, with nothing secret in it.

use super::columns;
use clickhouse::Row;
use meterline_core::control::{ControlRecord, Decision};
use meterline_core::position::{Offset, TopicId};
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One record of the control log.
#[derive(Clone, PartialEq, Eq, Debug, Row, Serialize, Deserialize)]
pub struct AuditRow {
    /// Incarnation of `meterline.control`.
    #[serde(with = "columns::topic_id")]
    pub topic_id: TopicId,
    /// Offset of the record.
    pub offset: Offset,
    /// When the broker took it.
    pub append_time: LogTime,
    /// What was decided; see [`Decision::KINDS`].
    pub kind: String,
    /// What it is about; see [`subject`].
    pub id: String,
    /// Who wrote it.
    pub actor: String,
    /// Why, in the actor's words.
    pub note: String,
    /// From where; empty where it is not said.
    pub origin: String,
    /// 1 where it took effect.
    pub in_force: u8,
    /// Offset of the record that it names as the head of its chain.
    pub follows: Option<Offset>,
    /// The decision as JSON, without secrets.
    pub body: String,
}

impl AuditRow {
    /// The row of the record at an offset.
    #[must_use]
    pub fn new(
        topic_id: TopicId,
        offset: Offset,
        append_time: LogTime,
        record: &ControlRecord,
        is_in_force: bool,
    ) -> Self {
        let decision = &record.decision;
        let origin = match decision {
            Decision::Account(change) => change.origin.as_str(),
            _ => "",
        };
        Self {
            topic_id,
            offset,
            append_time,
            kind: decision.kind().to_owned(),
            id: subject(decision),
            actor: record.actor.clone(),
            note: record.note.clone(),
            origin: origin.to_owned(),
            in_force: is_in_force.into(),
            follows: record.head,
            body: body(decision),
        }
    }
}

/// What a decision is about: the name of the catalog or topic, the partition (of a verdict with
/// its offset, after a colon), the account, the key, the route or the event's id.
#[must_use]
pub fn subject(decision: &Decision) -> String {
    match decision {
        Decision::Catalog(content) => content.catalog.name.clone(),
        Decision::Topic(created) => created.topic.clone(),
        Decision::Adoption(adoption) => adoption.log_partition.to_string(),
        Decision::Verdict(verdict) => format!("{}:{}", verdict.log_partition, verdict.offset),
        Decision::Account(change) => change.account.clone(),
        Decision::ApiKey(key) => key.id.clone(),
        Decision::Route(route) => route.id.clone(),
        Decision::Void(void) => void.id.clone(),
    }
}

/// The decision as JSON: without hashes of keys, without what may be secret in an address, and
/// without a catalog's source, which says the same again.
fn body(decision: &Decision) -> String {
    let mut value = serde_json::to_value(decision).expect("decisions are plain data");
    match decision {
        Decision::Catalog(_) => remove(&mut value, "source"),
        Decision::ApiKey(_) => {
            remove(&mut value, "hash");
            if let Some(previous) = value.get_mut("previous") {
                remove(previous, "hash");
            }
        }
        Decision::Route(_) => {
            if let Some(url) = value.pointer_mut("/target/webhook/url") {
                *url = Value::from(origin_of(url.as_str().unwrap_or_default()));
            }
        }
        Decision::Topic(_)
        | Decision::Adoption(_)
        | Decision::Verdict(_)
        | Decision::Account(_)
        | Decision::Void(_) => {}
    }
    value.to_string()
}

fn remove(value: &mut Value, field: &str) {
    if let Some(fields) = value.as_object_mut() {
        fields.remove(field);
    }
}

/// Scheme, host and port of an address: receivers put tokens into the rest, and into what stands
/// before an `@`.
fn origin_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/…")
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::account::{ApiKey, PreviousHash, Role, Route, Target, TenantScope};
    use meterline_core::catalog::plans::Severity;

    const SECRET: &str = "5eb63bbbe01eeed093cb22bb8f5acdc3";

    fn row(decision: Decision) -> AuditRow {
        let record = ControlRecord {
            write_id: 1,
            actor: "admin@example.com".to_owned(),
            note: "because".to_owned(),
            head: Some(4),
            decision,
        };
        AuditRow::new(TopicId(9), 7, LogTime(8), &record, true)
    }

    fn key() -> ApiKey {
        ApiKey {
            id: "k1k1k1k1k1k1".to_owned(),
            name: "gateway".to_owned(),
            hash: SECRET.to_owned(),
            previous: Some(PreviousHash {
                hash: SECRET.to_owned(),
                until: LogTime(5),
            }),
            roles: vec![Role::Check],
            tenants: TenantScope::All,
            rate: None,
            revoked: false,
            expires: None,
        }
    }

    fn route(url: &str) -> Route {
        Route {
            id: "ops".to_owned(),
            account: None,
            meters: Vec::new(),
            severity: Severity::Warning,
            target: Target::Webhook {
                url: url.to_owned(),
                generation: 3,
                previous_until: None,
            },
            enabled: true,
        }
    }

    #[test]
    fn hashes_of_keys_are_left_out() {
        let row = row(Decision::ApiKey(Box::new(key())));
        assert!(!row.body.contains(SECRET), "{}", row.body);
        assert_eq!(
            (row.kind.as_str(), row.id.as_str()),
            ("api_key", "k1k1k1k1k1k1")
        );
        let body: Value = serde_json::from_str(&row.body).expect("JSON");
        assert_eq!(body["roles"], serde_json::json!(["check"]));
        assert_eq!(body["previous"], serde_json::json!({"until": 5}));
    }

    #[test]
    fn of_an_address_only_its_origin_is_there() {
        for (url, expected) in [
            (
                "https://hooks.example.com:8443/T0/5eb63?a=1",
                "https://hooks.example.com:8443/…",
            ),
            (
                "https://u:5eb63@hooks.example.com/x@y",
                "https://hooks.example.com/…",
            ),
            (
                "https://hooks.example.com?5eb63",
                "https://hooks.example.com/…",
            ),
            ("5eb63@nonsense", "://nonsense/…"),
        ] {
            let row = row(Decision::Route(Box::new(route(url))));
            let body: Value = serde_json::from_str(&row.body).expect("JSON");
            assert_eq!(body["target"]["webhook"]["url"], expected, "{url}");
            assert!(!row.body.contains("5eb63"), "{}", row.body);
        }
    }
}
