//! Billing meters.

use super::{Fake, id, listed};

#[test]
fn a_meter_has_stripes_defaults_and_is_listed() {
    let mut fake = Fake::new();
    let first = fake.meter("tokens", "sum", Some("hour"));
    let second = fake.meter("calls", "count", None);
    let meter = fake.get(&format!("/v1/billing/meters/{first}"), &[]).ok();
    assert_eq!(meter["object"], "billing.meter");
    assert_eq!(meter["event_time_window"], "hour");
    assert_eq!(
        meter["customer_mapping"]["event_payload_key"],
        "stripe_customer_id"
    );
    assert_eq!(meter["value_settings"]["event_payload_key"], "value");
    assert_eq!(meter["status"], "active");

    let list = fake.get("/v1/billing/meters", &[("limit", "1")]).ok();
    assert_eq!(
        (id(&listed(&list)[0]), &list["has_more"]),
        (second.clone(), &true.into())
    );
    let rest = [("limit", "1"), ("starting_after", second.as_str())];
    let list = fake.get("/v1/billing/meters", &rest).ok();
    assert_eq!(
        (id(&listed(&list)[0]), &list["has_more"]),
        (first, &false.into())
    );
}

#[test]
fn only_the_display_name_of_a_meter_changes() {
    let mut fake = Fake::new();
    let path = format!("/v1/billing/meters/{}", fake.meter("tokens", "sum", None));
    let renamed = fake.post(&path, &[("display_name", "Tokens")]).ok();
    assert_eq!(renamed["display_name"], "Tokens");
    for parameter in [
        "event_name",
        "event_time_window",
        "default_aggregation[formula]",
    ] {
        let message = fake.post(&path, &[(parameter, "hour")]).refused(400);
        assert!(
            message.starts_with("Received unknown parameter"),
            "{message}"
        );
    }
}

#[test]
fn an_event_name_has_one_active_meter() {
    let mut fake = Fake::new();
    let first = fake.meter("tokens", "sum", None);
    let again = [
        ("display_name", "Again"),
        ("event_name", "tokens"),
        ("default_aggregation[formula]", "sum"),
    ];
    fake.post("/v1/billing/meters", &again).refused(400);
    let path = format!("/v1/billing/meters/{first}");
    let off = fake.post(&format!("{path}/deactivate"), &[]).ok();
    assert_eq!(off["status"], "inactive");
    assert!(off["status_transitions"]["deactivated_at"].is_i64());
    fake.post(&format!("{path}/deactivate"), &[]).refused(400);
    let on = fake.post(&format!("{path}/reactivate"), &[]).ok();
    assert_eq!(on["status"], "active");
}

#[test]
fn what_stripe_does_not_know_is_refused() {
    let mut fake = Fake::new();
    let formula = ("default_aggregation[formula]", "max");
    let wrong = [("display_name", "A"), ("event_name", "a"), formula];
    fake.post("/v1/billing/meters", &wrong).refused(400);
    fake.post("/v1/billing/meters", &[("display_name", "A")])
        .refused(400);
    fake.get("/v1/billing/meters/mtr_none", &[]).refused(404);
    fake.get("/v1/nothing", &[]).refused(404);
}
