//! From what was written about traces to what they run with.

use super::raw::RawTelemetry;
use super::resolve::Checker;
use crate::telemetry::Settings;
use std::collections::HashMap;

const ENDPOINT: &str = "telemetry.otlp_endpoint";
const HEADERS_FILE: &str = "telemetry.otlp_headers_file";

/// What traces run with; `None` where there are none.
pub(super) fn resolve(raw: &RawTelemetry, checker: &mut Checker<'_>) -> Option<Settings> {
    let percent = match u8::try_from(raw.sample_percent) {
        Ok(percent) if percent <= 100 => percent,
        _ => {
            checker.refuse("telemetry.sample_percent", "must be from 0 to 100");
            100
        }
    };
    let service_name = checker.not_empty("telemetry.service_name", &raw.service_name);
    let endpoint = checker.take(ENDPOINT, endpoint(raw.otlp_endpoint.as_deref()?))?;
    let headers = raw.otlp_headers_file.as_deref().map(headers);
    let headers = headers.map(|headers| checker.take(HEADERS_FILE, headers));
    Some(Settings {
        endpoint,
        headers: headers.flatten().unwrap_or_default(),
        sample_percent: percent,
        service_name,
    })
}

fn endpoint(text: &str) -> Result<url::Url, String> {
    let url = url::Url::parse(text);
    let url = url.map_err(|_| "must be a URL, such as http://localhost:4318".to_owned())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err("must begin with http:// or https://".to_owned());
    }
    // Credentials in an address end up in logs.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(format!("must hold no user or password; use {HEADERS_FILE}"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must have nothing after its path".to_owned());
    }
    Ok(url)
}

/// The headers of a file; its lines are in no message, they hold keys.
fn headers(path: &str) -> Result<HashMap<String, String>, String> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|error| format!("names {path}, which cannot be read: {error}"))?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let headers = lines.map(|(place, line)| {
        let header = line
            .split_once(':')
            .filter(|(name, _)| !name.trim().is_empty());
        let header = header.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()));
        header.ok_or_else(|| format!("names {path}, where line {} is no header", place + 1))
    });
    headers.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_that_cannot_work_are_refused() {
        for (text, part) in [
            ("http://localhost:4318", None),
            ("https://collector/otlp", None),
            ("localhost:4318", Some("http://")),
            ("collector", Some("URL")),
            ("http://user:key@collector", Some("no user")),
            ("http://collector?key=1", Some("nothing after")),
        ] {
            let refused = endpoint(text).err();
            let is_as_expected = match (&refused, part) {
                (None, None) => true,
                (Some(reason), Some(part)) => reason.contains(part),
                _ => false,
            };
            assert!(is_as_expected, "{text}: {refused:?}");
        }
    }

    #[test]
    fn headers_are_read_and_never_shown() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("headers");
        let path = path.to_str().expect("text");
        std::fs::write(path, "authorization: Bearer k:1\n\nx-org:7\n").expect("written");
        let read = headers(path).expect("headers");
        assert_eq!(read["authorization"], "Bearer k:1");
        assert_eq!((read["x-org"].as_str(), read.len()), ("7", 2));
        std::fs::write(path, "a: b\nsecret-key\n").expect("written");
        let refused = headers(path).expect_err("no header");
        assert!(
            refused.contains("line 2") && !refused.contains("secret"),
            "{refused}"
        );
    }
}
