//! Webhooks in: whether Stripe sent a body, and the event in it.
//!
//! Source: <https://docs.stripe.com/webhooks/signature>. The header `Stripe-Signature` is
//! `t=…,v1=…`, each `v1` the HMAC-SHA256 of `t.body` in hexadecimal; while a secret is rolled there
//! are several. Refuses bodies beyond a bound, times far from ours, and whatever no secret signed,
//! and says so without the body. Invariant: nothing of a body is read before a signature fits, and
//! signatures are compared in constant time.

use crate::requests::events::Event;
use aws_lc_rs::hmac;
use meterline_clickhouse::Secret;

/// How far the time in a signature may be from ours, in seconds, on either side: "Stripe's
/// libraries have a default tolerance of 5 minutes".
pub const TOLERANCE: i64 = 300;
/// Most bytes of a body; the largest snapshots, of invoices, have some 100 kB.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// Most signatures that are looked at: two while a secret is rolled, and room.
const SIGNATURES_MAX: usize = 16;

/// Why a webhook is not taken. None of them quotes the body, the header or a secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// Longer than [`BODY_BYTES_MAX`].
    #[error("the body is longer than {BODY_BYTES_MAX} bytes")]
    TooLong,
    /// No `t`, or no `v1` in hexadecimal.
    #[error("the header Stripe-Signature does not have the form t=…,v1=…")]
    Header,
    /// The time is too far from ours: an old delivery, or a wrong clock.
    #[error("the signature is of {seconds} s from now, more than {TOLERANCE} s; check the clock")]
    Time {
        /// Its time minus ours.
        seconds: i64,
    },
    /// No secret of ours signed it.
    #[error("no signature fits; check the webhook's signing secret")]
    Signature,
    /// Signed, but not an event as documented.
    #[error("the signed body is no event: {detail}")]
    Event {
        /// What is wrong, by line and column.
        detail: String,
    },
}

/// Checks a delivery by any of the endpoint's secrets (`whsec_…`) at a time, in seconds, and reads
/// its event.
///
/// # Errors
/// See [`Refused`].
pub fn verified(
    secrets: &[Secret],
    signature: &str,
    body: &[u8],
    now: i64,
) -> Result<Event, Refused> {
    if body.len() > BODY_BYTES_MAX {
        return Err(Refused::TooLong);
    }
    let header = Header::read(signature)?;
    let signed = [header.time_text.as_bytes(), b".", body].concat();
    let fits = |secret: &Secret| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        let mut signatures = header.signatures.iter();
        signatures.any(|signature| hmac::verify(&key, &signed, signature).is_ok())
    };
    // An empty secret is one that everybody knows.
    let mut secrets = secrets.iter().filter(|secret| !secret.expose().is_empty());
    if !secrets.any(fits) {
        return Err(Refused::Signature);
    }
    let seconds = header.time.saturating_sub(now);
    if seconds.unsigned_abs() > TOLERANCE.unsigned_abs() {
        return Err(Refused::Time { seconds });
    }
    serde_json::from_slice(body).map_err(|error| Refused::Event {
        // Its own text may quote the body.
        detail: format!(
            "{:?} error at line {} column {}",
            error.classify(),
            error.line(),
            error.column()
        ),
    })
}

struct Header<'a> {
    /// As it was signed: a text, not a number.
    time_text: &'a str,
    time: i64,
    signatures: Vec<Vec<u8>>,
}

impl<'a> Header<'a> {
    fn read(text: &'a str) -> Result<Self, Refused> {
        let mut time_text = None;
        let mut signatures = Vec::new();
        for (name, value) in text
            .split(',')
            .filter_map(|part| part.trim().split_once('='))
        {
            match name {
                "t" => time_text = Some(value),
                "v1" if signatures.len() < SIGNATURES_MAX => signatures.extend(decoded(value)),
                // Other schemes are passed over: "ignore all schemes that are not v1".
                _ => {}
            }
        }
        let time_text = time_text.ok_or(Refused::Header)?;
        let time = time_text.parse().map_err(|_| Refused::Header)?;
        if signatures.is_empty() {
            return Err(Refused::Header);
        }
        Ok(Self {
            time_text,
            time,
            signatures,
        })
    }
}

/// Bytes of hexadecimal digits.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let digits: Option<Vec<u32>> = text.as_bytes().iter().map(digit).collect();
    let pairs = digits?;
    let pairs = pairs.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high * 16 + low).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_812_800;
    const BODY: &str = r#"{"id":"evt_1","type":"invoice.created","created":1,
        "data":{"object":{"id":"in_1"}}}"#;

    fn v1(secret: &str, time: i64, body: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let digits = hmac::sign(&key, format!("{time}.{body}").as_bytes());
        let hex: String = digits.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        format!("v1={hex}")
    }

    fn check(secrets: &[&str], header: &str, body: &str) -> Result<String, Refused> {
        let secrets: Vec<_> = secrets.iter().map(|secret| Secret::new(*secret)).collect();
        verified(&secrets, header, body.as_bytes(), NOW).map(|event| event.id)
    }

    #[test]
    fn any_signature_by_any_secret_will_do() {
        let (old, new) = (v1("old", NOW, BODY), v1("new", NOW, BODY));
        let taken = Ok("evt_1".to_owned());
        assert_eq!(check(&["old"], &format!("t={NOW},{old}"), BODY), taken);
        let rolled = format!("t={NOW},{old},{new},v0=abc");
        assert_eq!(check(&["new"], &rolled, BODY), taken);
        assert_eq!(check(&["other", "old"], &rolled, BODY), taken);
        assert_eq!(check(&["other"], &rolled, BODY), Err(Refused::Signature));
        assert_eq!(check(&[], &rolled, BODY), Err(Refused::Signature));
    }

    #[test]
    fn a_body_or_a_time_that_was_not_signed_is_refused() {
        let header = format!("t={NOW},{}", v1("s", NOW, BODY));
        let changed = BODY.replace("in_1", "in_2");
        assert_eq!(check(&["s"], &header, &changed), Err(Refused::Signature));
        let moved = header.replace(&format!("t={NOW}"), &format!("t={}", NOW + 1));
        assert_eq!(check(&["s"], &moved, BODY), Err(Refused::Signature));
        let empty = format!("t={NOW},{}", v1("", NOW, BODY));
        assert_eq!(check(&[""], &empty, BODY), Err(Refused::Signature));
    }

    #[test]
    fn times_beyond_the_tolerance_are_refused_on_either_side() {
        for (seconds, taken) in [(-301, false), (-300, true), (300, true), (301, false)] {
            let time = NOW + seconds;
            let header = format!("t={time},{}", v1("s", time, BODY));
            let expected = if taken {
                Ok("evt_1".to_owned())
            } else {
                Err(Refused::Time { seconds })
            };
            assert_eq!(check(&["s"], &header, BODY), expected);
        }
    }

    #[test]
    fn headers_of_another_form_are_refused() {
        let good = v1("s", NOW, BODY);
        for header in [
            String::new(),
            good.clone(),
            format!("t={NOW}"),
            format!("t=soon,{good}"),
            format!("t={NOW},v1=xyz"),
            format!("t={NOW},v1=abc"),
            format!("t={NOW},v1"),
        ] {
            assert_eq!(
                check(&["s"], &header, BODY),
                Err(Refused::Header),
                "{header}"
            );
        }
    }

    #[test]
    fn a_signed_body_that_is_no_event_is_refused_without_quoting_it() {
        for body in ["hunter2", r#"{"id":"hunter2"}"#] {
            let header = format!("t={NOW},{}", v1("s", NOW, body));
            let refused = check(&["s"], &header, body).expect_err("no event");
            assert!(matches!(refused, Refused::Event { .. }), "{refused:?}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
        let long = " ".repeat(BODY_BYTES_MAX + 1);
        assert_eq!(check(&["s"], "", &long), Err(Refused::TooLong));
    }
}
