//! The HTTP API as strangers meet it: its document is valid, and a client that a generator made of
//! it walks through the examples of `deploy/examples/http`, also over TLS.

use crate::limits::limits;
use crate::support::cache::cached;
use crate::support::certificates::certificates;
use crate::support::guard::repository;
use crate::support::process::Ended;
use crate::support::site::Site;
use crate::support::turn::Turn;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use std::path::{Path, PathBuf};
use std::process::Command;

const PARTITIONS: u32 = 2;

/// What the walk says where all is as it should be.
const SAID: [&str; 10] = [
    "account: visitor, at most 3 requests a month",
    "check: allowed, 3 remaining",
    "events: 1 and 2 accepted, each told again, 1 rejected",
    "usage: 3 requests, dimensions method=GET status=200",
    "alerts: 80 % opened (warning), 100 % opened (critical)",
    "limits: 3 of 3 used, warning",
    "check: 429, hard_cap, 3 of 3 used",
    "keys: another tenant is 404; rotated and revoked tokens are 401",
    "problems: unknown names have the nearest, fields their path",
    "done",
];

#[test]
fn a_client_generated_from_the_document_walks_through_the_examples() {
    let _turn = Turn::light();
    let run = Run::begin();
    let (_plain, address) = run.site.api("api", &[]);
    let url = format!("http://{address}");
    let client = run.generate(&url);
    run.walk(&client, &[("--url", url.as_str())]);

    let [ca, certificate, key] = certificates(run.site.folder());
    let quoted = [&certificate, &key].map(|path| format!("\"{path}\""));
    let tls = [
        ("api.tls_certificate_file", quoted[0].as_str()),
        ("api.tls_key_file", &quoted[1]),
    ];
    let (_secure, address) = run.site.api("api-tls", &tls);
    let url = format!("https://{address}");
    run.walk(&client, &[("--url", url.as_str()), ("--ca", ca.as_str())]);
    let health = format!("{url}/health/live");
    for distrusted in [health.replace("https", "http"), health] {
        let answer = reqwest::blocking::get(&distrusted);
        assert!(answer.is_err(), "{distrusted}: {answer:?}");
    }
}

/// One installation with an admin's key.
struct Run {
    site: Site,
    key: String,
    _workers: [Worker; 2],
}

impl Run {
    fn begin() -> Self {
        let site = Site::new("openapi");
        let partitions = PARTITIONS.to_string();
        site.meterline(&["init", "--partitions", &partitions]).ok();
        let catalog = repository().join("schemas/catalogs/demo.yaml");
        let catalog = catalog.to_str().expect("the repository's path is text");
        site.meterline(&["catalog", "apply", catalog]).ok();
        let key = site.key(&["--role", "admin", "--all-tenants"]);
        let workers = [site.worker("rollup", &[]), limits(&site, "limits")];
        Self {
            site,
            key,
            _workers: workers,
        }
    }

    /// Validates the served document and makes a client of it; gives the folder to import from.
    fn generate(&self, url: &str) -> PathBuf {
        let document = self.site.folder().join("openapi.json");
        let text = until("the document", SOON, || {
            let answer = reqwest::blocking::get(format!("{url}/openapi.json"));
            answer.and_then(|answer| answer.error_for_status()?.text())
        });
        std::fs::write(&document, text).expect("a file can be written");
        let validate = ["-m", "openapi_spec_validator", "--schema", "3.1"];
        Ended::of(python().args(validate).arg(&document))
            .ok()
            .says(&["OK"]);
        let folder = self.site.folder().join("client");
        std::fs::create_dir(&folder).expect("a folder can be made");
        let mut generate = python();
        generate.args(["-m", "openapi_python_client", "generate", "--meta", "none"]);
        generate.arg("--path").arg(&document);
        generate.arg("--config").arg(example("client.yaml"));
        generate
            .arg("--output-path")
            .arg(folder.join("meterline_http"));
        let said = Ended::of(&mut generate).ok().stderr;
        // Nothing is left out but what `client.yaml` says.
        let warnings: Vec<_> = said.lines().filter(|l| l.starts_with("WARNING")).collect();
        assert_eq!(
            warnings, ["WARNING parsing POST /v1/events within events."; 2],
            "{said}"
        );
        assert!(!said.contains("Unable to process schema"), "{said}");
        folder
    }

    fn walk(&self, client: &Path, options: &[(&str, &str)]) {
        let paths = std::env::join_paths([client, &packages()]).expect("no colons in paths");
        let mut walk = python();
        walk.env("PYTHONPATH", paths);
        walk.env("METERLINE_KEY", &self.key);
        walk.arg(example("walk.py"));
        for (name, value) in options {
            walk.args([name, value]);
        }
        let said = Ended::of(&mut walk).ok().stdout;
        assert_eq!(said.lines().collect::<Vec<_>>(), SAID);
    }
}

fn example(file: &str) -> PathBuf {
    repository().join("deploy/examples/http").join(file)
}

/// The validator and the generator, as `requirements.txt` pins them.
fn packages() -> PathBuf {
    let requirements = example("requirements.txt");
    cached(
        "example-http",
        std::slice::from_ref(&requirements),
        |folder| {
            let pip = ["-m", "pip", "install", "--disable-pip-version-check"];
            let mut command = Command::new("python3");
            command.args(pip).args(["--no-compile", "--require-hashes"]);
            command.arg("--target").arg(folder);
            Ended::of(command.arg("-r").arg(&requirements)).ok();
        },
    )
}

fn python() -> Command {
    let mut command = Command::new("python3");
    command.env("PYTHONPATH", packages());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
