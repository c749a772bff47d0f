//! What the programs of the benchmark share: how they reach broker and API, what they send, and
//! what they print.
//!
//! Those of Kafka use the client settings of the pipeline itself, so that the raw consumer reads
//! the way the worker does. They print one JSON line, which `run` reads; nothing here is part of
//! the product.

pub mod events;
pub mod http;
pub mod latency;
pub mod publish;

use clap::Args;
use meterline_kafka::Settings;
use std::collections::BTreeMap;
use std::time::Duration;

/// Which topic of which broker.
#[derive(Debug, Args)]
pub struct Target {
    /// `host:port` of the broker.
    #[arg(long)]
    pub brokers: String,
    /// What the names of all topics begin with.
    #[arg(long, default_value = "")]
    pub prefix: String,
}

impl Target {
    /// The pipeline's own client settings for this broker.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            brokers: self.brokers.clone(),
            properties: BTreeMap::new(),
            topic_prefix: self.prefix.clone(),
        }
    }

    /// The usage topic.
    #[must_use]
    pub fn topic(&self) -> String {
        self.settings().topics().usage_events()
    }
}

/// What a program did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Records written or read.
    pub records: u64,
    /// Bytes of their keys and values, before compression.
    pub bytes: u64,
    /// From the first record to the last.
    pub elapsed: Duration,
}

impl Figures {
    /// One JSON object in one line.
    #[must_use]
    pub fn json(&self) -> String {
        let Self {
            records,
            bytes,
            elapsed,
        } = self;
        let micros = elapsed.as_micros();
        format!("{{\"records\":{records},\"bytes\":{bytes},\"micros\":{micros}}}")
    }
}
