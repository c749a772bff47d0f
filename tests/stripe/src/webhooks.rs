//! Deliveries of events: when, how often, and signed how.
//!
//! "Stripe doesn't guarantee the delivery of events in the order that they're generated."
//! "Webhook endpoints might occasionally receive the same event more than once."
//! (<https://docs.stripe.com/webhooks>) "Stripe automatically resends the undelivered events to your
//! endpoint for up to three days"
//! (<https://docs.stripe.com/webhooks/process-undelivered-events>). The sending itself is the edge's.

use crate::account::Account;
use crate::settings::{DAY, MINUTE};
use aws_lc_rs::hmac;
use rand::Rng;
use std::collections::BTreeMap;

/// How long a delivery that fails is tried again.
const PATIENCE: i64 = 3 * DAY;

/// The first pause between two attempts; each further one is twice as long.
const FIRST_PAUSE: i64 = MINUTE;

/// How long a receiver may take, by the wall.
pub(crate) const PATIENCE_OF_ONE: std::time::Duration = std::time::Duration::from_secs(10);

/// An event on its way to the receiver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Delivery {
    body: String,
    published_at: i64,
    pause: i64,
}

/// A delivery whose time has come, ready to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Ready {
    pub(crate) url: String,
    pub(crate) signature: String,
    pub(crate) body: String,
    delivery: Delivery,
}

/// What is to be delivered, by time.
#[derive(Debug, Default)]
pub(crate) struct Deliveries(BTreeMap<(i64, u64), Delivery>, u64);

impl Deliveries {
    fn add(&mut self, at: i64, delivery: Delivery) {
        self.1 += 1;
        self.0.insert((at, self.1), delivery);
    }
}

/// Plans the deliveries of an event; none without a receiver.
pub(crate) fn schedule(account: &mut Account, body: String) {
    if account.settings.webhooks.url.is_none() {
        return;
    }
    let now = account.now();
    let repeated = account
        .random
        .random_bool(account.settings.webhooks.repeated.clamp(0.0, 1.0));
    for _ in 0..=u8::from(repeated) {
        let delay = account.delay(account.settings.webhooks.delay_max);
        let delivery = Delivery {
            body: body.clone(),
            published_at: now,
            pause: FIRST_PAUSE,
        };
        account.events.deliveries.add(now + delay, delivery);
    }
}

/// The next delivery whose time has come.
pub(crate) fn next(account: &mut Account) -> Option<Ready> {
    let now = account.now();
    let entry = account.events.deliveries.0.first_entry()?;
    if entry.key().0 > now {
        return None;
    }
    let delivery = entry.remove();
    let webhooks = &account.settings.webhooks;
    Some(Ready {
        url: webhooks.url.clone()?,
        signature: signature(&webhooks.secrets, account.seconds(), &delivery.body),
        body: delivery.body.clone(),
        delivery,
    })
}

/// Plans another attempt of a delivery that was not taken.
pub(crate) fn again(account: &mut Account, ready: Ready) {
    let mut delivery = ready.delivery;
    let at = account.now() + delivery.pause;
    delivery.pause *= 2;
    if at <= delivery.published_at + PATIENCE {
        account.events.deliveries.add(at, delivery);
    }
}

/// `t=…,v1=…` with a `v1` for each secret.
///
/// "The `signed_payload` string is created by concatenating: the timestamp (as a string), the
/// character `.`, the actual JSON payload". "Compute an HMAC with the SHA256 hash function. Use the
/// endpoint's signing secret as the key". While a secret is rolled, "Stripe generates one signature
/// for each secret until expiration". (<https://docs.stripe.com/webhooks/signature>)
fn signature(secrets: &[String], seconds: i64, body: &str) -> String {
    let signed = format!("{seconds}.{body}");
    let mut header = format!("t={seconds}");
    for secret in secrets {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        header.push_str(",v1=");
        let digits = hmac::sign(&key, signed.as_bytes());
        header.extend(digits.as_ref().iter().map(|byte| format!("{byte:02x}")));
    }
    header
}
