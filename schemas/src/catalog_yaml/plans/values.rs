//! Single values of plans, and what is made of a few of them.

use super::super::reader::{Item, Reader};
use super::super::scalar;
use meterline_core::catalog::plans::{Cap, Grace, PeriodZone, Price, Reset, Severity, Threshold};
use meterline_core::quantity::Quantity;

pub(super) const CAPS: [(&str, Cap); 3] = [
    ("none", Cap::None),
    ("soft", Cap::Soft),
    ("hard", Cap::Hard),
];
pub(super) const RESETS: [(&str, Reset); 4] = [
    ("hour", Reset::Hour),
    ("day", Reset::Day),
    ("month", Reset::Month),
    ("billing_month", Reset::BillingMonth),
];
pub(super) const ZONES: [(&str, PeriodZone); 2] =
    [("utc", PeriodZone::Utc), ("account", PeriodZone::Account)];
const ALERT_KEYS: [&str; 4] = ["at", "above", "severity", "kind"];

pub(super) fn word<T: Copy>(
    reader: &mut Reader,
    item: Option<&Item<'_>>,
    known: &[(&str, T)],
) -> Option<T> {
    reader.scalar(item, |text| scalar::word(text, known))
}

/// Reads a quantity that is written in a unit of `ratio` base units.
pub(super) fn base_units(text: &str, ratio: Quantity) -> Result<Quantity, String> {
    let written = scalar::quantity(text)?;
    written
        .times(ratio)
        .map_err(|reason| format!("`{text}` times {ratio}, in base units, {reason}"))
}

/// Reads a limit; `None` is unlimited, which some price lists write as -1.
pub(super) fn ceiling(text: &str, ratio: Quantity) -> Result<Option<Quantity>, String> {
    if ["unlimited", "-1"].contains(&text) {
        return Ok(None);
    }
    if text.starts_with(|c: char| c.is_ascii_alphabetic()) {
        return Err(format!("`{text}` is neither a number nor `unlimited`"));
    }
    base_units(text, ratio).map(Some)
}

/// Reads `{for: 7d, up_to: 120}`.
pub(super) fn grace(reader: &mut Reader, item: Option<&Item<'_>>) -> Option<Grace> {
    let section = reader.section(item?, &["for", "up_to"]);
    let length = reader.optional(&section, "for");
    let percent = reader.optional(&section, "up_to");
    for (item, field) in [(&length, "seconds"), (&percent, "percent")] {
        if let Some(item) = item {
            let model = format!("{}.{field}", section.place.model);
            reader.mark(&item.place.standing_for(model));
        }
    }
    let default = Grace::default();
    let whole_seconds = |text: &str| match scalar::duration(text)?.0 {
        millis if millis.is_multiple_of(1_000) => Ok(millis / 1_000),
        _ => Err(format!("`{text}` is no whole number of seconds")),
    };
    Some(Grace {
        seconds: reader
            .scalar(length.as_ref(), whole_seconds)
            .unwrap_or(default.seconds),
        percent: reader
            .scalar(percent.as_ref(), scalar::quantity)
            .unwrap_or(default.percent),
    })
}

/// Reads a list of `{at: 80, severity: warning}` and `{above: 100, severity: medium, kind: …}`.
pub(super) fn thresholds(reader: &mut Reader, list: Option<&Item<'_>>) -> Vec<Threshold> {
    let items = reader.list(list);
    let read = items.iter().filter_map(|item| threshold(reader, item));
    read.collect()
}

fn threshold(reader: &mut Reader, item: &Item<'_>) -> Option<Threshold> {
    let section = reader.section(item, &ALERT_KEYS);
    let [at, above, kind] = ["at", "above", "kind"].map(|key| reader.optional(&section, key));
    let severity = reader.required(&section, "severity");
    let known = Severity::ALL.map(|severity| (severity.name(), severity));
    let severity = word(reader, severity.as_ref(), &known);
    let is_above = above.is_some();
    let share = match (at, above) {
        (Some(share), None) | (None, Some(share)) => share,
        _ => {
            reader.refuse(&section.place, "needs one of `at` and `above`");
            return None;
        }
    };
    let model = format!("{}.percent", section.place.model);
    reader.mark(&share.place.standing_for(model));
    let percent = reader.scalar(Some(&share), scalar::quantity);
    let kind = kind.and_then(|item| reader.text(&item));
    Some(Threshold {
        percent: percent?,
        above: is_above,
        severity: severity?,
        kind: kind.unwrap_or_else(|| Threshold::KIND.to_owned()),
    })
}

/// Reads `{amount: 0.01, per: 1000}`; `per` is 1 where it is not written.
pub(super) fn price(
    reader: &mut Reader,
    item: Option<&Item<'_>>,
    ratio: Quantity,
) -> Option<Price> {
    let section = reader.section(item?, &["amount", "per"]);
    let amount = reader.required(&section, "amount");
    let per = reader.optional(&section, "per");
    let amount = reader.scalar(amount.as_ref(), scalar::quantity);
    let per = match per {
        Some(per) => reader.scalar(Some(&per), |text| base_units(text, ratio)),
        None => Some(ratio),
    };
    Some(Price {
        amount: amount?,
        per: per?,
    })
}
