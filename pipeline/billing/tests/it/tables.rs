//! What tests put into tables and into Stripe themselves, past the stage.

use crate::catalog::EVENT_NAME;
use crate::site::{KEY, PARTITIONS, Site, bucket_row};
use meterline_core::counters::Counters;
use meterline_core::fold::Header;
use meterline_core::hash::partition_of;
use meterline_core::position::Stamp;
use meterline_core::time::{EventTime, Hour, Level, LogTime};
use meterline_schemas::rows::ProgressRow;
use meterline_stripe::requests::meter_events::{self, MeterEvent};
use meterline_stripe::requests::meters;

impl Site {
    /// Writes the bucket of a tenant's hour, and no total.
    pub(crate) fn bucket(&self, tenant: &str, hour: Hour, count: u64, updated_at: LogTime) {
        let partition = partition_of(tenant.as_bytes(), PARTITIONS);
        let changed = Stamp {
            epoch: 0,
            offset: self.take_offset(partition),
        };
        let rows = [bucket_row(tenant, hour, count, changed, updated_at)];
        let of = self.log_partition(partition);
        let inserted = self.clickhouse.insert_buckets(Level::Hour, of, &rows);
        self.runtime.block_on(inserted).expect("inserted");
    }

    /// Writes that every hour up to this one is sealed, itself among them.
    pub(crate) fn sealed(&self, hour: Hour) {
        for partition in 0..PARTITIONS {
            let header = Header {
                log_partition: self.log_partition(partition),
                epoch: 0,
                position: 1,
                partitions: PARTITIONS,
                log_time: LogTime(0),
                sealed_to: hour.end(),
                accept_floor: EventTime(0),
                answer_floor: EventTime(0),
                levels_to: 0,
                levels_sealed_to: EventTime(0),
                catalogs: Vec::new(),
                voids_to: None,
                counters: Counters::default(),
                outcome_hash: String::new(),
                hash_samples: Vec::new(),
                identity_key: String::new(),
            };
            let row = ProgressRow::new("usage.events", &header, None);
            let inserted = self.clickhouse.insert_progress(&row);
            self.runtime.block_on(inserted).expect("inserted");
        }
    }

    /// Pushes a value to Stripe as anybody can who has the key.
    pub(crate) fn tell_stripe(&self, customer: &str, hour: Hour, value: &str) {
        let identifier = format!("{customer}/{}/{value}/{}", hour.0, self.events_sent());
        let request = meter_events::create(&MeterEvent {
            event_name: EVENT_NAME,
            customer_key: "stripe_customer_id",
            customer,
            value_key: "value",
            value,
            identifier: &identifier,
            timestamp: i64::from(hour.0) * 3_600,
        });
        let client = self.client();
        let taken = self.runtime.block_on(client.write(&request));
        taken.expect("Stripe takes it");
    }

    /// Makes a customer at Stripe; its id.
    pub(crate) fn customer(&self, name: &str) -> String {
        self.post("customers", &[("name", name)])
    }

    /// Subscribes a customer to the meter's price, cut at an hour.
    pub(crate) fn subscribe(&self, customer: &str, cut: Hour) {
        let client = self.client();
        let listed = self.runtime.block_on(client.read(&meters::list(None)));
        let meter = listed.expect("meters").data.remove(0).id;
        let product = self.post("products", &[("name", "Calls")]);
        let price = [
            ("currency", "usd"),
            ("product", &*product),
            ("unit_amount_decimal", "0.7"),
            ("recurring[interval]", "week"),
            ("recurring[usage_type]", "metered"),
            ("recurring[meter]", &meter),
        ];
        let price = self.post("prices", &price);
        let anchor = (i64::from(cut.0) * 3_600).to_string();
        let form = [
            ("customer", customer),
            ("billing_cycle_anchor", &*anchor),
            ("items[0][price]", &*price),
        ];
        self.post("subscriptions", &form);
    }

    /// Posts a form to Stripe; the id of what was made.
    fn post(&self, path: &str, form: &[(&str, &str)]) -> String {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.extend_pairs(form).finish();
        let request = reqwest::Client::new()
            .post(format!("{}/v1/{path}", self.stripe.url()))
            .bearer_auth(KEY)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        self.runtime.block_on(async {
            let answer = request.send().await.expect("an answer");
            let answer: serde_json::Value = answer.json().await.expect("JSON");
            let id = answer["id"].as_str();
            id.unwrap_or_else(|| panic!("{path}: {answer}")).to_owned()
        })
    }
}
