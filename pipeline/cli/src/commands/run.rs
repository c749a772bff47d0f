//! `run`: runs stages until SIGTERM or Ctrl-C, then drains, flushes and checkpoints.

use super::Session;
use crate::args::RunArgs;
use crate::failure::Failure;
use meterline_checkpoint::StoreSettings;
use meterline_worker::{Settings, Stage, StageError};

/// Runs the command.
pub(crate) fn run(args: &RunArgs, session: &Session<'_>) -> Result<(), Failure> {
    let stages = args
        .stages
        .iter()
        .map(|name| name.parse())
        .collect::<Result<Vec<Stage>, StageError>>();
    let stages = stages.map_err(|error| Failure::Usage(error.into()))?;
    let settings = worker_settings(session, stages.contains(&Stage::Rollup))?;
    let stop = session.stop()?;
    Ok(session
        .runtime
        .block_on(meterline_worker::run(settings, &stages, stop.requested()))?)
}

fn worker_settings(session: &Session<'_>, rolls_up: bool) -> Result<Settings, Failure> {
    let settings = session.settings;
    let checkpoint = match settings.checkpoint.clone() {
        Some(checkpoint) => checkpoint,
        None if rolls_up => {
            return Err(Failure::usage(
                "checkpoint.url is not set: the rollup stage needs a place for its checkpoints, such as file:///var/lib/meterline",
            ));
        }
        // No other stage opens the store.
        None => StoreSettings::new(""),
    };
    Ok(Settings {
        kafka: settings.kafka.clone(),
        clickhouse: settings.clickhouse.clone(),
        checkpoint,
        http_listen: settings.http_listen,
        group: settings.group.clone(),
        instance: settings.instance.clone().unwrap_or_else(default_instance),
        rollup: settings.rollup.clone(),
        archive: settings.archive.clone(),
        rekey: settings.rekey.clone(),
        limits: settings.limits.clone(),
        notifications: settings.notifications.clone(),
        stripe: settings.stripe.clone(),
        api: settings.api.clone(),
    })
}

/// Host name and process id: unique enough to tell processes apart in logs.
fn default_instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() {
        "meterline"
    } else {
        host.trim()
    };
    format!("{host}-{}", std::process::id())
}
