//! Arguments of `key`: API keys.

use super::account::AuthorArgs;
use super::output::ResultArgs;
use crate::units::{Length, parse_moment};
use clap::{Args, Subcommand, ValueEnum};
use meterline_core::account::Role;
use meterline_core::time::EventTime;

/// Commands on API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Make a key and print its token, once: only its hash is stored.
    Create(CreateArgs),
    /// List keys; tokens are not shown, nobody has them.
    List(ListArgs),
    /// End a key, for ever and within seconds.
    Revoke(RevokeArgs),
    /// Give a key a new token and print it, once; the old one can go on for a while.
    Rotate(RotateArgs),
}

/// Arguments of `key create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    /// What its bearer may do.
    #[arg(long = "role", value_enum, value_delimiter = ',', required = true)]
    pub roles: Vec<RoleArg>,
    /// Tenants that it speaks for.
    #[arg(
        long = "tenant",
        value_name = "TENANT",
        required_unless_present = "all_tenants"
    )]
    pub tenants: Vec<String>,
    /// It speaks for every tenant.
    #[arg(long, conflicts_with = "tenants")]
    pub all_tenants: bool,
    /// Its name, shown to people.
    #[arg(long)]
    pub name: String,
    /// Requests a second that it may make; the API's setting if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// When it ends, RFC 3339 or a date; never if not given.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    pub expires: Option<EventTime>,
    /// Who and why.
    #[command(flatten)]
    pub author: AuthorArgs,
}

/// Arguments of `key list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Also show keys that are revoked or expired.
    #[arg(long)]
    pub all: bool,
    /// Keys that speak for this tenant only.
    #[arg(long)]
    pub tenant: Option<String>,
    /// Form and place of the output.
    #[command(flatten)]
    pub result: ResultArgs,
}

/// Arguments of `key revoke`.
#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// The key's id: the public part of `mlk_<id>_<secret>`.
    pub id: String,
    /// Who and why.
    #[command(flatten)]
    pub author: AuthorArgs,
}

/// Arguments of `key rotate`.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    /// The key's id: the public part of `mlk_<id>_<secret>`.
    pub id: String,
    /// How long the old token is still taken; not at all if not given.
    #[arg(long, value_name = "DURATION")]
    pub keep_old: Option<Length>,
    /// Who and why.
    #[command(flatten)]
    pub author: AuthorArgs,
}

/// A role, as an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum RoleArg {
    /// Publish events.
    Ingest,
    /// Read usage, limits, alerts and accounts.
    Read,
    /// Ask whether a tenant may do more.
    Check,
    /// Change accounts, keys and routes, beside all of the above.
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Ingest => Self::Ingest,
            RoleArg::Read => Self::Read,
            RoleArg::Check => Self::Check,
            RoleArg::Admin => Self::Admin,
        }
    }
}
