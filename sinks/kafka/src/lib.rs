//! The Kafka edge: client settings, topics, producers.
//!
//! Everything that Meterline's safety depends on in Kafka's clients is decided here, once: which
//! settings an operator may not change ([`Settings`]), how topics must be made and what they are
//! now ([`Admin`]), and when a record counts as written ([`Producer`]). It decodes nothing and
//! knows no decision: what records mean is the business of those who send and read them.
//!
//! Calls on [`Admin`] block their thread; use them from a plain thread or `spawn_blocking`.

mod admin;
mod describe;
mod error;
mod headers;
mod last_failure;
mod leader_epoch;
mod producer;
mod reader;
mod replaced;
mod reserved;
mod retry;
mod settings;
mod topics;

pub use admin::{Admin, Created, TopicConfig, TopicDescription, TopicSpec};
pub use describe::PartitionDescription;
pub use error::{Error, Next, SendError};
pub use headers::{Headers, headers, native_headers};
pub use leader_epoch::set_leader_epoch;
pub use producer::{
    MAX_RECORD_BYTES, Outgoing, Producer, Transaction, TransactionError, TransactionalProducer,
    Written,
};
pub use reader::{ReadError, ReadRecord, Reader};
pub use replaced::{AfterLeader, is_replaced};
pub use reserved::RESERVED;
pub use retry::Backoff;
pub use settings::Settings;
pub use topics::Topics;
