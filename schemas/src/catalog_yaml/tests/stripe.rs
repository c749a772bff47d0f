//! What the reader makes of `stripe`, and every line of what it refuses of it.

use super::{catalogs, read, refused};
use meterline_core::catalog::StripeMapping;

/// A file with the meters `calls` (described) and `mean`; what follows begins on line 7.
fn with_stripe(lines: &str) -> String {
    format!(
        "catalog: test\nfold: 1\nmeters:\n  \
         calls: {{description: All calls, unit: x, event_type: calls, aggregation: count}}\n  \
         mean: {{unit: x, event_type: mean, aggregation: avg}}\n  \
         size: {{unit: x, event_type: size, aggregation: latest}}\n{lines}"
    )
}

fn mapping(lines: &str) -> StripeMapping {
    let text = with_stripe(lines);
    read("c.yaml", &text)
        .unwrap_or_else(|errors| panic!("{errors}\n{text}"))
        .stripe
}

/// Meter, event name and shown name of all that is mapped.
fn names(mapping: &StripeMapping) -> Vec<(&str, &str, &str)> {
    let meters = mapping.meters.iter();
    let names = meters.map(|(meter, of)| (&**meter, &*of.event_name, &*of.display_name));
    names.collect()
}

#[test]
fn a_catalog_without_a_mapping_has_none() {
    assert!(mapping("").is_empty());
    assert!(mapping("stripe: {meters: {}}\n").is_empty());
}

#[test]
fn every_key_of_the_mapping_is_read() {
    let mapping = mapping(
        "stripe:
  customer_key: customer
  meters:
    calls: {event_name: acme_calls, display_name: Calls}
    size: {event_name: acme.size, hours: 730}
",
    );
    assert_eq!(mapping.customer_key, "customer");
    let hours = mapping.meters.values().map(|of| of.hours);
    assert_eq!(hours.collect::<Vec<_>>(), [None, Some(730)]);
    assert_eq!(
        names(&mapping),
        [
            ("calls", "acme_calls", "Calls"),
            ("size", "acme.size", "size")
        ]
    );
}

#[test]
fn a_meter_is_shown_by_its_description() {
    let mapping = mapping("stripe: {meters: {calls: {event_name: a}}}\n");
    assert_eq!(mapping.customer_key, StripeMapping::CUSTOMER_KEY);
    assert_eq!(names(&mapping), [("calls", "a", "All calls")]);
}

#[test]
fn mappings_are_refused_by_form() {
    refused(
        &with_stripe(
            "stripe:
  key: customer
  meters:
    calls: {display_name: Calls}
    size: {event: size, event_name: ~}
",
        ),
        &[
            "c.yaml:8: stripe: unknown key `key`: known are customer_key, meters",
            "c.yaml:10: stripe.meters.calls: `event_name` is missing",
            "c.yaml:11: stripe.meters.size: unknown key `event`: known are event_name, display_name, \
             hours",
            "c.yaml:11: stripe.meters.size.event_name: has no value; write a text that looks so \
             in quotes",
        ],
    );
    refused(
        &with_stripe("stripe: {customer_key: a}\n"),
        &["c.yaml:7: stripe: `meters` is missing"],
    );
}

#[test]
fn problems_of_mappings_have_their_line() {
    refused(
        &with_stripe(
            "stripe:
  customer_key: value
  meters:
    call: {event_name: a}
    calls: {event_name: b}
    mean:
      event_name: b
    size:
      event_name: a b
      display_name: ''
      hours: 9000
",
        ),
        &[
            "c.yaml:8: stripe.customer_key: is `value`, the key of the pushed value: name another \
             one",
            "c.yaml:10: stripe.meters.call: `call` is no meter: did you mean `calls`?",
            "c.yaml:12: stripe.meters.mean: `mean` cannot be pushed: a mean need not fit in nine \
             decimals; push a `sum`, `count`, `min`, `max` or `latest`",
            "c.yaml:13: stripe.meters.mean.event_name: `b` is the event name of `calls` already",
            "c.yaml:15: stripe.meters.size.event_name: `a b` is no name at Stripe: 1 to 100 \
             letters, digits, dots, hyphens and underscores",
            "c.yaml:16: stripe.meters.size.display_name: is empty",
            "c.yaml:17: stripe.meters.size.hours: is 9000, not within 1 to 8784",
        ],
    );
}

#[test]
fn the_products_that_bill_by_stripe_push_what_they_price() {
    for (path, text) in catalogs() {
        let catalog = read(&path.display().to_string(), &text).expect("reads");
        let mapped: Vec<&str> = catalog.stripe.meters.keys().map(String::as_str).collect();
        let expected: &[&str] = match catalog.name.as_str() {
            "demo" => &["http_bytes", "http_requests"],
            "stack" => &[
                "agent_executions",
                "api_calls",
                "llm_tokens",
                "storage_gb",
                "user_seats",
            ],
            "operate" => &[
                "ai_classification",
                "api_call",
                "bank_sync",
                "custom_report",
                "email_sent",
                "ocr_scan",
                "pdf_export",
                "sms_sent",
                "webhook",
            ],
            _ => &[],
        };
        assert_eq!(mapped, expected, "{}", catalog.name);
        for (meter, of) in &catalog.stripe.meters {
            assert_eq!(of.event_name, format!("{}_{meter}", catalog.name));
            let plans = &catalog.plans.plans;
            let priced = plans.iter().filter_map(|plan| plan.meters.get(meter));
            assert!(
                priced.into_iter().any(|terms| terms.price.is_some()),
                "{meter}"
            );
        }
    }
}
