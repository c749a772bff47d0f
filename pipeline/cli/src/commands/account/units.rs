//! Quantities as people read and write them: with a meter's unit of plans, or in its base unit.
//!
//! A bare number where a meter has two units would be read as the wrong one some day: by a factor
//! of a billion. So it is refused on the command line, and is of the base unit in files, which is
//! what `--output json` writes.

use meterline_core::catalog::Catalog;
use meterline_core::nearest::hint;
use meterline_core::quantity::Quantity;

/// The units of one meter or derived quantity.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units<'a> {
    /// Name of the base unit; empty where the catalog does not know the meter.
    base: &'a str,
    /// Unit of plans: its name, and how many base units are one of it.
    plan: Option<(&'a str, Quantity)>,
}

impl<'a> Units<'a> {
    /// Those of a meter or derived quantity, by its name.
    pub(crate) fn of(catalog: &'a Catalog, name: &str) -> Self {
        let meter = catalog.meters.iter().find(|meter| meter.name == name);
        let derived = || catalog.plans.derived(name).map(|derived| &derived.unit);
        let base = meter.map(|meter| &meter.unit).or_else(derived);
        let plan = catalog.plans.units.get(name);
        Self {
            base: base.map_or("", String::as_str),
            plan: plan.map(|unit| (unit.name.as_str(), unit.ratio)),
        }
    }

    /// Those of a meter or derived quantity that the catalog knows.
    ///
    /// # Errors
    /// The nearest known name.
    pub(crate) fn known(catalog: &'a Catalog, name: &str) -> Result<Self, String> {
        let meters = catalog.meters.iter().map(|meter| meter.name.as_str());
        let derived = catalog.plans.derived.iter();
        let known = meters.chain(derived.map(|derived| derived.name.as_str()));
        if known.clone().any(|known| known == name) {
            return Ok(Self::of(catalog, name));
        }
        Err(format!("is no meter of the catalog: {}", hint(name, known)))
    }

    /// Name of the base unit.
    pub(crate) fn base(&self) -> &'a str {
        self.base
    }

    /// Reads a quantity into base units; `bare` says whether a unit may be missing.
    ///
    /// # Errors
    /// What it must be.
    pub(crate) fn read(&self, text: &str, bare: Bare) -> Result<Quantity, String> {
        let digits = text
            .bytes()
            .take_while(|c| c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'+' | b'_'))
            .count();
        let (number, unit) = text.split_at(digits);
        let quantity = Quantity::parse(&number.replace('_', ""));
        let quantity = quantity.map_err(|error| format!("`{text}`: `{number}` {error}"))?;
        match (unit.trim(), self.plan) {
            ("", Some((name, _))) if bare == Bare::Refused => Err(format!(
                "`{text}` has no unit: write {number}{name} or {number}{}",
                self.base
            )),
            ("", _) => Ok(quantity),
            (unit, _) if unit == self.base => Ok(quantity),
            (unit, Some((name, ratio))) if unit == name => quantity
                .times(ratio)
                .map_err(|error| format!("`{text}` {error} in {}", self.base)),
            (unit, plan) => {
                let plan = plan.map_or_else(String::new, |(name, _)| format!("`{name}` or "));
                Err(format!(
                    "`{text}`: `{unit}` is no unit here; write {plan}`{}`",
                    self.base
                ))
            }
        }
    }

    /// The quantity with its unit: that of plans where it has at most three decimals in it.
    pub(crate) fn show(&self, quantity: Quantity) -> String {
        let in_plans = self.plan.and_then(|(name, ratio)| {
            let shown = divide(quantity, ratio)?;
            Some(format!("{shown} {name}"))
        });
        in_plans.unwrap_or_else(|| format!("{quantity} {}", self.base).trim_end().to_owned())
    }
}

/// Whether a number without a unit is taken where a meter has two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bare {
    /// As base units.
    Base,
    /// Not at all.
    Refused,
}

/// The exact quotient; `None` where it has more than three decimals, which read worse than base
/// units, or too many digits.
fn divide(quantity: Quantity, ratio: Quantity) -> Option<Quantity> {
    let thousandths = quantity.raw().checked_mul(1_000)?;
    let ratio = ratio.raw();
    let is_short = ratio > 0 && thousandths % ratio == 0;
    is_short.then(|| Quantity::from_unscaled(thousandths / ratio, 3).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::quantity::ONE;

    const GIGABYTE: i128 = 1_000_000_000;

    fn storage() -> Units<'static> {
        let ratio = Quantity::from_raw(GIGABYTE * ONE).expect("in range");
        Units {
            base: "byte",
            plan: Some(("GB", ratio)),
        }
    }

    #[test]
    fn units_are_taken_and_missing_ones_refused_where_there_are_two() {
        let calls = Units {
            base: "call",
            plan: None,
        };
        for (units, text, bare, expected) in [
            (storage(), "5GB", Bare::Refused, Ok("5000000000")),
            (storage(), "0.5 GB", Bare::Refused, Ok("500000000")),
            (storage(), "5byte", Bare::Refused, Ok("5")),
            (storage(), "5", Bare::Base, Ok("5")),
            (storage(), "5", Bare::Refused, Err("write 5GB or 5byte")),
            (
                storage(),
                "5MB",
                Bare::Base,
                Err("`MB` is no unit here; write `GB` or `byte`"),
            ),
            (storage(), "GB", Bare::Base, Err("is not a decimal number")),
            (calls, "10_000", Bare::Refused, Ok("10000")),
            (calls, "5 call", Bare::Refused, Ok("5")),
            (calls, "5GB", Bare::Refused, Err("write `call`")),
        ] {
            match (units.read(text, bare), expected) {
                (Ok(read), Ok(expected)) => assert_eq!(read.to_string(), expected, "{text}"),
                (Err(reason), Err(part)) => assert!(reason.contains(part), "{text}: {reason}"),
                (read, _) => panic!("{text}: {read:?}"),
            }
        }
    }

    #[test]
    fn quantities_are_shown_in_the_unit_of_plans_where_that_is_exact() {
        let show = |raw: i128| storage().show(Quantity::from_raw(raw * ONE).expect("in range"));
        assert_eq!(show(2 * GIGABYTE + GIGABYTE / 2), "2.5 GB");
        assert_eq!(
            (show(GIGABYTE / 1_000), show(1)),
            ("0.001 GB".to_owned(), "1 byte".to_owned())
        );
        let minutes = Units {
            base: "second",
            plan: Some(("minute", Quantity::from_raw(60 * ONE).expect("in range"))),
        };
        let show = |raw: i128| minutes.show(Quantity::from_raw(raw * ONE).expect("in range"));
        assert_eq!(
            (show(90), show(61)),
            ("1.5 minute".to_owned(), "61 second".to_owned())
        );
    }
}
