//! The pure decider of limits.
