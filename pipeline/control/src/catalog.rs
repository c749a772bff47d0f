//! Publishing a catalog version.

use crate::decide::{Author, Decided, propose};
use crate::error::ControlError;
use crate::log::ControlLog;
use crate::schemas::carry_over;
use meterline_core::catalog::{Catalog, succeeds, validate};
use meterline_core::control::{CatalogContent, CatalogDecision, ChainKey, Decision, View};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What `catalog apply` did.
#[derive(Clone, Debug)]
pub enum CatalogApplied {
    /// A new version is in force.
    New(Arc<CatalogDecision>),
    /// The version in force says the same; nothing was written.
    Unchanged(Arc<CatalogDecision>),
}

impl CatalogApplied {
    /// The version in force.
    #[must_use]
    pub fn decision(&self) -> &Arc<CatalogDecision> {
        match self {
            Self::New(decision) | Self::Unchanged(decision) => decision,
        }
    }
}

impl ControlLog {
    /// Publishes a catalog, checked against every version in force, and waits until it is.
    ///
    /// Writer schemas in force that the catalog lacks are taken over. `source` is the file it was
    /// read from, for people. A version that another admin published meanwhile is never
    /// overwritten: look at it, then try again. Blocks.
    ///
    /// # Errors
    /// [`ControlError::Refused`], [`ControlError::Raced`], and those of [`ControlLog::decide`].
    pub fn apply_catalog(
        &self,
        mut catalog: Catalog,
        source: &str,
        author: &Author,
        timeout: Duration,
    ) -> Result<CatalogApplied, ControlError> {
        let deadline = Instant::now() + timeout;
        let view = self.read_to_end(timeout)?;
        let mut source = source.to_owned();
        carry_over(&view, &mut catalog, &mut source);
        publish(self, &view, catalog, source, author, deadline)
    }

    /// [`ControlLog::apply_catalog`], but for writer schemas that the catalog lacks: those are
    /// gone, and events by them become dead letters.
    ///
    /// # Errors
    /// As [`ControlLog::apply_catalog`].
    pub fn replace_catalog(
        &self,
        catalog: Catalog,
        source: &str,
        author: &Author,
        timeout: Duration,
    ) -> Result<CatalogApplied, ControlError> {
        let deadline = Instant::now() + timeout;
        let view = self.read_to_end(timeout)?;
        publish(self, &view, catalog, source.to_owned(), author, deadline)
    }
}

/// Publishes a catalog on top of a view, unless that says the same already.
pub(crate) fn publish(
    log: &ControlLog,
    view: &View,
    catalog: Catalog,
    source: String,
    author: &Author,
    deadline: Instant,
) -> Result<CatalogApplied, ControlError> {
    if let Some(current) = view.catalog()
        && current.compiled.catalog == catalog
    {
        return Ok(CatalogApplied::Unchanged(Arc::clone(current)));
    }
    check(view, &catalog)?;
    let decision = Decision::Catalog(CatalogContent { catalog, source });
    let record = propose(view, decision, author);
    let left = deadline.saturating_duration_since(Instant::now());
    match log.decide(&record, left)? {
        Decided::InForce { offset, view } => {
            let found = view.catalogs().iter().find(|c| c.offset == offset);
            let found = found.expect("a catalog in force is in the view");
            Ok(CatalogApplied::New(Arc::clone(found)))
        }
        Decided::Lost { offset, actor, .. } => Err(ControlError::Raced {
            chain: ChainKey::Catalog,
            offset,
            actor,
        }),
    }
}

/// Refuses a catalog that is wrong by itself or contradicts a version in force.
fn check(view: &View, catalog: &Catalog) -> Result<(), ControlError> {
    let mut problems = validate(catalog);
    let earlier = view.catalogs().iter().map(|c| &c.compiled.catalog);
    problems.extend(succeeds(catalog, earlier));
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ControlError::Refused(problems))
    }
}
