//! Periods of every length in every zone.
