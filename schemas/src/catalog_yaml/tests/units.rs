//! The manual's table of the units that prices are in, against the catalogs.
//!
//! Plans convert (decision 040), meters never do. The table must name every meter that counts in
//! another unit than its price, in the unit that it really counts in, and by the ratio that the
//! catalog's plans apply.

use super::{catalogs, read};
use meterline_core::quantity::Quantity;
use std::collections::BTreeSet;
use std::path::Path;

/// Catalog, meter, unit of the meter, unit of the price, how many of the one are one of the other,
/// rounding: the decisions 6 and 7 of the products, and their price lists.
const EXPECTED: [(&str, &str, &str, &str, u64, &str); 17] = [
    ("pulse", "participant_minutes", "second", "minute", 60, "no"),
    ("pulse", "egress_minutes", "second", "minute", 60, "no"),
    ("pulse", "storage_gb", "byte", "GB", 1_000_000_000, "no"),
    ("pulse", "bandwidth_gb", "byte", "GB", 1_000_000_000, "no"),
    ("pulse", "api_requests", "request", "1,000", 1_000, "no"),
    ("provider", "storage", "byte", "GB", 1 << 30, "no"),
    ("provider", "storage_peak", "byte", "GB", 1 << 30, "no"),
    ("provider", "storage_used", "byte", "GB", 1 << 30, "no"),
    ("provider", "api_request_bytes", "byte", "KB", 1 << 10, "no"),
    ("stack", "llm_tokens", "token", "1,000", 1_000, "no"),
    ("stack", "storage_gb", "byte", "GB", 1_000_000_000, "no"),
    (
        "stack",
        "storage_gb_peak",
        "byte",
        "GB",
        1_000_000_000,
        "no",
    ),
    ("stack", "storage_gb", "byte", "TB", 1_000_000_000_000, "no"),
    (
        "stack",
        "storage_gb_peak",
        "byte",
        "TB",
        1_000_000_000_000,
        "no",
    ),
    ("irisx", "voice_minute", "second", "minute", 60, "no"),
    ("operate", "storage_gb", "byte", "GB", 1 << 30, "up"),
    ("operate", "storage_gb_peak", "byte", "GB", 1 << 30, "up"),
];

/// A row of the manual or of the expected: its cells.
type Row = [String; 6];

/// The table's rows, one for each meter of theirs.
fn manual() -> BTreeSet<Row> {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogs/README.md");
    let manual = std::fs::read_to_string(manual).expect("the manual");
    let (_, section) = manual
        .split_once("\n### Units of prices\n")
        .expect("the section");
    let (section, _) = section.split_once("\n#").unwrap_or((section, ""));
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(plain).collect();
        let [catalog, meters, unit, price, ratio, rounding] = &cells[..] else {
            panic!("not six cells: {line}");
        };
        let (ratio, _) = ratio.split_once(" = ").unwrap_or((ratio, ""));
        let row = |meter: &str| {
            let cells = [
                catalog,
                meter,
                unit,
                price,
                &ratio.replace(',', ""),
                rounding,
            ];
            cells.map(str::to_owned)
        };
        meters.split(", ").map(row).collect::<Vec<_>>()
    })
    .collect()
}

/// A cell's text.
fn plain(cell: &str) -> String {
    cell.trim().replace('`', "")
}

#[test]
fn the_manual_has_the_units_of_every_price() {
    let expected = EXPECTED.map(|(catalog, meter, unit, price, ratio, rounding)| {
        let ratio = ratio.to_string();
        [catalog, meter, unit, price, &ratio, rounding].map(str::to_owned)
    });
    assert_eq!(manual(), BTreeSet::from(expected));
}

#[test]
fn meters_count_in_the_units_that_the_table_says_and_never_convert() {
    let told: BTreeSet<_> = EXPECTED
        .map(|(catalog, meter, unit, ..)| (catalog, meter, unit))
        .into();
    let mut found = 0;
    let mut count = |catalog: &str, name: &str, unit: &str| {
        let is_told = told.contains(&(catalog, name, unit));
        found += usize::from(is_told);
        let needs_telling = ["byte", "second"].contains(&unit);
        assert!(is_told || !needs_telling, "{catalog} {name}");
    };
    for (path, text) in catalogs() {
        let catalog = read(&path.display().to_string(), &text).expect("reads");
        // Its inputs were recorded elsewhere: it has no prices.
        if catalog.name == "demo" {
            continue;
        }
        for meter in &catalog.meters {
            assert_eq!(meter.scale, Quantity::ONE, "{}", meter.name);
            count(&catalog.name, &meter.name, &meter.unit);
        }
        for derived in &catalog.plans.derived {
            count(&catalog.name, &derived.name, &derived.unit);
        }
    }
    assert_eq!(found, told.len(), "a meter of the table is in no catalog");
}

#[test]
fn plans_convert_as_the_table_says() {
    for (path, text) in catalogs() {
        let catalog = read(&path.display().to_string(), &text).expect("reads");
        let of_catalog = EXPECTED.iter().filter(|row| row.0 == catalog.name);
        // A price per 1,000 says so itself, and a TB is written as 1,000 GB.
        let units = of_catalog.filter(|row| !["1,000", "TB"].contains(&row.3));
        let expected: BTreeSet<_> = units.map(|row| (row.1, row.3, row.4.to_string())).collect();
        let units = catalog.plans.units.iter();
        let units = units.map(|(meter, unit)| (&**meter, &*unit.name, unit.ratio.to_string()));
        if catalog.name != "demo" {
            assert_eq!(units.collect::<BTreeSet<_>>(), expected, "{}", catalog.name);
        }
    }
}
