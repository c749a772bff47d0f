//! What a plan writes of its meters, and once for all of them.

use super::super::reader::{Item, Reader, Section};
use super::super::tree::Entry;
use super::values::{self, CAPS, RESETS, ZONES};
use meterline_core::catalog::plans::{Cap, Grace, PlanUnit, Reset, Terms};
use meterline_core::quantity::Quantity;
use std::collections::BTreeMap;

const METER_KEYS: [&str; 8] = [
    "included", "limit", "cap", "grace", "alerts", "reset", "zone", "price",
];

/// Reads `meters` of a plan.
pub(super) fn of_meters(
    reader: &mut Reader,
    plan: &Section<'_>,
    units: &BTreeMap<String, PlanUnit>,
) -> BTreeMap<String, Terms> {
    let before = reader.refusal_count();
    let mut shared = Shared::read(reader, plan);
    let mut meters = BTreeMap::new();
    let Some(item) = reader.required(plan, "meters") else {
        return meters;
    };
    for Entry { key, line, node } in reader.entries(&item) {
        let place = item.place.key(key, *line);
        let section = reader.section(&Item { place, node }, &METER_KEYS);
        let ratio = units.get(key).map_or(Quantity::ONE, |unit| unit.ratio);
        meters.insert(key.clone(), shared.meter(reader, &section, ratio));
    }
    // What could not be read may be what would have taken it.
    if reader.refusal_count() == before {
        shared.refuse_unused(reader);
    }
    meters
}

/// What a plan writes once for its meters; each that does not write it itself takes it.
struct Shared<'a> {
    cap: Option<Item<'a>>,
    grace: Option<Item<'a>>,
    alerts: Option<Item<'a>>,
    reset: Option<Item<'a>>,
    zone: Option<Item<'a>>,
    /// Whether a meter took the cap.
    cap_used: bool,
    /// Whether a meter took the grace.
    grace_used: bool,
}

impl<'a> Shared<'a> {
    /// Finds what is written, and reads it once for its form, whether a meter takes it or not.
    fn read(reader: &mut Reader, plan: &Section<'a>) -> Self {
        let mut find = |key| reader.optional(plan, key);
        let found = Self {
            cap: find("cap"),
            grace: find("grace"),
            alerts: find("alerts"),
            reset: find("reset"),
            zone: find("zone"),
            cap_used: false,
            grace_used: false,
        };
        values::word(reader, found.cap.as_ref(), &CAPS);
        values::grace(reader, found.grace.as_ref());
        values::thresholds(reader, found.alerts.as_ref());
        values::word(reader, found.reset.as_ref(), &RESETS);
        values::word(reader, found.zone.as_ref(), &ZONES);
        found
    }

    /// The terms of one meter, whose unit is `ratio` of its base units.
    fn meter(&mut self, reader: &mut Reader, own: &Section<'a>, ratio: Quantity) -> Terms {
        let limit = reader.optional(own, "limit");
        let (cap, grace) = self.cap(reader, own, limit.is_some());
        let alerts = taken(reader, own, "alerts", self.alerts.as_ref());
        let reset = taken(reader, own, "reset", self.reset.as_ref());
        let zone = taken(reader, own, "zone", self.zone.as_ref());
        let included = reader.optional(own, "included");
        let price = reader.optional(own, "price");
        if limit.is_none() && included.is_none() && price.is_none() {
            let reason = "says nothing: write `included`, `limit` (a number or `unlimited`) or \
                          `price`";
            reader.refuse(&own.place, reason);
        }
        let base_units = |text: &str| values::base_units(text, ratio);
        let ceiling = |text: &str| values::ceiling(text, ratio);
        Terms {
            included: reader.scalar(included.as_ref(), base_units),
            limit: reader.scalar(limit.as_ref(), ceiling).flatten(),
            cap,
            grace,
            thresholds: values::thresholds(reader, alerts.as_ref()),
            reset: values::word(reader, reset.as_ref(), &RESETS).unwrap_or(Reset::Month),
            zone: values::word(reader, zone.as_ref(), &ZONES).unwrap_or_default(),
            price: values::price(reader, price.as_ref(), ratio),
        }
    }

    /// Cap and grace. The plan's cap holds for the meters that write a limit, be it `unlimited`,
    /// and its grace for those with a soft cap.
    fn cap(
        &mut self,
        reader: &mut Reader,
        own: &Section<'a>,
        limited: bool,
    ) -> (Cap, Option<Grace>) {
        let [own_cap, own_grace] = ["cap", "grace"].map(|key| reader.optional(own, key));
        for written in [&own_cap, &own_grace].into_iter().flatten() {
            if !limited {
                let reason = "needs a limit beside it; write `limit: unlimited` where only \
                              accounts' overrides set one";
                reader.refuse(&written.place, reason);
            }
        }
        let of_plan = self.cap.as_ref().filter(|_| limited);
        self.cap_used |= limited && own_cap.is_none();
        let cap = taken(reader, own, "cap", of_plan);
        let cap = values::word(reader, cap.as_ref(), &CAPS).unwrap_or_default();
        let of_plan = self.grace.as_ref().filter(|_| cap == Cap::Soft);
        self.grace_used |= cap == Cap::Soft && own_grace.is_none();
        let grace = taken(reader, own, "grace", of_plan);
        (cap, values::grace(reader, grace.as_ref()))
    }

    fn refuse_unused(&self, reader: &mut Reader) {
        let shared = [
            (&self.cap, self.cap_used, "that has a limit"),
            (&self.grace, self.grace_used, "that has a soft cap"),
        ];
        for (item, used, which) in shared {
            if let Some(item) = item
                && !used
            {
                let reason = format!("holds for no meter: none {which} takes it from the plan");
                reader.refuse(&item.place, reason);
            }
        }
    }
}

/// What a meter writes itself, or else takes from its plan, at the meter's place in the catalog.
fn taken<'a>(
    reader: &mut Reader,
    own: &Section<'a>,
    key: &str,
    of_plan: Option<&Item<'a>>,
) -> Option<Item<'a>> {
    let item = reader.optional(own, key).or_else(|| of_plan.cloned())?;
    let field = if key == "alerts" { "thresholds" } else { key };
    let place = item
        .place
        .standing_for(format!("{}.{field}", own.place.model));
    reader.mark(&place);
    Some(Item { place, ..item })
}
