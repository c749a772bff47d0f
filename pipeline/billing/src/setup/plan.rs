//! The plan: what is to be done at Stripe, thing by thing, and why.
//!
//! A pure comparison, so that what is shown and what is done cannot differ. Refuses nothing by
//! itself: what cannot be done is in the plan with its reason. Invariant: a step is in the plan only
//! if all that it names is there already; the others get theirs when it is.

use super::found::Found;
use super::wanted::{Wanted, WantedMeter, WantedProduct};
use super::{meters, prices};

/// What becomes of a thing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Action {
    /// It is there as it should be.
    Keep,
    /// It was there before Meterline, and can be used.
    Adopt,
    /// It is to be made.
    Make,
    /// It is there, and is to get the lookup key of the price that it replaces.
    Move,
    /// It was made, or got its lookup key.
    Done,
    /// The catalog wants it not to be at Stripe.
    LeaveOut,
    /// It cannot be made.
    Refuse,
}

impl Action {
    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Adopt => "adopt",
            Self::Make => "make",
            Self::Move => "move",
            Self::Done => "done",
            Self::LeaveOut => "left out",
            Self::Refuse => "refused",
        }
    }
}

/// What a thing is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A meter, named by its `event_name`.
    Meter,
    /// A product, named by its id.
    Product,
    /// A price, named by its lookup key.
    Price,
}

impl Kind {
    /// Its name in tables and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meter => "meter",
            Self::Product => "product",
            Self::Price => "price",
        }
    }
}

/// What becomes of one thing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// What it is.
    pub kind: Kind,
    /// Its name, of ours.
    pub name: String,
    /// Its id at Stripe, where it is there.
    pub id: Option<String>,
    /// What becomes of it.
    pub action: Action,
    /// Why, and what people should know of it; may be empty.
    pub why: String,
    pub(super) step: Option<Step>,
}

/// What can be done at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Step {
    MakeMeter(WantedMeter),
    MakeProduct(WantedProduct),
    MakePrice(prices::NewTerms),
    /// A price by its id, and the lookup key that it gets.
    TakeKey(String, String),
}

impl Change {
    pub(super) fn new(kind: Kind, name: &str, action: Action) -> Self {
        Self {
            kind,
            name: name.to_owned(),
            id: None,
            action,
            why: String::new(),
            step: None,
        }
    }

    pub(super) fn of(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    pub(super) fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    pub(super) fn by(mut self, step: Step) -> Self {
        self.step = Some(step);
        self
    }
}

/// What becomes of all that is wanted: meters, products, prices.
#[must_use]
pub fn plan(wanted: &Wanted, found: &Found) -> Vec<Change> {
    let of_meters = wanted.meters.iter();
    let of_meters = of_meters.map(|meter| meters::change(meter, &wanted.customer_key, found));
    let mut changes: Vec<_> = of_meters.collect();
    let of_products = wanted.products.iter();
    changes.extend(of_products.map(|product| product_change(product, found)));
    let prices = wanted.prices.iter();
    let prices = prices.map(|price| prices::change(price, wanted, found));
    changes.extend(prices);
    changes
}

fn product_change(wanted: &WantedProduct, found: &Found) -> Change {
    let change = |action| Change::new(Kind::Product, &wanted.id, action);
    match found.products.get(&wanted.id) {
        None => change(Action::Make)
            .because(format!("\"{}\"", wanted.name))
            .by(Step::MakeProduct(wanted.clone())),
        Some(product) if product.active => change(Action::Keep).of(&product.id),
        Some(product) => change(Action::Refuse)
            .of(&product.id)
            .because("it is archived at Stripe: unarchive it there, then try again"),
    }
}
