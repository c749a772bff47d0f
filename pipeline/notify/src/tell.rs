//! One attempt: from what is due for a receiver to the outcomes of its alerts.

use crate::answer::{Answer, Verdict};
use crate::contract::{Directory, KafkaMessage, Outlet};
use crate::email::Mailer;
use crate::error::NotifyError;
use crate::ledger::{Attempt, QueueKey, Work};
use crate::message::Message;
use crate::rules::millis;
use crate::run::now;
use crate::settings::Settings;
use crate::target::check_target;
use crate::webhook::{Destination, Webhooks};
use meterline_core::account::{Route, Target};
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_core::time::{LogTime, Millis};
use std::sync::Arc;

/// What an expired notification is parked with.
const EXPIRED: &str = "not delivered in the time that is tried";

/// All that attempts are made with.
pub(crate) struct Teller {
    instance: Arc<str>,
    settings: Settings,
    directory: Arc<dyn Directory>,
    outlet: Arc<dyn Outlet>,
    webhooks: Webhooks,
    mailer: Option<Mailer>,
}

/// What became of an attempt.
#[derive(Debug)]
pub(crate) struct Told {
    pub outcomes: Vec<Delivery>,
    /// The receiver asked for a pause.
    pub pause: Option<Millis>,
}

impl Teller {
    pub(crate) fn new(
        settings: Settings,
        instance: Arc<str>,
        directory: Arc<dyn Directory>,
        outlet: Arc<dyn Outlet>,
    ) -> Result<Self, NotifyError> {
        let webhooks = Webhooks::new(&settings)?;
        let mailer = settings.smtp.as_ref().map(Mailer::new).transpose()?;
        Ok(Self {
            instance,
            settings,
            directory,
            outlet,
            webhooks,
            mailer,
        })
    }

    /// The route that the work is for, as it is now; `None` where it is none any more, or has
    /// other receivers than when the work was queued.
    pub(crate) fn route(&self, work: &Work) -> Option<Arc<Route>> {
        let route = self.directory.route(&work.key.receiver.route)?;
        let first = work.attempts.iter().chain(&work.expired).next()?;
        let is_same = QueueKey::of(&route, &first.alert.tenant) == *work.key;
        (route.enabled && is_same).then_some(route)
    }

    /// Tells the work's alerts in one bundle.
    pub(crate) async fn tell(&self, route: &Route, work: &Work) -> Told {
        let mut outcomes = self.park(work);
        if work.attempts.is_empty() {
            return Told {
                outcomes,
                pause: None,
            };
        }
        let alerts = work.attempts.iter();
        let message = Message::new(alerts.map(|attempt| Arc::clone(&attempt.alert)).collect());
        let answer = self.send(route, work, &message, now()).await;
        // Pauses count from the answer: a receiver that hangs has none otherwise.
        let at = now();
        let (outcome, pause) = match answer.verdict {
            Verdict::Delivered => (DeliveryOutcome::Delivered, None),
            Verdict::Park => (DeliveryOutcome::Parked, None),
            Verdict::Retry(pause) => (DeliveryOutcome::Failed, pause),
        };
        let attempts = work.attempts.iter();
        outcomes.extend(attempts.map(|a| self.outcome(work, a, at, outcome, &answer.detail)));
        let longest = self.settings.backoff_max;
        Told {
            outcomes,
            pause: pause.map(|pause| millis(pause.min(longest))),
        }
    }

    fn park(&self, work: &Work) -> Vec<Delivery> {
        let at = now();
        let expired = work.expired.iter();
        let parked = expired.map(|attempt| Delivery {
            attempt: attempt.before.max(1),
            ..self.outcome(work, attempt, at, DeliveryOutcome::Parked, EXPIRED)
        });
        parked.collect()
    }

    async fn send(&self, route: &Route, work: &Work, message: &Message, now: LogTime) -> Answer {
        // Settings may have changed since the route was set.
        if let Err(reason) = check_target(&route.target, &self.settings) {
            return Answer::retry(reason);
        }
        let first = work.attempts.first();
        let tenant = first.map_or("", |attempt| &*attempt.alert.tenant);
        match &route.target {
            Target::Webhook {
                url,
                generation,
                previous_until,
            } => {
                let to = Destination {
                    route: &route.id,
                    url,
                    generation: *generation,
                    previous_until: *previous_until,
                };
                self.webhooks.post(to, message, now).await
            }
            Target::Email { to } => match &self.mailer {
                None => Answer::retry("there is no mail server"),
                Some(mailer) if to.is_empty() => {
                    mailer.send(&self.directory.contacts(tenant), message).await
                }
                Some(mailer) => mailer.send(to, message).await,
            },
            Target::Kafka { topic } => {
                let record = record(topic, tenant, message, now);
                match self.outlet.publish(&record).await {
                    Ok(()) => Answer::delivered("acknowledged"),
                    Err(error) => Answer::retry(error.reason),
                }
            }
        }
    }

    fn outcome(
        &self,
        work: &Work,
        attempt: &Attempt,
        at: LogTime,
        outcome: DeliveryOutcome,
        detail: &str,
    ) -> Delivery {
        Delivery {
            notification: attempt.alert.id,
            tenant: attempt.alert.tenant.to_string(),
            route: work.key.receiver.route.to_string(),
            outcome,
            attempt: attempt.before.saturating_add(1),
            at,
            instance: self.instance.to_string(),
            detail: bounded(detail),
        }
    }
}

/// The record of a message: the same document and the same id as a webhook's.
fn record(topic: &str, tenant: &str, message: &Message, now: LogTime) -> KafkaMessage {
    KafkaMessage {
        topic: topic.to_owned(),
        key: tenant.to_owned(),
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("webhook-id", message.id.clone()),
            ("webhook-timestamp", now.0.div_euclid(1_000).to_string()),
        ],
        payload: message.json(),
    }
}

/// The first of a text, at most what a record keeps.
fn bounded(detail: &str) -> String {
    /// Enough for a reason, little enough for thousands of outcomes.
    const CHARS_MAX: usize = 200;
    detail.chars().take(CHARS_MAX).collect()
}
