//! From a price to a final invoice, and back from its lines.

use crate::usage::{customer, meter, push};
use crate::{START, stripe};
use meterline_core::quantity::Quantity;
use meterline_fake_stripe::{DAY, FakeStripe, HOUR};
use meterline_stripe::Client;
use meterline_stripe::requests::Period;
use meterline_stripe::requests::customers::{self, CustomerFields};
use meterline_stripe::requests::invoice_items::{self, NewInvoiceItem};
use meterline_stripe::requests::invoice_previews;
use meterline_stripe::requests::invoices::{self, Invoice, InvoiceFilter};
use meterline_stripe::requests::payment_methods;
use meterline_stripe::requests::prices::{self, NewPrice, NewTier, PriceFilter, Pricing};
use meterline_stripe::requests::products::{self, NewProduct};
use meterline_stripe::requests::subscriptions::{
    self, ItemChange, NewItem, NewSubscription, Proration, Subscription, SubscriptionFilter,
};

/// From the use to half an hour after the period's end, when its invoice is a draft.
const TO_THE_DRAFT: i64 = 31 * DAY - HOUR / 2;

const CENTS: Pricing<'static> = Pricing::PerUnit {
    amount: "0.5",
    package: None,
};

/// A product, a metered price of it for each pricing, by lookup keys `price-0`, `price-1`, ….
async fn price_list(client: &Client, meter: &str, pricings: &[Pricing<'_>]) -> Vec<String> {
    let product = NewProduct {
        id: Some("meterline-calls"),
        name: "Calls",
        unit_label: Some("call"),
        metadata: &[],
    };
    let product = client.write(&products::create(&product)).await;
    let product = product.expect("made").id;
    let mut ids = Vec::new();
    for (index, pricing) in pricings.iter().enumerate() {
        let price = NewPrice {
            product: &product,
            currency: "usd",
            interval: "month",
            meter: Some(meter),
            pricing: *pricing,
            nickname: None,
            lookup_key: Some(&format!("price-{index}")),
            metadata: &[("meterline_meter", "calls")],
        };
        let made = client.write(&prices::create(&price)).await;
        ids.push(made.expect("made").id);
    }
    ids
}

async fn subscribed(client: &Client, customer: &str, price: &str) -> Subscription {
    let wanted = NewSubscription {
        customer,
        items: &[NewItem {
            price,
            quantity: None,
        }],
        billing_cycle_anchor: None,
        backdate_start_date: None,
        proration: Proration::Create,
        metadata: &[("meterline_tenant", "acme")],
    };
    let made = client.write(&subscriptions::create(&wanted)).await;
    made.expect("made")
}

/// A subscription to a price of half a cent, with 1,001.5 calls in its first hour.
async fn in_use() -> (FakeStripe, Client, Subscription) {
    let (fake, client) = stripe(|_| ());
    let meter = meter(&client).await.id;
    let price = price_list(&client, &meter, &[CENTS]).await.remove(0);
    let customer = customer(&client).await;
    let subscription = subscribed(&client, &customer, &price).await;
    fake.advance(HOUR).await;
    push(&client, &customer, 0, "1001.5", "hour-0").await;
    (fake, client, subscription)
}

async fn drafts(client: &Client) -> Vec<Invoice> {
    let filter = InvoiceFilter {
        status: Some("draft"),
        ..InvoiceFilter::default()
    };
    let page = client.read(&invoices::list(&filter, None)).await;
    page.expect("a page").data
}

#[tokio::test]
async fn prices_are_found_by_lookup_key_and_meter_with_their_tiers() {
    let (_fake, client) = stripe(|_| ());
    let meter = meter(&client).await.id;
    let tiers = [
        NewTier {
            up_to: Some(1_000),
            unit_amount: "0",
            flat_amount: Some("500"),
        },
        NewTier {
            up_to: None,
            unit_amount: "0.0125",
            flat_amount: None,
        },
    ];
    let ids = price_list(&client, &meter, &[CENTS, Pricing::Graduated(&tiers)]).await;
    let filter = PriceFilter {
        lookup_keys: &["price-1"],
        meter: Some(&meter),
        active: Some(true),
        product: Some("meterline-calls"),
    };
    let page = client
        .read(&prices::list(&filter, None))
        .await
        .expect("a page");
    let got = client
        .read(&prices::get(&ids[1]))
        .await
        .expect("it is there");
    assert_eq!(got.lookup_key.as_deref(), Some("price-1"));
    assert_eq!(page.data.len(), 1);
    assert_eq!(page.data[0].id, ids[1]);
    let tiers = got.tiers.expect("they were asked for");
    let [first, last] = tiers.as_slice() else {
        panic!("{tiers:?}");
    };
    let text = |number: &Option<meterline_stripe::Decimal>| {
        number.as_ref().map(|number| number.text().to_owned())
    };
    assert_eq!(text(&first.up_to).as_deref(), Some("1000"));
    assert_eq!(text(&first.flat_amount_decimal).as_deref(), Some("500"));
    assert_eq!(text(&last.up_to), None);
    assert_eq!(text(&last.unit_amount_decimal).as_deref(), Some("0.0125"));
    let recurring = got.recurring.expect("it is recurring");
    assert_eq!(recurring.meter.as_deref(), Some(meter.as_str()));
    assert_eq!(
        (recurring.interval.as_str(), recurring.usage_type.as_str()),
        ("month", "metered")
    );
}

#[tokio::test]
async fn a_draft_is_held_scheduled_and_finalized_with_what_was_used() {
    let (fake, client, subscription) = in_use().await;
    fake.advance(TO_THE_DRAFT).await;
    let draft = drafts(&client).await.remove(0);
    assert_eq!(draft.subscription(), Some(subscription.id.as_str()));
    assert_eq!(
        draft.period_start,
        subscription.items.data[0].current_period_start
    );
    assert_eq!(
        draft.period_end,
        subscription.items.data[0].current_period_end
    );
    assert!(draft.auto_advance && draft.automatically_finalizes_at.is_some());
    let held = client
        .write(&invoices::set_auto_advance(&draft.id, false))
        .await;
    let held = held.expect("held");
    assert!(!held.auto_advance && held.automatically_finalizes_at.is_none());
    let at = fake.now() / 1_000 + 7_200;
    let planned = client.write(&invoices::schedule(&draft.id, at)).await;
    assert_eq!(
        planned.expect("planned").automatically_finalizes_at,
        Some(at)
    );
    let done = client
        .write(&invoices::finalize(&draft.id))
        .await
        .expect("final");
    assert!(!done.is_draft());
    assert_eq!(done.finalized_at(), Some(fake.now() / 1_000));
    let lines = client.read(&invoices::list_lines(&draft.id, None)).await;
    let line = lines.expect("a page").data.remove(0);
    let quantity = line.quantity().expect("it has one").quantity();
    assert_eq!(quantity, Quantity::parse("1001.5"));
    assert_eq!(line.amount, 501);
    assert_eq!(
        line.price(),
        Some(subscription.items.data[0].price.id.as_str())
    );
    assert_eq!(
        line.subscription_item(),
        Some(subscription.items.data[0].id.as_str())
    );
    let got = client
        .read(&invoices::get(&draft.id))
        .await
        .expect("it is there");
    assert_eq!(got.total, 501);
}

#[tokio::test]
async fn invoices_are_listed_from_a_time_on() {
    let (fake, client, _) = in_use().await;
    fake.advance(31 * DAY).await;
    let listed = async |created_from| {
        let filter = InvoiceFilter {
            created_from: Some(created_from),
            ..InvoiceFilter::default()
        };
        let page = client.read(&invoices::list(&filter, None)).await;
        page.expect("a page").data.len()
    };
    // One of nothing when it was made, one at the end of its first period.
    assert_eq!(listed(START).await, 2);
    assert_eq!(listed(START + 1).await, 1);
    assert_eq!(listed(fake.now() / 1_000 + 1).await, 0);
}

#[tokio::test]
async fn an_item_is_a_line_of_the_next_invoice() {
    let (fake, client, subscription) = in_use().await;
    let item = NewInvoiceItem {
        customer: &subscription.customer,
        amount: -125,
        currency: "usd",
        subscription: Some(&subscription.id),
        invoice: None,
        period: Period {
            start: START - 3_600,
            end: START,
        },
        description: "carried",
        metadata: &[("meterline_window", "1")],
    };
    let made = client
        .write(&invoice_items::create(&item).with_idempotency_key("k"))
        .await;
    let made = made.expect("made");
    let again = client
        .write(&invoice_items::create(&item).with_idempotency_key("k"))
        .await;
    assert_eq!(again.as_ref(), Ok(&made));
    let customer = &subscription.customer;
    let waiting = client
        .read(&invoice_items::list(customer, Some(true), None))
        .await;
    assert_eq!(waiting.expect("a page").data, std::slice::from_ref(&made));
    fake.advance(TO_THE_DRAFT).await;
    let draft = drafts(&client).await.remove(0);
    let lines = draft.lines.data.iter();
    let line = lines.into_iter().find(|line| line.invoice_item().is_some());
    let line = line.expect("it is on the invoice");
    assert_eq!(line.invoice_item(), Some(made.id.as_str()));
    assert_eq!((line.amount, line.period), (-125, item.period));
    assert_eq!(line.metadata["meterline_window"], "1");
    let got = client
        .read(&invoice_items::get(&made.id))
        .await
        .expect("it is there");
    assert_eq!(got.invoice, Some(draft.id));
}

#[tokio::test]
async fn a_plan_is_previewed_changed_and_cancelled() {
    let (_fake, client) = stripe(|_| ());
    let meter = meter(&client).await.id;
    let dear = Pricing::PerUnit {
        amount: "200",
        package: None,
    };
    let ids = price_list(&client, &meter, &[CENTS, dear]).await;
    let customer = customer(&client).await;
    let made = subscribed(&client, &customer, &ids[0]).await;
    push(&client, &customer, 0, "10", "hour-0").await;
    let item = &made.items.data[0].id;
    let by = NewItem {
        price: &ids[1],
        quantity: None,
    };
    let changes = [ItemChange::Replace { item, by }];
    let preview = client
        .write(&invoice_previews::create(&made.id, &changes))
        .await;
    assert!(!preview.expect("a preview").lines.data.is_empty());
    let change = subscriptions::change_items(&made.id, &changes, Proration::Create);
    let changed = client.write(&change).await.expect("changed");
    assert_eq!(changed.items.data[0].price.id, ids[1]);
    let ending = subscriptions::set_cancel_at_period_end(&made.id, true);
    let ending = client.write(&ending).await.expect("changed");
    assert!(ending.cancel_at_period_end && ending.cancel_at.is_some());
    let noted = subscriptions::set_metadata(&made.id, "note", "x");
    assert_eq!(
        client.write(&noted).await.expect("noted").metadata["note"],
        "x"
    );
    let ended = client
        .write(&subscriptions::cancel_now(&made.id, true))
        .await;
    assert_eq!(ended.expect("ended").status, "canceled");
    let filter = SubscriptionFilter {
        customer: Some(&customer),
        status: Some("all"),
    };
    let listed = client.read(&subscriptions::list(&filter, None)).await;
    let got = client
        .read(&subscriptions::get(&made.id))
        .await
        .expect("it is there");
    assert_eq!(listed.expect("a page").data, [got]);
}

#[tokio::test]
async fn a_customer_is_found_changed_and_given_a_payment_method() {
    let (_fake, client) = stripe(|_| ());
    let id = customer(&client).await;
    let fields = CustomerFields {
        name: "Acme Ltd",
        email: None,
        description: Some("d"),
        metadata: &[("meterline_tenant", "acme-2")],
    };
    let changed = client
        .write(&customers::update(&id, &fields))
        .await
        .expect("changed");
    assert_eq!(changed.name.as_deref(), Some("Acme Ltd"));
    assert_eq!(changed.email.as_deref(), Some("bills@acme.example"));
    assert_eq!(changed.metadata["meterline_tenant"], "acme-2");
    let attached = client
        .write(&payment_methods::attach("pm_card_visa", &id))
        .await;
    assert_eq!(
        attached.expect("attached").customer.as_deref(),
        Some(id.as_str())
    );
    let default = customers::set_default_payment_method(&id, "pm_card_visa");
    client.write(&default).await.expect("set");
    let got = client
        .read(&customers::get(&id))
        .await
        .expect("it is there");
    assert_eq!(got.default_payment_method(), Some("pm_card_visa"));
    let found = client
        .read(&customers::list(Some("bills@acme.example"), None))
        .await;
    assert_eq!(found.expect("a page").data, [got]);
    let none = client
        .read(&customers::list(Some("nobody@acme.example"), None))
        .await;
    assert!(none.expect("a page").data.is_empty());
}

#[tokio::test]
async fn a_product_is_made_once() {
    let (_fake, client) = stripe(|_| ());
    let product = NewProduct {
        id: Some("meterline/calls 1"),
        name: "Calls",
        unit_label: None,
        metadata: &[("a", "b")],
    };
    let made = client
        .write(&products::create(&product))
        .await
        .expect("made");
    let again = client.write(&products::create(&product)).await;
    let again = again.expect_err("it is there").to_string();
    assert!(again.contains("resource_already_exists"), "{again}");
    let page = client.read(&products::list(None)).await.expect("a page");
    assert_eq!(page.data, [made]);
}
