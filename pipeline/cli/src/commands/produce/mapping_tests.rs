//! From records of real inputs to events.

use super::*;
use meterline_core::time::EventTime;

struct Row(u64, &'static [(&'static str, &'static str)]);

impl Fields for Row {
    fn line(&self) -> u64 {
        self.0
    }
    fn field(&self, name: &str) -> Option<&str> {
        self.1
            .iter()
            .find_map(|(key, value)| (*key == name).then_some(*value))
    }
}

const NASA: Row = Row(
    20,
    &[
        ("host", "a.example"),
        ("time", "807256800"),
        ("method", "GET"),
        ("url", "/x"),
        ("response", "200"),
        ("bytes", "1713"),
    ],
);

fn mapping(toml: &str, options: &[&str]) -> Result<Mapping> {
    let mut written: MappingFile = toml::from_str(toml)?;
    for option in options {
        set(&mut written.event, option)?;
    }
    Mapping::new(written, "log.tsv")
}

const TOML: &str = "time_format = \"unix-seconds\"\n[event]\ntenant = \"{host}\"\ntype = \"http.request\"\n\
                    time = \"{time}\"\n[event.properties]\nbytes = \"{bytes}\"\nstatus = \"{response}\"\nreferer = \"{referer}\"\n";

#[test]
fn a_record_becomes_an_event() {
    let event = mapping(TOML, &[])
        .expect("a mapping")
        .event(&NASA, 1_000_000)
        .expect("mapped");
    assert_eq!(
        (
            event.id.as_str(),
            &*event.source,
            &*event.kind,
            &*event.tenant
        ),
        ("log.tsv-20", "log.tsv", "http.request", "a.example")
    );
    assert_eq!(event.time, EventTime(807_256_801_000_000));
    assert_eq!(event.quantity, None);
    let properties: Vec<_> = event
        .properties
        .iter()
        .map(|(k, v)| (&**k, v.as_str()))
        .collect();
    assert_eq!(properties, [("bytes", "1713"), ("status", "200")]);
}

#[test]
fn options_go_before_the_file() {
    let options = [
        "tenant=tenant-{hash(line)%3}",
        "quantity={bytes}",
        "id=r{line}",
        "source=ksc",
        "properties.status=",
    ];
    let event = mapping(TOML, &options)
        .expect("a mapping")
        .event(&NASA, 0)
        .expect("mapped");
    assert!(event.tenant.starts_with("tenant-") && event.id == "r20" && &*event.source == "ksc");
    assert_eq!(event.quantity.as_deref(), Some("1713"));
    assert_eq!(event.properties.len(), 1);
}

fn check_refused(toml: &str, options: &[&str], part: &str) {
    let columns: Vec<String> = NASA.1.iter().map(|(name, _)| (*name).to_owned()).collect();
    let result = mapping(toml, options).and_then(|mapping| {
        mapping.check_columns(&columns)?;
        mapping.event(&NASA, 0).map_err(|reason| anyhow!(reason))
    });
    let error = format!("{:#}", result.expect_err(part));
    assert!(error.contains(part), "{error}");
}

#[test]
fn what_cannot_be_mapped_is_named() {
    let whole = TOML.replace("referer = \"{referer}\"\n", "");
    check_refused("", &[], "nothing is mapped to `tenant`");
    check_refused(
        TOML,
        &[],
        "the template of `referer` reads `referer`, which is no column; there are host, time",
    );
    check_refused(
        &whole,
        &["tenant=host"],
        "for the column write `tenant={host}`",
    );
    check_refused(&whole, &["tenant"], "has no `=`");
    check_refused(
        &whole,
        &["customer={host}"],
        "there is no target `customer`",
    );
    check_refused(
        &whole,
        &["tenant={host"],
        "the template of `tenant` cannot be used",
    );
    check_refused(
        &whole,
        &["time={bytes}x"],
        "time `1713x` is not a number of seconds",
    );
    check_refused(
        "format = \"xml\"\n",
        &[],
        "format must be ndjson, csv or tsv",
    );
}

/// Fields of a CloudEvent, as `input` flattens them.
struct CloudEvent(Vec<(&'static str, &'static str)>);

impl Fields for CloudEvent {
    fn line(&self) -> u64 {
        1
    }
    fn field(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| *key == name);
        found.map(|(_, text)| *text)
    }
    fn below(&self, prefix: &str) -> Vec<(&str, &str)> {
        let fields = self.0.iter();
        fields
            .filter_map(|(name, text)| Some((name.strip_prefix(prefix)?, *text)))
            .collect()
    }
}

#[test]
fn cloudevents_need_no_mapping() {
    let mut fields = vec![
        ("specversion", "1.0"),
        ("id", "1"),
        ("source", "//gateway"),
        ("type", "call"),
        ("subject", "acme"),
        ("time", "2026-11-21T10:00:00Z"),
    ];
    let mapping = Mapping::cloudevents(None).expect("it is fixed");
    let bare = mapping
        .event(&CloudEvent(fields.clone()), 0)
        .expect("an event");
    assert_eq!((bare.quantity, bare.properties), (None, Vec::new()));
    assert_eq!(
        (&*bare.tenant, &*bare.id, &*bare.kind),
        ("acme", "1", "call")
    );
    fields.extend([("data.quantity", "1.50"), ("data.region", "eu")]);
    let whole = mapping
        .event(&CloudEvent(fields.clone()), 0)
        .expect("an event");
    assert_eq!(whole.quantity.as_deref(), Some("1.50"));
    assert_eq!(whole.properties, [(Arc::from("region"), "eu".to_owned())]);
    fields.push(("data.caller.name", "x"));
    let nested = mapping.event(&CloudEvent(fields.clone()), 0);
    assert_eq!(
        nested,
        Err("data.caller.name: a property has no parts".to_owned())
    );
    fields.retain(|(name, _)| *name != "subject");
    assert!(mapping.event(&CloudEvent(fields), 0).is_err());
}
