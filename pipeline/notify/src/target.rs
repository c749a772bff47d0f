//! What a route may name as its target. Judged when a route is set, and again before each use:
//! settings may have changed since.

use crate::address::is_public;
use crate::settings::{Settings, WebhookSettings};
use lettre::Address;
use meterline_core::account::Target;
use std::net::IpAddr;
use url::{Host, Url};

/// Longest URL: what HTTP servers take at least, by RFC 9110.
const URL_BYTES_MAX: usize = 8_000;
/// Most addresses of one e-mail; longer lists belong to the mail server.
const ADDRESSES_MAX: usize = 50;
/// Longest name of a Kafka topic.
const TOPIC_BYTES_MAX: usize = 249;
/// Names that resolvers take for this host, or for hosts of the own network.
const LOCAL_NAMES: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// Whether a route may have this target, under these settings.
///
/// What a URL's name resolves to is judged when it is connected to.
///
/// # Errors
/// Why not, for whoever sets the route.
pub fn check_target(target: &Target, settings: &Settings) -> Result<(), String> {
    match target {
        Target::Webhook {
            url, generation, ..
        } => {
            if settings.signing_key.expose().is_empty() {
                return Err("webhooks need the setting `notifications.signing_key`".to_owned());
            }
            if *generation == 0 {
                return Err("generations of the signing secret count from 1".to_owned());
            }
            check_url(url, &settings.webhook)
        }
        Target::Email { .. } if settings.smtp.is_none() => {
            Err("e-mail needs the settings `notifications.smtp`".to_owned())
        }
        Target::Email { to } => check_addresses(to),
        Target::Kafka { topic } => check_topic(topic, &settings.reserved_topics),
    }
}

fn check_url(text: &str, settings: &WebhookSettings) -> Result<(), String> {
    if text.len() > URL_BYTES_MAX {
        return Err(format!("the URL is longer than {URL_BYTES_MAX} characters"));
    }
    let url = Url::parse(text).map_err(|error| format!("the URL cannot be read: {error}"))?;
    match url.scheme() {
        "https" => {}
        "http" if settings.allow_http => {}
        "http" => return Err("the URL must begin with https://".to_owned()),
        other => return Err(format!("the URL begins with {other}:, not https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL must hold no user and no password".to_owned());
    }
    if url.fragment().is_some() {
        return Err("the URL must hold no fragment (#…)".to_owned());
    }
    if !settings.allow_private_addresses && !may_be_public(url.host()) {
        return Err("the URL's host is private, which is not allowed".to_owned());
    }
    Ok(())
}

fn may_be_public(host: Option<Host<&str>>) -> bool {
    match host {
        None => false,
        Some(Host::Ipv4(address)) => is_public(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => is_public(IpAddr::V6(address)),
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            let is_in = |local: &&str| {
                let rest = name.strip_suffix(*local);
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            !LOCAL_NAMES.iter().any(is_in)
        }
    }
}

fn check_addresses(to: &[String]) -> Result<(), String> {
    if to.len() > ADDRESSES_MAX {
        return Err(format!("more than {ADDRESSES_MAX} addresses"));
    }
    // Not by its text: reasons are kept with outcomes, and addresses are people's.
    let bad = to.iter().position(|text| text.parse::<Address>().is_err());
    bad.map_or(Ok(()), |at| {
        Err(format!("entry {} of `to` is no address of e-mail", at + 1))
    })
}

fn check_topic(topic: &str, reserved: &[String]) -> Result<(), String> {
    let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let is_name = (1..=TOPIC_BYTES_MAX).contains(&topic.len()) && topic.bytes().all(is_named);
    if !is_name || [".", ".."].contains(&topic) {
        return Err(format!("{topic:?} is no name of a Kafka topic"));
    }
    if reserved.iter().any(|own| own == topic) || topic.starts_with("__") {
        return Err(format!("the topic {topic} is not for notifications"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SmtpSettings;
    use meterline_clickhouse::Secret;

    fn settings() -> Settings {
        Settings {
            signing_key: Secret::new("k".repeat(32)),
            smtp: Some(SmtpSettings::new("mail.example.com", "a@example.com")),
            reserved_topics: vec!["usage.alerts".to_owned()],
            ..Settings::default()
        }
    }

    fn check(target: &Target, settings: &Settings, expected: Option<&str>) {
        let refused = check_target(target, settings).err();
        match expected {
            None => assert_eq!(refused, None, "{target:?}"),
            Some(part) => assert!(
                refused.as_deref().is_some_and(|text| text.contains(part)),
                "{target:?}: {refused:?} does not say {part}"
            ),
        }
    }

    fn webhook(url: &str) -> Target {
        Target::Webhook {
            url: url.to_owned(),
            generation: 1,
            previous_until: None,
        }
    }

    #[test]
    fn urls_are_refused_with_the_reason() {
        for (url, expected) in [
            ("https://example.com/hook?a=b", None),
            ("https://localhost.example.com", None),
            ("https://1.1.1.1:8443/", None),
            ("http://example.com/", Some("https://")),
            ("ftp://example.com/", Some("not https://")),
            ("example.com", Some("cannot be read")),
            ("https://user:pass@example.com/", Some("no user")),
            ("https://example.com/#a", Some("fragment")),
            ("https://localhost/", Some("private")),
            ("https://db.internal./", Some("private")),
            ("https://127.0.0.1/", Some("private")),
            ("https://0x7f.1/", Some("private")),
            ("https://2130706433/", Some("private")),
            ("https://[::1]/", Some("private")),
            ("https://[::ffff:10.0.0.1]/", Some("private")),
            ("https://169.254.169.254/latest", Some("private")),
        ] {
            check(&webhook(url), &settings(), expected);
        }
    }

    #[test]
    fn settings_open_what_they_name() {
        let mut open = settings();
        open.webhook.allow_http = true;
        check(&webhook("http://example.com"), &open, None);
        check(&webhook("http://10.0.0.1"), &open, Some("private"));
        open.webhook.allow_private_addresses = true;
        check(&webhook("http://10.0.0.1"), &open, None);
        open.signing_key = Secret::default();
        check(&webhook("http://10.0.0.1"), &open, Some("signing_key"));
    }

    #[test]
    fn addresses_and_topics_are_judged() {
        let email = |to: &[&str]| Target::Email {
            to: to.iter().map(ToString::to_string).collect(),
        };
        check(&email(&[]), &settings(), None);
        check(&email(&["a@example.com"]), &settings(), None);
        for bad in ["a", "a@b\r\nBcc: c@d.example", "A <a@example.com>", ""] {
            check(&email(&[bad]), &settings(), Some("no address"));
        }
        check(&email(&["a@example.com"; 51]), &settings(), Some("more"));
        let without = Settings {
            smtp: None,
            ..settings()
        };
        check(&email(&[]), &without, Some("smtp"));
        let kafka = |topic: &str| Target::Kafka {
            topic: topic.to_owned(),
        };
        check(&kafka("billing.alerts"), &settings(), None);
        for bad in ["", ".", "a b", "ä"] {
            check(&kafka(bad), &settings(), Some("no name"));
        }
        for own in ["usage.alerts", "__consumer_offsets"] {
            check(&kafka(own), &settings(), Some("not for notifications"));
        }
    }
}
