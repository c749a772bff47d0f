//! A batch of letters and their markers, in one transaction: both are in the logs, or neither.

use super::TIMEOUT;
use super::{Next, Outcome, Replayer, Run, id_of};
use crate::error::ReplayError;
use crate::letter_id::LetterId;
use crate::markers::MARKERS;
use meterline_control::Author;
use meterline_core::position::{LogPartition, TopicId};
use meterline_kafka::{Outgoing, SendError, Transaction, Written};
use meterline_schemas::records::{DeadLetterReplay, encode_replay};
use meterline_schemas::rows::DeadLetterRow;

/// A header as it is sent.
type Header<'a> = (&'a str, Option<&'a [u8]>);

impl Replayer {
    /// Publishes a batch and its markers in one transaction.
    pub(super) fn publish(
        &self,
        run: &mut Run<'_>,
        batch: Vec<Next>,
        say: &mut impl FnMut(&DeadLetterRow, &Outcome),
    ) -> Result<(), ReplayError> {
        if batch.is_empty() {
            return Ok(());
        }
        if run.tally.replayed == 0 && run.producer.is_some() {
            // A schema that was just added is in force in every partition before the records.
            self.places.control.place(&run.catalog, TIMEOUT)?;
        }
        let written: Vec<Option<Written>> = match &run.producer {
            None => batch.iter().map(|_| None).collect(),
            Some(producer) => producer
                .transaction(|open| self.write(run.request.author, &batch, open))?
                .into_iter()
                .map(Some)
                .collect(),
        };
        for (next, written) in batch.iter().zip(written) {
            run.tally.replayed += 1;
            let outcome = Outcome::Replayed {
                to: LogPartition {
                    topic_id: self.usage.topic_id,
                    partition: next.ready.partition,
                },
                to_offset: written.map(|written| written.offset),
                copy: next.ready.copy,
            };
            say(&next.letter, &outcome);
        }
        Ok(())
    }

    fn write(
        &self,
        author: &Author,
        batch: &[Next],
        open: &Transaction<'_>,
    ) -> Result<Vec<Written>, SendError> {
        let headers: Vec<Vec<Header<'_>>> = batch
            .iter()
            .map(|next| {
                let headers = next.ready.headers.iter();
                headers.map(|(k, v)| (k.as_str(), v.as_deref())).collect()
            })
            .collect();
        let records: Vec<Outgoing<'_>> = batch
            .iter()
            .zip(&headers)
            .map(|(next, headers)| Outgoing {
                topic: &self.usage.name,
                partition: Some(next.ready.partition),
                key: Some(next.ready.tenant.as_bytes()),
                payload: next.ready.payload.as_deref(),
                headers,
            })
            .collect();
        let written = open.send(&records)?;
        let markers: Vec<Vec<u8>> = batch
            .iter()
            .zip(&written)
            .map(|(next, written)| self.marker(author, next, *written))
            .collect();
        let markers: Vec<Outgoing<'_>> = markers
            .iter()
            .map(|marker| Outgoing {
                topic: &self.markers.topic,
                partition: Some(MARKERS),
                payload: Some(marker),
                ..Outgoing::default()
            })
            .collect();
        open.send(&markers)?;
        Ok(written)
    }

    fn marker(&self, author: &Author, next: &Next, written: Written) -> Vec<u8> {
        let LetterId {
            log_partition,
            offset,
        } = id_of(&next.letter);
        let topic_id: TopicId = self.usage.topic_id;
        let replay = DeadLetterReplay {
            log_partition,
            offset,
            to_topic: self.usage.name.clone(),
            to: LogPartition {
                topic_id,
                partition: written.partition,
            },
            to_offset: written.offset,
            copy: next.ready.copy,
            actor: author.actor.clone(),
            note: author.note.clone(),
        };
        let mut bytes = Vec::new();
        encode_replay(&replay, &mut bytes);
        bytes
    }
}
