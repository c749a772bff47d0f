//! Certificates for servers of tests, by an authority that nobody else trusts.

use super::process::Ended;
use std::path::Path;
use std::process::Command;

/// An authority, and a certificate and key that it signed for this machine: paths of PEM files.
pub(crate) fn certificates(folder: &Path) -> [String; 3] {
    let openssl = |words: &str| {
        let mut command = Command::new("openssl");
        command.args(words.split(' ')).current_dir(folder);
        Ended::of(&mut command).ok();
    };
    let new = "req -newkey rsa:2048 -nodes -keyout";
    openssl(&format!(
        "{new} ca.key -x509 -subj /CN=authority -out ca.pem"
    ));
    openssl(&format!(
        "{new} server.key -subj /CN=127.0.0.1 -out server.csr"
    ));
    let names = folder.join("names.cnf");
    std::fs::write(names, "subjectAltName=IP:127.0.0.1\n").expect("a file can be written");
    let sign = "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial";
    openssl(&format!(
        "{sign} -days 2 -extfile names.cnf -out server.pem"
    ));
    ["ca.pem", "server.pem", "server.key"].map(|file| folder.join(file).display().to_string())
}
