//! The mapping to Stripe of a catalog as `catalog show` prints it: a row for each meter.

use crate::output::Table;
use meterline_core::catalog::Catalog;
use serde_json::json;

/// The table; empty where nothing is pushed.
pub(super) fn table(catalog: &Catalog) -> Table {
    let mut table = Table::new(&[
        "meter",
        "event_name",
        "display_name",
        "customer_key",
        "hours",
    ]);
    for (meter, of) in &catalog.stripe.meters {
        table.push(vec![
            json!(meter),
            json!(of.event_name),
            json!(of.display_name),
            json!(catalog.stripe.customer_key),
            json!(of.hours),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Output;
    use meterline_schemas::catalog_yaml;

    #[test]
    fn each_mapped_meter_has_a_row() {
        let text = "catalog: test\nfold: 1\nmeters:\n  \
                    calls: {unit: call, event_type: a, aggregation: count}\n  \
                    other: {unit: call, event_type: b, aggregation: count}\n  \
                    size: {unit: byte, event_type: c, aggregation: max}\n\
                    stripe: {customer_key: id, meters: {calls: {event_name: acme.calls}, \
                    size: {event_name: acme.size, hours: 730}}}\n";
        let catalog = catalog_yaml::read("c.yaml", text).expect("reads");
        let csv = table(&catalog).render(Output::Csv).expect("renders");
        let expected = [
            "meter,event_name,display_name,customer_key,hours",
            "calls,acme.calls,calls,id,",
            "size,acme.size,size,id,730",
        ];
        assert_eq!(csv.lines().collect::<Vec<_>>(), expected);
    }
}
