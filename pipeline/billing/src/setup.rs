//! Set-up: meters, products and prices at Stripe as a catalog wants them.
//!
//! [`Wanted`] is what a catalog wants, [`Found`] what Stripe has, and [`plan`] compares the two
//! without asking anybody; [`apply`] does what a plan says. What it refuses: an amount that Stripe's
//! decimals cannot hold, a meter that cannot count hours and cannot be changed, prices of levels
//! that are spread over no hours. It deletes, archives and deactivates nothing. Invariant: whatever
//! was done of a plan, the next one is for the rest of it alone.

mod amounts;
mod apply;
mod found;
mod meters;
mod plan;
mod prices;
mod wanted;

pub use apply::{SetupError, apply};
pub use found::Found;
pub use plan::{Action, Change, Kind, plan};
pub use wanted::{Terms, Wanted, WantedMeter, WantedPrice, WantedProduct};
