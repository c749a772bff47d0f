//! Usage by fewer dimensions: what the tables hold, merged exactly, page by page.

use crate::site::{Running, Site, number};
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::Aggregation;
use meterline_core::hash::dimensions_hash;
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::time::{Hour, Level, LogTime, Window};
use serde_json::{Value, json};
use std::sync::Arc;

/// 2026-01-01 00:00 UTC.
const NEW_YEAR: Hour = Hour(490_896);

const PARTITION: LogPartition = LogPartition {
    topic_id: TopicId(7),
    partition: 0,
};

/// Model, region and tokens of each of two hours.
const PARTS: [(&str, &str, i128); 3] = [("large", "eu", 5), ("large", "us", 7), ("small", "eu", 1)];

fn row(tenant: &str, dimensions: &[(&str, &str)], hour: Hour, tokens: i128) -> BucketRow {
    let pairs = dimensions.iter().map(|(k, v)| ((*k).into(), (*v).into()));
    let series = Series {
        tenant: tenant.into(),
        meter: "tokens".into(),
        kind: if dimensions.is_empty() {
            Kind::Whole
        } else {
            Kind::Part
        },
        aggregation: Aggregation::Sum,
        dimensions: pairs.collect(),
        dimensions_hash: dimensions_hash(dimensions.iter().copied()),
    };
    BucketRow {
        series: Arc::new(series),
        window: Window::of(Level::Hour, hour),
        bucket: Bucket {
            events: 1,
            sum: number(tokens),
            changed: Stamp {
                epoch: 0,
                offset: 9,
            },
            updated_at: LogTime(1_767_225_600_000),
            ..Bucket::default()
        },
    }
}

/// Tokens of two hours in three parts each, and what they are together.
fn insert(site: &Site, tenant: &str) {
    let mut rows = Vec::new();
    for hour in [NEW_YEAR, Hour(NEW_YEAR.0 + 1)] {
        for (model, region, tokens) in PARTS {
            let dimensions = [("model", model), ("region", region)];
            rows.push(row(tenant, &dimensions, hour, tokens));
        }
        rows.push(row(tenant, &[], hour, 13));
    }
    let inserted = site
        .clickhouse
        .insert_buckets(Level::Hour, PARTITION, &rows);
    site.runtime.block_on(inserted).expect("inserted");
}

fn path(tenant: &str, query: &str) -> String {
    format!(
        "/v1/usage?tenant={tenant}&meter=tokens&level=hour&from=2026-01-01&to=2026-01-02{query}"
    )
}

/// Start, dimensions and value of all windows, in pages of two.
fn windows(api: &Running<'_>, query: &str) -> Vec<(String, Value, String)> {
    let mut found = Vec::new();
    let mut next = String::new();
    loop {
        let path = path("acme", &format!("{query}&limit=2{next}"));
        let (status, page) = api.send(api.request("GET", &path));
        assert_eq!(status, 200, "{path}: {page}");
        for item in page["items"].as_array().expect("a list") {
            let text = |field: &str| item[field].as_str().expect("text").to_owned();
            let start = text("window_start");
            found.push((start, item["dimensions"].clone(), text("value")));
        }
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return found,
        }
    }
}

fn check(api: &Running<'_>, query: &str, per_hour: &[(Value, &str)]) {
    let hours = ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z"];
    let expected: Vec<_> = hours
        .iter()
        .flat_map(|hour| {
            let one = |(dimensions, value): &(Value, &str)| {
                ((*hour).to_owned(), dimensions.clone(), (*value).to_owned())
            };
            per_hour.iter().map(one)
        })
        .collect();
    assert_eq!(windows(api, query), expected, "{query}");
}

#[test]
fn usage_is_grouped_by_the_dimensions_that_are_asked_for() {
    let site = Site::new();
    insert(&site, "acme");
    insert(&site, "globex");
    let api = site.start_ready();
    let all: Vec<_> = PARTS
        .iter()
        .map(|(model, region, tokens)| {
            let dimensions = json!({"model": model, "region": region});
            (dimensions, tokens.to_string())
        })
        .collect();
    let all: Vec<_> = all.iter().map(|(d, v)| (d.clone(), v.as_str())).collect();
    check(&api, "", &all);
    check(&api, "&group_by=region,model", &all);
    let by_model = [
        (json!({"model": "large"}), "12"),
        (json!({"model": "small"}), "1"),
    ];
    check(&api, "&group_by=model", &by_model);
    let by_region = [
        (json!({"region": "eu"}), "6"),
        (json!({"region": "us"}), "7"),
    ];
    check(&api, "&group_by=region", &by_region);
    check(&api, "&group_by=", &[(json!({}), "13")]);
}

#[test]
fn what_cannot_be_grouped_is_refused() {
    let site = Site::new();
    insert(&site, "acme");
    insert(&site, "globex");
    let token = site.key_for("acme");
    let api = site.start_ready();
    let get = |path: &str| api.send(api.request("GET", path));
    let (status, problem) = get(&path("acme", "&group_by=modle"));
    assert_eq!(
        (status, &problem["nearest"]),
        (404, &json!("model")),
        "{problem}"
    );
    let (status, problem) = get("/v1/usage?tenant=acme&group_by=model");
    assert_eq!(status, 400, "{problem}");
    // A cursor leads on in the list that it is of, and in no other.
    let (_, page) = get(&path("acme", "&group_by=model&limit=1"));
    let cursor = page["next"].as_str().expect("another page");
    for (group_by, expected) in [("model", 200), ("region", 400), ("", 400)] {
        let query = format!("&group_by={group_by}&cursor={cursor}");
        let (status, answer) = get(&path("acme", &query));
        assert_eq!(status, expected, "{group_by}: {answer}");
    }
    // Another tenant is not there, grouped or not.
    let status_of = |tenant: &str| {
        let path = path(tenant, "&group_by=model");
        api.send(api.request_by(&token, "GET", &path)).0
    };
    assert_eq!((status_of("acme"), status_of("globex")), (200, 404));
}
