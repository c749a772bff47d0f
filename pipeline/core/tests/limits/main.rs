//! The engine of limits and the quota check, against independent recomputations.
//!
//! Rules of this binary: the oracle ([`oracle`]) computes from events and decisions, as plainly as
//! it can be, and shares no code with the engine but the vocabulary; a run is a function of its
//! generated script, so a failure prints all it needs to be repeated.

mod behind;
mod checks;
mod instances;
mod oracle;
mod race;
mod restarts;
mod rulings;
mod usage_log;
mod walks;
mod world;
