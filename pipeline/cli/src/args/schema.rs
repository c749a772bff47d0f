//! Arguments of `catalog schema`.

use super::Output;
use crate::units::Length;
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;
use url::Url;

/// Commands on writer schemas.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaCommand {
    /// Add a writer schema to the catalog in force, from a file or a schema registry.
    Add(Box<AddArgs>),
    /// List the writer schemas of the catalog in force.
    List(ListArgs),
}

/// Arguments of `catalog schema add`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("from").required(true).args(["file", "registry"]))]
#[command(group = ArgGroup::new("which").args(["id", "subject"]))]
pub(crate) struct AddArgs {
    /// File with the Avro schema, as JSON.
    #[arg(value_name = "FILE.avsc")]
    pub file: Option<PathBuf>,
    /// Id of the file's schema in the Confluent frame; without it, only the single-object encoding
    /// is read by it.
    #[arg(long, value_name = "N", requires = "file")]
    pub confluent_id: Option<u32>,
    /// Address of a schema registry that speaks the Confluent API.
    #[arg(long, value_name = "URL", requires = "which", value_parser = parse_registry)]
    pub registry: Option<Url>,
    /// Id of the schema in the registry.
    #[arg(long, value_name = "N", requires = "registry")]
    pub id: Option<u32>,
    /// Subject of the schema in the registry.
    #[arg(long, requires = "registry")]
    pub subject: Option<String>,
    /// Version of the subject: a number, or `latest`.
    #[arg(long, default_value = "latest", requires = "subject", value_parser = parse_version)]
    pub version: String,
    /// Name to log in to the registry with.
    #[arg(long, requires_all = ["registry", "password_file"])]
    pub user: Option<String>,
    /// File that holds the password of `--user`; a line feed at its end does not count.
    #[arg(long, value_name = "FILE", requires = "user")]
    pub password_file: Option<PathBuf>,
    /// Also wait until the version is placed in every partition of the usage topic.
    #[arg(long)]
    pub wait: bool,
    /// Who adds it, for the audit trail; the login name if not given.
    #[arg(long)]
    pub actor: Option<String>,
    /// Why, for the audit trail.
    #[arg(long, default_value = "")]
    pub note: String,
    /// How long the registry may take for an answer, and how long `--wait` waits.
    #[arg(long, default_value = "30s", value_name = "DURATION")]
    pub timeout: Length,
}

/// Arguments of `catalog schema list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Form of the output.
    #[arg(long, default_value = "table", value_enum)]
    pub output: Output,
}

fn parse_registry(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err("write http://HOST:PORT or https://HOST".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "an address would show its password: use --user and --password-file".to_owned(),
        );
    }
    Ok(url)
}

fn parse_version(text: &str) -> Result<String, String> {
    let is_number = text.parse::<u32>().is_ok_and(|number| number > 0);
    if is_number || text == "latest" {
        Ok(text.to_owned())
    } else {
        Err("write a number from 1, or `latest`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_named_without_passwords() {
        for (text, is_taken) in [
            ("http://localhost:8081", true),
            ("https://registry/apis/ccompat/v7", true),
            ("https://me:secret@registry", false),
            ("https://me@registry", false),
            ("ftp://registry", false),
            ("registry:8081", false),
        ] {
            assert_eq!(parse_registry(text).is_ok(), is_taken, "{text}");
        }
        for (text, is_taken) in [("1", true), ("latest", true), ("0", false), ("x/y", false)] {
            assert_eq!(parse_version(text).is_ok(), is_taken, "{text}");
        }
    }
}
