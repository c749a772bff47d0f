//! Copying pointers into usage partitions, so that a decision acts at one exact position.

use crate::error::ControlError;
use crate::log::ControlLog;
use meterline_core::control::{CatalogDecision, Pointer, VoidDecision};
use meterline_core::record::CONTROL_HEADER;
use meterline_kafka::{Backoff, Next, Outgoing};
use std::sync::Arc;
use std::time::{Duration, Instant};

impl ControlLog {
    /// Copies a pointer to a catalog version into every partition of `usage.events`.
    ///
    /// Returns how many partitions there are; all copies are acknowledged. Copies may repeat and
    /// race: a version that is not above the one in force is ignored. Blocks.
    ///
    /// # Errors
    /// [`ControlError::NoTopic`], and Kafka's.
    pub fn place(
        &self,
        decision: &CatalogDecision,
        timeout: Duration,
    ) -> Result<u32, ControlError> {
        let topic = self.settings().topics().usage_events();
        let described = self.admin().describe_topic(&topic, timeout)?;
        let description = described.ok_or_else(|| ControlError::NoTopic {
            topic: topic.clone(),
        })?;
        let partitions: Vec<u32> = (0..description.partition_count()).collect();
        self.place_in(decision, &partitions, timeout)?;
        Ok(description.partition_count())
    }

    /// Copies a pointer to a catalog version into some partitions of `usage.events`.
    ///
    /// # Errors
    /// Kafka's; some copies may be written then.
    pub fn place_in(
        &self,
        decision: &CatalogDecision,
        partitions: &[u32],
        timeout: Duration,
    ) -> Result<(), ControlError> {
        let pointer = Pointer::Record {
            offset: decision.offset,
            hash: decision.hash,
        };
        self.put_control(&[pointer], partitions, timeout)
    }

    /// Copies pointers to voids into their partition of `usage.events`, in the order given.
    ///
    /// Copies may repeat and race: each void is taken once, in the order of the control log. Blocks.
    ///
    /// # Errors
    /// Kafka's; some copies may be written then.
    pub fn place_voids(
        &self,
        voids: &[Arc<VoidDecision>],
        partition: u32,
        timeout: Duration,
    ) -> Result<(), ControlError> {
        let pointers = voids.iter().map(|decision| Pointer::Record {
            offset: decision.offset,
            hash: decision.hash,
        });
        let pointers: Vec<Pointer> = pointers.collect();
        self.put_control(&pointers, &[partition], timeout)
    }

    /// Writes a tick into a partition of `usage.events`: it moves log time, nothing else.
    ///
    /// # Errors
    /// Kafka's.
    pub fn tick(&self, partition: u32, timeout: Duration) -> Result<(), ControlError> {
        self.put_control(&[Pointer::Tick], &[partition], timeout)
    }

    fn put_control(
        &self,
        pointers: &[Pointer],
        partitions: &[u32],
        timeout: Duration,
    ) -> Result<(), ControlError> {
        let deadline = Instant::now() + timeout;
        let topic = self.settings().topics().usage_events();
        let texts: Vec<String> = pointers.iter().map(Pointer::to_string).collect();
        let headers = texts
            .iter()
            .map(|text| [(CONTROL_HEADER, Some(text.as_bytes()))]);
        let headers: Vec<_> = headers.collect();
        let mut backoff = Backoff::new();
        loop {
            let topic = &topic;
            let records = headers.iter().flat_map(|headers| {
                partitions.iter().map(move |partition| Outgoing {
                    topic,
                    partition: Some(*partition),
                    headers,
                    ..Outgoing::default()
                })
            });
            let Err(error) = self.producer().send_all_blocking(records) else {
                return Ok(());
            };
            let pause = backoff.pause();
            if error.next() != Next::Retry || Instant::now() + pause >= deadline {
                return Err(error.into());
            }
            std::thread::sleep(pause);
        }
    }
}
