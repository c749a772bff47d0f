//! The rollup stage: consumer, flush, checkpoints, halts, health.
