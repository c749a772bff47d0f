//! Doing what a plan says.
//!
//! One step at a time; what Stripe answers is put beside what was read, and the plan is made again,
//! so that nothing is done that the present state does not want. A step that may have been done is
//! repeated under its idempotency key, which follows from its content: a run that was killed is
//! taken up by the next. Stripe repeats a 500 under its key, too; then everything is read again, and
//! what is still missing gets another key. Refuses more steps than there are things.

use super::found::{Found, METER, PLAN};
use super::meters::VALUE_KEY;
use super::plan::{Action, Change, Step, plan};
use super::prices::NewTerms;
use super::wanted::Wanted;
use crate::stripe::{Stripe, keyed};
use meterline_stripe::requests::meters::{self, NewMeter};
use meterline_stripe::requests::prices::{self, NewPrice, NewTier, Pricing};
use meterline_stripe::requests::products::{self, NewProduct};
use meterline_stripe::{Failure, Next, Write};

/// How often everything is read again because Stripe answered 500.
const ROUNDS: u32 = 4;
/// Most steps of a thing: made, and given its lookup key.
const STEPS: usize = 2;

/// Why a set-up came to no end. What was done stays.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SetupError {
    /// A call failed.
    #[error("failed to {what}; what was done before stays, and the next run goes on")]
    Call {
        /// What was to be done.
        what: String,
        /// Why it failed.
        source: Box<Failure>,
    },
    /// The same things are to be done again and again.
    #[error(
        "Stripe does not show what was done at {kind} {name}: somebody else changes it, or its lists \
         lie behind; try again"
    )]
    NoEnd {
        /// What the thing is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
}

/// Does all that can be done; the last plan, in which what was done is [`Action::Done`].
///
/// # Errors
/// [`SetupError`].
pub async fn apply(stripe: &Stripe, wanted: &Wanted) -> Result<Vec<Change>, SetupError> {
    let mut found = read(stripe, wanted).await?;
    let mut done = Vec::new();
    let mut refused: Vec<(super::Kind, String, String)> = Vec::new();
    let mut round = 0;
    loop {
        let mut changes = plan(wanted, &found);
        let next = changes.iter().find_map(|change| {
            let step = change.step.clone()?;
            let mut refused = refused.iter();
            let is_refused = refused.any(|(kind, name, _)| is_of(change, *kind, name));
            (!is_refused).then(|| (change.kind, change.name.clone(), step))
        });
        let Some((kind, name, step)) = next else {
            mark(&mut changes, &done, &refused);
            return Ok(changes);
        };
        if done.len() >= STEPS * changes.len() {
            let kind = kind.name();
            return Err(SetupError::NoEnd { kind, name });
        }
        match take(stripe, wanted, &mut found, &step, round).await {
            Ok(()) => done.push((kind, name)),
            Err(Failure::ServerError { .. }) if round < ROUNDS => {
                round += 1;
                found = read(stripe, wanted).await?;
            }
            // It is about this one alone: others may go well. Or it was done by a call whose answer
            // was lost, and cannot be done again.
            Err(failure) if failure.next() == Next::Mend => {
                found = read(stripe, wanted).await?;
                let mut left = plan(wanted, &found).into_iter();
                if left.any(|left| left.step.is_some() && is_of(&left, kind, &name)) {
                    refused.push((kind, name, failure.to_string()));
                }
            }
            Err(source) => {
                let what = format!("make {} {name}", kind.name());
                let source = Box::new(source);
                return Err(SetupError::Call { what, source });
            }
        }
    }
}

async fn read(stripe: &Stripe, wanted: &Wanted) -> Result<Found, SetupError> {
    let found = Found::read(stripe, wanted).await;
    found.map_err(|source| SetupError::Call {
        what: "read what Stripe has".to_owned(),
        source: Box::new(source),
    })
}

fn is_of(change: &Change, kind: super::Kind, name: &str) -> bool {
    (change.kind, &*change.name) == (kind, name)
}

/// Says what was done and what Stripe refused, and why.
fn mark(
    changes: &mut [Change],
    done: &[(super::Kind, String)],
    refused: &[(super::Kind, String, String)],
) {
    for change in changes {
        if done.iter().any(|(kind, name)| is_of(change, *kind, name)) {
            change.action = Action::Done;
        }
        let mut refused = refused.iter();
        if let Some((.., why)) = refused.find(|(kind, name, _)| is_of(change, *kind, name)) {
            change.action = Action::Refuse;
            change.why.clone_from(why);
        }
    }
}

/// Does one step, and notes what Stripe has now.
async fn take(
    stripe: &Stripe,
    wanted: &Wanted,
    found: &mut Found,
    step: &Step,
    round: u32,
) -> Result<(), Failure> {
    match step {
        Step::MakeMeter(meter) => {
            let request = meters::create(&NewMeter {
                display_name: &meter.display_name,
                event_name: &meter.event_name,
                customer_key: &wanted.customer_key,
                value_key: VALUE_KEY,
            });
            let made = stripe
                .write("meters", &keyed("setup", request, &[round]))
                .await?;
            found.meters.push(made);
        }
        Step::MakeProduct(product) => {
            let (key, name) = &product.metadata;
            let request = products::create(&NewProduct {
                id: Some(&product.id),
                name: &product.name,
                unit_label: product.unit_label.as_deref(),
                metadata: &[(key, name)],
            });
            let made = stripe
                .write("products", &keyed("setup", request, &[round]))
                .await?;
            found.products.insert(made.id.clone(), made);
        }
        Step::MakePrice(new) => {
            let request = keyed("setup", make_price(new), &[round, new.archived]);
            found.add_price(stripe.write("prices", &request).await?);
        }
        Step::TakeKey(id, lookup_key) => {
            // Without a key: it may be done twice, but an answer of yesterday's must not come for it.
            let request = prices::take_lookup_key(id, lookup_key);
            stripe.write("prices", &request).await?;
            // Its answer has no tiers.
            let price = stripe.get("prices", &prices::get(id)).await?;
            found.add_price(price);
        }
    }
    Ok(())
}

fn make_price(new: &NewTerms) -> Write<prices::Price> {
    let NewTerms { wanted, terms, .. } = new;
    let tiers = [
        NewTier {
            up_to: Some(terms.included),
            unit_amount: "0",
            flat_amount: None,
        },
        NewTier {
            up_to: None,
            unit_amount: &terms.each,
            flat_amount: None,
        },
    ];
    let pricing = match terms.included {
        0 => Pricing::PerUnit {
            amount: &terms.each,
            package: None,
        },
        _ => Pricing::Graduated(&tiers),
    };
    let mut metadata = vec![(PLAN, wanted.plan.as_str())];
    metadata.extend(wanted.meter.as_deref().map(|meter| (METER, meter)));
    let nickname = wanted.lookup_key();
    prices::create(&NewPrice {
        product: &wanted.product,
        currency: terms.currency.code(),
        interval: "month",
        meter: new.meter.as_deref(),
        pricing,
        nickname: Some(&nickname),
        lookup_key: Some(&new.lookup_key),
        metadata: &metadata,
    })
}
