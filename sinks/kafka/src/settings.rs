//! Connection settings, and the client settings that safety depends on.
//!
//! An operator may pass librdkafka settings (TLS, SASL, buffer sizes); those on which correctness
//! rests are refused by name ([`crate::RESERVED`]) and set here, for every client. Property
//! values may be secrets: they appear neither in `Debug` nor in any error.

use crate::error::Error;
use crate::producer::{MAX_IN_FLIGHT_BYTES, MAX_RECORD_BYTES};
use crate::reserved;
use crate::topics::Topics;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use std::collections::BTreeMap;
use std::fmt;

/// How to reach Kafka.
#[derive(Clone, PartialEq, Eq)]
pub struct Settings {
    /// `host:port` of some brokers, separated by commas.
    pub brokers: String,
    /// librdkafka settings, such as those for TLS and SASL.
    pub properties: BTreeMap<String, String>,
    /// Put before every topic's name; empty for none.
    pub topic_prefix: String,
}

impl fmt::Debug for Settings {
    /// Leaves out the properties' values: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("brokers", &self.brokers)
            .field("properties", &self.properties.keys())
            .field("topic_prefix", &self.topic_prefix)
            .finish()
    }
}

impl Settings {
    /// Checks everything that can be checked without a connection.
    ///
    /// # Errors
    /// The first setting that is refused, by its key: reserved, unknown to librdkafka, of a value
    /// that it does not take, or a prefix that no topic can have.
    pub fn check_properties(&self) -> Result<(), Error> {
        let in_topic = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !self.topic_prefix.chars().all(in_topic) {
            return Err(Error::TopicPrefix {
                prefix: self.topic_prefix.clone(),
            });
        }
        if self.brokers.trim().is_empty() {
            return Err(Error::NoBrokers);
        }
        for key in self.properties.keys() {
            if let Some(reason) = reserved::reason(key) {
                let key = key.clone();
                return Err(Error::Reserved { key, reason });
            }
        }
        self.base_config()
            .create_native_config()
            .map(|_| ())
            .map_err(property_error)
    }

    /// Names of the topics.
    #[must_use]
    pub fn topics(&self) -> Topics {
        Topics::new(&self.topic_prefix)
    }

    fn base_config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        for (key, value) in &self.properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    /// Settings of a consumer: nothing is committed or reset by itself, and positions are given.
    ///
    /// `group` names the stage; a consumer that only uses `assign` never joins it.
    #[must_use]
    pub fn consumer_config(&self, group: &str) -> ClientConfig {
        let mut config = self.base_config();
        for (key, value) in [
            ("group.id", group),
            ("group.protocol", "classic"),
            ("partition.assignment.strategy", "cooperative-sticky"),
            ("enable.auto.commit", "false"),
            ("enable.auto.offset.store", "false"),
            ("auto.offset.reset", "error"),
            ("isolation.level", "read_committed"),
            ("enable.partition.eof", "true"),
            ("check.crcs", "true"),
            ("allow.auto.create.topics", "false"),
        ] {
            config.set(key, value);
        }
        config
    }

    /// Settings of a producer: idempotent, acknowledged by all in-sync replicas, keyed by murmur2.
    #[must_use]
    pub fn producer_config(&self) -> ClientConfig {
        let mut config = self.base_config();
        for (key, value) in [
            ("enable.idempotence", "true"),
            ("acks", "all"),
            ("partitioner", "murmur2_random"),
        ] {
            config.set(key, value);
        }
        if !self.properties.contains_key("compression.type")
            && !self.properties.contains_key("compression.codec")
        {
            config.set("compression.type", "lz4");
        }
        config.set("message.max.bytes", MAX_RECORD_BYTES.to_string());
        // Above the producer's own bound, so that librdkafka's queue is never what is full.
        let kbytes = 2 * MAX_IN_FLIGHT_BYTES / 1_024;
        config.set("queue.buffering.max.kbytes", kbytes.to_string());
        config
    }

    /// Settings of an admin client.
    #[must_use]
    pub fn admin_config(&self) -> ClientConfig {
        let mut config = self.base_config();
        // Failed connections are told as errors only; see `LastFailure`.
        config.set_log_level(RDKafkaLogLevel::Error);
        config
    }
}

/// Names the key that librdkafka refused, and never its value.
fn property_error(error: KafkaError) -> Error {
    match error {
        KafkaError::ClientConfig(_, _, key, _) => Error::Property { key },
        source => Error::client(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(properties: &[(&str, &str)]) -> Settings {
        Settings {
            brokers: "localhost:1".to_owned(),
            properties: properties
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            topic_prefix: String::new(),
        }
    }

    fn check(properties: &[(&str, &str)], expected: Result<(), &str>) {
        let actual = settings(properties).check_properties();
        let text = actual.map_err(|error| error.to_string());
        match (&text, expected) {
            (Ok(()), Ok(())) => {}
            (Err(text), Err(part)) if text.contains(part) => {}
            _ => panic!("{properties:?}: got {text:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn refuses_what_safety_depends_on_by_its_key() {
        for (key, reason) in reserved::RESERVED {
            check(&[(key, "1")], Err(&format!("`{key}` cannot be set")));
            check(&[(key, "1")], Err(reason));
        }
    }

    #[test]
    fn takes_other_settings_of_the_client_library() {
        check(&[], Ok(()));
        check(
            &[("socket.timeout.ms", "6000"), ("linger.ms", "20")],
            Ok(()),
        );
    }

    #[test]
    fn names_the_key_of_an_unknown_or_bad_setting_but_never_its_value() {
        check(
            &[("sesion.timeout.ms", "hidden")],
            Err("`sesion.timeout.ms`"),
        );
        check(&[("linger.ms", "hidden")], Err("`linger.ms`"));
        let bad = settings(&[("linger.ms", "hidden")]);
        let error = bad.check_properties().expect_err("not a number");
        let texts = format!("{error} {error:?} {bad:?}");
        assert!(!texts.contains("hidden"), "{texts}");
    }

    #[test]
    fn refuses_a_prefix_that_no_topic_can_have() {
        let mut bad = settings(&[]);
        bad.topic_prefix = "a/b".to_owned();
        assert!(matches!(
            bad.check_properties(),
            Err(Error::TopicPrefix { .. })
        ));
    }

    #[test]
    fn the_client_library_takes_every_setting_that_is_fixed_here() {
        let settings = settings(&[]);
        for config in [
            settings.consumer_config("stage"),
            settings.producer_config(),
            settings.admin_config(),
        ] {
            config.create_native_config().expect("known settings");
        }
    }
}
