//! The HTTP client under the ClickHouse client: plain, or TLS with the authorities of the settings.
//!
//! The library's own default looks for the operating system's certificates even where the address
//! is `http`, and panics where there are none; this one asks for them only with `https`, and says
//! what is missing.

use crate::config::{Settings, SettingsError};
use clickhouse::Client;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Keeps connections through firewalls open, as the library's own client does.
const TCP_KEEPALIVE: Duration = Duration::from_secs(60);
/// Idle connections end before the server's own limit (3 s by default) can cut a request.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(2);

/// A client for the address of the settings.
pub(crate) fn client(settings: &Settings) -> Result<Client, SettingsError> {
    let mut tcp = HttpConnector::new();
    tcp.set_keepalive(Some(TCP_KEEPALIVE));
    let mut builder = legacy::Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(POOL_IDLE_TIMEOUT);
    if !settings.url.starts_with("https:") {
        return Ok(Client::with_http_client(builder.build(tcp)));
    }
    let connector = tls(tcp, settings.ca_file.as_deref())?;
    Ok(Client::with_http_client(builder.build(connector)))
}

fn tls(
    mut tcp: HttpConnector,
    ca_file: Option<&Path>,
) -> Result<HttpsConnector<HttpConnector>, SettingsError> {
    tcp.enforce_http(false);
    let roots = match ca_file {
        Some(path) => from_file(path)?,
        None => from_system()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(config)
        .https_only()
        .enable_http1()
        .wrap_connector(tcp))
}

fn from_file(path: &Path) -> Result<RootCertStore, SettingsError> {
    let refused = |reason: String| SettingsError::Ca {
        path: path.to_owned(),
        reason,
    };
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| refused(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots
            .add(certificate)
            .map_err(|error| refused(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(refused("it holds no certificate in PEM".to_owned()));
    }
    Ok(roots)
}

fn from_system() -> Result<RootCertStore, SettingsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Old authorities that no longer parse are common, and no reason to trust none.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map(ToString::to_string);
        return Err(SettingsError::NoCa {
            reason: reason.unwrap_or_else(|| "none were found".to_owned()),
        });
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_that_cannot_be_used_are_refused_with_their_file() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("ca.pem");
        let refused = |path: &Path| from_file(path).expect_err("refused").to_string();
        assert!(refused(&path).contains(&path.display().to_string()));
        for (text, expected) in [
            ("no certificate", "holds no certificate"),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                "cannot be used",
            ),
        ] {
            std::fs::write(&path, text).expect("written");
            assert!(refused(&path).contains(expected), "{text}");
        }
    }

    #[test]
    fn plain_http_asks_for_no_certificates() {
        assert!(client(&Settings::new("http://127.0.0.1:1")).is_ok());
    }
}
