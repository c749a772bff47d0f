//! Several stages in one process: all run until the shutdown, or until one of them cannot.
//!
//! A stage that ends with an error stops the others, which drain as for a shutdown: a process
//! that does half of its work would look healthy to whoever counts processes.

use crate::RunError;
use crate::health::Need;
use crate::rollup;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::side::{Side, StageHealth};
use crate::stage::Stage;
use futures::future::join_all;
use meterline_api::Api;
use meterline_billing::{Billing, BillingError};
use meterline_checkpoint::{Store, StoreError};
use meterline_control::{SNAPSHOT_EVERY, Snapshots};
use meterline_limits::{Limits, LimitsError};
use meterline_relay::{Connections, Kind, Relay, RelayError};
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::registry::Registry;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// How OpenMetrics text ends.
const END: &str = "# EOF\n";

/// The stages beside the rollup that are to run.
pub(crate) struct Jobs {
    relays: Vec<Relay>,
    limits: Option<Limits>,
    stripe: Option<Billing>,
    api: Option<Api>,
}

/// The stages among `stages` beside the rollup, and what is shown of each.
pub(crate) fn prepare(
    settings: &Settings,
    stages: &[Stage],
) -> Result<(Jobs, Vec<Side>), RunError> {
    let (relays, mut sides) = relays(settings, stages)?;
    let mut jobs = Jobs {
        relays,
        limits: None,
        stripe: None,
        api: None,
    };
    if stages.contains(&Stage::Limits) {
        let (limits, side) = limits(settings)?;
        sides.push(side);
        jobs.limits = Some(limits);
    }
    if stages.contains(&Stage::Stripe) {
        let (stripe, side) = stripe(settings)?;
        sides.push(side);
        jobs.stripe = Some(stripe);
    }
    if stages.contains(&Stage::Api) {
        let (api, side) = api(settings)?;
        sides.push(side);
        jobs.api = Some(api);
    }
    Ok((jobs, sides))
}

fn relays(settings: &Settings, stages: &[Stage]) -> Result<(Vec<Relay>, Vec<Side>), RelayError> {
    let (mut relays, mut sides) = (Vec::new(), Vec::new());
    for (stage, kind, own) in [
        (Stage::Archive, Kind::Archive, &settings.archive),
        (Stage::Rekey, Kind::Rekey, &settings.rekey),
    ] {
        if !stages.contains(&stage) {
            continue;
        }
        let connections = Connections {
            kafka: settings.kafka.clone(),
            clickhouse: settings.clickhouse.clone(),
            instance: settings.instance.clone(),
        };
        let (relay, registry) = Relay::new(kind, connections, own.clone())?;
        let health = StageHealth::Relay(relay.health());
        relays.push(relay);
        sides.push(Side { health, registry });
    }
    Ok((relays, sides))
}

fn limits(settings: &Settings) -> Result<(Limits, Side), LimitsError> {
    let connections = meterline_limits::Connections {
        kafka: settings.kafka.clone(),
        clickhouse: settings.clickhouse.clone(),
        instance: settings.instance.clone(),
    };
    let (limits, registry) = Limits::new(
        connections,
        settings.limits.clone(),
        settings.notifications.clone(),
    )?;
    let health = StageHealth::Limits(limits.health());
    Ok((limits, Side { health, registry }))
}

fn stripe(settings: &Settings) -> Result<(Billing, Side), BillingError> {
    let connections = meterline_billing::Connections {
        kafka: settings.kafka.clone(),
        clickhouse: settings.clickhouse.clone(),
        instance: settings.instance.clone(),
    };
    let (stripe, registry) = Billing::new(connections, settings.stripe.clone())?;
    let health = StageHealth::Stripe(stripe.health());
    Ok((stripe, Side { health, registry }))
}

fn api(settings: &Settings) -> Result<(Api, Side), RunError> {
    let connections = meterline_api::Connections {
        kafka: settings.kafka.clone(),
        clickhouse: settings.clickhouse.clone(),
        snapshots: snapshots(settings)?,
        notifications: Some(settings.notifications.clone()),
        instance: settings.instance.clone(),
    };
    let (api, registry) = Api::new(connections, settings.api.clone())?;
    let health = StageHealth::Api(api.health());
    Ok((api, Side { health, registry }))
}

/// Where snapshots of the control log are kept, beside the checkpoints; `None` where no store is
/// set: the log is read from its beginning then.
fn snapshots(settings: &Settings) -> Result<Option<Snapshots>, StoreError> {
    if settings.checkpoint.url.is_empty() {
        return Ok(None);
    }
    Ok(Some(Snapshots {
        store: Store::open(&settings.checkpoint)?,
        runtime: tokio::runtime::Handle::current(),
        every: Some(SNAPSHOT_EVERY),
    }))
}

/// Runs the stages until `shutdown` is ready or one fails, then drains all.
pub(crate) async fn run(
    shared: Arc<Shared>,
    jobs: Jobs,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let (stop, stopped) = watch::channel(false);
    let told = || {
        let mut stopped = stopped.clone();
        async move {
            // The sender outlives all stages, so that an error only says that all is over.
            let _ = stopped.wait_for(|is_told| *is_told).await;
        }
    };
    let stop_all = || {
        stop.send_replace(true);
    };
    let rollup = async {
        let result = match shared.rolls_up {
            true => rollup::run(Arc::clone(&shared), told()).await,
            false => Ok(()),
        };
        Ok(result.inspect_err(|_| stop_all())?)
    };
    let relays = join_all(jobs.relays.into_iter().map(|relay| async {
        let result = relay.run(told()).await;
        result.inspect_err(|_| stop_all())
    }));
    let limits = async {
        let result = match jobs.limits {
            Some(limits) => Box::pin(limits.run(told())).await,
            None => Ok(()),
        };
        result.inspect_err(|_| stop_all())
    };
    let stripe = async {
        let result = match jobs.stripe {
            Some(stripe) => Box::pin(stripe.run(told())).await,
            None => Ok(()),
        };
        result.inspect_err(|_| stop_all())
    };
    let api = async {
        let result = match jobs.api {
            Some(api) => Box::pin(api.run(told())).await,
            None => Ok(()),
        };
        result.inspect_err(|_| stop_all())
    };
    let mut all = std::pin::pin!(futures::future::join5(rollup, relays, limits, stripe, api));
    let (rollup, relays, limits, stripe, api): (Result<(), RunError>, Vec<_>, _, _, _) = tokio::select! {
        ended = &mut all => ended,
        () = shutdown => {
            stop_all();
            all.await
        }
    };
    rollup?;
    relays.into_iter().collect::<Result<(), _>>()?;
    limits?;
    stripe?;
    Ok(api?)
}

/// The text that Prometheus scrapes: the metrics of all stages that run here.
pub(crate) fn scrape(shared: &Shared, now: Instant) -> String {
    let is_ready = shared.problems(now).is_empty();
    let failing = shared.sides.iter().flat_map(|side| side.failing(now));
    let failing = failing.filter_map(|(need, since)| Some((need_of(need)?, since)));
    let failing: Vec<_> = failing.collect();
    let text = shared
        .metrics
        .scrape(&shared.board, &failing, is_ready, now);
    with_registries(text, shared.sides.iter().map(|side| &side.registry))
}

/// The text with what other registries hold.
pub(crate) fn with_registries<'a>(
    mut text: String,
    registries: impl Iterator<Item = &'a Registry>,
) -> String {
    const WHOLE: &str = "a String takes all that is written to it";
    let length = text.strip_suffix(END).map_or(text.len(), str::len);
    text.truncate(length);
    for registry in registries {
        encode_registry(&mut text, registry).expect(WHOLE);
    }
    encode_eof(&mut text).expect(WHOLE);
    text
}

/// What a stage calls a need, as the process calls it; `None` for what no system
/// outside of the process can mend, such as a catalog that nobody has applied.
fn need_of(name: &str) -> Option<Need> {
    match name {
        "kafka" | "log ends" | "topics" | "usage.alerts" | "standing topic"
        | "meterline.pushes" => Some(Need::Kafka),
        "clickhouse" | "standing table" | "alerts" | "audit_log" | "stripe_pushes" => {
            Some(Need::ClickHouse)
        }
        "control log" => Some(Need::Control),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_of_stages_without_state_have_the_names_of_the_process() {
        let label = |name| need_of(name).map(Need::label);
        assert_eq!(label("log ends"), Some("kafka"));
        assert_eq!(label("clickhouse"), Some("clickhouse"));
        assert_eq!(label("usage.alerts"), Some("kafka"));
        assert_eq!(label("standing table"), Some("clickhouse"));
        assert_eq!(label("audit_log"), Some("clickhouse"));
        assert_eq!(label("control log"), Some("control"));
        assert_eq!(label("catalog"), None);
    }
}
