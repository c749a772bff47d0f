//! The `meterline` command: arguments, configuration, run, exit code.
//!
//! The environment and the settings file are read here, once; nobody else touches them. Exit
//! codes: 0 done, 1 failed, 2 wrong usage or settings. An error is printed once, with its causes.

use args::Arguments;
use clap::{ArgMatches, CommandFactory, FromArgMatches};
use config::Sources;
use failure::Failure;
use output::note;
use std::path::Path;
use std::process::ExitCode;
use telemetry::Traces;

mod args;
mod commands;
mod config;
mod failure;
mod load;
mod logging;
mod output;
mod progress;
mod registry;
mod stop;
mod telemetry;
#[cfg(test)]
mod testing;
mod units;

/// The program's own exit code for wrong usage, as clap uses it too.
const WRONG_USAGE: u8 = 2;

fn main() -> ExitCode {
    let matches = match Arguments::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return refuse(&error),
    };
    let arguments = match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => arguments,
        Err(error) => return refuse(&error),
    };
    match run(arguments, &command_name(&matches)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note(&failure.to_string());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The command that was given, for traces: `catalog apply`.
fn command_name(mut matches: &ArgMatches) -> String {
    let mut words = Vec::new();
    while let Some((word, below)) = matches.subcommand() {
        words.push(word);
        matches = below;
    }
    words.join(" ")
}

fn run(arguments: Arguments, name: &str) -> Result<(), Failure> {
    let sources = read_sources(arguments.config.as_deref())?;
    let loaded = config::load(&sources).map_err(|problems| {
        Failure::Usage(anyhow::Error::new(problems).context("the settings cannot be used"))
    })?;
    let settings = &loaded.settings;
    let instance = settings.instance.as_deref();
    let traces = settings.telemetry.as_ref();
    let traces = traces.map(|traces| Traces::start(traces, instance));
    let traces = traces.transpose()?;
    logging::start(settings, traces.as_ref());
    let _span = tracing::info_span!("command", name).entered();
    commands::run(arguments.command, &loaded, user_name())
}

/// Prints what clap says.
fn refuse(error: &clap::Error) -> ExitCode {
    // Help and version are no errors; clap prints them to standard output.
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(WRONG_USAGE))
}

/// Reads the settings file and the variables that are meant for us.
fn read_sources(named: Option<&Path>) -> Result<Sources, Failure> {
    let default = Path::new(config::DEFAULT_FILE);
    let path = named.or_else(|| default.exists().then_some(default));
    let file = match path.map(|path| (path, std::fs::read_to_string(path))) {
        None => None,
        Some((path, Ok(text))) => Some((path.to_owned(), text)),
        Some((path, Err(error))) => {
            let failed = format!("failed to read the settings file {}", path.display());
            return Err(Failure::Usage(anyhow::Error::new(error).context(failed)));
        }
    };
    let mut variables = std::collections::BTreeMap::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name
            .to_str()
            .filter(|name| name.starts_with(config::VARIABLE_PREFIX))
        else {
            continue;
        };
        let value = value
            .into_string()
            .map_err(|_| Failure::usage(format!("the variable {name} is not UTF-8")))?;
        variables.insert(name.to_owned(), value);
    }
    Ok(Sources { file, variables })
}

/// The login name, which the audit trail shows where no actor is given.
fn user_name() -> String {
    let named = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    named
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}
