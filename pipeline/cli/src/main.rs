//! The `meterline` command: arguments, configuration, run, exit code.
fn main() {}
