//! What a quantity costs: per unit, or in tiers.
//!
//! Amounts are exact until a line is rounded to the currency's smallest unit, once. Source:
//! <https://docs.stripe.com/api/prices/create>: `unit_amount_decimal` "accepts a decimal value in
//! cents (or local equivalent) with at most 12 decimal places". "In `volume`-based tiering, the
//! maximum quantity within a period determines the per unit price, in `graduated` tiering pricing
//! can successively change as the quantity grows."

use crate::decimal::Decimal;
use crate::form::Form;
use crate::refusal::Refusal;
use serde_json::{Value, json};

/// How a price is counted, in the currency's smallest unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Pricing {
    PerUnit(Decimal),
    Tiered(Tiers),
}

/// Tiers, the last of them without an end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tiers {
    graduated: bool,
    tiers: Vec<Tier>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Tier {
    /// `None`: `inf`.
    up_to: Option<Decimal>,
    unit_amount: Decimal,
    flat_amount: Decimal,
}

impl Pricing {
    /// What a quantity costs, exactly.
    pub(crate) fn amount(&self, quantity: Decimal) -> Decimal {
        match self {
            Self::PerUnit(amount) => quantity.times(*amount),
            Self::Tiered(tiers) => tiers.amount(quantity),
        }
    }

    pub(crate) const fn scheme(&self) -> &'static str {
        match self {
            Self::PerUnit(_) => "per_unit",
            Self::Tiered(_) => "tiered",
        }
    }

    pub(crate) const fn tiers_mode(&self) -> Option<&'static str> {
        match self {
            Self::PerUnit(_) => None,
            Self::Tiered(tiers) if tiers.graduated => Some("graduated"),
            Self::Tiered(_) => Some("volume"),
        }
    }

    /// The unit's amount as text, where there is one.
    pub(crate) fn unit_amount(&self) -> Option<String> {
        match self {
            Self::PerUnit(amount) => Some(amount.to_string()),
            Self::Tiered(_) => None,
        }
    }

    /// The tiers, which a price shows only when it is asked to: "This field is not included by
    /// default. To include it in the response, expand the `tiers` field."
    /// (<https://docs.stripe.com/api/prices/object>)
    pub(crate) fn tiers(&self) -> Option<Value> {
        match self {
            Self::PerUnit(_) => None,
            Self::Tiered(tiers) => Some(tiers.tiers.iter().map(Tier::json).collect()),
        }
    }

    /// Adds the fields of a price object.
    pub(crate) fn describe(&self, price: &mut Value) {
        price["billing_scheme"] = json!(self.scheme());
        price["tiers_mode"] = json!(self.tiers_mode());
        let text = self.unit_amount();
        let whole = text.as_deref().and_then(|text| text.parse::<i64>().ok());
        price["unit_amount"] = json!(whole);
        price["unit_amount_decimal"] = json!(text);
    }
}

impl Tier {
    fn json(&self) -> Value {
        let whole = |amount: Decimal| amount.to_string().parse::<i64>().ok();
        json!({
            "flat_amount": whole(self.flat_amount),
            "flat_amount_decimal": self.flat_amount.to_string(),
            "unit_amount": whole(self.unit_amount),
            "unit_amount_decimal": self.unit_amount.to_string(),
            "up_to": self.up_to.and_then(whole),
        })
    }

    /// `up_to` is "integer or string": a whole number or `inf`.
    fn requested(form: &Form) -> Result<Self, Refusal> {
        let amount = |name: &str| {
            let amount = requested_amount(form, name)?;
            Ok::<_, Refusal>(amount.unwrap_or(Decimal::ZERO))
        };
        let up_to = match form.required("up_to")? {
            "inf" => None,
            _ => form.integer("up_to")?.map(Decimal::whole),
        };
        Ok(Self {
            up_to,
            unit_amount: amount("unit_amount")?,
            flat_amount: amount("flat_amount")?,
        })
    }
}

/// Most decimals of an amount in the currency's smallest unit.
const DECIMALS_MAX: usize = 12;

/// `name` or, with decimals, `name_decimal`.
pub(crate) fn requested_amount(form: &Form, name: &str) -> Result<Option<Decimal>, Refusal> {
    let decimal_name = format!("{name}_decimal");
    let decimals = form
        .get(&decimal_name)
        .and_then(|text| text.split_once('.'));
    if decimals.is_some_and(|(_, decimals)| decimals.len() > DECIMALS_MAX) {
        let message = format!("Invalid decimal: at most {DECIMALS_MAX} decimal places");
        return Err(Refusal::parameter(&decimal_name, &message));
    }
    let decimal = form.decimal(&decimal_name)?;
    Ok(decimal.or(form.decimal(name)?))
}

impl Tiers {
    pub(crate) fn requested(form: &Form) -> Result<Self, Refusal> {
        form.required("tiers_mode")?;
        let graduated = form.one_of("tiers_mode", &["graduated", "volume"])? == Some("graduated");
        let entries = form.entries("tiers");
        let tiers = entries
            .iter()
            .map(Tier::requested)
            .collect::<Result<Vec<_>, _>>()?;
        let ends = |tier: &Tier| tier.up_to.is_none();
        let rising = tiers.windows(2).all(|pair| match pair {
            [first, second] => {
                first.up_to.is_some() && second.up_to.is_none_or(|end| first.up_to < Some(end))
            }
            _ => true,
        });
        if !tiers.last().is_some_and(ends) || !rising {
            let message = "Tiers must rise, and the last must have up_to=inf.";
            return Err(Refusal::parameter("tiers", message));
        }
        Ok(Self { graduated, tiers })
    }

    fn amount(&self, quantity: Decimal) -> Decimal {
        let mut amount = Decimal::ZERO;
        let mut from = Decimal::ZERO;
        for tier in &self.tiers {
            let end = tier.up_to.unwrap_or(quantity).min(quantity);
            let is_last = tier.up_to.is_none_or(|up_to| quantity <= up_to);
            if self.graduated {
                let part = end.minus(from).times(tier.unit_amount);
                amount = amount.plus(part).plus(tier.flat_amount);
            } else if is_last {
                amount = quantity.times(tier.unit_amount).plus(tier.flat_amount);
            }
            if is_last {
                break;
            }
            from = end;
        }
        amount
    }
}
