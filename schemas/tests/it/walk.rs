//! One tenant on one plan of a ready-made catalog, judged by the real engine as its use changes.

use meterline_core::account::{
    AccountChange, AccountStatus, AccountTerms, Override, RunningPeriod,
};
use meterline_core::accounts::Accounts;
use meterline_core::alert::{AlertState, Transition};
use meterline_core::bucket::{Bucket, BucketRow, Kind, Series};
use meterline_core::catalog::plans::{Plans, Severity, Terms};
use meterline_core::catalog::{Aggregation, CompiledCatalog};
use meterline_core::chain::Ruling;
use meterline_core::control::{CatalogDecision, ControlRecord, Decision};
use meterline_core::limits::{Alerts, Engine, Held, Limit, Measure, Tenant, Verdict, check, terms};
use meterline_core::period::{Period, PeriodRule, Zone};
use meterline_core::position::{LogPartition, Stamp, TopicId};
use meterline_core::quantity::Quantity;
use meterline_core::standing::Standing;
use meterline_core::time::{EventTime, Level, LogTime, Window, parse_rfc3339};
use meterline_schemas::catalog_yaml;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// The tenant.
pub(crate) const TENANT: &str = "acme";
/// The account's first day: its billing months begin on the 31st, or on a shorter month's last.
pub(crate) const START: &str = "2026-01-31";

const USAGE: LogPartition = LogPartition {
    topic_id: TopicId(7),
    partition: 0,
};

/// An open alert: its threshold's name, its severity, its kind.
pub(crate) type Open = (String, Severity, String);

/// The tenant, and everything that is known of it.
pub(crate) struct Walk {
    engine: Engine,
    catalog: Arc<CatalogDecision>,
    account: Option<AccountTerms>,
    now: LogTime,
    /// Next offsets of the usage log and of `usage.alerts`.
    usage_offset: u64,
    alerts_offset: u64,
    write_id: u128,
    open: BTreeMap<(String, EventTime, String), Transition>,
    standings: BTreeMap<String, Standing>,
}

impl Walk {
    /// A tenant on this plan, or without an account.
    pub(crate) fn new(
        catalog: &str,
        plan: Option<&str>,
        overrides: BTreeMap<String, Override>,
        now: &str,
    ) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalogs");
        let file = folder.join(format!("{catalog}.yaml"));
        let text = std::fs::read_to_string(&file).expect("the catalog is there");
        let catalog = catalog_yaml::read(catalog, &text).expect("reads");
        let account = plan.map(|plan| AccountTerms {
            name: String::new(),
            plan: plan.to_owned(),
            status: AccountStatus::Active,
            start: START.to_owned(),
            time_zone: "UTC".to_owned(),
            overrides,
            contacts: Vec::new(),
            stripe_customer: None,
        });
        if let Some(account) = &account {
            assert_eq!(terms::check_account(account, &catalog), []);
        }
        let compiled = CompiledCatalog::new(catalog).expect("compiles");
        let catalog = Arc::new(CatalogDecision {
            version: 1,
            offset: 1,
            hash: 1,
            compiled: Arc::new(compiled),
        });
        let mut walk = Self {
            engine: Engine::new("walk".to_owned(), Alerts::new(1), Accounts::default()),
            catalog,
            account,
            now: moment(now),
            usage_offset: 0,
            alerts_offset: 0,
            write_id: 0,
            open: BTreeMap::new(),
            standings: BTreeMap::new(),
        };
        walk.engine.catalog(Arc::clone(&walk.catalog));
        walk.decide();
        walk.judge();
        walk
    }

    /// Writes the account, effective since before anything is judged.
    fn decide(&mut self) {
        let Some(terms) = self.account.clone() else {
            return;
        };
        let change = AccountChange {
            account: TENANT.to_owned(),
            effective: None,
            running: RunningPeriod::Keep,
            origin: String::new(),
            terms,
        };
        let record = ControlRecord {
            write_id: 1,
            actor: "admin".to_owned(),
            note: String::new(),
            head: None,
            decision: Decision::Account(Box::new(change)),
        };
        let ruling = self
            .engine
            .decision(2, moment("2026-02-01T00:00:00Z"), &record);
        assert_eq!(ruling.expect("folds"), Ruling::InForce);
    }

    /// The plans.
    pub(crate) fn plans(&self) -> &Plans {
        &self.catalog.compiled.catalog.plans
    }

    /// Goes on to a moment.
    pub(crate) fn wait_until(&mut self, now: &str) {
        self.wait_until_time(moment(now));
    }

    /// Goes on to a moment.
    pub(crate) fn wait_until_time(&mut self, now: LogTime) {
        self.now = now;
        self.judge();
    }

    /// The moment.
    pub(crate) fn now(&self) -> LogTime {
        self.now
    }

    /// The hour of the moment has this value of the meter: its sum, its count, its latest level.
    pub(crate) fn use_is(&mut self, meter: &str, value: Quantity) {
        let meters = &self.catalog.compiled.catalog.meters;
        let of = meters.iter().find(|of| of.name == meter);
        let aggregation = of.expect("the meter is there").aggregation;
        let changed = Stamp {
            epoch: 0,
            offset: self.usage_offset,
        };
        let at = self.now.as_event_time();
        let mut bucket = Bucket {
            events: 1,
            changed,
            updated_at: self.now,
            ..Bucket::default()
        };
        match aggregation {
            Aggregation::Sum => bucket.sum = value,
            Aggregation::Count => {
                assert_eq!(value.raw() % Quantity::ONE.raw(), 0, "events are whole");
                bucket.events = u64::try_from(value.raw() / Quantity::ONE.raw()).expect("fits");
            }
            Aggregation::Latest => {
                (bucket.latest, bucket.latest_time, bucket.latest_stamp) = (value, at, changed);
            }
            other => panic!("{meter} is a {}", other.name()),
        }
        let series = Series {
            tenant: TENANT.into(),
            meter: meter.into(),
            kind: Kind::Only,
            aggregation,
            dimensions: Box::new([]),
            dimensions_hash: 0,
        };
        let row = BucketRow {
            series: Arc::new(series),
            window: Window::of(Level::Hour, at.hour()),
            bucket,
        };
        self.usage_offset += 1;
        self.engine.total(USAGE, &row);
        let to = Stamp {
            epoch: 0,
            offset: self.usage_offset,
        };
        self.engine.progress(USAGE, to, self.now);
        self.judge();
    }

    /// Judges, and writes what follows, until nothing does.
    fn judge(&mut self) {
        loop {
            let write_id = &mut self.write_id;
            let mut write_ids = || {
                *write_id += 1;
                *write_id
            };
            let judgement = self.engine.judge(self.now, 10, &mut write_ids);
            for standing in judgement.standings {
                self.standings.insert(standing.meter.clone(), standing);
            }
            if judgement.transitions.is_empty() && !judgement.more {
                return;
            }
            for transition in judgement.transitions {
                self.write(transition);
            }
        }
    }

    fn write(&mut self, transition: Transition) {
        let ruling = self
            .engine
            .transition(0, self.alerts_offset, self.now, &transition);
        assert_eq!(ruling.expect("folds"), Ruling::InForce, "{transition:?}");
        self.alerts_offset += 1;
        let key = &transition.key;
        let key = (key.meter.clone(), key.period_start, key.threshold.clone());
        match transition.state {
            AlertState::Opened => _ = self.open.insert(key, transition),
            AlertState::Resolved => _ = self.open.remove(&key).expect("it was open"),
        }
    }

    /// The open alerts of a meter in the running period, in the order of their thresholds' names.
    pub(crate) fn open(&self, meter: &str) -> Vec<Open> {
        let start = self.standing(meter).period_start;
        let open = self.open.values();
        let of = open.filter(|t| t.key.meter == meter && t.key.period_start == start);
        of.map(|t| (t.key.threshold.clone(), t.severity, t.kind.clone()))
            .collect()
    }

    /// Episode of an open alert of a meter in the running period.
    pub(crate) fn episode(&self, meter: &str, threshold: &str) -> u32 {
        let start = self.standing(meter).period_start;
        let key = (meter.to_owned(), start, threshold.to_owned());
        self.open[&key].episode
    }

    /// The newest standing of a meter.
    pub(crate) fn standing(&self, meter: &str) -> &Standing {
        let standing = self.standings.get(meter);
        standing.unwrap_or_else(|| panic!("{meter} has no standing"))
    }

    /// Whether the tenant may use so much more, at the moment.
    pub(crate) fn verdict(&self, meter: &str, wanted: Quantity) -> (bool, &'static str) {
        self.verdict_at(meter, wanted, self.now)
    }

    /// The same at another moment, by what is known now.
    pub(crate) fn verdict_at(
        &self,
        meter: &str,
        wanted: Quantity,
        now: LogTime,
    ) -> (bool, &'static str) {
        let plans = self.plans();
        let known = Known {
            walk: self,
            terms: self.all_terms(),
            now,
        };
        let verdict: Verdict<'_> = check(&known, plans, meter, wanted, now);
        (verdict.allowed, verdict.reason.name())
    }

    fn all_terms(&self) -> Vec<(&str, Cow<'_, Terms>)> {
        static NONE: BTreeMap<String, Override> = BTreeMap::new();
        let plans = self.plans();
        match (&self.account, &plans.default_plan) {
            (Some(account), _) => terms::all(plans, &account.plan, &account.overrides),
            (None, Some(plan)) => terms::all(plans, plan, &NONE),
            (None, None) => Vec::new(),
        }
    }
}

/// What a gateway knows of the tenant.
struct Known<'a> {
    walk: &'a Walk,
    terms: Vec<(&'a str, Cow<'a, Terms>)>,
    now: LogTime,
}

impl Known<'_> {
    fn period(&self, terms: &Terms) -> Period {
        let rule = PeriodRule::new(terms.reset, Zone::utc(), 31);
        rule.period_at(self.now.as_event_time())
    }
}

impl Tenant for Known<'_> {
    fn status(&self) -> AccountStatus {
        AccountStatus::Active
    }

    fn limit(&self, name: &str) -> Option<Limit<'_>> {
        let (_, terms) = self.terms.iter().find(|(own, _)| *own == name)?;
        let period = self.period(terms);
        Some(Limit { terms, period })
    }

    fn held(&self, name: &str) -> Option<Held> {
        self.walk.standings.get(name).map(Held::from)
    }

    fn measure(&self, name: &str) -> Measure {
        let catalog = &self.walk.catalog.compiled.catalog;
        Measure::named(catalog, name).expect("it can be limited")
    }
}

/// A moment of the log's clock, of RFC 3339.
pub(crate) fn moment(text: &str) -> LogTime {
    let time = parse_rfc3339(text).expect("a time");
    LogTime(time.0.div_euclid(1_000))
}
