//! Usage there and back: a meter, its events, their summaries.

use crate::{START, stripe};
use meterline_core::push::Outcome;
use meterline_core::quantity::Quantity;
use meterline_fake_stripe::{FakeStripe, HOUR, MINUTE};
use meterline_stripe::requests::Period;
use meterline_stripe::requests::customers::{self, CustomerFields};
use meterline_stripe::requests::event_summaries::{self, EventSummary};
use meterline_stripe::requests::meter_events::{self, MeterEvent};
use meterline_stripe::requests::meters::{self, Meter, NewMeter};
use meterline_stripe::{Client, meter_event_outcome};

pub(crate) async fn meter(client: &Client) -> Meter {
    let wanted = NewMeter {
        display_name: "Calls",
        event_name: "calls",
        customer_key: "stripe_customer_id",
        value_key: "value",
    };
    client.write(&meters::create(&wanted)).await.expect("made")
}

pub(crate) async fn customer(client: &Client) -> String {
    let fields = CustomerFields {
        name: "Acme",
        email: Some("bills@acme.example"),
        description: None,
        metadata: &[("meterline_tenant", "acme")],
    };
    let made = client.write(&customers::create(&fields)).await;
    made.expect("made").id
}

/// Sends a value for an hour, counted from the beginning.
pub(crate) async fn push(client: &Client, customer: &str, hour: i64, value: &str, name: &str) {
    let event = MeterEvent {
        event_name: "calls",
        customer_key: "stripe_customer_id",
        customer,
        value_key: "value",
        value,
        identifier: name,
        timestamp: START + hour * 3_600,
    };
    let sent = client.write(&meter_events::create(&event)).await;
    assert_eq!(meter_event_outcome(&sent), Outcome::Received, "{sent:?}");
}

async fn hours(client: &Client, meter: &str, customer: &str, span: Period) -> Vec<EventSummary> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let request = event_summaries::list_hours(meter, customer, span, after.as_deref());
        let page = client.read(&request).await.expect("a page");
        after = page.next().map(str::to_owned);
        all.extend(page.data);
        if after.is_none() {
            return all;
        }
    }
}

async fn settled() -> (FakeStripe, Client, String, String) {
    let (fake, client) = stripe(|_| ());
    let meter = meter(&client).await.id;
    let customer = customer(&client).await;
    (fake, client, meter, customer)
}

#[tokio::test]
async fn a_meter_is_made_for_sums_of_hours() {
    let (_fake, client) = stripe(|_| ());
    let made = meter(&client).await;
    assert_eq!(made.default_aggregation.formula, "sum");
    assert_eq!(made.event_time_window.as_deref(), Some("hour"));
    assert_eq!(
        made.customer_mapping.event_payload_key,
        "stripe_customer_id"
    );
    assert_eq!(made.value_settings.event_payload_key, "value");
    assert!(made.is_active());
    let got = client
        .read(&meters::get(&made.id))
        .await
        .expect("it is there");
    assert_eq!(got, made);
    let listed = client.read(&meters::list(None)).await.expect("a page");
    assert_eq!(listed.data, [made]);
}

#[tokio::test]
async fn a_summary_shows_the_value_that_was_received_last_with_all_its_digits() {
    let (fake, client, meter, customer) = settled().await;
    push(&client, &customer, 0, "7", "first").await;
    fake.advance(2 * MINUTE).await;
    push(&client, &customer, 0, "123456.789012345", "second").await;
    fake.advance(2 * MINUTE).await;
    let span = Period {
        start: START,
        end: START + 3_600,
    };
    let summaries = hours(&client, &meter, &customer, span).await;
    let [summary] = summaries.as_slice() else {
        panic!("{summaries:?}");
    };
    assert_eq!(
        (summary.start_time, summary.end_time),
        (span.start, span.end)
    );
    let expected = Quantity::parse("123456.789012345");
    assert_eq!(summary.aggregated_value.quantity(), expected);
}

#[tokio::test]
async fn summaries_of_more_hours_than_a_page_are_read_page_by_page() {
    let (fake, client, meter, customer) = settled().await;
    fake.advance(120 * HOUR).await;
    for hour in 0..120 {
        push(&client, &customer, hour, "1", &format!("h{hour}")).await;
    }
    fake.advance(2 * MINUTE).await;
    let span = Period {
        start: START,
        end: START + 120 * 3_600,
    };
    let summaries = hours(&client, &meter, &customer, span).await;
    assert_eq!(summaries.len(), 120);
    let mut starts: Vec<_> = summaries.iter().map(|summary| summary.start_time).collect();
    starts.sort_unstable();
    starts.dedup();
    assert_eq!(starts.len(), 120);
}

#[tokio::test]
async fn a_cancelled_event_counts_no_longer() {
    let (fake, client, _, customer) = settled().await;
    push(&client, &customer, 0, "7", "wrong").await;
    fake.advance(2 * MINUTE).await;
    let cancel = meter_events::cancel("calls", "wrong");
    assert_eq!(
        client.write(&cancel).await.expect("taken").event_name,
        "calls"
    );
    fake.advance(2 * MINUTE).await;
    assert!(fake.truth(|truth| truth.counted()).is_empty());
}
