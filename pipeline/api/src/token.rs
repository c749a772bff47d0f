//! Tokens of API keys: `mlk_<id>_<secret>`.
//!
//! Only a hash of the secret is known here. Comparing takes the same time whatever differs, and
//! whether the key is known at all: nobody learns by how much a guess was wrong.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use meterline_core::account::ApiKey;
use meterline_core::time::LogTime;

/// Characters of a key's id.
const ID_CHARS: usize = 12;
/// Longest secret that is hashed: a bound on work for strangers. Ours are shorter.
const SECRET_CHARS_MAX: usize = 128;

/// A token, taken apart. Not for logs: it is a secret.
pub(crate) struct Token<'a> {
    /// The key's id.
    pub(crate) id: &'a str,
    secret: &'a str,
}

impl<'a> Token<'a> {
    /// Reads the value of an `Authorization` header; `None` where it is no token of ours.
    pub(crate) fn parse(header: &'a str) -> Option<Self> {
        let (scheme, token) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (id, secret) = token.trim().strip_prefix("mlk_")?.split_once('_')?;
        let in_id = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_id = id.len() == ID_CHARS && id.bytes().all(in_id);
        let is_secret = (1..=SECRET_CHARS_MAX).contains(&secret.len());
        (is_id && is_secret).then_some(Self { id, secret })
    }

    /// Whether this is the token of a key, at a moment.
    ///
    /// Without a key, a hash is compared all the same.
    pub(crate) fn opens(&self, key: Option<&ApiKey>, now: LogTime) -> bool {
        let given = digest(&SHA256, self.secret.as_bytes());
        let is = |hash: &str| {
            let known = parse_hash(hash).unwrap_or_default();
            verify_slices_are_equal(given.as_ref(), &known).is_ok()
        };
        let Some(key) = key else {
            // Takes the time of a comparison, and fails whatever it says.
            let _ = is("");
            return false;
        };
        let is_current = is(&key.hash);
        let previous = key.previous.as_ref();
        let is_previous =
            previous.is_some_and(|previous| is(&previous.hash) && now < previous.until);
        let is_alive = !key.revoked && key.expires.is_none_or(|end| now < end);
        (is_current | is_previous) && is_alive
    }
}

/// 64 hexadecimal digits as bytes.
fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SECRET, api_key, hash_of};
    use meterline_core::account::PreviousHash;

    const NOW: LogTime = LogTime(1_000_000);

    fn opens(header: &str, change: impl FnOnce(&mut ApiKey)) -> bool {
        let mut key = api_key("0123456789ab");
        change(&mut key);
        Token::parse(header).is_some_and(|token| {
            assert_eq!(token.id, key.id);
            token.opens(Some(&key), NOW)
        })
    }

    #[test]
    fn a_token_opens_its_key_while_that_is_alive() {
        let right = format!("Bearer mlk_0123456789ab_{SECRET}");
        assert!(opens(&right, |_| ()));
        assert!(opens(&right.replace("Bearer", "bearer"), |_| ()));
        assert!(!opens(&format!("{right}x"), |_| ()));
        assert!(!opens(&right, |key| key.revoked = true));
        assert!(!opens(&right, |key| key.expires = Some(NOW)));
        assert!(opens(&right, |key| key.expires = Some(LogTime(NOW.0 + 1))));
        assert!(!opens(&right, |key| key.hash = String::new()));
    }

    #[test]
    fn a_rotated_secret_is_taken_until_its_end() {
        let right = format!("Bearer mlk_0123456789ab_{SECRET}");
        let rotated = |until| {
            move |key: &mut ApiKey| {
                let hash = std::mem::replace(&mut key.hash, hash_of("another"));
                key.previous = Some(PreviousHash { hash, until });
            }
        };
        assert!(opens(&right, rotated(LogTime(NOW.0 + 1))));
        assert!(!opens(&right, rotated(NOW)));
        assert!(opens("Bearer mlk_0123456789ab_another", rotated(NOW)));
    }

    #[test]
    fn what_is_no_token_is_not_compared() {
        for header in [
            "",
            "Bearer",
            "Bearer mlk_0123456789ab",
            "Bearer mlk_0123456789ab_",
            "Bearer mlk_0123456789aB_secret",
            "Bearer mlk_short_secret",
            "Basic mlk_0123456789ab_secret",
            "Bearer sk_0123456789ab_secret",
        ] {
            assert!(Token::parse(header).is_none(), "{header}");
        }
        let long = format!("Bearer mlk_0123456789ab_{}", "s".repeat(129));
        assert!(Token::parse(&long).is_none());
        let token = Token::parse("Bearer mlk_0123456789ab_secret").expect("a token");
        assert!(!token.opens(None, NOW));
    }
}
