//! Secrets from files: `sasl.password_file` names the file of `sasl.password`.
//!
//! Only names in the lists here can be given so: some settings of the clients end in `_file`
//! themselves. Contents appear in no message.

use super::Checker;
use meterline_clickhouse::Secret;
use std::collections::BTreeMap;

/// librdkafka settings that are secrets.
pub(super) const PROPERTIES: [&str; 6] = [
    "sasl.oauthbearer.client.secret",
    "sasl.password",
    "ssl.certificate.pem",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
];
/// Options of object stores that are secrets.
pub(super) const OPTIONS: [&str; 7] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "azure_storage_account_key",
    "azure_storage_client_secret",
    "azure_storage_sas_key",
    "google_service_account_key",
];

/// Largest secret file: more is certainly another file.
const SECRET_BYTES_MAX: usize = 64 << 10;

/// The table with the contents of files in the place of their names.
pub(super) fn from_files(
    table: &BTreeMap<String, String>,
    prefix: &str,
    secrets: &[&str],
    checker: &mut Checker<'_>,
) -> BTreeMap<String, String> {
    let mut resolved = BTreeMap::new();
    for (name, value) in table {
        let secret = name.strip_suffix("_file");
        let Some(secret) = secret.filter(|name| secrets.contains(name)) else {
            resolved.insert(name.clone(), value.clone());
            continue;
        };
        let key = format!("{prefix}{name}");
        if table.contains_key(secret) {
            let both = format!("and {prefix}{secret} are both set; keep one of them");
            checker.refuse(&key, both);
        } else if let Some(text) = read(&key, value, checker) {
            resolved.insert(secret.to_owned(), text);
        }
    }
    resolved
}

/// A secret that is written as it is, or in the file that the key with `_file` names.
pub(in crate::config) fn given(
    key: &str,
    (text, file): (&Option<String>, &Option<String>),
    checker: &mut Checker<'_>,
) -> Secret {
    let file_key = format!("{key}_file");
    let file = match (text, file) {
        (Some(_), Some(_)) => {
            let both = format!("and {key} are both set; keep one of them");
            checker.refuse(&file_key, both);
            return Secret::default();
        }
        (None, Some(file)) => file,
        (text, None) => return Secret::new(text.clone().unwrap_or_default()),
    };
    Secret::new(read(&file_key, file, checker).unwrap_or_default())
}

/// The content of a secret's file without the line feed at its end.
fn read(key: &str, file: &str, checker: &mut Checker<'_>) -> Option<String> {
    let read = match std::fs::read_to_string(file) {
        Ok(text) if text.len() > SECRET_BYTES_MAX => {
            Err(format!("names {file}, which is too large for a secret"))
        }
        Ok(text) => Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned()),
        Err(error) => Err(format!("names {file}, which cannot be read: {error}")),
    };
    checker.take(key, read)
}
