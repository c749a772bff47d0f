//! A schema registry that speaks the Confluent API, asked for one schema with its references.
//!
//! Nothing else of Meterline asks it: a schema that was added is in the catalog, and a registry
//! that is away afterwards disturbs nobody. Every answer is bounded in time and size; redirects
//! are refused, because they would carry the password elsewhere.
//!
//! Source: Confluent Schema Registry API reference, version 7: `GET /schemas/ids/{id}`,
//! `GET /subjects/{subject}/versions/{version}`, error codes 40401 to 40403.

use reqwest::{Client, StatusCode};
use serde::Deserialize;
use std::error::Error;
use std::time::Duration;
use url::Url;

mod references;

use references::Reference;

/// Largest answer: a schema of thousands of fields fits many times.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// How to reach a registry.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Its address, without the paths of the API.
    pub url: Url,
    /// Name and password to log in with.
    pub login: Option<Login>,
    /// How long each answer may take.
    pub timeout: Duration,
}

/// A name and a password.
#[derive(Clone)]
pub(crate) struct Login {
    /// The name.
    pub user: String,
    /// The password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    /// Leaves out the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = &self.user;
        f.debug_struct("Login")
            .field("user", user)
            .finish_non_exhaustive()
    }
}

/// Which schema is meant.
#[derive(Clone, Debug)]
pub(crate) enum Which {
    /// By its id.
    Id(u32),
    /// By a subject and one of its versions: a number, or `latest`.
    Subject {
        /// The subject.
        name: String,
        /// The version.
        version: String,
    },
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Id(id) => write!(f, "schema {id}"),
            Self::Subject { name, version } => write!(f, "version {version} of subject `{name}`"),
        }
    }
}

/// A schema as one text, with what it refers to put in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    /// Its id, which the Confluent frame carries.
    pub id: u32,
    /// The Avro schema.
    pub schema: String,
}

/// What a registry did not give.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistryError {
    /// It could not be asked.
    #[error("failed to ask the schema registry {registry} for {which}: {hint}")]
    Ask {
        registry: String,
        which: String,
        hint: &'static str,
        source: Box<dyn Error + Send + Sync>,
    },
    /// It has no such schema.
    #[error("the schema registry {registry} has no {which} (code {code}): {message}")]
    Unknown {
        registry: String,
        which: String,
        code: u32,
        message: String,
    },
    /// It wants to know who asks.
    #[error(
        "the schema registry {registry} refuses {which} with status {status}: check --user and \
         --password-file"
    )]
    Login {
        registry: String,
        which: String,
        status: u16,
    },
    /// It failed, or is something else.
    #[error("the schema registry {registry} answers {which} with status {status}: {hint}")]
    Status {
        registry: String,
        which: String,
        status: u16,
        hint: &'static str,
    },
    /// The answer cannot be used.
    #[error("the answer of the schema registry {registry} for {which} cannot be used: {reason}")]
    Answer {
        registry: String,
        which: String,
        reason: String,
    },
}

/// One registry.
#[derive(Debug)]
pub(crate) struct Registry {
    client: Client,
    settings: Settings,
}

#[derive(Deserialize)]
struct Answer {
    id: Option<u32>,
    schema: String,
    /// Absent for Avro.
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Deserialize)]
struct Refusal {
    error_code: u32,
    #[serde(default)]
    message: String,
}

impl Registry {
    /// Makes a client; nothing is asked yet.
    ///
    /// # Errors
    /// Where no TLS can be had.
    pub(crate) fn new(settings: Settings) -> reqwest::Result<Self> {
        let client = Client::builder()
            .timeout(settings.timeout)
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self { client, settings })
    }

    /// Asks for one schema and what it refers to.
    ///
    /// # Errors
    /// Any [`RegistryError`].
    pub(crate) async fn schema(&self, which: &Which) -> Result<Found, RegistryError> {
        let answer = self.ask(which).await?;
        let id = match which {
            Which::Id(id) => *id,
            Which::Subject { .. } => answer
                .id
                .ok_or_else(|| self.unusable(which, "it has no `id`"))?,
        };
        let schema = if answer.references.is_empty() {
            answer.schema
        } else {
            let defined = references::collect(self, &answer.references).await?;
            references::put_in(&answer.schema, &defined)
                .map_err(|reason| self.unusable(which, reason))?
        };
        Ok(Found { id, schema })
    }

    async fn ask(&self, which: &Which) -> Result<Answer, RegistryError> {
        let mut url = self.settings.url.clone();
        let mut path = url
            .path_segments_mut()
            .expect("addresses with a host have paths");
        match which {
            Which::Id(id) => path
                .pop_if_empty()
                .extend(["schemas", "ids", &id.to_string()]),
            Which::Subject { name, version } => path
                .pop_if_empty()
                .extend(["subjects", name, "versions", version]),
        };
        drop(path);
        let mut request = self.client.get(url).header(
            "accept",
            "application/vnd.schemaregistry.v1+json, application/json",
        );
        if let Some(login) = &self.settings.login {
            request = request.basic_auth(&login.user, Some(&login.password));
        }
        let mut response = request.send().await.map_err(|e| self.silent(which, e))?;
        let status = response.status();
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|e| self.silent(which, e))? {
            if body.len() + part.len() > ANSWER_BYTES_MAX {
                let reason = format!("it has more than {ANSWER_BYTES_MAX} bytes");
                return Err(self.unusable(which, reason));
            }
            body.extend_from_slice(&part);
        }
        if !status.is_success() {
            return Err(self.refused(which, status, &body));
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|error| self.unusable(which, error.to_string()))?;
        match answer.schema_type.as_deref() {
            None | Some("AVRO") => Ok(answer),
            Some(other) => Err(self.unusable(which, format!("it is of type {other}, not AVRO"))),
        }
    }

    fn refused(&self, which: &Which, status: StatusCode, body: &[u8]) -> RegistryError {
        let (registry, which) = (self.name(), which.to_string());
        let said: Option<Refusal> = serde_json::from_slice(body).ok();
        let status = status.as_u16();
        match (status, said) {
            (404, Some(said)) => RegistryError::Unknown {
                registry,
                which,
                code: said.error_code,
                message: said.message,
            },
            (401 | 403, _) => RegistryError::Login {
                registry,
                which,
                status,
            },
            (500.., _) => RegistryError::Status {
                registry,
                which,
                status,
                hint: "try again later",
            },
            _ => RegistryError::Status {
                registry,
                which,
                status,
                hint: "check that the address is that of the Confluent API",
            },
        }
    }

    fn silent(&self, which: &Which, error: reqwest::Error) -> RegistryError {
        let hint = if error.is_timeout() {
            "it took too long; try again, or raise --timeout"
        } else if error.is_connect() {
            "it cannot be reached; check --registry"
        } else {
            "its answer was cut; try again"
        };
        RegistryError::Ask {
            registry: self.name(),
            which: which.to_string(),
            hint,
            source: error.without_url().into(),
        }
    }

    fn unusable(&self, which: &Which, reason: impl Into<String>) -> RegistryError {
        RegistryError::Answer {
            registry: self.name(),
            which: which.to_string(),
            reason: reason.into(),
        }
    }

    fn name(&self) -> String {
        self.settings.url.to_string()
    }
}

#[cfg(test)]
mod tests;
