//! `config show`: all settings in force as TOML, with where each came from; secrets are masked.

use super::{Leaf, Leaves, known};
use serde_json::Value;
use std::collections::BTreeMap;

/// Stands in for a secret, whatever its length.
const MASK: &str = "********";
/// The settings that are secrets.
const SECRETS: [&str; 4] = [
    "clickhouse.password",
    "notifications.signing_key",
    "notifications.smtp.password",
    "stripe.api_key",
];
/// A free name that holds one of these may be a secret, unless it is that of a file.
const SECRET_WORDS: [&str; 9] = [
    "password",
    "secret",
    "pem",
    "key",
    "oauthbearer",
    "jaas",
    "token",
    "sas",
    "credential",
];

/// The settings as TOML.
pub(crate) fn render(leaves: &Leaves) -> String {
    let mut sections: BTreeMap<&str, Vec<(String, &Leaf, bool)>> = BTreeMap::new();
    for (key, leaf) in leaves {
        let (section, name) = match known::free_name(key) {
            Some((section, name)) => (section, format!("\"{name}\"")),
            None => {
                let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
                (section, name.to_owned())
            }
        };
        sections
            .entry(section)
            .or_default()
            .push((name, leaf, is_secret(key)));
    }
    let mut out = String::new();
    for (section, settings) in sections {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&format!("[{section}]\n"));
        for (name, leaf, secret) in settings {
            out.push_str(&line(&name, leaf, secret));
        }
    }
    out
}

fn line(name: &str, leaf: &Leaf, secret: bool) -> String {
    let value = match &leaf.value {
        Value::Null => return format!("# {name} is not set\n"),
        Value::String(_) if secret => format!("\"{MASK}\""),
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        other => other.to_string(),
    };
    format!("{name} = {value}  # {}\n", leaf.origin)
}

fn is_secret(key: &str) -> bool {
    match known::free_name(key) {
        Some((_, name)) if name.ends_with("_file") => false,
        Some((_, name)) => SECRET_WORDS.iter().any(|word| name.contains(word)),
        None => SECRETS.contains(&key),
    }
}
