//! Meter event summaries.

use super::{DAY, Fake, HOUR, START, listed, text};
use crate::settings::{MINUTE, Settings};
use serde_json::Value;

struct Setup {
    fake: Fake,
    path: String,
    customer: String,
}

fn setup(settings: Settings) -> Setup {
    let mut fake = Fake::with(Settings {
        limits: None,
        ..settings
    });
    let meter = fake.meter("tokens", "sum", Some("hour"));
    Setup {
        path: format!("/v1/billing/meters/{meter}/event_summaries"),
        customer: fake.customer(),
        fake,
    }
}

impl Setup {
    fn read(&mut self, window: Option<&str>, span: (i64, i64), more: &[(&str, &str)]) -> Value {
        let (start, end) = (span.0.to_string(), span.1.to_string());
        let mut parameters = vec![
            ("customer", self.customer.as_str()),
            ("start_time", &start),
            ("end_time", &end),
        ];
        parameters.extend(window.map(|window| ("value_grouping_window", window)));
        parameters.extend(more);
        self.fake.get(&self.path, &parameters).ok()
    }
}

#[test]
fn values_are_floats_by_hour_and_day_and_pages_hold_a_hundred() {
    let mut setup = setup(Settings::default());
    setup.fake.wait(6 * DAY);
    for hour in 0..130 {
        let event = (setup.customer.as_str(), "0.1", START + hour * HOUR);
        setup.fake.send("tokens", event, &hour.to_string()).ok();
    }
    setup.fake.wait(60);
    let span = (START, START + 6 * DAY);
    let first = setup.read(Some("hour"), span, &[("limit", "100")]);
    assert_eq!(
        (listed(&first).len(), &first["has_more"]),
        (100, &true.into())
    );
    let cursor = text(&listed(&first)[99]["id"]);
    let page = [("limit", "100"), ("starting_after", cursor.as_str())];
    let second = setup.read(Some("hour"), span, &page);
    assert_eq!(
        (listed(&second).len(), &second["has_more"]),
        (30, &false.into())
    );
    let last = &listed(&second)[29];
    assert_eq!(last["object"], "billing.meter_event_summary");
    assert_eq!(
        (&last["start_time"], &last["end_time"]),
        (&START.into(), &(START + HOUR).into())
    );
    assert_eq!(last["aggregated_value"].to_string(), "0.1");

    let days = setup.read(Some("day"), span, &[("limit", "100")]);
    let values: Vec<_> = listed(&days)
        .iter()
        .map(|day| day["aggregated_value"].to_string())
        .collect();
    assert_eq!(values, ["1.0", "2.4", "2.4", "2.4", "2.4", "2.4"]);
    let all = setup.read(None, span, &[]);
    assert_eq!(listed(&all)[0]["aggregated_value"].to_string(), "13.0");
}

#[test]
fn a_summary_lies_behind_what_counts() {
    let mut setup = setup(Settings {
        summary_lag: 10 * MINUTE,
        ..Settings::default()
    });
    let event = (setup.customer.as_str(), "5", START);
    setup.fake.send("tokens", event, "one").ok();
    setup.fake.wait(60);
    assert_eq!(setup.fake.counted().len(), 1);
    let span = (START, START + HOUR);
    assert!(listed(&setup.read(Some("hour"), span, &[])).is_empty());
    setup.fake.wait(600);
    assert_eq!(listed(&setup.read(Some("hour"), span, &[])).len(), 1);
}

#[test]
fn times_must_be_aligned_and_pages_small() {
    let mut setup = setup(Settings::default());
    let check = |setup: &mut Setup, window: Option<&str>, start: i64, limit: &str| {
        let (start, end) = ((START + start).to_string(), (START + DAY).to_string());
        let mut parameters = vec![
            ("customer", setup.customer.as_str()),
            ("start_time", &start),
            ("end_time", &end),
            ("limit", limit),
        ];
        parameters.extend(window.map(|window| ("value_grouping_window", window)));
        setup.fake.get(&setup.path, &parameters).status
    };
    assert_eq!(check(&mut setup, None, 60, "100"), 200);
    assert_eq!(check(&mut setup, None, 30, "100"), 400);
    assert_eq!(check(&mut setup, Some("hour"), HOUR, "100"), 200);
    assert_eq!(check(&mut setup, Some("hour"), 60, "100"), 400);
    assert_eq!(check(&mut setup, Some("day"), HOUR, "100"), 400);
    assert_eq!(check(&mut setup, None, 0, "101"), 400);
    assert_eq!(check(&mut setup, None, DAY, "100"), 400);
}

#[test]
fn a_part_of_an_hour_of_raw_events_has_a_summary() {
    let mut setup = setup(Settings::default());
    let meter = setup.fake.meter("raw", "sum", None);
    setup.path = format!("/v1/billing/meters/{meter}/event_summaries");
    setup.fake.wait(HOUR);
    for (identifier, shift) in [("1", 0), ("2", 600), ("3", 1_200)] {
        let event = (setup.customer.as_str(), identifier, START + shift);
        setup.fake.send("raw", event, identifier).ok();
    }
    setup.fake.wait(60);
    let part = setup.read(None, (START + 600, START + 1_200), &[]);
    assert_eq!(listed(&part)[0]["aggregated_value"].to_string(), "2.0");
}
