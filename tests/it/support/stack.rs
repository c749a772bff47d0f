//! Stacks: the one that tests share, and those of tests that break or bend theirs.

use std::sync::OnceLock;

pub(crate) use meterline_stack::{PASSWORD, Parts, Service, Stack, USER, free_port};

/// The stack that tests share; it lives as long as the test binary.
pub(crate) fn shared() -> &'static Stack {
    static SHARED: OnceLock<Stack> = OnceLock::new();
    SHARED.get_or_init(|| Stack::start(Parts::default()))
}
