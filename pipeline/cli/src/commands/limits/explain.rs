//! `limits explain`: why a tenant stands where it does on one meter.
//!
//! Everything that a judgement rests on, with where it comes from: the plan's row, the override,
//! the period and why it is that one, the buckets with their stamps, the standing with what it was
//! judged by, each threshold, and what a check would answer now. What follows from the buckets is
//! computed here anew, so that a standing that is behind shows.

use super::facts::{Facts, value};
use super::part::{Part, as_json, as_text};
use super::tenant::StoredTenant;
use super::{open, percentage};
use crate::args::Output;
use crate::args::limits::ExplainArgs;
use crate::commands::Session;
use crate::commands::account::{cap_name, now, override_fields, units::Units};
use crate::failure::Failure;
use crate::output::{Table, length, print, short_time};
use anyhow::anyhow;
use meterline_core::catalog::Catalog;
use meterline_core::catalog::plans::{PeriodZone, Reset, Terms};
use meterline_core::control::CatalogDecision;
use meterline_core::limits::{Exact, TermsSource, check, fires, thresholds};
use meterline_core::nearest::hint;
use meterline_core::period::Period;
use meterline_core::position::{LogPartition, Stamp};
use meterline_core::time::LogTime;
use serde_json::{Value, json};

/// What an explanation is about.
struct Subject<'a> {
    tenant: &'a str,
    meter: &'a str,
    catalog: &'a Catalog,
    decision: &'a CatalogDecision,
    source: TermsSource<'a>,
    limit: Option<(std::borrow::Cow<'a, Terms>, Period)>,
    units: Units<'a>,
    now: LogTime,
}

/// Runs the command.
pub(super) fn run(args: &ExplainArgs, session: &Session<'_>) -> Result<(), Failure> {
    let (log, decision) = open(session)?;
    let catalog = &decision.compiled.catalog;
    check_meter(&args.meter, catalog)?;
    let accounts = log.accounts();
    let account = accounts.account(&args.tenant);
    let now = now();
    let source = TermsSource::new(&catalog.plans, account, now);
    let subject = Subject {
        tenant: &args.tenant,
        meter: &args.meter,
        catalog,
        decision: &decision,
        source,
        limit: source.limit(&args.meter),
        units: Units::of(catalog, &args.meter),
        now,
    };
    let clickhouse = session.clickhouse()?;
    let period = subject.limit.as_ref().map(|(_, period)| *period);
    let facts = Facts::read(&clickhouse, catalog, (&args.tenant, &args.meter), period);
    let facts = session.runtime.block_on(facts)?;
    if account.is_none() && facts.standings.is_empty() && facts.hours.is_empty() {
        let near = accounts.nearest_account(&args.tenant);
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let tenant = &args.tenant;
        return Err(anyhow!("tenant `{tenant}` has no account and no standing{hint}").into());
    }
    let parts = subject.parts(&facts, args);
    let text = match args.output {
        Output::Table => as_text(&parts)?,
        Output::Json => as_json(&parts)?,
        Output::Csv | Output::Parquet => {
            return Err(Failure::usage(
                "an explanation has no rows: use table or json",
            ));
        }
    };
    Ok(print(&text)?)
}

fn check_meter(meter: &str, catalog: &Catalog) -> Result<(), Failure> {
    let known = catalog.limitable();
    if known.clone().any(|known| known == meter) {
        return Ok(());
    }
    Err(anyhow!(
        "`{meter}` is no meter of the catalog: {}",
        hint(meter, known)
    )
    .into())
}

impl Subject<'_> {
    fn parts(&self, facts: &Facts, args: &ExplainArgs) -> Vec<(&'static str, Part)> {
        vec![
            ("subject", Part::Facts(self.subject())),
            ("plan row", Part::Facts(self.plan_row())),
            ("override", Part::Facts(self.overrides())),
            ("terms", Part::Facts(self.in_effect())),
            ("period", Part::Facts(self.period())),
            ("buckets", Part::Rows(self.buckets(facts))),
            ("use", Part::Facts(self.used(facts))),
            ("judged by", Part::Rows(self.judged(facts))),
            ("thresholds", Part::Rows(self.thresholds(facts))),
            ("check", Part::Facts(self.check(facts, args))),
        ]
    }

    fn subject(&self) -> Vec<(&'static str, Value)> {
        let version = self.source.version();
        let account = version.map_or_else(
            || "none".to_owned(),
            |version| {
                let since = short_time(version.effective);
                let (offset, actor) = (version.offset, &version.actor);
                format!("control offset {offset}, in effect since {since}, by {actor}")
            },
        );
        let plan = match (self.source.plan(), version) {
            ("", _) => "none".to_owned(),
            (plan, None) => format!("{plan} (that of tenants without an account)"),
            (plan, Some(_)) => plan.to_owned(),
        };
        let (version, offset) = (self.decision.version, self.decision.offset);
        vec![
            ("tenant", json!(self.tenant)),
            ("meter", json!(self.meter)),
            ("unit", json!(self.units.base())),
            ("at", json!(short_time(self.now))),
            ("account", json!(account)),
            ("status", json!(self.source.status())),
            ("plan", json!(plan)),
            (
                "catalog",
                json!(format!("version {version}, control offset {offset}")),
            ),
        ]
    }

    fn plan_row(&self) -> Vec<(&'static str, Value)> {
        let plan = self.catalog.plans.plan(self.source.plan());
        match plan.and_then(|plan| plan.meters.get(self.meter)) {
            Some(terms) => self.terms(terms),
            None => vec![("says", json!("nothing of this meter: it is not limited"))],
        }
    }

    fn terms(&self, terms: &Terms) -> Vec<(&'static str, Value)> {
        let show = |quantity| json!(self.units.show(quantity));
        let limit = terms.limit.map_or_else(|| json!("unlimited"), show);
        let mut said = vec![
            ("limit", limit),
            ("included", terms.included.map_or(Value::Null, show)),
            ("cap", json!(cap_name(terms.cap))),
        ];
        if let Some(grace) = &terms.grace {
            let lasts = length(u64::from(grace.seconds));
            let percent = grace.percent;
            said.push((
                "grace",
                json!(format!("{lasts}, or to {percent}% of the limit")),
            ));
        }
        let shares = terms.thresholds.iter();
        let shares = shares.map(|it| format!("{}% {}", it.name(), it.severity.name()));
        said.push(("thresholds", json!(shares.collect::<Vec<_>>().join(", "))));
        said
    }

    fn overrides(&self) -> Vec<(&'static str, Value)> {
        let version = self.source.version();
        let overrides = version.and_then(|version| version.terms.overrides.get(self.meter));
        let Some(overrides) = overrides else {
            return vec![("says", json!("nothing"))];
        };
        let fields = override_fields(overrides, self.units).into_iter();
        fields.map(|(name, value)| (name, json!(value))).collect()
    }

    /// The plan's row with the override.
    fn in_effect(&self) -> Vec<(&'static str, Value)> {
        match &self.limit {
            Some((terms, _)) => self.terms(terms),
            None => vec![("says", json!("nothing: it is not limited"))],
        }
    }

    fn period(&self) -> Vec<(&'static str, Value)> {
        let Some((terms, period)) = &self.limit else {
            return vec![(
                "why",
                json!("nothing is said of this meter: it has no period"),
            )];
        };
        vec![
            ("start", json!(short_time(period.start))),
            ("end", json!(short_time(period.end))),
            ("why", json!(self.why(terms, *period))),
        ]
    }

    /// By which rule the period is this one, and what cut it otherwise.
    fn why(&self, terms: &Terms, period: Period) -> String {
        let version = self.source.version();
        let zone = match (terms.zone, version) {
            (PeriodZone::Account, Some(version)) => version.terms.time_zone.as_str(),
            _ => "UTC",
        };
        let rule = match (terms.reset, version) {
            (Reset::Hour, _) => "every hour".to_owned(),
            (Reset::Day, _) => format!("every day, {zone}"),
            (Reset::Month, _) => format!("every calendar month, {zone}"),
            (Reset::BillingMonth, Some(version)) => {
                let (day, start) = (version.anchor_day, &version.terms.start);
                format!("every billing month from day {day} (start {start}), {zone}")
            }
            (Reset::BillingMonth, None) => format!("every billing month from day 1, {zone}"),
        };
        let by_rule = version.map(|version| {
            let rule = version.rule(terms.reset, terms.zone);
            rule.period_at(self.now.as_event_time())
        });
        match by_rule {
            Some(by_rule) if by_rule != period => {
                format!("{rule}; cut otherwise by a change of the account: {by_rule} by the rule")
            }
            _ => rule,
        }
    }

    fn buckets(&self, facts: &Facts) -> Table {
        let mut table = Table::new(&[
            "meter",
            "hour",
            "value",
            "events",
            "partition",
            "stamp",
            "revision",
            "updated_at",
        ]);
        for row in &facts.hours {
            table.push(vec![
                json!(row.meter),
                json!(short_time(row.window_start)),
                json!(value(row)),
                json!(row.events),
                json!(row.log_partition),
                json!(stamp(Stamp::from_version(row.version))),
                json!(row.revision),
                json!(short_time(row.updated_at)),
            ]);
        }
        table
    }

    fn used(&self, facts: &Facts) -> Vec<(&'static str, Value)> {
        let show = |quantity| json!(self.units.show(quantity));
        let by_buckets = facts.used(self.catalog, self.meter);
        let standing = facts.standing(self.meter);
        let basis = self.limit.as_ref().and_then(|(terms, _)| terms.basis());
        let used = standing.map(|standing| standing.used);
        let share = used.and_then(|used| percentage(used, basis));
        vec![
            ("by_buckets", by_buckets.map_or(Value::Null, show)),
            ("by_standing", used.map_or(Value::Null, show)),
            ("of", basis.map_or_else(|| json!("unlimited"), show)),
            ("percentage", json!(share)),
            (
                "health",
                json!(standing.map(|standing| standing.health.name())),
            ),
            (
                "crossed_at",
                json!(standing.and_then(|s| s.crossed_at).map(short_time)),
            ),
            (
                "of_period_from",
                json!(standing.map(|standing| short_time(standing.period_start))),
            ),
        ]
    }

    fn judged(&self, facts: &Facts) -> Table {
        let mut table = Table::new(&["log", "last_change", "complete_to", "log_time"]);
        let Some(standing) = facts.standing(self.meter) else {
            return table;
        };
        for (place, last) in &standing.judged.usage {
            let progress = facts.progress.iter();
            let progress = progress.into_iter().find(|it| it.log_partition == *place);
            table.push(vec![
                json!(partition(place)),
                json!(stamp(*last)),
                json!(progress.map(|progress| stamp(progress.to))),
                json!(progress.map(|progress| short_time(progress.log_time))),
            ]);
        }
        let control = facts.progress.iter().map(|progress| progress.control).min();
        let offset = |offset: u64| format!("offset {offset}");
        for (log, last) in [
            ("catalog", Some(standing.judged.catalog)),
            ("account", standing.judged.account),
            ("account in effect", standing.judged.effective),
        ] {
            table.push(vec![
                json!(log),
                json!(last.map(offset)),
                json!(control.map(offset)),
                Value::Null,
            ]);
        }
        table
    }

    fn thresholds(&self, facts: &Facts) -> Table {
        let mut table = Table::new(&[
            "threshold",
            "severity",
            "kind",
            "by_buckets",
            "state",
            "since",
            "episode",
        ]);
        let Some((terms, period)) = &self.limit else {
            return table;
        };
        let used = facts.used(self.catalog, self.meter).unwrap_or_default();
        for threshold in thresholds(terms) {
            let name = threshold.name();
            let open = facts
                .alerts
                .iter()
                .find(|alert| alert.threshold == name && alert.period_start == period.start);
            let reached = terms
                .basis()
                .map(|basis| fires(&threshold, Exact::from(used), basis));
            let reached = match reached {
                Some(true) => "reached",
                Some(false) => "below",
                None => "unlimited",
            };
            table.push(vec![
                json!(format!("{name}%")),
                json!(threshold.severity.name()),
                json!(threshold.kind),
                json!(reached),
                json!(if open.is_some() { "open" } else { "closed" }),
                json!(open.map(|open| short_time(open.append_time))),
                json!(open.map(|open| open.episode)),
            ]);
        }
        table
    }

    fn check(&self, facts: &Facts, args: &ExplainArgs) -> Vec<(&'static str, Value)> {
        let tenant = StoredTenant::new(self.catalog, self.source, &facts.standings);
        let plans = &self.catalog.plans;
        let verdict = check(&tenant, plans, self.meter, args.wanted, self.now);
        let about = verdict.because.unwrap_or(self.meter);
        let units = Units::of(self.catalog, about);
        let show = |quantity| json!(units.show(quantity));
        vec![
            ("wanted", json!(self.units.show(args.wanted))),
            ("allowed", json!(verdict.allowed)),
            ("soft", json!(verdict.soft)),
            ("reason", json!(verdict.reason.name())),
            ("by", json!(about)),
            ("used", show(verdict.used)),
            ("remaining", verdict.remaining.map_or(Value::Null, show)),
            (
                "percentage",
                json!(verdict.percentage.map(|share| share.to_string())),
            ),
            ("resets_at", json!(verdict.resets_at.map(short_time))),
            ("grace_until", json!(verdict.grace_until.map(short_time))),
            ("retry_after", json!(verdict.retry_after.map(length))),
        ]
    }
}

fn stamp(stamp: Stamp) -> String {
    format!("epoch {}, offset {}", stamp.epoch, stamp.offset)
}

fn partition(place: &LogPartition) -> String {
    format!("usage {} of {}", place.partition, place.topic_id)
}
