//! What came of a run: what was used against what was billed, by tenant and meter.

use crate::instance::LATENESS;
use crate::usage::{self, CUT, HOUR, HOURS, Known, LAST_CUT, METERS, Scenario};
use crate::world::World;
use meterline_core::quantity::Quantity;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What came of it.
pub(crate) struct Verdict {
    /// Tenant, meter, used, billed.
    pub(crate) differences: Vec<(String, &'static str, String, String)>,
    /// Rules that calls broke.
    pub(crate) faults: Vec<String>,
    scenario: Scenario,
    windows: usize,
    /// Windows whose value changed after they were sealed.
    late: usize,
    records: usize,
    calls: u64,
    /// Invoice lines and windows of which something was carried.
    pub(crate) carries: usize,
    held_back: u64,
    kills: u32,
    ignored: u64,
}

impl World {
    /// Compares.
    pub(crate) fn verdict(self) -> Verdict {
        let mut used: BTreeMap<(usize, usize), BTreeMap<i32, &Known>> = BTreeMap::new();
        for known in &self.all {
            let tenant = usize::try_from(known.tenant).expect("small");
            let hours = used.entry((tenant, known.meter)).or_default();
            hours.insert(known.hour.0, known);
        }
        let billed = self.billed();
        let mut differences = Vec::new();
        let mut windows = 0;
        for ((tenant, meter), hours) in used {
            windows += hours.len();
            let values = hours.values().map(|known| known.value);
            let used = values.fold(Quantity::ZERO, |a, b| a.plus(b).expect("small"));
            let customers = self.ever[tenant].iter();
            let billed = customers.filter_map(|c| billed.get(&(c.clone(), METERS[meter])));
            let billed = billed.fold(Quantity::ZERO, |a, b| a.plus(*b).expect("small"));
            if used != billed {
                let name = usage::tenant(u32::try_from(tenant).expect("small"));
                differences.push((name, METERS[meter], used.to_string(), billed.to_string()));
            }
        }
        let engine = &self.stages[0].as_ref().expect("it runs").engine;
        let counts = engine.pushes().counts();
        Verdict {
            differences,
            faults: self.audit.faults(),
            windows,
            late: self.late(),
            records: self.log.len(),
            calls: self.fake.truth(|truth| truth.call_count()),
            carries: engine.carries().chains().count(),
            held_back: self.held_back,
            kills: self.killed,
            ignored: counts.not_the_head + counts.too_soon + counts.unfit,
            scenario: self.scenario,
        }
    }

    /// How many windows changed after they were sealed.
    fn late(&self) -> usize {
        let is_late = |known: &&Known| known.at >= i64::from(known.hour.0 + 1) * HOUR + LATENESS;
        let late = self.all.iter().filter(is_late);
        let late = late.map(|known| (known.tenant, known.meter, known.hour));
        late.collect::<BTreeSet<_>>().len()
    }

    /// What final invoices bill, by customer and meter.
    fn billed(&self) -> BTreeMap<(String, &'static str), Quantity> {
        let lines = self.fake.truth(|truth| truth.lines());
        let mut billed: BTreeMap<_, Quantity> = BTreeMap::new();
        for line in lines {
            assert!(["open", "paid", "draft"].contains(&line.status), "{line:?}");
            if line.status == "draft" || line.period.end > LAST_CUT / 1_000 {
                continue;
            }
            let name = line.event_name.expect("a line of a meter");
            let meter = METERS
                .into_iter()
                .find(|meter| **meter == *name)
                .expect("ours");
            let quantity = Quantity::parse(&line.quantity.to_string()).expect("a quantity");
            let sum = billed.entry((line.customer, meter)).or_default();
            *sum = sum.plus(quantity).expect("small");
        }
        billed
    }
}

impl Verdict {
    /// A run in which nothing went wrong shows nothing.
    pub(crate) fn must_have_seen_everything(&self) {
        assert_eq!(self.kills, self.scenario.kills);
        let tenants = usize::try_from(self.scenario.tenants).expect("small");
        let hours = usize::try_from(HOURS).expect("small");
        assert_eq!(self.windows, tenants * METERS.len() * hours);
        assert!(50 * self.late >= self.windows, "{} are late", self.late);
        assert!(
            self.held_back > 0,
            "a stopped stage must have been about to call"
        );
        assert!(self.carries > 0, "late use must have been carried");
        assert!(self.ignored > 0, "two stages must have wanted the same");
        let outage = CUT + self.scenario.outage_hours * HOUR / 2;
        assert!(
            outage < LAST_CUT,
            "the outage must be over before the last cut"
        );
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} tenants, {} windows ({} late): {} records in the ledger ({} ignored), {} calls, {} kills, {} \
             calls held back, {} carries, {} faults, {} differences",
            self.scenario.tenants,
            self.windows,
            self.late,
            self.records,
            self.ignored,
            self.calls,
            self.kills,
            self.held_back,
            self.carries,
            self.faults.len(),
            self.differences.len()
        )
    }
}
