//! Records and a catalog for the tests of this crate.

use crate::message::RawRecord;
use meterline_core::catalog::CompiledCatalog;
use meterline_core::time::LogTime;

const CATALOG: &str = "\
catalog: test
fold: 1
ignored_types: [noise]
meters:
  calls:
    unit: call
    event_type: call
    aggregation: count
  filtered:
    unit: call
    event_type: filtered
    aggregation: count
    filter:
      kind: {in: [a]}
";

/// A catalog with a plain and a filtered meter, and an ignored type.
pub(crate) fn catalog() -> CompiledCatalog {
    let catalog = meterline_schemas::catalog_yaml::read("test.yaml", CATALOG);
    CompiledCatalog::new(catalog.expect("the catalog can be read")).expect("it compiles")
}

/// A record of partition 0, appended at 1 ms.
pub(crate) fn raw<'a>(headers: &[(&'a str, Option<&'a [u8]>)], payload: &'a [u8]) -> RawRecord<'a> {
    RawRecord {
        partition: 0,
        offset: 7,
        append_time: Some(LogTime(1)),
        headers: headers.iter().copied().collect(),
        key: None,
        payload: Some(payload),
    }
}
