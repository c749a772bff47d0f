//! What differs between two versions of an account, field by field, as people read it.

use super::units::Units;
use crate::output::length;
use meterline_core::account::{AccountStatus, AccountTerms, LimitOverride, Override};
use meterline_core::catalog::Catalog;
use meterline_core::catalog::plans::Cap;
use std::collections::BTreeMap;

/// What changed from one version to the next: `plan free → pro`; everything, from none.
pub(crate) fn changes(
    old: Option<&AccountTerms>,
    new: &AccountTerms,
    catalog: &Catalog,
) -> Vec<String> {
    let old = old.map(|old| fields(old, catalog)).unwrap_or_default();
    let new = fields(new, catalog);
    let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let differ = names
        .into_iter()
        .filter_map(|name| match (old.get(name), new.get(name)) {
            (before, after) if before == after => None,
            (None, Some(after)) => Some(format!("{name} {after}")),
            (Some(before), None) => Some(format!("{name} {before} → as the plan")),
            (Some(before), Some(after)) => Some(format!("{name} {before} → {after}")),
            (None, None) => None,
        });
    differ.collect()
}

/// The fields of an account by their paths.
fn fields(terms: &AccountTerms, catalog: &Catalog) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let contacts = terms.contacts.join(", ");
    for (name, value) in [
        ("plan", terms.plan.as_str()),
        ("name", &terms.name),
        ("status", status_name(terms.status)),
        ("start", &terms.start),
        ("time_zone", &terms.time_zone),
        ("contacts", &contacts),
        (
            "stripe_customer",
            terms.stripe_customer.as_deref().unwrap_or_default(),
        ),
    ] {
        let shown = if value.is_empty() { "none" } else { value };
        fields.insert(name.to_owned(), shown.to_owned());
    }
    for (meter, overrides) in &terms.overrides {
        for (name, value) in override_fields(overrides, Units::of(catalog, meter)) {
            fields.insert(format!("{meter}.{name}"), value);
        }
    }
    fields
}

/// What an override says, field by field.
pub(crate) fn override_fields(
    overrides: &Override,
    units: Units<'_>,
) -> Vec<(&'static str, String)> {
    let limit = overrides.limit.map(|limit| match limit {
        LimitOverride::Unlimited => "unlimited".to_owned(),
        LimitOverride::At(limit) => units.show(limit),
    });
    let included = overrides.included.map(|included| units.show(included));
    let cap = overrides.cap.map(|cap| cap_name(cap).to_owned());
    let grace = overrides.grace.as_ref();
    let grace =
        grace.map(|grace| format!("{} or {}%", length(u64::from(grace.seconds)), grace.percent));
    let thresholds = overrides.thresholds.as_ref().map(|thresholds| {
        let shown = thresholds.iter();
        let shown = shown.map(|it| format!("{}% {}", it.name(), it.severity.name()));
        match shown.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => "none".to_owned(),
            some => some,
        }
    });
    let fields = [
        ("limit", limit),
        ("included", included),
        ("cap", cap),
        ("grace", grace),
        ("thresholds", thresholds),
    ];
    let said = fields.into_iter();
    said.filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// The name of a status, as arguments and files have it.
pub(crate) const fn status_name(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Active => "active",
        AccountStatus::Suspended => "suspended",
        AccountStatus::Closed => "closed",
    }
}

/// The name of a cap, as arguments and files have it.
pub(crate) const fn cap_name(cap: Cap) -> &'static str {
    match cap {
        Cap::None => "none",
        Cap::Soft => "soft",
        Cap::Hard => "hard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use meterline_core::quantity::Quantity;

    #[test]
    fn what_differs_is_said_field_by_field() {
        let catalog = testing::catalog();
        let old = AccountTerms {
            name: String::new(),
            plan: "free".to_owned(),
            status: AccountStatus::Active,
            start: "2026-01-31".to_owned(),
            time_zone: "UTC".to_owned(),
            overrides: BTreeMap::new(),
            contacts: Vec::new(),
            stripe_customer: None,
        };
        assert!(changes(Some(&old), &old, &catalog).is_empty());
        let mut new = old.clone();
        new.plan = "pro".to_owned();
        new.stripe_customer = Some("cus_1".to_owned());
        let at = Override {
            limit: Some(LimitOverride::At(Quantity::ONE)),
            ..Override::default()
        };
        new.overrides.insert("x".to_owned(), at);
        let differ = changes(Some(&old), &new, &catalog);
        assert_eq!(
            differ,
            [
                "plan free → pro",
                "stripe_customer none → cus_1",
                "x.limit 1"
            ]
        );
        let differ = changes(Some(&new), &old, &catalog);
        assert_eq!(
            differ,
            [
                "plan pro → free",
                "stripe_customer cus_1 → none",
                "x.limit 1 → as the plan"
            ]
        );
        assert!(changes(None, &old, &catalog).contains(&"plan free".to_owned()));
    }
}
