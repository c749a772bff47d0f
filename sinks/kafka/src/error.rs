//! What can go wrong at the Kafka edge: whose fault it is, and what to do next.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// What to do after an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Try again after a pause: the broker or the network may come back.
    Retry,
    /// Never try the same again: this request is refused for what it is.
    Never,
    /// The client is no longer usable: stop, and start with a new one.
    Stop,
}

/// A failed action at the Kafka edge. The client library's errors are large, so they are boxed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting that safety depends on.
    #[error("kafka property `{key}` cannot be set: {reason}")]
    Reserved {
        /// The setting.
        key: String,
        /// Why it is fixed.
        reason: &'static str,
    },
    /// A setting that librdkafka does not know or take. Its value may be a secret.
    #[error("kafka property `{key}` is unknown to librdkafka, or its value is not one it takes")]
    Property {
        /// The setting.
        key: String,
    },
    /// A prefix that no topic can have.
    #[error("topic prefix `{prefix}` may hold letters, digits, `.`, `_` and `-` only")]
    TopicPrefix {
        /// The prefix.
        prefix: String,
    },
    /// No brokers are set.
    #[error("`kafka.brokers` is empty: name at least one broker as host:port")]
    NoBrokers,
    /// The client library could not make a client.
    #[error("failed to create a kafka client")]
    Client {
        /// Why.
        source: Box<KafkaError>,
    },
    /// The cluster could not be described.
    #[error("failed to ask the kafka cluster for its brokers")]
    Cluster {
        /// Why.
        source: Box<KafkaError>,
    },
    /// A topic could not be described.
    #[error("failed to describe topic {topic}")]
    Describe {
        /// The topic.
        topic: String,
        /// Why.
        source: Box<KafkaError>,
    },
    /// A topic could not be made.
    #[error("failed to create topic {topic}")]
    Create {
        /// The topic.
        topic: String,
        /// Why.
        source: Box<KafkaError>,
    },
    /// The ends of a partition could not be asked for.
    #[error("failed to ask for the offsets of topic {topic} partition {partition}")]
    Watermarks {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Why.
        source: Box<KafkaError>,
    },
    /// Nobody answered in time, or no broker can be reached.
    #[error(
        "{failed}: no answer from Kafka at {brokers}; check kafka.brokers{}",
        because(last_failure.as_deref())
    )]
    NoAnswer {
        /// What failed.
        failed: Box<str>,
        /// The setting `kafka.brokers`.
        brokers: String,
        /// What the client library last said about a connection.
        last_failure: Option<Box<str>>,
        /// Why.
        source: Box<KafkaError>,
    },
    /// The broker answered with something that cannot be.
    #[error("kafka described topic {topic} with {what}; check the brokers' version (2.8 or later)")]
    Answer {
        /// The topic.
        topic: String,
        /// What is wrong with the answer.
        what: String,
    },
}

impl Error {
    pub(crate) fn client(source: KafkaError) -> Self {
        let source = Box::new(source);
        Self::Client { source }
    }

    /// The same failure, with the brokers' names and the last failed connection where nobody
    /// answered.
    pub(crate) fn at(self, brokers: &str, last_failure: Option<String>) -> Self {
        let failed = self.to_string().into_boxed_str();
        match self {
            Self::Cluster { source }
            | Self::Describe { source, .. }
            | Self::Create { source, .. }
            | Self::Watermarks { source, .. }
                if is_silence(&source) =>
            {
                let brokers = brokers.to_owned();
                Self::NoAnswer {
                    failed,
                    brokers,
                    last_failure: last_failure.map(String::into_boxed_str),
                    source,
                }
            }
            answered => answered,
        }
    }

    /// Whether the brokers say that there is no such topic.
    #[must_use]
    pub fn is_no_topic(&self) -> bool {
        use RDKafkaErrorCode as Code;
        let code = self.kafka().and_then(code_of);
        matches!(
            code,
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition)
        )
    }

    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Next {
        match self {
            Self::Client { .. } => Next::Never,
            _ => self.kafka().map_or(Next::Never, next),
        }
    }

    fn kafka(&self) -> Option<&KafkaError> {
        match self {
            Self::Client { source }
            | Self::Cluster { source }
            | Self::Describe { source, .. }
            | Self::Create { source, .. }
            | Self::Watermarks { source, .. }
            | Self::NoAnswer { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn because(last_failure: Option<&str>) -> String {
    last_failure.map_or_else(String::new, |line| {
        format!(" and kafka.properties; the last connection failed: {line}")
    })
}

/// A record that is not known to be written. It may be in the log nevertheless.
#[derive(Debug, thiserror::Error)]
#[error("failed to write a record of {bytes} bytes to topic {topic}{}", place(*partition))]
pub struct SendError {
    /// The topic.
    pub topic: String,
    /// The partition, where one was asked for.
    pub partition: Option<u32>,
    /// Key, value and headers together.
    pub bytes: usize,
    /// Why.
    pub source: Box<KafkaError>,
}

fn place(partition: Option<u32>) -> String {
    partition.map_or_else(String::new, |p| format!(" partition {p}"))
}

impl SendError {
    /// What to do next.
    #[must_use]
    pub fn next(&self) -> Next {
        next(&self.source)
    }
}

/// Decides for every error of the client library whether trying again can help.
fn next(error: &KafkaError) -> Next {
    use RDKafkaErrorCode as Code;
    match code_of(error) {
        Some(Code::Fatal | Code::ProducerFenced | Code::Fenced) => Next::Stop,
        Some(
            Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidMessage
            | Code::InvalidRecord
            | Code::InvalidArgument
            | Code::InvalidTopic
            | Code::InvalidConfig
            | Code::InvalidPartitions
            | Code::InvalidReplicationFactor
            | Code::PolicyViolation
            | Code::TopicAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::UnsupportedVersion
            | Code::UnsupportedFeature,
        ) => Next::Never,
        Some(_) => Next::Retry,
        None => Next::Never,
    }
}

/// Whether nobody answered.
fn is_silence(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code_of(error),
        Some(
            Code::OperationTimedOut
                | Code::RequestTimedOut
                | Code::TimedOutQueue
                | Code::AllBrokersDown
                | Code::BrokerTransportFailure
                | Code::Resolve
                | Code::SSL
                | Code::Authentication
        )
    )
}

/// The code of an error; the library's own accessor leaves out those of admin operations.
fn code_of(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    match error {
        KafkaError::AdminOp(code) => Some(*code),
        _ => error.rdkafka_error_code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_succeed_is_never_retried() {
        let of = |code| {
            let next_of_admin = next(&KafkaError::AdminOp(code));
            let next_of_send = next(&KafkaError::MessageProduction(code));
            assert_eq!(next_of_admin, next_of_send);
            next_of_send
        };
        assert_eq!(of(RDKafkaErrorCode::MessageTimedOut), Next::Retry);
        assert_eq!(of(RDKafkaErrorCode::UnknownTopicOrPartition), Next::Retry);
        assert_eq!(of(RDKafkaErrorCode::MessageSizeTooLarge), Next::Never);
        assert_eq!(of(RDKafkaErrorCode::TopicAuthorizationFailed), Next::Never);
        assert_eq!(of(RDKafkaErrorCode::Fatal), Next::Stop);
    }

    #[test]
    fn silence_names_the_brokers_and_an_answer_does_not() {
        let describe = |code| Error::Describe {
            topic: "usage.events".to_owned(),
            source: Box::new(KafkaError::AdminOp(code)),
        };
        let silent = describe(RDKafkaErrorCode::OperationTimedOut).at("a:1,b:2", None);
        assert_eq!(
            silent.to_string(),
            "failed to describe topic usage.events: no answer from Kafka at a:1,b:2; check \
             kafka.brokers"
        );
        assert_eq!(silent.next(), Next::Retry);
        let refused = describe(RDKafkaErrorCode::OperationTimedOut)
            .at("a:1", Some("SSL handshake failed".to_owned()));
        assert_eq!(
            refused.to_string(),
            "failed to describe topic usage.events: no answer from Kafka at a:1; check \
             kafka.brokers and kafka.properties; the last connection failed: SSL handshake failed"
        );
        assert!(!silent.is_no_topic());
        let missing = describe(RDKafkaErrorCode::UnknownTopicOrPartition).at("a:1", None);
        assert_eq!(missing.to_string(), "failed to describe topic usage.events");
        assert!(missing.is_no_topic());
    }
}
