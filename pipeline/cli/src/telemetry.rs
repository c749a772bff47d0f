//! Traces: spans of what a process does, sent to an OpenTelemetry collector where one is set.
//!
//! OTLP over HTTP with protobuf (opentelemetry.io/docs/specs/otlp). Spans wait in a bounded queue
//! and leave on a thread of their own: a collector that is slow or away costs dropped spans,
//! never time of a partition. Without `telemetry.otlp_endpoint` no span is ever made. Spans carry
//! partitions, offsets, numbers of rows: never what an event says.

use crate::failure::Failure;
use anyhow::Context as _;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use std::collections::HashMap;
use std::time::Duration;
use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;

/// Spans that wait to be sent; more are dropped. A worker with 100 partitions makes some 300
/// spans in the 2 seconds between two batches.
const QUEUE_MAX: usize = 4_096;

/// How often spans are sent.
const SEND_INTERVAL: Duration = Duration::from_secs(2);

/// How long one batch may take to be sent.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the end of a command may wait for its last spans.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Where OTLP takes spans, below the collector's address.
const SPANS_PATH: &str = "v1/traces";

/// How traces are made and where they go.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Address of the collector, without a path of its own for spans.
    pub endpoint: url::Url,
    /// HTTP headers of every request; may hold a key, and is never printed.
    pub headers: HashMap<String, String>,
    /// Share of traces that are kept, in percent.
    pub sample_percent: u8,
    /// `service.name` of the spans.
    pub service_name: String,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fields = (&self.service_name, self.sample_percent);
        f.debug_tuple("Settings").field(&fields).finish()
    }
}

/// The traces of this process, until it is dropped.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Begins to send spans; nothing is sent yet, so the collector need not be there.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub(crate) fn start(settings: &Settings, instance: Option<&str>) -> Result<Self, Failure> {
        let mut url = settings.endpoint.clone();
        let path = format!("{}/{SPANS_PATH}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(url)
            .with_timeout(SEND_TIMEOUT)
            .with_headers(settings.headers.clone())
            .build()
            .context("failed to make a client for telemetry.otlp_endpoint")?;
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE_MAX)
            .with_scheduled_delay(SEND_INTERVAL)
            .build();
        let sender = BatchSpanProcessor::builder(exporter).with_batch_config(config);
        let provider = SdkTracerProvider::builder()
            .with_span_processor(sender.build())
            .with_sampler(sampler(settings.sample_percent))
            .with_resource(resource(&settings.service_name, instance))
            .build();
        Ok(Self { provider })
    }

    /// The layer that makes spans of ours into traces; warnings within a span become its events.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.provider.tracer("meterline");
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(filter_fn(|it| {
                let is_worth_it = it.is_span() || *it.level() <= Level::WARN;
                is_worth_it && it.target().starts_with("meterline")
            }))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // A collector that is away must not hold back the exit, nor fail the command.
        let _ = self.provider.shutdown_with_timeout(LAST_SPANS);
    }
}

/// Keeps that share of traces, and whole traces only.
#[expect(clippy::float_arithmetic, reason = "a share of traces is no quantity")]
fn sampler(percent: u8) -> Sampler {
    let share = f64::from(percent) / 100.0;
    Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)))
}

fn resource(service: &str, instance: Option<&str>) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let instance = instance.map(|name| KeyValue::new("service.instance.id", name.to_owned()));
    Resource::builder_empty()
        .with_service_name(service.to_owned())
        .with_attributes(std::iter::once(version).chain(instance))
        .build()
}
