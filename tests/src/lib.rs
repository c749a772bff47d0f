//! End-to-end tests, simulation and benchmarks.
