//! Secrets and signatures of webhooks, by Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).
//!
//! No secret is stored: each follows from the deployment's key, the route and a generation, so
//! every instance has it and whoever may see it can be shown it at any time.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meterline_clickhouse::Secret;

/// What the text form of a secret begins with.
const PREFIX: &str = "whsec_";

/// The secret that a route's requests are signed with, in the form that receivers' libraries take:
/// `whsec_` and 32 bytes in base64, HMAC-SHA256 of `route:<id>:<generation>` under the
/// deployment's key.
#[must_use]
pub fn webhook_secret(signing_key: &Secret, route_id: &str, generation: u32) -> Secret {
    let bytes = derive(signing_key, route_id, generation);
    Secret::new(format!("{PREFIX}{}", STANDARD.encode(bytes)))
}

/// The header `webhook-signature`: one signature for each generation, divided by spaces.
pub(crate) fn signatures(
    signing_key: &Secret,
    route_id: &str,
    generations: &[u32],
    (id, timestamp, body): (&str, i64, &[u8]),
) -> String {
    let signed = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let sign = |generation: &u32| {
        let secret = derive(signing_key, route_id, *generation);
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref());
        format!("v1,{}", STANDARD.encode(hmac::sign(&key, &signed)))
    };
    let signatures: Vec<_> = generations.iter().map(sign).collect();
    signatures.join(" ")
}

fn derive(signing_key: &Secret, route_id: &str, generation: u32) -> hmac::Tag {
    let key = hmac::Key::new(hmac::HMAC_SHA256, signing_key.expose().as_bytes());
    hmac::sign(&key, format!("route:{route_id}:{generation}").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Secret {
        Secret::new("0123456789abcdef0123456789abcdef")
    }

    #[test]
    fn secrets_follow_from_key_route_and_generation() {
        let secret = |key: &Secret, route, generation| {
            webhook_secret(key, route, generation).expose().to_owned()
        };
        // printf 'route:billing:1' | openssl dgst -sha256 -hmac "$KEY" -binary | base64
        let expected = "whsec_J2TGAT9d9fJ85dXQDX79vA55qRYa3CyG9LD43BbdDYA=";
        assert_eq!(secret(&key(), "billing", 1), expected);
        assert_ne!(secret(&key(), "billing", 2), expected);
        assert_ne!(secret(&key(), "billing2", 1), expected);
        assert_ne!(secret(&Secret::new("another key"), "billing", 1), expected);
    }

    #[test]
    fn each_generation_signs() {
        let message = ("msg", 1_700_000_000, br#"{"a":1}"#.as_slice());
        let both = signatures(&key(), "billing", &[2, 1], message);
        let one = |generation| signatures(&key(), "billing", &[generation], message);
        assert_eq!(both, format!("{} {}", one(2), one(1)));
        assert!(one(1).starts_with("v1,"));
    }
}
