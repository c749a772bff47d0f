//! Periods: when use starts at zero again, in whose time.
