//! What the tests of this crate share: one alert, to be changed.

use crate::alert::Alert;
use meterline_core::alert::AlertState;
use meterline_core::catalog::plans::{Severity, Threshold};
use meterline_core::quantity::Quantity;
use meterline_core::time::{EventTime, LogTime};

/// A moment in November 2023.
pub(crate) const T0: i64 = 1_700_000_000_000;

pub(crate) fn quantity(text: &str) -> Quantity {
    Quantity::parse(text).expect(text)
}

/// An alert that the process `a` decided, `id` milliseconds after [`T0`].
pub(crate) fn alert(tenant: &str, id: u128) -> Alert {
    Alert {
        id,
        tenant: tenant.into(),
        meter: "api_requests".to_owned(),
        period_start: EventTime(1_698_796_800_000_000),
        period_end: EventTime(1_701_388_800_000_000),
        threshold: "80".to_owned(),
        state: AlertState::Opened,
        episode: 1,
        severity: Severity::Warning,
        kind: Threshold::KIND.to_owned(),
        used: quantity("800"),
        limit: quantity("1000"),
        plan: "free".to_owned(),
        writer: "a".into(),
        appended: LogTime(T0 + i64::try_from(id).expect("a small id")),
    }
}
