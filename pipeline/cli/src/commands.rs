//! The commands: each one file, which connects what it needs and prints what it found.

use crate::args::Command;
use crate::config::{Loaded, Settings};
use crate::failure::Failure;
use crate::stop::Stop;
use anyhow::Context as _;
use meterline_checkpoint::Store;
use meterline_clickhouse::ClickHouse;
use meterline_control::{AccountLog, AccountsOptions, Author, ControlLog, Snapshots};
use meterline_core::catalog::Catalog;
use meterline_core::time::EventTime;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

mod account;
mod catalog;
mod checkpoint;
mod config;
mod dead_letters;
mod event;
mod init;
mod key;
mod limits;
mod produce;
mod resolve;
mod route;
mod run;
mod simulate;
mod status;
mod stripe;
mod usage;
mod verify;

/// How long Kafka may take for one request of a command.
const KAFKA_TIMEOUT: Duration = Duration::from_secs(20);

/// What commands have in common.
struct Session<'a> {
    settings: &'a Settings,
    runtime: &'a Runtime,
    /// The login name.
    user: String,
}

/// Runs a command; `user` is the login name.
pub(crate) fn run(command: Command, loaded: &Loaded, user: String) -> Result<(), Failure> {
    if let Command::Config(command) = command {
        return config::run(&command, loaded);
    }
    let runtime = Runtime::new().context("failed to start the runtime")?;
    let session = Session {
        settings: &loaded.settings,
        runtime: &runtime,
        user,
    };
    let result = dispatch(command, &session);
    // Client threads that still wait for a broker must not hold back the exit.
    runtime.shutdown_background();
    result
}

fn dispatch(command: Command, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        Command::Init(args) => init::run(&args, session),
        Command::Catalog(command) => catalog::run(&command, session),
        Command::Account(command) => account::run(&command, session),
        Command::Key(command) => key::run(&command, session),
        Command::Route(command) => route::run(&command, session),
        Command::Limits(command) => limits::run(&command, session),
        Command::Stripe(command) => stripe::run(&command, session),
        Command::Run(args) => run::run(&args, session),
        Command::Produce(args) => produce::run(&args, session.settings, clock(), &session.stop()?),
        Command::Simulate(args) => {
            let catalog = session.catalog(args.catalog.as_deref())?;
            simulate::run(&args, &catalog, session.settings, clock(), &session.stop()?)
        }
        Command::Usage(args) => usage::run(&args, session),
        Command::Event(command) => event::run(&command, session),
        Command::DeadLetters(command) => dead_letters::run(&command, session),
        Command::Status(args) => status::run(&args, session),
        Command::Resolve(args) => resolve::run(&args, session),
        Command::Verify(args) => verify::run(&args, session),
        Command::Checkpoint(command) => checkpoint::run(&command, session),
        Command::Config(_) => unreachable!("ran before there was a session"),
    }
}

impl Session<'_> {
    /// Listens for Ctrl-C and SIGTERM from now on.
    fn stop(&self) -> Result<Stop, Failure> {
        let _entered = self.runtime.enter();
        Ok(Stop::on_signals().context("failed to listen for signals")?)
    }

    fn clickhouse(&self) -> Result<ClickHouse, Failure> {
        Ok(ClickHouse::connect(self.settings.clickhouse.clone())?)
    }

    fn store(&self) -> Result<Store, Failure> {
        let settings = self.settings.checkpoint.as_ref();
        let settings = settings.ok_or_else(|| Failure::usage("checkpoint.url is not set"))?;
        Ok(Store::open(settings)?)
    }

    fn control(&self) -> Result<ControlLog, Failure> {
        Ok(ControlLog::connect(&self.settings.kafka)?)
    }

    /// The control log with accounts; begins at a snapshot where the limits stage has written one.
    fn accounts(&self) -> Result<AccountLog, Failure> {
        let store = self.settings.checkpoint.as_ref().map(Store::open);
        let snapshots = store.transpose()?.map(|store| Snapshots {
            store,
            runtime: self.runtime.handle().clone(),
            every: None,
        });
        let options = AccountsOptions {
            snapshots,
            feed: None,
        };
        Ok(ControlLog::connect_with_accounts(
            &self.settings.kafka,
            options,
        )?)
    }

    fn author(&self, actor: Option<&str>, note: &str) -> Author {
        Author {
            actor: actor.unwrap_or(&self.user).to_owned(),
            note: note.to_owned(),
        }
    }

    /// The catalog of a file, or the one in force.
    fn catalog(&self, file: Option<&Path>) -> Result<Catalog, Failure> {
        if let Some(path) = file {
            return Ok(catalog::read_file(path)?.catalog);
        }
        let view = self.control()?.read_to_end(KAFKA_TIMEOUT)?;
        let missing = "there is no catalog in force; give --catalog FILE, or run `meterline catalog apply` first";
        let decision = view.catalog().ok_or_else(|| anyhow::anyhow!(missing))?;
        Ok(decision.compiled.catalog.clone())
    }
}

/// This machine's clock.
fn clock() -> EventTime {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    EventTime(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
