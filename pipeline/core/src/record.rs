//! A record of the usage log, as the worker hands it to the fold.
//!
//! The worker resolves pointers before it calls the fold, so that the fold reads nothing but its
//! arguments. Headers are passed as a slice; the order they were written in is kept.

use crate::control::{CatalogDecision, VoidDecision};
use crate::position::Offset;
use crate::time::LogTime;
use std::sync::Arc;

/// Name of the header that marks placements and ticks.
pub const CONTROL_HEADER: &str = "meterline-control";

/// One record of a partition of `usage.events`.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// The record's offset.
    pub offset: Offset,
    /// The broker's append time.
    pub append_time: LogTime,
    /// Headers in written order; a value may be absent.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// The record's value; absent in a tombstone.
    pub payload: Option<&'a [u8]>,
    /// Bytes of key, headers and value together: what the bound of record size counts.
    pub size: usize,
    /// What the `meterline-control` header resolves to; `None` where there is no such header.
    pub placement: Option<&'a Placement>,
}

/// What a `meterline-control` header stands for, after the worker read the control log.
#[derive(Clone, Debug)]
pub enum Placement {
    /// `tick`: moves log time, nothing else.
    Tick,
    /// A pointer to a catalog version in force.
    Catalog(Arc<CatalogDecision>),
    /// A pointer to a void or amend in force.
    Void {
        /// The decision.
        decision: Arc<VoidDecision>,
        /// All catalog versions before it, version 1 first: the event is undone by the one that
        /// it was counted by.
        catalogs: Arc<[Arc<CatalogDecision>]>,
    },
    /// A pointer that names no placeable record, now and in every replay; the text says why.
    Bad(String),
}
