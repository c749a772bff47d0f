//! Which dimensions a meter's usage is shown by.
//!
//! Only those of the one meter that is asked for, as the newest catalog has it: what is unknown is
//! refused with the nearest name, never taken for an empty dimension.

use crate::problem::{Kind, Problem};
use meterline_core::catalog::{Aggregation, Catalog, Meter};
use meterline_core::nearest::nearest;

/// The dimensions that are asked for, sorted and each once: names between commas, or none.
///
/// # Errors
/// 404 for a meter or dimension that is not there, 400 without a meter, and for one whose parts
/// do not add up.
pub(super) fn grouping(
    catalog: &Catalog,
    meter: Option<&str>,
    text: &str,
) -> Result<Vec<String>, Problem> {
    let Some(meter) = meter else {
        let detail = "`group_by` needs `meter`: each has dimensions of its own";
        return Err(Problem::of(Kind::BadRequest, detail));
    };
    let Some(meter) = catalog.meters.iter().find(|known| known.name == meter) else {
        let known = catalog.meters.iter().map(|meter| meter.name.as_str());
        return Err(Problem::unknown("meter", nearest(meter, known)));
    };
    if meter.aggregation == Aggregation::UniqueCount {
        let detail = "this meter counts distinct values, which parts of it may share: ask for it \
                      without `group_by`";
        return Err(Problem::of(Kind::BadRequest, detail));
    }
    dimensions(meter, text)
}

fn dimensions(meter: &Meter, text: &str) -> Result<Vec<String>, Problem> {
    let names = text.split(',').filter(|_| !text.is_empty());
    let mut found = Vec::new();
    for name in names {
        if !meter.group_by.iter().any(|known| known == name) {
            let known = meter.group_by.iter().map(String::as_str);
            let near = nearest(name, known);
            return Err(Problem::unknown("dimension of this meter", near));
        }
        found.push(name.to_owned());
    }
    found.sort_unstable();
    found.dedup();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::catalog;
    use serde_json::{Value, json};

    fn tokens() -> Catalog {
        let mut catalog = catalog();
        let meter = &mut catalog.meters[0];
        meter.group_by = vec!["model".to_owned(), "region".to_owned()];
        catalog
    }

    #[test]
    fn dimensions_are_sorted_and_each_once() {
        let check = |text: &str, expected: &[&str]| {
            let found = grouping(&tokens(), Some("calls"), text);
            assert_eq!(found.expect(text), expected, "{text}");
        };
        check("", &[]);
        check("region", &["region"]);
        check("region,model", &["model", "region"]);
        check("model,model", &["model"]);
    }

    #[test]
    fn what_is_unknown_is_refused_with_the_nearest_name() {
        let check = |meter: Option<&str>, text: &str, status: u16, near: Option<&str>| {
            let problem = grouping(&tokens(), meter, text).expect_err(text).to_json();
            assert_eq!(problem["status"], json!(status), "{problem}");
            let nearest = problem.get("nearest").and_then(Value::as_str);
            assert_eq!(nearest, near, "{meter:?} {text}: {problem}");
        };
        check(Some("calls"), "modle", 404, Some("model"));
        check(Some("calls"), "model,regions", 404, Some("region"));
        check(Some("calls"), "model,", 404, None);
        check(Some("calls"), "nothing_alike", 404, None);
        check(Some("call"), "model", 404, Some("calls"));
        check(None, "model", 400, None);
        let mut distinct = tokens();
        distinct.meters[0].aggregation = Aggregation::UniqueCount;
        let problem = grouping(&distinct, Some("calls"), "model").expect_err("refused");
        assert_eq!(problem.to_json()["status"], json!(400));
    }
}
