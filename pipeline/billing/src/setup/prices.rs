//! Prices: which of Stripe's has the wanted terms, and who has the lookup key.
//!
//! A price's terms never change; changed terms make a new price, which takes the lookup key over,
//! while the old one stays with its subscriptions. What a price says of its own terms decides, no
//! note of ours. A lookup key has one price, so a price is first made under a key that only its
//! terms have, and can never be made twice. Refuses what names a meter or product that is refused.

use super::found::{Found, METER, PLAN};
use super::meters;
use super::plan::{Action, Change, Kind, Step};
use super::wanted::{Terms, Wanted, WantedPrice};
use meterline_core::hash::Parts;
use meterline_stripe::Decimal;
use meterline_stripe::requests::prices::{Price, Tier};

/// A price that can be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NewTerms {
    pub(super) wanted: WantedPrice,
    pub(super) terms: Terms,
    /// The meter's id.
    pub(super) meter: Option<String>,
    pub(super) lookup_key: String,
    /// How many with the same terms are archived: a price that is made again is another one.
    pub(super) archived: u32,
}

/// What becomes of a price.
pub(super) fn change(price: &WantedPrice, wanted: &Wanted, found: &Found) -> Change {
    let key = price.lookup_key();
    let change = |action| Change::new(Kind::Price, &key, action);
    let terms = match &price.terms {
        Ok(terms) => terms,
        Err(reason) if price.left_out => return change(Action::LeaveOut).because(reason),
        Err(reason) => return change(Action::Refuse).because(reason),
    };
    let meter = match meter_of(price, wanted, found) {
        Meter::None => None,
        Meter::Usable(id) => Some(id),
        Meter::Missing => return change(Action::Make).because(shown(terms, price)),
        Meter::Refused => return change(Action::Refuse).because("its meter is refused"),
    };
    match found.products.get(&price.product) {
        Some(product) if product.active => {}
        Some(_) => return change(Action::Refuse).because("its product is refused"),
        None => return change(Action::Make).because(shown(terms, price)),
    }
    let ours: Vec<_> = found
        .prices
        .iter()
        .filter(|known| is_of(known, price))
        .collect();
    let holder = ours
        .iter()
        .find(|known| known.lookup_key.as_ref() == Some(&key));
    let same = |known: &&&Price| has_terms(known, terms, meter);
    let mut fitting = ours.iter().filter(same).filter(|known| known.active);
    let moves = holder.map(|holder| {
        format!(
            "; the lookup key moves from {}, which its subscriptions keep",
            holder.id
        )
    });
    let why = format!("{}{}", shown(terms, price), moves.unwrap_or_default());
    if let Some(holder) = holder.filter(|holder| fitting.clone().any(|known| known.id == holder.id))
    {
        return change(Action::Keep).of(&holder.id).because(note(price));
    }
    if let Some(known) = fitting.next() {
        return change(Action::Move)
            .of(&known.id)
            .because(why)
            .by(Step::TakeKey(known.id.clone(), key.clone()));
    }
    let lookup_key = match holder {
        None => key.clone(),
        Some(_) => format!("{key}:{:032x}", fingerprint(terms, meter)),
    };
    let new = NewTerms {
        wanted: price.clone(),
        terms: terms.clone(),
        meter: meter.map(str::to_owned),
        lookup_key,
        archived: u32::try_from(ours.iter().filter(same).count()).unwrap_or(u32::MAX),
    };
    change(Action::Make).because(why).by(Step::MakePrice(new))
}

enum Meter<'a> {
    None,
    Usable(&'a str),
    Missing,
    Refused,
}

fn meter_of<'a>(price: &WantedPrice, wanted: &Wanted, found: &'a Found) -> Meter<'a> {
    let Some(name) = &price.meter else {
        return Meter::None;
    };
    let Some(meter) = wanted.meters.iter().find(|meter| meter.meter == *name) else {
        return Meter::Refused;
    };
    if let Some(id) = meters::usable(meter, &wanted.customer_key, found) {
        return Meter::Usable(id);
    }
    match meters::change(meter, &wanted.customer_key, found).action {
        Action::Make => Meter::Missing,
        _ => Meter::Refused,
    }
}

fn is_of(known: &Price, wanted: &WantedPrice) -> bool {
    known.product == wanted.product
        && known.metadata.get(PLAN) == Some(&wanted.plan)
        && known.metadata.get(METER) == wanted.meter.as_ref()
}

/// Whether a price has exactly these terms.
fn has_terms(price: &Price, terms: &Terms, meter: Option<&str>) -> bool {
    let Some(recurring) = &price.recurring else {
        return false;
    };
    let usage_type = if meter.is_some() {
        "metered"
    } else {
        "licensed"
    };
    let comes_back = recurring.interval == "month"
        && recurring.interval_count == 1
        && recurring.usage_type == usage_type
        && recurring.meter.as_deref() == meter;
    comes_back
        && price.currency == terms.currency.code()
        && price.transform_quantity.is_none()
        && has_amounts(price, terms)
}

fn has_amounts(price: &Price, terms: &Terms) -> bool {
    let is = |decimal: Option<&Decimal>, amount: &str| {
        normal(decimal.map_or("0", Decimal::text)) == normal(amount)
    };
    if terms.included == 0 {
        let each = price.unit_amount_decimal.as_ref();
        return price.billing_scheme == "per_unit" && each.is_some() && is(each, &terms.each);
    }
    let Some([free, rest]) = price.tiers.as_deref() else {
        return false;
    };
    let costs = |tier: &Tier, each: &str| {
        is(tier.unit_amount_decimal.as_ref(), each) && is(tier.flat_amount_decimal.as_ref(), "0")
    };
    price.billing_scheme == "tiered"
        && price.tiers_mode.as_deref() == Some("graduated")
        && is(free.up_to.as_ref(), &terms.included.to_string())
        && costs(free, "0")
        && rest.up_to.is_none()
        && costs(rest, &terms.each)
}

/// A decimal without zeros at its end.
fn normal(text: &str) -> &str {
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    }
}

fn fingerprint(terms: &Terms, meter: Option<&str>) -> u128 {
    let mut parts = Parts::default();
    for part in [
        terms.currency.code(),
        meter.unwrap_or_default(),
        &terms.included.to_string(),
        &terms.each,
    ] {
        parts.put(part.as_bytes());
    }
    parts.hash()
}

/// The terms as people read them, and what they should know.
fn shown(terms: &Terms, price: &WantedPrice) -> String {
    let code = terms.currency.code();
    let free = match terms.included {
        0 => String::new(),
        included => format!("{included} free, then "),
    };
    let per = if price.meter.is_some() {
        " each"
    } else {
        " a month"
    };
    let each = format!("{free}{} of the minor unit of {code}{per}", terms.each);
    match note(price) {
        "" => each,
        note => format!("{each} ({note})"),
    }
}

fn note(price: &WantedPrice) -> &str {
    price.note.as_deref().unwrap_or_default()
}
