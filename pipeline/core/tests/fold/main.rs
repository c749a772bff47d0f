//! The fold against an independent model, through crashes, splits and evictions.
//!
//! Rules of this binary: every property names the invariant it shows; the model ([`model`]) is
//! written as plainly as it can be and shares no code with the fold but the vocabulary; a run is
//! a function of its generated script, so a failure prints all it needs to be repeated.

mod driver;
mod model;
mod properties;
mod rules;
mod voids;
mod voids_kept;
mod world;
