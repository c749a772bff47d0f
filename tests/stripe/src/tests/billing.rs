//! Invoices: drafts that follow usage, finality, whole windows, items, payment.

use super::{DAY, Fake, HOUR, START, id, listed, text};
use crate::settings::{SECOND, Settings, Side};
use crate::truth::Truth;
use serde_json::Value;

/// 2026-11-01, when the first period ends.
const CUT: i64 = START + 31 * DAY;

struct Setup {
    fake: Fake,
    customer: String,
    subscription: String,
}

fn setup(settings: Settings, anchor: i64) -> Setup {
    let mut fake = Fake::with(Settings {
        limits: None,
        ..settings
    });
    let meter = fake.meter("tokens", "sum", Some("hour"));
    let customer = fake.customer();
    let price = fake.price(&meter, "2.5");
    fake.wait_until(anchor);
    let subscription = id(&fake.subscribe(&customer, &price));
    Setup {
        fake,
        customer,
        subscription,
    }
}

impl Setup {
    fn send(&mut self, value: &str, timestamp: i64, identifier: &str) {
        self.fake
            .send("tokens", (&self.customer, value, timestamp), identifier)
            .ok();
        self.fake.wait(60);
    }

    /// The newest invoice.
    fn invoice(&mut self) -> Value {
        let parameters = [("subscription", self.subscription.as_str())];
        let list = self.fake.get("/v1/invoices", &parameters).ok();
        listed(&list)[0].clone()
    }

    /// `(status, quantity, amount)` of the newest invoice.
    fn bill(&mut self) -> (String, String, i64) {
        let invoice = self.invoice();
        let line = &listed(&invoice["lines"])[0];
        let amount = invoice["total"].as_i64().expect("a total");
        (
            text(&invoice["status"]),
            text(&line["quantity_decimal"]),
            amount,
        )
    }
}

fn bill(status: &str, quantity: &str, amount: i64) -> (String, String, i64) {
    (status.to_owned(), quantity.to_owned(), amount)
}

#[test]
fn a_draft_follows_usage_for_an_hour_and_is_final_then() {
    let mut setup = setup(Settings::default(), START);
    setup.fake.wait_until(CUT);
    assert_eq!(setup.bill(), bill("draft", "0", 0));
    setup.send("3", CUT - HOUR, "late");
    assert_eq!(setup.bill(), bill("draft", "3", 8));
    setup.fake.wait_until(CUT + HOUR - 1);
    assert_eq!(setup.bill().0, "draft");
    setup.fake.wait(1);
    assert_eq!(setup.bill(), bill("open", "3", 8));

    // Neither usage nor a cancellation changes it, or the next invoice.
    setup.send("100", CUT - HOUR, "too late");
    let cancel = [
        ("event_name", "tokens"),
        ("type", "cancel"),
        ("cancel[identifier]", "late"),
    ];
    setup
        .fake
        .post("/v1/billing/meter_event_adjustments", &cancel)
        .ok();
    setup.fake.wait(60);
    assert_eq!(setup.bill(), bill("open", "3", 8));
    setup.fake.wait_until(CUT + 30 * DAY);
    assert_eq!(setup.bill(), bill("draft", "0", 0));
}

#[test]
fn usage_that_arrives_in_the_second_of_finality_is_billed_or_not_but_never_twice() {
    let mut setup = setup(Settings::default(), START);
    setup.fake.wait_until(CUT + HOUR - 30);
    let event = (setup.customer.clone(), CUT - HOUR);
    for number in 0..20 {
        let identifier = number.to_string();
        setup
            .fake
            .send("tokens", (&event.0, &identifier, event.1), &identifier)
            .ok();
    }
    setup.fake.wait_until(CUT + HOUR);
    let (status, quantity, _) = setup.bill();
    assert_eq!(status, "open");
    setup.fake.wait(HOUR);
    assert_eq!(setup.bill().1, quantity);
}

#[test]
fn a_draft_can_be_held_for_72_hours() {
    let mut setup = setup(Settings::default(), START);
    setup.fake.wait_until(CUT);
    let path = format!("/v1/invoices/{}", id(&setup.invoice()));
    let held = setup.fake.post(&path, &[("auto_advance", "false")]).ok();
    assert!(held["automatically_finalizes_at"].is_null());
    setup.fake.wait_until(CUT + 72 * HOUR - 1);
    assert_eq!(setup.bill().0, "draft");
    setup.fake.wait(1);
    assert_eq!(setup.bill().0, "paid");
    setup
        .fake
        .post(&format!("{path}/finalize"), &[])
        .refused(400);
}

#[test]
fn a_draft_that_is_let_go_is_final_at_once_when_its_hour_is_over() {
    let mut setup = setup(Settings::default(), START);
    setup.fake.wait_until(CUT);
    let path = format!("/v1/invoices/{}", id(&setup.invoice()));
    setup.fake.post(&path, &[("auto_advance", "false")]).ok();
    setup.fake.wait_until(CUT + 10 * HOUR);
    setup.send("3", CUT - HOUR, "late");
    assert_eq!(setup.bill(), bill("draft", "3", 8));
    setup.fake.post(&path, &[("auto_advance", "true")]).ok();
    setup.fake.wait(0);
    assert_eq!(setup.bill(), bill("open", "3", 8));
}

#[test]
fn a_draft_is_final_when_it_is_told_to_be() {
    let mut setup = setup(Settings::default(), START);
    setup.fake.wait_until(CUT);
    let path = format!("/v1/invoices/{}", id(&setup.invoice()));
    let at = |shift: i64| (CUT + shift).to_string();
    setup
        .fake
        .post(&path, &[("automatically_finalizes_at", &at(72 * HOUR + 1))])
        .refused(400);
    setup
        .fake
        .post(&path, &[("automatically_finalizes_at", &at(-1))])
        .refused(400);
    let later = at(5 * HOUR);
    let planned = setup
        .fake
        .post(&path, &[("automatically_finalizes_at", &later)])
        .ok();
    assert_eq!(planned["automatically_finalizes_at"].to_string(), later);
    setup.fake.wait_until(CUT + 5 * HOUR - 1);
    assert_eq!(setup.bill().0, "draft");
    setup.fake.wait(1);
    assert_eq!(setup.bill().0, "paid");
}

#[test]
fn an_hour_that_a_cut_divides_goes_to_one_side_whole() {
    let check = |side: Side, expected: [&str; 2]| {
        let settings = Settings {
            divided_window: side,
            finalization_delay: HOUR * SECOND,
            ..Settings::default()
        };
        // Periods turn at half past.
        let mut setup = setup(settings, START + HOUR / 2);
        let cut = CUT + HOUR / 2;
        setup.fake.wait_until(cut + 600);
        setup.send("7", cut + 60, "divided");
        setup.send("1", cut - HOUR, "before");
        let first = setup.bill().1;
        setup.fake.wait_until(cut + 30 * DAY);
        assert_eq!([first, setup.bill().1], expected, "{side:?}");
    };
    check(Side::Earlier, ["8", "0"]);
    check(Side::Later, ["1", "7"]);
}

#[test]
fn usage_below_zero_bills_zero() {
    let mut setup = setup(Settings::default(), START);
    setup.send("-5", START, "one");
    setup.send("2", START - HOUR, "before the period");
    setup.fake.wait_until(CUT);
    assert_eq!(setup.bill(), bill("draft", "0", 0));
}

#[test]
fn items_wait_for_the_next_invoice_or_join_a_draft() {
    let mut setup = setup(Settings::default(), START);
    let customer = setup.customer.clone();
    let carry = [
        ("customer", customer.as_str()),
        ("currency", "usd"),
        ("amount", "-120"),
        ("description", "carried"),
        ("metadata[window]", "1790812800"),
    ];
    let item = setup.fake.post("/v1/invoiceitems", &carry).ok();
    assert!(item["invoice"].is_null());
    setup.send("400", START, "one");
    setup.fake.wait_until(CUT);
    let invoice = setup.invoice();
    assert_eq!(invoice["total"], 1_000 - 120);
    let invoice = id(&invoice);
    let second = [
        ("customer", customer.as_str()),
        ("currency", "usd"),
        ("invoice", &invoice),
        ("quantity", "3"),
        ("unit_amount_decimal", "0.5"),
    ];
    let second = id(&setup.fake.post("/v1/invoiceitems", &second).ok());
    assert_eq!(setup.invoice()["total"], 1_000 - 120 + 2);
    setup
        .fake
        .delete(&format!("/v1/invoiceitems/{second}"), &[])
        .ok();
    assert_eq!(setup.invoice()["total"], 1_000 - 120);
    setup.fake.wait(HOUR);
    setup
        .fake
        .delete(&format!("/v1/invoiceitems/{}", id(&item)), &[])
        .refused(400);
    let below = [
        ("customer", customer.as_str()),
        ("currency", "usd"),
        ("quantity_decimal", "-1"),
        ("unit_amount_decimal", "1"),
    ];
    setup.fake.post("/v1/invoiceitems", &below).refused(400);
    let late = [
        ("customer", customer.as_str()),
        ("currency", "usd"),
        ("amount", "1"),
        ("invoice", &invoice),
    ];
    setup.fake.post("/v1/invoiceitems", &late).refused(400);
}

#[test]
fn an_invoice_is_charged_to_the_payment_method() {
    let check = |method: Option<&str>, status: &str, kind: Option<&str>| {
        let mut setup = setup(Settings::default(), START);
        let customer = setup.customer.clone();
        if let Some(method) = method {
            let path = format!("/v1/payment_methods/{method}/attach");
            setup.fake.post(&path, &[("customer", &customer)]).ok();
            let default = [("invoice_settings[default_payment_method]", method)];
            setup
                .fake
                .post(&format!("/v1/customers/{customer}"), &default)
                .ok();
        }
        setup.send("400", START, "one");
        setup.fake.wait_until(CUT + HOUR);
        assert_eq!(setup.bill().0, status);
        let list = setup.fake.get("/v1/events", &[("limit", "100")]).ok();
        let kinds: Vec<_> = listed(&list)
            .iter()
            .map(|event| text(&event["type"]))
            .collect();
        let charge = kinds.iter().find(|kind| kind.starts_with("charge."));
        assert_eq!(charge.map(String::as_str), kind);
    };
    check(Some("pm_card_visa"), "paid", Some("charge.succeeded"));
    check(
        Some("pm_card_chargeDeclined"),
        "open",
        Some("charge.failed"),
    );
    check(None, "open", None);
}

#[test]
fn an_invoice_shows_ten_lines_and_lists_all() {
    let mut setup = setup(Settings::default(), START);
    let customer = setup.customer.clone();
    for _ in 0..14 {
        let item = [
            ("customer", customer.as_str()),
            ("currency", "usd"),
            ("amount", "1"),
        ];
        setup.fake.post("/v1/invoiceitems", &item).ok();
    }
    setup.fake.wait_until(CUT);
    let invoice = setup.invoice();
    assert_eq!(
        (
            listed(&invoice["lines"]).len(),
            &invoice["lines"]["has_more"]
        ),
        (10, &true.into())
    );
    let path = format!("/v1/invoices/{}/lines", id(&invoice));
    let lines = setup.fake.get(&path, &[("limit", "100")]).ok();
    assert_eq!(listed(&lines).len(), 15);
    assert_eq!(invoice["total"], 14);
}

#[test]
fn the_truth_has_every_line_with_its_meter() {
    let mut setup = setup(Settings::default(), START);
    setup.send("3", START, "one");
    setup.fake.wait_until(CUT);
    let lines = Truth(&setup.fake.account).lines();
    let metered: Vec<_> = lines.iter().filter(|line| line.status == "draft").collect();
    assert_eq!(metered.len(), 1);
    assert_eq!(metered[0].event_name.as_deref(), Some("tokens"));
    assert_eq!(metered[0].quantity.to_string(), "3");
    assert_eq!(metered[0].period, START..CUT);
    setup.send("3.9", START, "again");
    let invoice = setup.invoice();
    let line = &listed(&invoice["lines"])[0];
    assert_eq!(
        (&line["quantity"], &line["quantity_decimal"]),
        (&3.into(), &"3.9".into())
    );
}
