//! The pure decider of limits.

pub mod terms;
