//! Rules by which the ClickHouse front misleads a worker (`deploy/local/README.md`).

use reqwest::blocking::Client;
use serde_json::Value;
use std::time::Duration;

/// A rule that is in force until it is dropped.
#[derive(Debug)]
pub(crate) struct Fault {
    client: Client,
    url: String,
}

impl Fault {
    /// Puts a rule in force; the keys are the front's.
    pub(crate) fn new(clickhouse_url: &str, rule: &Value) -> Self {
        let client = Client::builder().timeout(Duration::from_secs(60)).build();
        let client = client.expect("an HTTP client without TLS can be made");
        let rules = format!("{clickhouse_url}/__faults");
        let answer: Value = client
            .post(&rules)
            .body(rule.to_string())
            .send()
            .and_then(|r| r.error_for_status()?.json())
            .unwrap_or_else(|e| panic!("rule {rule} is refused: {e}"));
        let id = answer["id"].as_u64().expect("a rule has an id");
        Self {
            client,
            url: format!("{rules}/{id}"),
        }
    }

    /// Waits until the rule holds this many queries at once.
    pub(crate) fn wait_held(&self, queries: u64) {
        self.wait(&format!("held={queries}"));
    }

    /// How often the rule has acted.
    pub(crate) fn hits(&self) -> u64 {
        let answer = self.client.get(&self.url).send().and_then(|r| r.json());
        let rule: Value = answer.unwrap_or_else(|e| panic!("{}: {e}", self.url));
        rule["hits"].as_u64().expect("a rule counts its hits")
    }

    fn wait(&self, condition: &str) {
        let url = format!("{}?{condition}&timeout=50", self.url);
        let answer = self.client.get(&url).send();
        answer
            .and_then(reqwest::blocking::Response::error_for_status)
            .unwrap_or_else(|e| panic!("waited for the fault rule: {e}"));
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        // A front that was killed has forgotten its rules.
        let _ = self.client.delete(&self.url).send();
    }
}
