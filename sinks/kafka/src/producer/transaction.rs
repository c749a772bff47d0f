//! Writing several records to several topics as one: all of them are there, or none.
//!
//! A transactional id belongs to one producer at a time: [`TransactionalProducer::connect`] ends
//! what an earlier one of the same id had open, and that one can write nothing from then on
//! ([`TransactionError::TakenOver`]). Readers with `isolation.level=read_committed` see nothing of
//! an open or aborted transaction, and nothing that was appended behind an open one either: so
//! transactions are short, and the brokers abort one that nobody ends.
//!
//! Source: Apache Kafka, KIP-98 "Exactly Once Delivery and Transactional Messaging".

use super::{Outgoing, Producer, Written};
use crate::error::{Error, SendError};
use crate::settings::Settings;
use futures::future::try_join_all;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::Producer as _;
use std::time::Duration;

/// After this long the brokers abort a transaction that its producer left open. Records behind it
/// wait as long, so it is short against every window; a batch takes a fraction of a second.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the end of a transaction is asked for: what the brokers may take to abort it.
const END_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of an operator that must not outlast a transaction; the client derives them from it.
const DERIVED: [&str; 3] = [
    "socket.timeout.ms",
    "message.timeout.ms",
    "delivery.timeout.ms",
];

/// Why nothing of a transaction is there, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// The client library refuses the settings.
    #[error(transparent)]
    Client(Error),
    /// The id could not be taken in time.
    #[error(
        "failed to take the transactional id {id}; check that the brokers answer, and that the \
         principal may use this id"
    )]
    Take {
        /// The transactional id.
        id: String,
        /// Why.
        source: Box<KafkaError>,
    },
    /// Another producer has taken the id; nothing of the transaction is there.
    #[error("another program has taken the transactional id {id} over")]
    TakenOver {
        /// The transactional id.
        id: String,
        /// What the broker said.
        source: Box<KafkaError>,
    },
    /// A record could not be written; nothing of the transaction is there.
    #[error("failed to write in a transaction of {id}; nothing of it is in the log")]
    Write {
        /// The transactional id.
        id: String,
        /// Which record, and why.
        source: SendError,
    },
    /// It could not be ended in time: it is there as a whole, or not at all.
    #[error("failed to end a transaction of {id}; all of it is in the log, or nothing")]
    Unknown {
        /// The transactional id.
        id: String,
        /// Why.
        source: Box<KafkaError>,
    },
}

/// The only producer of its transactional id.
#[derive(Debug)]
pub struct TransactionalProducer {
    producer: Producer,
    id: String,
}

impl TransactionalProducer {
    /// Takes the id: what another producer had open under it is aborted, or committed where its
    /// commit had begun, before this returns. Blocks.
    ///
    /// # Errors
    /// [`TransactionError::Client`], [`TransactionError::Take`].
    pub fn connect(
        settings: &Settings,
        id: &str,
        timeout: Duration,
    ) -> Result<Self, TransactionError> {
        let mut config = settings.producer_config();
        for derived in DERIVED {
            config.remove(derived);
        }
        config.set("transactional.id", id);
        let within = TRANSACTION_TIMEOUT.as_millis().to_string();
        config.set("transaction.timeout.ms", within);
        let producer = Producer::make(&config).map_err(TransactionError::Client)?;
        let taken = producer.client.init_transactions(timeout);
        taken.map_err(|source| TransactionError::Take {
            id: id.to_owned(),
            source: Box::new(source),
        })?;
        let id = id.to_owned();
        Ok(Self { producer, id })
    }

    /// Writes what `write` sends in one transaction, and commits it if `write` succeeds. Blocks.
    ///
    /// # Errors
    /// [`TransactionError::Unknown`] where the commit was not answered; any other means that
    /// nothing is there. [`TransactionError::TakenOver`]: this producer is of no more use.
    pub fn transaction<T>(
        &self,
        write: impl FnOnce(&Transaction<'_>) -> Result<T, SendError>,
    ) -> Result<T, TransactionError> {
        let client = &self.producer.client;
        client
            .begin_transaction()
            .map_err(|error| self.failed(error))?;
        match write(&Transaction(&self.producer)) {
            Ok(value) => self.commit().map(|()| value),
            Err(source) => {
                // Where this fails too, the brokers abort it by themselves after its time.
                let _ = client.abort_transaction(END_TIMEOUT);
                Err(match source.source.rdkafka_error_code() {
                    Some(code) if is_taken_over(code) => self.failed(*source.source),
                    _ => TransactionError::Write {
                        id: self.id.clone(),
                        source,
                    },
                })
            }
        }
    }

    fn commit(&self) -> Result<(), TransactionError> {
        let client = &self.producer.client;
        match client.commit_transaction(END_TIMEOUT) {
            Ok(()) => Ok(()),
            // The same commit again: the broker's answer was lost, or it was busy.
            Err(KafkaError::Transaction(error)) if error.is_retriable() => client
                .commit_transaction(END_TIMEOUT)
                .map_err(|error| self.failed(error)),
            Err(error) => {
                let requires_abort =
                    matches!(&error, KafkaError::Transaction(e) if e.txn_requires_abort());
                if requires_abort {
                    let _ = client.abort_transaction(END_TIMEOUT);
                }
                Err(self.failed(error))
            }
        }
    }

    fn failed(&self, error: KafkaError) -> TransactionError {
        let id = self.id.clone();
        let code = error.rdkafka_error_code();
        let source = Box::new(error);
        match code {
            Some(code) if is_taken_over(code) => TransactionError::TakenOver { id, source },
            _ => TransactionError::Unknown { id, source },
        }
    }
}

/// A transaction that is open.
#[derive(Debug)]
pub struct Transaction<'a>(&'a Producer);

impl Transaction<'_> {
    /// Writes records and says where each lies, in their order. Blocks.
    ///
    /// # Errors
    /// The first failure; the transaction is aborted then.
    pub fn send(&self, records: &[Outgoing<'_>]) -> Result<Vec<Written>, SendError> {
        let sent = records.iter().map(|record| self.0.send(*record));
        futures::executor::block_on(try_join_all(sent))
    }
}

/// Whether the brokers say that somebody else has the transactional id now.
fn is_taken_over(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Fenced
            | RDKafkaErrorCode::ProducerFenced
            | RDKafkaErrorCode::InvalidProducerEpoch
    )
}
