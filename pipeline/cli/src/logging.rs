//! Logs of every command, on standard error; results are on standard output.
//!
//! Two forms: lines for people, and one JSON object a line with the fields that
//! `deploy/observability/LOGS.md` lists. A warning that repeats is left out beyond
//! [`LINES_PER_WINDOW`], and counted: a flood tells nobody anything. Spans never reach the logs;
//! they are for traces. No log line ever carries what an event says, nor a secret.

mod json;
mod limit;

use crate::config::{LogFormat, Settings};
use crate::telemetry::Traces;
use json::JsonLines;
use limit::{Limit, TextLines};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

#[cfg(doc)]
use limit::LINES_PER_WINDOW;

/// Starts logs, and traces where there are any; to be called once.
pub(crate) fn start(settings: &Settings, traces: Option<&Traces>) {
    let filter = EnvFilter::new(&settings.log_level).and(filter_fn(|it| it.is_event()));
    let logs = match settings.log_format {
        LogFormat::Text => text().with_filter(filter).boxed(),
        LogFormat::Json => json().with_filter(filter).boxed(),
    };
    tracing_subscriber::registry()
        .with(traces.map(Traces::layer))
        .with(logs)
        .init();
}

fn text<S: tracing::Subscriber + for<'a> LookupSpan<'a>>() -> Box<dyn Layer<S> + Send + Sync> {
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    fmt::layer()
        .event_format(TextLines::new(Limit::default()))
        // A reader of the logs that went away must not stop the work.
        .log_internal_errors(false)
        .with_ansi(is_terminal)
        .with_writer(std::io::stderr)
        .boxed()
}

fn json<S: tracing::Subscriber + for<'a> LookupSpan<'a>>() -> Box<dyn Layer<S> + Send + Sync> {
    fmt::layer()
        .event_format(JsonLines::new(Limit::default()))
        .log_internal_errors(false)
        .with_ansi(false)
        .with_writer(std::io::stderr)
        .boxed()
}
