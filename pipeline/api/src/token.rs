//! Tokens of API keys: `mlk_<id>_<secret>`.
//!
//! Only a hash of the secret is known here. Comparing takes the same time whatever differs, and
//! whether the key is known at all: nobody learns by how much a guess was wrong.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use meterline_core::account::ApiKey;
use meterline_core::time::LogTime;
use rand::Rng;

/// Characters of a key's id.
const ID_CHARS: usize = 12;
/// Longest secret that is hashed: a bound on work for strangers. Ours are shorter.
const SECRET_CHARS_MAX: usize = 128;

/// Characters of a new secret: 256 bits and more of 62 letters and digits.
const SECRET_CHARS: usize = 43;
/// Letters and digits of secrets.
const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Letters and digits of ids.
const LOWER: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

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

/// A new token: told once, to whoever asked for it.
pub struct NewToken {
    /// The key's id.
    pub id: String,
    /// The whole token. Not for logs: it is a secret.
    pub token: String,
    /// SHA-256 of its secret part, in lower-case hexadecimal digits: what is stored.
    pub hash: String,
}

impl NewToken {
    /// A token of a new key.
    #[must_use]
    pub fn mint() -> Self {
        let id = random_text(LOWER, ID_CHARS);
        Self::of(&id)
    }

    /// A new token of a key that there is.
    #[must_use]
    pub fn of(id: &str) -> Self {
        let secret = random_text(ALPHABET, SECRET_CHARS);
        let hash = digest(&SHA256, secret.as_bytes());
        Self {
            id: id.to_owned(),
            token: format!("mlk_{id}_{secret}"),
            hash: hash.as_ref().iter().map(|b| format!("{b:02x}")).collect(),
        }
    }
}

impl std::fmt::Debug for NewToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewToken")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn random_text(alphabet: &[u8], length: usize) -> String {
    let mut random = rand::rng();
    let mut letter = || char::from(alphabet[random.random_range(0..alphabet.len())]);
    (0..length).map(|_| letter()).collect()
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
    fn a_new_token_opens_its_key() {
        let new = NewToken::mint();
        let mut key = api_key(&new.id);
        key.hash.clone_from(&new.hash);
        let header = format!("Bearer {}", new.token);
        let token = Token::parse(&header).expect("a token");
        assert_eq!(token.id, new.id);
        assert!(token.opens(Some(&key), NOW));
        let other = NewToken::of(&new.id);
        assert!(other.id == new.id && other.hash != new.hash);
        assert!(!format!("{new:?}").contains(&new.token));
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
