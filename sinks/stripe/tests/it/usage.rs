//! Usage there and back: a meter, its events, their summaries.

use crate::stripe;
use meterline_stripe::requests::meters::{self, NewMeter};

#[tokio::test]
async fn a_meter_is_made_for_sums_of_hours() {
    let (_fake, client) = stripe(|_| ());
    let wanted = NewMeter {
        display_name: "Calls",
        event_name: "calls",
        customer_key: "stripe_customer_id",
        value_key: "value",
    };
    let made = client.write(&meters::create(&wanted)).await.expect("made");
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
