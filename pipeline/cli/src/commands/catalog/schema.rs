//! `catalog schema add` and `catalog schema list`.

use super::super::{KAFKA_TIMEOUT, Session};
use super::{refused_schema, say_applied};
use crate::args::schema::{AddArgs, ListArgs, SchemaCommand};
use crate::failure::Failure;
use crate::output::{Table, print};
use crate::registry::{Login, Registry, Settings, Which};
use anyhow::{Context, anyhow};
use meterline_control::{ControlError, record_name};
use meterline_core::catalog::WriterSchema;
use meterline_core::decode::fingerprint;
use serde_json::json;
use std::io::Read;
use std::path::Path;

/// Largest schema file, and largest password file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Runs the command.
pub(super) fn run(command: &SchemaCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        SchemaCommand::Add(args) => add(args, session),
        SchemaCommand::List(args) => list(args, session),
    }
}

fn add(args: &AddArgs, session: &Session<'_>) -> Result<(), Failure> {
    let schema = match &args.file {
        Some(file) => WriterSchema {
            confluent_id: args.confluent_id,
            schema: read(file, "schema")?,
        },
        None => from_registry(args, session)?,
    };
    let author = session.author(args.actor.as_deref(), &args.note);
    let control = session.control()?;
    let timeout = args.timeout.0;
    let added = match control.add_schema(schema, &author, timeout) {
        Err(ControlError::Refused(problems)) => return Err(refused_schema(&problems)),
        result => result?,
    };
    say_applied(&added)?;
    if args.wait {
        let decision = added.decision();
        let partitions = control.place(decision, timeout)?;
        print(&format!(
            "catalog version {} is placed in all {partitions} partitions\n",
            decision.version
        ))?;
    }
    Ok(())
}

fn from_registry(args: &AddArgs, session: &Session<'_>) -> Result<WriterSchema, Failure> {
    let url = args.registry.clone();
    let url = url.ok_or_else(|| Failure::usage("name a file or a registry"))?;
    let which = match (args.id, &args.subject) {
        (Some(id), _) => Which::Id(id),
        (None, Some(name)) => Which::Subject {
            name: name.clone(),
            version: args.version.clone(),
        },
        (None, None) => return Err(Failure::usage("give --id or --subject")),
    };
    let login = match (&args.user, &args.password_file) {
        (Some(user), Some(file)) => Some(Login {
            user: user.clone(),
            password: read(file, "password")?
                .trim_end_matches(['\r', '\n'])
                .to_owned(),
        }),
        _ => None,
    };
    let settings = Settings {
        url,
        login,
        timeout: args.timeout.0,
    };
    let registry = Registry::new(settings).context("failed to make an HTTP client")?;
    let found = session.runtime.block_on(registry.schema(&which))?;
    Ok(WriterSchema {
        confluent_id: Some(found.id),
        schema: found.schema,
    })
}

/// Reads a small file.
fn read(path: &Path, what: &str) -> Result<String, Failure> {
    let failed = || format!("failed to read the {what} file {}", path.display());
    let file = std::fs::File::open(path).with_context(failed)?;
    let mut text = String::new();
    let bytes = file
        .take(FILE_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .with_context(failed)?;
    if bytes as u64 > FILE_BYTES_MAX {
        let reason = anyhow!("it has more than {FILE_BYTES_MAX} bytes");
        return Err(Failure::Failed(reason.context(failed())));
    }
    Ok(text)
}

fn list(args: &ListArgs, session: &Session<'_>) -> Result<(), Failure> {
    let view = session.control()?.read_to_end(KAFKA_TIMEOUT)?;
    let decision = view
        .catalog()
        .context("there is no catalog in force; `meterline catalog apply FILE` applies one")?;
    let mut table = Table::new(&["confluent_id", "fingerprint", "record", "bytes"]);
    for schema in &decision.compiled.catalog.schemas {
        let fingerprint = fingerprint(&schema.schema);
        table.push(vec![
            json!(schema.confluent_id),
            json!(fingerprint.map(|number| format!("{number:016x}")).ok()),
            json!(record_name(schema)),
            json!(schema.schema.len()),
        ]);
    }
    Ok(print(&table.render(args.output)?)?)
}
