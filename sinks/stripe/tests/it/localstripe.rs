//! Customers, products and payment methods against localstripe, a Stripe that others wrote.
//!
//! It covers no more of what set-up does: it knows neither meters nor prices, and of products no
//! unit label.

use crate::client;
use meterline_stack::{Service, Stack};
use meterline_stripe::requests::customers::{self, CustomerFields};
use meterline_stripe::requests::products::{self, NewProduct};
use meterline_stripe::requests::{meters, payment_methods};

#[tokio::test]
async fn customers_products_and_payment_methods_work_at_a_stripe_of_others() {
    let other = Stack::own(Service::Localstripe);
    let client = client(other.localstripe_url());
    let fields = |name| CustomerFields {
        name,
        email: Some("bills@acme.example"),
        description: None,
        metadata: &[("meterline_tenant", "acme & co")],
    };
    let made = client.write(&customers::create(&fields("Acme"))).await;
    let made = made.expect("made");
    assert_eq!(made.metadata["meterline_tenant"], "acme & co");
    let changed = client
        .write(&customers::update(&made.id, &fields("Acme Ltd")))
        .await;
    assert_eq!(changed.expect("changed").name.as_deref(), Some("Acme Ltd"));
    let attach = payment_methods::attach("pm_card_visa", &made.id);
    let method = client.write(&attach).await.expect("attached");
    assert_eq!(method.customer.as_ref(), Some(&made.id));
    let default = customers::set_default_payment_method(&made.id, &method.id);
    client.write(&default).await.expect("set");
    let got = client
        .read(&customers::get(&made.id))
        .await
        .expect("it is there");
    assert_eq!(got.default_payment_method(), Some(method.id.as_str()));
    let found = client
        .read(&customers::list(Some("bills@acme.example"), None))
        .await;
    assert_eq!(found.expect("a page").data, [got]);

    let product = NewProduct {
        id: Some("meterline-calls"),
        name: "Calls",
        unit_label: None,
        metadata: &[("meterline_meter", "calls")],
    };
    let made = client
        .write(&products::create(&product))
        .await
        .expect("made");
    assert_eq!(made.id, "meterline-calls");
    let missing = client.read(&products::get("meterline-none")).await;
    missing.expect_err("there is none");
    let listed = client.read(&products::list(None)).await.expect("a page");
    assert_eq!(listed.data, [made]);
    let unknown = client.read(&meters::list(None)).await;
    unknown.expect_err("it knows no meters; once it does, they belong here too");
}
