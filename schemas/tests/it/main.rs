//! The ready-made catalogs, as everything that judges by them sees them.
//!
//! One binary. Nothing here needs a broker or a server: catalogs are read from their files, and
//! judged by the core's own deciders.

mod boundaries;
mod walk;
