//! How a route tells, as callers write and read it: without what signs a webhook.

use meterline_core::account::Target;
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How long both secrets sign after a rotation: receivers need a moment to take the new one.
const ROTATION_MILLIS: i64 = 24 * 3_600_000;

/// How a route tells.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TargetBody {
    /// An HTTP POST by the rules of Standard Webhooks.
    Webhook(WebhookTarget),
    /// An e-mail.
    Email(EmailTarget),
    /// A record on a Kafka topic, keyed by tenant.
    Kafka(KafkaTarget),
}

/// Where to POST.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebhookTarget {
    /// The URL.
    url: String,
}

/// Whom to write to.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailTarget {
    /// The addresses; empty: the account's contacts.
    #[serde(default)]
    #[schema(required = false)]
    to: Vec<String>,
}

/// Where to publish.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KafkaTarget {
    /// The topic, with its whole name.
    topic: String,
}

impl TargetBody {
    /// As callers read it.
    pub(super) fn new(target: &Target) -> Self {
        match target {
            Target::Webhook { url, .. } => Self::Webhook(WebhookTarget { url: url.clone() }),
            Target::Email { to } => Self::Email(EmailTarget { to: to.clone() }),
            Target::Kafka { topic } => Self::Kafka(KafkaTarget {
                topic: topic.clone(),
            }),
        }
    }

    /// What is decided: a webhook keeps its secret's generation, unless that `rotates`.
    pub(super) fn target(self, before: Option<&Target>, rotates: bool, now: LogTime) -> Target {
        match (self, before) {
            (
                Self::Webhook(WebhookTarget { url }),
                Some(Target::Webhook {
                    generation,
                    previous_until,
                    ..
                }),
            ) => Target::Webhook {
                url,
                generation: generation.saturating_add(u32::from(rotates)),
                previous_until: match rotates {
                    true => Some(LogTime(now.0.saturating_add(ROTATION_MILLIS))),
                    false => *previous_until,
                },
            },
            (Self::Webhook(WebhookTarget { url }), _) => Target::Webhook {
                url,
                generation: 1,
                previous_until: None,
            },
            (Self::Email(EmailTarget { to }), _) => Target::Email { to },
            (Self::Kafka(KafkaTarget { topic }), _) => Target::Kafka { topic },
        }
    }
}
