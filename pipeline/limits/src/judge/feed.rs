//! What was read goes to the engine.

use super::{Input, Judge};
use crate::metrics::Outcome;
use crate::records::AlertRecord;
use meterline_core::alert::Transition;
use meterline_core::chain::Ruling;
use meterline_core::halt::Halt;
use meterline_core::position::{Offset, Stamp};
use meterline_core::time::LogTime;
use meterline_follow::{Appended, Batch, LogHalt, Read, TotalsRecord};
use meterline_notify::InForce;
use meterline_schemas::records::{Progress, Total};

impl Judge {
    /// Takes one input.
    pub(super) fn take(&mut self, input: Input) {
        match input {
            Input::Totals(Read::Batch(batch)) => self.take_totals(batch),
            Input::Totals(Read::Stale(partition)) => self.follower.health.is_stale(partition),
            Input::Totals(Read::CaughtUp) => {
                self.behind.totals = false;
                self.caught_up();
            }
            Input::Alerts(Read::Batch(batch)) => self.take_alerts(batch),
            // A log of decisions that lost records halts; it is never read on.
            Input::Alerts(Read::Stale(_)) => {}
            Input::Alerts(Read::CaughtUp) => {
                self.behind.alerts = false;
                self.caught_up();
            }
            Input::Control(event) => self.take_control(event),
        }
    }

    fn take_totals(&mut self, batch: Batch<TotalsRecord>) {
        let (partition, position) = (batch.partition, batch.position);
        for (_, record) in batch.records {
            match record {
                TotalsRecord::Total(total) => self.take_total(&total),
                TotalsRecord::Progress(progress) => self.take_progress(&progress),
            }
        }
        self.follower
            .health
            .reads(&self.topics.totals, partition, position);
    }

    fn take_total(&mut self, total: &Total) {
        self.engine.total(total.log_partition, &total.row);
        if !self.behind.totals {
            self.note_change(&total.row.series.tenant, total.row.bucket.updated_at);
        }
    }

    /// Notes the log time of a change, so that it is known how long a crossing took.
    pub(super) fn note_change(&mut self, tenant: &str, at: LogTime) {
        match self.changed.get_mut(tenant) {
            Some(known) => *known = (*known).max(at),
            None => {
                self.changed.insert(tenant.into(), at);
            }
        }
    }

    /// Takes progress, and judges at once: what was read so far is an exact prefix, with the next
    /// total it is none.
    fn take_progress(&mut self, progress: &Progress) {
        let to = Stamp {
            epoch: progress.epoch,
            offset: progress.to,
        };
        let log_partition = progress.log_partition;
        self.engine.progress(log_partition, to, progress.log_time);
        if log_partition.topic_id == self.topics.usage_id {
            let partition = log_partition.partition;
            self.follower
                .health
                .judges(partition, progress.to, progress.log_time);
        }
        self.judge();
    }

    fn take_alerts(&mut self, batch: Batch<Appended<AlertRecord>>) {
        let (partition, position) = (batch.partition, batch.position);
        for (offset, Appended { at, record }) in batch.records {
            let taken = match record {
                AlertRecord::Transition(transition) => {
                    self.take_transition(partition, offset, at, *transition)
                }
                AlertRecord::Delivery(delivery) => {
                    self.notifier.outcome(*delivery);
                    self.engine.pass(partition, offset, at)
                }
            };
            if let Err(source) = taken {
                let topic = self.topics.alerts.clone();
                return self.follower.halts(&LogHalt {
                    topic,
                    partition,
                    offset,
                    source,
                });
            }
        }
        self.follower
            .health
            .reads(&self.topics.alerts, partition, position);
    }

    fn take_transition(
        &mut self,
        partition: u32,
        offset: Offset,
        at: LogTime,
        transition: Transition,
    ) -> Result<(), Halt> {
        let ruling = self.engine.transition(partition, offset, at, &transition)?;
        self.in_flight.remove(transition.write_id);
        let (state, severity) = (transition.state, transition.severity);
        if ruling != Ruling::InForce {
            self.metrics.transition(Outcome::Ignored, state, severity);
            return Ok(());
        }
        self.metrics.transition(Outcome::InForce, state, severity);
        self.notifier.transition(InForce {
            transition,
            appended: at,
        });
        Ok(())
    }

    /// Says what is still to be read; tells the notifier once nothing is.
    pub(super) fn caught_up(&mut self) {
        let behind = self.behind;
        let missing = [
            (
                behind.catalog,
                "waiting for a catalog: `meterline catalog apply`",
            ),
            (behind.control > 0, "reading the control log"),
            (behind.alerts, "reading usage.alerts"),
            (behind.totals, "reading usage.totals"),
        ];
        let missing = missing.iter().find(|(is_missing, _)| *is_missing);
        self.follower.health.phase(missing.map(|(_, phase)| *phase));
        if missing.is_none() && !self.is_told {
            self.is_told = true;
            tracing::info!(stage = "limits", "caught up, judging begins");
            self.notifier.caught_up();
        }
    }
}
