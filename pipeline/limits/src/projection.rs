//! Projections: what `usage.alerts` and the control log say, as rows for people.

mod alerts;
mod audit;

pub(crate) use alerts::AlertsProjection;
pub(crate) use audit::AuditProjection;
