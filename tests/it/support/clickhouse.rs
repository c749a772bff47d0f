//! SQL over HTTP, as plain as it gets: the tests do not use the clients of the product.

use super::stack::{PASSWORD, USER};
use reqwest::blocking::{Client, Response};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A recount over millions of raw rows takes seconds; nothing takes this long.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A database of a ClickHouse front.
#[derive(Clone, Debug)]
pub(crate) struct Sql {
    client: Client,
    url: String,
    database: String,
}

impl Sql {
    /// A database, there or not. Certificates are not looked at: the product's are what counts.
    pub(crate) fn new(url: &str, database: &str) -> Self {
        let client = Client::builder().timeout(TIMEOUT);
        let client = client.tls_danger_accept_invalid_certs(true).build();
        Self {
            client: client.expect("an HTTP client can be made"),
            url: url.to_owned(),
            database: database.to_owned(),
        }
    }

    /// The same front, another database.
    pub(crate) fn database(&self, database: &str) -> Self {
        Self {
            database: database.to_owned(),
            ..self.clone()
        }
    }

    /// The database's name.
    pub(crate) fn name(&self) -> &str {
        &self.database
    }

    /// Makes the database.
    pub(crate) fn create_database(&self) {
        self.database("default")
            .run(&format!("CREATE DATABASE {}", self.database));
    }

    /// Drops the database, where it is there.
    pub(crate) fn drop_database(&self) {
        self.database("default")
            .run(&format!("DROP DATABASE IF EXISTS {}", self.database));
    }

    /// Runs a statement; the answer as text.
    ///
    /// # Panics
    /// When the engine refuses it.
    #[track_caller]
    pub(crate) fn run(&self, statement: &str) -> String {
        self.try_run(statement)
            .unwrap_or_else(|e| panic!("{e}\nin: {statement}"))
    }

    /// Runs a statement; the answer, or what went wrong.
    pub(crate) fn try_run(&self, statement: &str) -> Result<String, String> {
        let request = self
            .client
            .post(&self.url)
            .query(&[
                ("database", self.database.as_str()),
                ("output_format_json_quote_64bit_integers", "0"),
            ])
            .body(statement.to_owned());
        answer(request.basic_auth(USER, Some(PASSWORD)).send())
    }

    /// Runs the statements of a script one by one.
    #[track_caller]
    pub(crate) fn run_script(&self, script: &str) {
        let lines = script
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"));
        let statements = lines.collect::<Vec<_>>().join("\n");
        for statement in statements.split(';').filter(|s| !s.trim().is_empty()) {
            self.run(statement);
        }
    }

    /// Rows of a query, by column names.
    #[track_caller]
    pub(crate) fn rows<T: DeserializeOwned>(&self, query: &str) -> Vec<T> {
        self.run(&format!("{query} FORMAT JSONEachRow"))
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in {line}")))
            .collect()
    }

    /// The one value of a query.
    #[track_caller]
    pub(crate) fn number(&self, query: &str) -> i128 {
        let text = self.run(query);
        text.trim()
            .parse()
            .unwrap_or_else(|e| panic!("{e}: `{text}` from {query}"))
    }

    /// Inserts lines of JSON.
    #[track_caller]
    pub(crate) fn insert_json(&self, table: &str, lines: Vec<u8>) {
        self.insert(&format!("INSERT INTO {table} FORMAT JSONEachRow"), lines);
    }

    /// Runs an INSERT with rows in the format that it names.
    #[track_caller]
    pub(crate) fn insert(&self, statement: &str, rows: Vec<u8>) {
        let request = self
            .client
            .post(&self.url)
            .query(&[("database", self.database.as_str()), ("query", statement)])
            .body(rows);
        answer(request.basic_auth(USER, Some(PASSWORD)).send())
            .unwrap_or_else(|e| panic!("{e}\nin: {statement}"));
    }
}

fn answer(response: reqwest::Result<Response>) -> Result<String, String> {
    let response = response.map_err(|e| e.to_string())?;
    let status = response.status();
    let text = response.text().map_err(|e| e.to_string())?;
    if status.is_success() {
        Ok(text)
    } else {
        Err(format!("{status}: {text}"))
    }
}
