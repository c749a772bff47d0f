//! The fold of pushes, and what it is for: Stripe ends with the right value, whatever happens.

mod model;
mod rulings;
