//! Labels of metrics: each a small closed set, so that a worker's number of series is bounded.

use prometheus_client::encoding::EncodeLabelSet;

/// A partition of the usage topic.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfPartition {
    pub(super) partition: u32,
}

/// A partition and what became of its records.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfOutcome {
    pub(super) partition: u32,
    pub(super) outcome: &'static str,
}

/// A partition and the name of a reason, a halt or a stall.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfReason {
    pub(super) partition: u32,
    pub(super) reason: &'static str,
}

/// A lane of the flush.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfLane {
    pub(super) lane: &'static str,
}

/// Something outside of the process that it needs.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfNeed {
    pub(super) need: &'static str,
}

/// What was asked of something outside of the process.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfRequest {
    pub(super) need: &'static str,
    pub(super) what: &'static str,
}

/// How a rebalance changed what the process owns.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfChange {
    pub(super) change: &'static str,
}

/// What a partition does.
#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
pub(crate) struct OfState {
    pub(super) state: &'static str,
}
