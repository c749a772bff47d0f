//! What tests look at: Stripe's truth, the log of pushes, its table.

use crate::site::{PARTITIONS, Site, TIMEOUT};
use meterline_clickhouse::PushFilter;
use meterline_core::chain::Ruling;
use meterline_core::hash::partition_of;
use meterline_core::push::{Outcome, PushRecord, Step};
use meterline_core::pushes::Pushes;
use meterline_core::time::Hour;
use meterline_kafka::{ReadError, Reader};
use meterline_schemas::records::{Record, decode};
use meterline_schemas::rows::PushRow;

impl Site {
    /// What Stripe counts of a customer in an hour.
    pub(crate) fn counted(&self, customer: &str, hour: Hour) -> Option<String> {
        let window = i64::from(hour.0) * 3_600;
        self.stripe.truth(|truth| {
            let counted = truth.counted().into_iter();
            let mut counted = counted.filter(|c| c.customer == customer && c.window == window);
            counted.next().map(|counted| counted.quantity.to_string())
        })
    }

    /// How many meter events Stripe was sent.
    pub(crate) fn events_sent(&self) -> usize {
        self.stripe.truth(|truth| {
            let calls = truth.calls();
            let events = calls.filter(|call| call.path == "/v1/billing/meter_events");
            events.count()
        })
    }

    /// The rows of all steps, in their order.
    pub(crate) fn pushes_in_table(&self) -> Vec<PushRow> {
        let filter = PushFilter::default();
        let rows = self.clickhouse.pushes(&filter, None, 100);
        self.runtime.block_on(rows).expect("an answer")
    }

    /// The steps in force of a tenant's pushes, in the log's order.
    pub(crate) fn steps(&self, tenant: &str) -> Vec<String> {
        let mut pushes = Pushes::new(PARTITIONS);
        let mut steps = Vec::new();
        let mut reader = Reader::connect(&self.kafka, "test").expect("a client");
        let partition = partition_of(tenant.as_bytes(), PARTITIONS);
        let topic = self.kafka.topics().pushes();
        let take = |record: meterline_kafka::ReadRecord| -> Result<(), ReadError> {
            let at = record.append_time.expect("append times");
            let payload = record.payload.expect("a value");
            let Record::Push(push) = decode(&payload).expect("a record") else {
                panic!("no test here carries");
            };
            let ruling = pushes.apply(partition, record.offset, at, &push);
            if ruling.expect("order") == Ruling::InForce && push.key.tenant == tenant {
                steps.push(step_name(&push));
            }
            Ok(())
        };
        let end = reader.read_to_end(&topic, partition, 0, TIMEOUT, take);
        end.expect("the log's end");
        steps
    }
}

fn step_name(push: &PushRecord) -> String {
    match &push.step {
        Step::Intent(intent) => format!("intent {}", intent.quantity),
        Step::Outcome(Outcome::Received) => "received".to_owned(),
        Step::Outcome(Outcome::NotTaken { .. }) => "not taken".to_owned(),
        Step::Outcome(Outcome::Unknown { .. }) => "unknown".to_owned(),
        Step::Outcome(Outcome::Refused { .. }) => "refused".to_owned(),
        Step::Confirmed => "confirmed".to_owned(),
    }
}
