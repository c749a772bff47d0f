//! A real schema registry: Apicurio, fetched once from Maven Central, in memory.

use super::cache::cached;
use super::process::Ended;
use super::stack::free_port;
use super::wait::{SOON, until};
use reqwest::blocking::Client;
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The newest release that runs under Java 17.
const VERSION: &str = "2.6.13.Final";

/// A registry process. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Registry {
    child: Child,
    url: String,
}

impl Registry {
    /// Starts a registry whose files lie in `folder`, and waits until it answers.
    pub(crate) fn start(folder: &Path) -> Self {
        let program = cached(&format!("apicurio-{VERSION}"), &[], fetch);
        let port = free_port();
        let log = File::create(folder.join("registry.log")).expect("a log can be made");
        let errors = log.try_clone().expect("a file can be shared");
        let child = Command::new("java")
            .args(["-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dquarkus.http.port={port}"))
            .arg("-Dquarkus.http.host=127.0.0.1")
            .arg("-jar")
            .arg(program.join(format!("apicurio-registry-app-{VERSION}-runner.jar")))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .spawn()
            .expect("java is there");
        let registry = Self {
            child,
            url: format!("http://127.0.0.1:{port}/apis/ccompat/v7"),
        };
        until("the registry to answer", SOON, || {
            let answer = Client::new()
                .get(format!("{}/subjects", registry.url))
                .send();
            answer.and_then(reqwest::blocking::Response::error_for_status)
        });
        registry
    }

    /// Address of its Confluent API.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Registers a schema and returns its id; `references` as the API has them.
    pub(crate) fn register(&self, subject: &str, schema: &str, references: &Value) -> u32 {
        let answer = Client::new()
            .post(format!("{}/subjects/{subject}/versions", self.url))
            .json(&json!({"schema": schema, "references": references}))
            .send()
            .and_then(reqwest::blocking::Response::error_for_status)
            .and_then(reqwest::blocking::Response::json::<Value>)
            .unwrap_or_else(|e| panic!("{subject} is not registered: {e}"));
        let id = answer["id"].as_u64().and_then(|id| u32::try_from(id).ok());
        id.unwrap_or_else(|| panic!("no id in {answer}"))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn fetch(folder: &Path) {
    let artifact = format!("io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all");
    let plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1";
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "-Dtransitive=false"]);
    Ended::of(maven.args([format!("{plugin}:get"), format!("-Dartifact={artifact}")])).ok();
    let mut maven = Command::new("mvn");
    maven.args(["--batch-mode", "-Dmdep.useBaseVersion=true"]);
    maven.arg(format!("-DoutputDirectory={}", folder.display()));
    Ended::of(maven.args([format!("{plugin}:copy"), format!("-Dartifact={artifact}")])).ok();
    let archive = folder.join(format!("apicurio-registry-app-{VERSION}-all.tar.gz"));
    Ended::of(
        Command::new("tar")
            .arg("xzf")
            .arg(&archive)
            .arg("-C")
            .arg(folder),
    )
    .ok();
    std::fs::remove_file(&archive).expect("the archive can be removed");
}
