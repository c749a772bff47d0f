//! Accounts as callers write and read them.

use crate::document::{AccountStatusWord, CapWord, RunningPeriodWord, SeverityWord};
use crate::problem::{FieldProblem, Problem};
use crate::text::{QuantityText, read_time, time};
use meterline_control::Past;
use meterline_core::account::{
    AccountChange, AccountStatus, AccountTerms, LimitOverride, Override, RunningPeriod,
};
use meterline_core::accounts::Account;
use meterline_core::catalog::plans::{Cap, Grace, Severity, Threshold};
use meterline_core::control::Decision;
use meterline_core::position::Offset;
use meterline_core::quantity::Quantity;
use meterline_core::time::LogTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A limit's word for none.
const UNLIMITED: &str = "unlimited";

/// A new version of an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountBody {
    /// What it says.
    terms: TermsBody,
    /// When it takes effect, RFC 3339 or a date. Default now.
    #[serde(default)]
    effective: Option<String>,
    /// What becomes of the running period: `keep` (default) or `restart`.
    #[serde(default)]
    #[schema(value_type = RunningPeriodWord, required = false)]
    running: RunningPeriod,
    /// The head that was seen, where there is no `If-Match`.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub(super) head: Option<Offset>,
    /// Why, for the audit trail.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) note: String,
}

/// What an account is.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TermsBody {
    /// Name of its plan.
    plan: String,
    /// Its first day, `YYYY-MM-DD`: billing months begin on that day of the month.
    start: String,
    /// Shown to people.
    #[serde(default)]
    #[schema(required = false)]
    name: String,
    /// `active` (default), `suspended` or `closed`.
    #[serde(default)]
    #[schema(value_type = AccountStatusWord, required = false)]
    status: AccountStatus,
    /// IANA name of its time zone. Default `UTC`.
    #[serde(default = "utc")]
    #[schema(required = false)]
    time_zone: String,
    /// What differs from the plan, by meter.
    #[serde(default)]
    #[schema(required = false)]
    overrides: BTreeMap<String, OverrideBody>,
    /// E-mail addresses of people to tell.
    #[serde(default)]
    #[schema(required = false)]
    contacts: Vec<String>,
    /// Id of its customer at Stripe, `cus_…`, that its use is pushed to. A customer is one
    /// account's, for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stripe_customer: Option<String>,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// What differs from the plan for one meter; quantities in its base unit, as strings or numbers.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverrideBody {
    /// Another included quantity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    included: Option<QuantityText>,
    /// Another limit, or `unlimited`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    limit: Option<QuantityText>,
    /// Another cap: `none`, `soft` or `hard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<CapWord>)]
    cap: Option<Cap>,
    /// Another grace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grace: Option<GraceBody>,
    /// Other thresholds, in the place of all of the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    thresholds: Option<Vec<ThresholdBody>>,
}

/// How long a soft cap lets go on.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GraceBody {
    /// Seconds from the crossing.
    seconds: u32,
    /// Share of the limit, in percent.
    #[schema(value_type = String)]
    percent: QuantityText,
}

/// A share that someone is told of.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ThresholdBody {
    /// The share in percent.
    #[schema(value_type = String)]
    percent: QuantityText,
    /// Whether use must be above it, instead of at or above.
    #[serde(default)]
    #[schema(required = false)]
    above: bool,
    /// `info`, `medium`, `warning` or `critical`.
    #[schema(value_type = SeverityWord)]
    severity: Severity,
    /// What receivers call it. Default `usage.threshold`.
    #[serde(default)]
    kind: Option<String>,
}

/// An account, as its newest version says.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountView {
    /// Its id: the tenant in usage events.
    pub(super) id: String,
    /// The version: for `If-Match` or `head` of the next change.
    #[schema(value_type = u64)]
    pub(super) head: Offset,
    /// When it takes effect.
    effective: String,
    /// What becomes of the period that runs then.
    #[schema(value_type = RunningPeriodWord)]
    running: RunningPeriod,
    /// Who wrote it.
    actor: String,
    /// What it says.
    terms: TermsBody,
}

/// A version of an account that was in force.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountPast {
    /// The version.
    #[schema(value_type = u64)]
    pub(super) head: Offset,
    /// When it was decided.
    at: String,
    /// When it was to take effect, where that was stated.
    effective: Option<String>,
    /// What became of the period that ran then.
    #[schema(value_type = RunningPeriodWord)]
    running: RunningPeriod,
    /// Who decided.
    actor: String,
    /// Why.
    note: String,
    /// From where.
    origin: String,
    /// What it says.
    terms: TermsBody,
}

impl AccountView {
    /// The newest version of an account.
    pub(super) fn new(id: &str, account: &Account) -> Self {
        let newest = account.newest();
        Self {
            id: id.to_owned(),
            head: newest.offset,
            effective: time(newest.effective.as_event_time()),
            running: newest.running,
            actor: newest.actor.to_string(),
            terms: TermsBody::new(&newest.terms),
        }
    }
}

impl AccountPast {
    /// `None` for a record that is not an account's.
    pub(super) fn new(past: Past) -> Option<Self> {
        let Decision::Account(change) = past.record.decision else {
            return None;
        };
        Some(Self {
            head: past.offset,
            at: time(past.append_time.as_event_time()),
            effective: change.effective.map(|at| time(at.as_event_time())),
            running: change.running,
            actor: past.record.actor,
            note: past.record.note,
            origin: change.origin,
            terms: TermsBody::new(&change.terms),
        })
    }
}

impl AccountBody {
    /// The decision.
    ///
    /// # Errors
    /// 422 with the paths of what cannot be read.
    pub(super) fn change(self, id: &str, origin: &str) -> Result<AccountChange, Problem> {
        let mut errors = Vec::new();
        let effective = self.effective.as_deref().map(read_effective).transpose();
        let effective = effective.unwrap_or_else(|detail| {
            refuse(&mut errors, "effective".to_owned(), detail);
            None
        });
        let terms = self.terms.read(&mut errors);
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        Ok(AccountChange {
            account: id.to_owned(),
            effective,
            running: self.running,
            origin: origin.to_owned(),
            terms,
        })
    }
}

impl TermsBody {
    /// As callers read them.
    pub(super) fn new(terms: &AccountTerms) -> Self {
        let overrides = terms.overrides.iter();
        let overrides = overrides.map(|(meter, one)| (meter.clone(), OverrideBody::new(one)));
        Self {
            plan: terms.plan.clone(),
            start: terms.start.clone(),
            name: terms.name.clone(),
            status: terms.status,
            time_zone: terms.time_zone.clone(),
            overrides: overrides.collect(),
            contacts: terms.contacts.clone(),
            stripe_customer: terms.stripe_customer.clone(),
        }
    }

    fn read(self, errors: &mut Vec<FieldProblem>) -> AccountTerms {
        let mut overrides = BTreeMap::new();
        for (meter, body) in self.overrides {
            let path = format!("terms.overrides.{meter}");
            overrides.insert(meter, body.read(&path, errors));
        }
        AccountTerms {
            name: self.name,
            plan: self.plan,
            status: self.status,
            start: self.start,
            time_zone: self.time_zone,
            overrides,
            contacts: self.contacts,
            stripe_customer: self.stripe_customer,
        }
    }
}

impl OverrideBody {
    fn new(one: &Override) -> Self {
        let thresholds = one.thresholds.as_ref();
        Self {
            included: one.included.map(QuantityText::from),
            limit: one.limit.map(|limit| match limit {
                LimitOverride::Unlimited => QuantityText::word(UNLIMITED),
                LimitOverride::At(limit) => limit.into(),
            }),
            cap: one.cap,
            grace: one.grace.as_ref().map(GraceBody::new),
            thresholds: thresholds.map(|all| all.iter().map(ThresholdBody::new).collect()),
        }
    }

    fn read(self, path: &str, errors: &mut Vec<FieldProblem>) -> Override {
        let limit = match &self.limit {
            Some(text) if text.is(UNLIMITED) => Some(LimitOverride::Unlimited),
            text => {
                let limit = text
                    .as_ref()
                    .and_then(|text| number(text, path, "limit", errors));
                limit.map(LimitOverride::At)
            }
        };
        let included = self.included.as_ref();
        let included = included.and_then(|text| number(text, path, "included", errors));
        let grace = self.grace.as_ref().and_then(|grace| {
            let percent = number(&grace.percent, path, "grace.percent", errors)?;
            let seconds = grace.seconds;
            Some(Grace { seconds, percent })
        });
        let thresholds = self.thresholds.map(|bodies| {
            let bodies = bodies.into_iter().enumerate();
            let read = bodies.filter_map(|(at, body)| {
                let field = format!("thresholds[{at}].percent");
                let percent = number(&body.percent, path, &field, errors)?;
                Some(body.threshold(percent))
            });
            read.collect()
        });
        Override {
            included,
            limit,
            cap: self.cap,
            grace,
            thresholds,
        }
    }
}

impl GraceBody {
    /// As callers read it.
    pub(crate) fn new(grace: &Grace) -> Self {
        Self {
            seconds: grace.seconds,
            percent: grace.percent.into(),
        }
    }
}

impl ThresholdBody {
    /// As callers read it.
    pub(crate) fn new(threshold: &Threshold) -> Self {
        Self {
            percent: threshold.percent.into(),
            above: threshold.above,
            severity: threshold.severity,
            kind: Some(threshold.kind.clone()),
        }
    }

    fn threshold(self, percent: Quantity) -> Threshold {
        Threshold {
            percent,
            above: self.above,
            severity: self.severity,
            kind: self.kind.unwrap_or_else(|| Threshold::KIND.to_owned()),
        }
    }
}

fn read_effective(text: &str) -> Result<LogTime, String> {
    let at = read_time(text).ok_or("is neither an RFC 3339 time nor a date")?;
    Ok(LogTime(at.0.div_euclid(1_000)))
}

fn number(
    text: &QuantityText,
    path: &str,
    field: &str,
    errors: &mut Vec<FieldProblem>,
) -> Option<Quantity> {
    match text.read() {
        Ok(quantity) => Some(quantity),
        Err(detail) => {
            refuse(errors, format!("{path}.{field}"), detail);
            None
        }
    }
}

fn refuse(errors: &mut Vec<FieldProblem>, field: String, detail: String) {
    errors.push(FieldProblem { field, detail });
}
