//! Authorities that an operator names, from a file.

use crate::error::NotifyError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::path::Path;

/// The certificates of a file in PEM, at least one.
///
/// # Errors
/// [`NotifyError::CaFile`] and [`NotifyError::Ca`], with the file's path.
pub(crate) fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, NotifyError> {
    let path = path.to_owned();
    let pem = match std::fs::read(&path) {
        Ok(pem) => pem,
        Err(source) => return Err(NotifyError::CaFile { path, source }),
    };
    let read = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(NotifyError::Ca { path }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_with_its_path() {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let path = folder.path().join("ca.pem");
        let refused = |path: &Path| authorities(path).expect_err("refused").to_string();
        assert!(refused(&path).starts_with("failed to read"));
        for text in [
            "",
            "no certificate",
            "-----BEGIN CERTIFICATE-----\n=\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&path, text).expect("written");
            let error = refused(&path);
            assert!(error.contains(&path.display().to_string()), "{error}");
            assert!(error.contains("does not hold"), "{error}");
        }
    }
}
