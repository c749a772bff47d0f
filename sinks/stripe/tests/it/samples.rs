//! A request of every builder, with all that it can have, ready to be sent.

use crate::wire::event;
use meterline_stripe::requests::customers::{self, CustomerFields};
use meterline_stripe::requests::events;
use meterline_stripe::requests::invoice_items::{self, NewInvoiceItem};
use meterline_stripe::requests::invoices::{self, InvoiceFilter};
use meterline_stripe::requests::meters::{self, NewMeter};
use meterline_stripe::requests::prices::{self, NewPrice, NewTier, PriceFilter, Pricing};
use meterline_stripe::requests::products::{self, NewProduct};
use meterline_stripe::requests::schedules::{self, CurrentPhase};
use meterline_stripe::requests::subscriptions::{
    self, ItemChange, NewItem, NewSubscription, Proration, SubscriptionFilter,
};
use meterline_stripe::requests::{Period, event_summaries};
use meterline_stripe::requests::{invoice_previews, meter_events, payment_methods};
use meterline_stripe::{Client, Failure, Read, Write};
use serde::de::DeserializeOwned;
use std::pin::Pin;

type Sent = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

/// A request by the name of its builder.
pub(crate) struct Sample {
    /// Module and function, such as `customers::create`.
    pub(crate) name: &'static str,
    send: Box<dyn Fn(Client) -> Sent>,
}

impl Sample {
    /// Sends the request and reads its answer.
    pub(crate) async fn send(&self, client: &Client) -> Result<(), Failure> {
        (self.send)(client.clone()).await
    }
}

fn read<T: DeserializeOwned + Clone + 'static>(name: &'static str, request: Read<T>) -> Sample {
    let send = move |client: Client| -> Sent {
        let request = request.clone();
        Box::pin(async move { client.read(&request).await.map(drop) })
    };
    Sample {
        name,
        send: Box::new(send),
    }
}

fn write<T: DeserializeOwned + Clone + 'static>(name: &'static str, request: Write<T>) -> Sample {
    let request = request.with_idempotency_key(name);
    let send = move |client: Client| -> Sent {
        let request = request.clone();
        Box::pin(async move { client.write(&request).await.map(drop) })
    };
    Sample {
        name,
        send: Box::new(send),
    }
}

const METADATA: &[(&str, &str)] = &[("meterline_tenant", "a b&c"), ("gone", "")];
const SPAN: Period = Period {
    start: 1_790_812_800,
    end: 1_790_816_400,
};

/// At least one request of every builder.
pub(crate) fn all() -> Vec<Sample> {
    [
        usage(),
        catalog(),
        customers(),
        subscriptions(),
        invoices(),
        happened(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn usage() -> Vec<Sample> {
    let meter = NewMeter {
        display_name: "Calls",
        event_name: "calls",
        customer_key: "stripe_customer_id",
        value_key: "value",
    };
    let hours = event_summaries::list_hours("mtr_1", "cus_1", SPAN, Some("mtrusg_1"));
    let days = event_summaries::list_days("mtr_1", "cus_1", SPAN, Some("mtrusg_1"));
    vec![
        write("meters::create", meters::create(&meter)),
        read("meters::get", meters::get("mtr_1")),
        read("meters::list", meters::list(Some("mtr_1"))),
        write("meter_events::create", meter_events::create(&event())),
        write(
            "meter_events::cancel",
            meter_events::cancel("calls", "ml_1"),
        ),
        read("event_summaries::list_hours", hours),
        read("event_summaries::list_days", days),
    ]
}

fn catalog() -> Vec<Sample> {
    let product = NewProduct {
        id: Some("meterline-calls"),
        name: "Calls",
        unit_label: Some("call"),
        metadata: METADATA,
    };
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
    let price = |pricing, meter| NewPrice {
        product: "meterline-calls",
        currency: "usd",
        interval: "month",
        meter,
        pricing,
        nickname: Some("calls"),
        lookup_key: Some("calls-1"),
        metadata: METADATA,
    };
    let packages = Pricing::PerUnit {
        amount: "0.5",
        package: Some(1_000),
    };
    let filter = PriceFilter {
        lookup_keys: &["calls-1", "calls-2"],
        product: Some("meterline-calls"),
        meter: Some("mtr_1"),
        active: Some(true),
    };
    let tiered = price(Pricing::Graduated(&tiers), Some("mtr_1"));
    vec![
        write("products::create", products::create(&product)),
        read("products::get", products::get("meterline-calls")),
        read("products::list", products::list(Some("prod_1"))),
        write("prices::create", prices::create(&tiered)),
        write(
            "prices::create",
            prices::create(&price(packages, Some("mtr_1"))),
        ),
        write("prices::create", prices::create(&price(packages, None))),
        read("prices::get", prices::get("price_1")),
        read("prices::list", prices::list(&filter, Some("price_1"))),
        write(
            "prices::take_lookup_key",
            prices::take_lookup_key("price_1", "calls-1"),
        ),
    ]
}

fn customers() -> Vec<Sample> {
    let fields = CustomerFields {
        name: "Acme",
        email: Some("bills@acme.example"),
        description: Some("a customer"),
        metadata: METADATA,
    };
    let default = customers::set_default_payment_method("cus_1", "pm_1");
    vec![
        write("customers::create", customers::create(&fields)),
        write("customers::update", customers::update("cus_1", &fields)),
        write("customers::set_default_payment_method", default),
        read("customers::get", customers::get("cus_1")),
        read(
            "customers::list",
            customers::list(Some("a@acme.example"), Some("cus_1")),
        ),
        write(
            "payment_methods::attach",
            payment_methods::attach("pm_1", "cus_1"),
        ),
    ]
}

fn subscriptions() -> Vec<Sample> {
    let items = [
        NewItem {
            price: "price_1",
            quantity: None,
        },
        NewItem {
            price: "price_2",
            quantity: Some(3),
        },
    ];
    let subscription = NewSubscription {
        customer: "cus_1",
        items: &items,
        billing_cycle_anchor: Some(1_790_812_800),
        backdate_start_date: Some(1_788_220_800),
        proration: Proration::Skip,
        metadata: METADATA,
    };
    let changes = changes(items);
    let change = subscriptions::change_items("sub_1", &changes, Proration::Create);
    let filter = SubscriptionFilter {
        customer: Some("cus_1"),
        status: Some("all"),
    };
    let at_end = subscriptions::set_cancel_at_period_end("sub_1", true);
    let phase = CurrentPhase {
        start_date: SPAN.start,
        end_date: SPAN.end,
    };
    let next = schedules::set_next("sub_sched_1", phase, &items, &items);
    vec![
        write(
            "subscriptions::create",
            subscriptions::create(&subscription),
        ),
        write("subscriptions::change_items", change),
        write("subscriptions::set_cancel_at_period_end", at_end),
        write(
            "subscriptions::set_metadata",
            subscriptions::set_metadata("sub_1", "k", "v"),
        ),
        write(
            "subscriptions::cancel_now",
            subscriptions::cancel_now("sub_1", true),
        ),
        read("subscriptions::get", subscriptions::get("sub_1")),
        read(
            "subscriptions::list",
            subscriptions::list(&filter, Some("sub_1")),
        ),
        write("schedules::create", schedules::create("sub_1")),
        write("schedules::set_next", next),
        write("schedules::release", schedules::release("sub_sched_1")),
        write(
            "invoice_previews::create",
            invoice_previews::create("sub_1", &changes),
        ),
    ]
}

fn changes(items: [NewItem<'static>; 2]) -> [ItemChange<'static>; 3] {
    let [metered, licensed] = items;
    [
        ItemChange::Add(licensed),
        ItemChange::Replace {
            item: "si_1",
            by: metered,
        },
        ItemChange::Remove { item: "si_2" },
    ]
}

fn invoices() -> Vec<Sample> {
    let filter = InvoiceFilter {
        created_from: Some(1_790_812_800),
        status: Some("draft"),
        customer: Some("cus_1"),
        subscription: Some("sub_1"),
    };
    let item = NewInvoiceItem {
        customer: "cus_1",
        amount: -125,
        currency: "usd",
        subscription: Some("sub_1"),
        invoice: Some("in_1"),
        period: SPAN,
        description: "carried",
        metadata: METADATA,
    };
    let items = invoice_items::list("cus_1", Some(true), Some("ii_1"));
    vec![
        read("invoices::list", invoices::list(&filter, Some("in_1"))),
        read("invoices::get", invoices::get("in_1")),
        read(
            "invoices::list_lines",
            invoices::list_lines("in_1", Some("il_1")),
        ),
        write(
            "invoices::set_auto_advance",
            invoices::set_auto_advance("in_1", false),
        ),
        write(
            "invoices::schedule",
            invoices::schedule("in_1", 1_790_812_800),
        ),
        write("invoices::finalize", invoices::finalize("in_1")),
        write("invoice_items::create", invoice_items::create(&item)),
        read("invoice_items::get", invoice_items::get("ii_1")),
        read("invoice_items::list", items),
    ]
}

fn happened() -> Vec<Sample> {
    let types = ["invoice.created", "customer.subscription.updated"];
    let list = events::list(&types, Some(1_790_812_800), Some("evt_1"));
    vec![
        read("events::list", list),
        read("events::get", events::get("evt_1")),
        read("events::get_thin", events::get_thin("evt_1")),
    ]
}
