//! How each topic of the contract must be, and what is wrong with one that is not.

use crate::error::ControlError;
use meterline_kafka::{TopicDescription, TopicSpec, Topics};

/// Milliseconds of seven days: the shortest retention under which everything may be down a week.
const SEVEN_DAYS_MS: i64 = 7 * 24 * 3_600 * 1_000;
/// Milliseconds of thirty days: time to look at dead letters and replay them.
const THIRTY_DAYS_MS: i64 = 30 * 24 * 3_600 * 1_000;
/// For ever.
const FOR_EVER_MS: i64 = -1;
/// Replicas below which one broken disk loses decisions.
pub(crate) const SAFE_REPLICAS: u16 = 3;
/// In-sync replicas below which an acknowledged decision may exist once.
const SAFE_IN_SYNC: u32 = 2;
/// Largest record of the control log: what a producer sends.
const CONTROL_RECORD_BYTES: usize = meterline_kafka::MAX_RECORD_BYTES;

/// Something about a topic that works, and may lose records some day.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Warning {
    /// The topic's name.
    pub topic: String,
    /// What may happen, and what to do.
    pub text: String,
}

/// What a topic is for, which decides how it must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// The control log.
    Control,
    /// Any other log of decisions, by tenant.
    Decisions,
    /// Usage events.
    Usage,
    /// `usage.totals`.
    Totals,
    /// What can be made again or looked up elsewhere.
    Derived,
    /// Dead letters.
    DeadLetters,
}

/// All topics of the contract, the control log first and `usage.events` second.
pub(crate) fn contract(topics: &Topics) -> [(String, Purpose); 8] {
    [
        (topics.control(), Purpose::Control),
        (topics.usage_events(), Purpose::Usage),
        (topics.totals(), Purpose::Totals),
        (topics.dead_letter(), Purpose::DeadLetters),
        (topics.usage_incoming(), Purpose::Derived),
        (topics.standing(), Purpose::Derived),
        (topics.alerts(), Purpose::Decisions),
        (topics.pushes(), Purpose::Decisions),
    ]
}

impl Purpose {
    fn holds_decisions(self) -> bool {
        matches!(self, Self::Control | Self::Decisions)
    }

    fn retention_ms(self) -> i64 {
        match self {
            Self::Control | Self::Decisions => FOR_EVER_MS,
            Self::Usage | Self::Totals | Self::Derived => SEVEN_DAYS_MS,
            Self::DeadLetters => THIRTY_DAYS_MS,
        }
    }

    /// How the topic is made.
    pub(crate) fn spec(self, name: &str, partitions: u32, replicas: u16) -> TopicSpec {
        let mut config = vec![
            ("cleanup.policy", "delete".to_owned()),
            ("message.timestamp.type", "LogAppendTime".to_owned()),
            ("retention.ms", self.retention_ms().to_string()),
            ("retention.bytes", "-1".to_owned()),
            ("unclean.leader.election.enable", "false".to_owned()),
        ];
        if self == Self::Control {
            config.push(("max.message.bytes", CONTROL_RECORD_BYTES.to_string()));
        }
        if replicas >= SAFE_REPLICAS {
            config.push(("min.insync.replicas", SAFE_IN_SYNC.to_string()));
        }
        TopicSpec {
            name: name.to_owned(),
            partitions: if self == Self::Control { 1 } else { partitions },
            replicas,
            config,
        }
    }

    /// Warnings about a topic as it is; an error where Meterline cannot work with it.
    ///
    /// `usage_partitions` is the partition count of `usage.events`.
    pub(crate) fn check(
        self,
        topic: &TopicDescription,
        usage_partitions: u32,
    ) -> Result<Vec<Warning>, ControlError> {
        let refused = |reason: String| {
            Err(ControlError::Topic {
                topic: topic.name.clone(),
                reason,
            })
        };
        let (config, count) = (&topic.config, topic.partition_count());
        if !config.log_append_time && self != Self::Derived {
            return refused("set message.timestamp.type=LogAppendTime on it".to_owned());
        }
        if config.cleanup_policy != "delete" {
            let policy = &config.cleanup_policy;
            return refused(format!("cleanup.policy is `{policy}`; set it to `delete`"));
        }
        if self.holds_decisions() && (config.retention_ms >= 0 || config.retention_bytes >= 0) {
            return refused(
                "decisions are kept for ever; set retention.ms=-1 and retention.bytes=-1 on it"
                    .to_owned(),
            );
        }
        if self == Self::Control && count != 1 {
            return refused(format!("the control log has one partition, not {count}"));
        }
        if self == Self::Totals && count != usage_partitions {
            return refused(format!(
                "it has {count} partitions and usage.events has {usage_partitions}; \
                 delete it while nothing runs, then run `meterline init` again"
            ));
        }
        Ok(self.warnings(topic))
    }

    fn warnings(self, topic: &TopicDescription) -> Vec<Warning> {
        let config = &topic.config;
        let mut texts = Vec::new();
        let replicas = topic.replicas();
        if replicas < usize::from(SAFE_REPLICAS) && self != Self::Derived {
            texts.push(format!(
                "it has {replicas} replica(s): a lost disk loses records; use {SAFE_REPLICAS}"
            ));
        }
        if config.min_insync_replicas < SAFE_IN_SYNC && self.holds_decisions() {
            texts.push(format!(
                "min.insync.replicas is {}: an acknowledged decision may exist once; use \
                 {SAFE_IN_SYNC}",
                config.min_insync_replicas
            ));
        }
        if config.unclean_leader_election && self != Self::Derived {
            texts.push(
                "unclean.leader.election.enable is on: acknowledged records may be lost".to_owned(),
            );
        }
        let short = (0..SEVEN_DAYS_MS).contains(&config.retention_ms);
        if short && matches!(self, Self::Usage | Self::Totals) {
            texts.push(
                "retention.ms is below seven days: it bounds how long everything may be down"
                    .to_owned(),
            );
        }
        let of = |text| Warning {
            topic: topic.name.clone(),
            text,
        };
        texts.into_iter().map(of).collect()
    }
}
