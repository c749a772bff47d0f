//! Plans of a catalog as `catalog show` prints them: a row for each meter of each plan.
//!
//! Quantities are in the unit that plans write the meter in, where that is exact.

use crate::output::Table;
use meterline_core::catalog::Catalog;
use meterline_core::catalog::plans::{Cap, Plan, PlanUnit, Reset, Terms, Threshold};
use meterline_core::quantity::{ONE, Quantity};
use serde_json::json;

/// The table; empty where the catalog has no plans.
pub(super) fn table(catalog: &Catalog) -> Table {
    let columns = [
        "plan", "meter", "unit", "included", "limit", "cap", "alerts", "reset", "price",
    ];
    let mut table = Table::new(&columns);
    for plan in &catalog.plans.plans {
        for (meter, terms) in &plan.meters {
            table.push(row(catalog, plan, meter, terms));
        }
    }
    table
}

fn row(catalog: &Catalog, plan: &Plan, meter: &str, terms: &Terms) -> Vec<serde_json::Value> {
    let of = catalog.meters.iter().find(|of| of.name == meter);
    let base = of.map(|of| &of.unit);
    let base = base.or_else(|| catalog.plans.derived(meter).map(|of| &of.unit));
    let base = PlanUnit {
        name: base.cloned().unwrap_or_default(),
        ratio: Quantity::ONE,
    };
    let written = catalog.plans.units.get(meter);
    let quantities = [
        terms.included,
        terms.limit,
        terms.price.as_ref().map(|p| p.per),
    ];
    let is_exact = |unit: &&PlanUnit| {
        let mut all = quantities.iter().flatten();
        all.all(|quantity| in_unit(*quantity, unit).is_some())
    };
    let unit = written.filter(is_exact).unwrap_or(&base);
    let shown = |quantity| in_unit(quantity, unit).map(|quantity| quantity.to_string());
    let price = terms.price.as_ref().map(|price| {
        let (amount, currency) = (price.amount, &catalog.plans.currency);
        let per = shown(price.per).filter(|per| per != "1");
        let per = per.map_or_else(String::new, |per| format!(" per {per}"));
        format!("{amount} {currency}{per}")
    });
    vec![
        json!(plan.name),
        json!(meter),
        json!(unit.name),
        json!(terms.included.and_then(shown)),
        json!(
            terms
                .limit
                .and_then(shown)
                .unwrap_or_else(|| "unlimited".to_owned())
        ),
        json!(cap(terms)),
        json!(alerts(&terms.thresholds)),
        json!(reset(terms.reset)),
        json!(price),
    ]
}

/// The quantity in a unit; `None` where that is not exact.
fn in_unit(quantity: Quantity, unit: &PlanUnit) -> Option<Quantity> {
    let scaled = quantity.raw().checked_mul(ONE)?;
    let is_exact = scaled % unit.ratio.raw() == 0;
    let raw = is_exact.then(|| scaled / unit.ratio.raw())?;
    Quantity::from_raw(raw).ok()
}

fn cap(terms: &Terms) -> String {
    let cap = match terms.cap {
        Cap::None => "none",
        Cap::Soft => "soft",
        Cap::Hard => "hard",
    };
    let grace = terms.grace.as_ref().map(|grace| {
        let length = crate::output::length(u64::from(grace.seconds));
        format!(" until {length} or {} %", grace.percent)
    });
    format!("{cap}{}", grace.unwrap_or_default())
}

fn alerts(thresholds: &[Threshold]) -> String {
    let one = |t: &Threshold| format!("{} {}", t.name(), t.severity.name());
    thresholds.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn reset(reset: Reset) -> &'static str {
    match reset {
        Reset::Hour => "hour",
        Reset::Day => "day",
        Reset::Month => "month",
        Reset::BillingMonth => "billing_month",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Output;
    use meterline_schemas::catalog_yaml;

    #[test]
    fn quantities_are_in_the_units_of_plans_where_that_is_exact() {
        let text = "catalog: test\nfold: 1\ncurrency: USD\nmeters:\n  \
                    minutes: {unit: second, event_type: a, aggregation: sum}\n\
                    units: {minutes: {name: minute, ratio: 60}}\nplans:\n  \
                    exact:\n    alerts: [{at: 80, severity: warning}]\n    meters:\n      \
                    minutes: {included: 2.5, limit: 5, cap: soft, grace: {}, price: {amount: 0.1}}\n  \
                    finer:\n    reset: day\n    meters:\n      \
                    minutes: {included: 0.01, price: {amount: 1, per: 2}}\n";
        let mut catalog = catalog_yaml::read("c.yaml", text).expect("reads");
        let finer = catalog.plans.plans[1].meters.get_mut("minutes");
        finer.expect("it is there").limit = Some(Quantity::ONE);
        let csv = table(&catalog).render(Output::Csv).expect("renders");
        let expected = [
            "plan,meter,unit,included,limit,cap,alerts,reset,price",
            "exact,minutes,minute,2.5,5,soft until 7d or 120 %,80 warning,month,0.1 USD",
            "finer,minutes,second,0.6,1,none,,day,1 USD per 120",
        ];
        assert_eq!(csv.lines().collect::<Vec<_>>(), expected);
    }
}
