//! The same arguments make up the same events.

use super::*;

fn plan(seed: u64) -> Plan {
    let now = EventTime(crate::testing::NOW);
    Plan {
        tenants: 50,
        count: 5_000,
        from: EventTime(now.0 - 3_600_000_000),
        to: now,
        now,
        late: Share(100_000),
        seed,
        id_prefix: "sim".to_owned(),
    }
}

fn events(seed: u64) -> Vec<(Kind, UsageEvent)> {
    let mut generator = Generator::new(plan(seed), &crate::testing::catalog());
    (0..5_000)
        .map(|_| {
            let (kind, event, _) = generator.next();
            (kind, event)
        })
        .collect()
}

#[test]
fn a_seed_decides_everything() {
    assert_eq!(events(1), events(1));
    assert_ne!(events(1), events(2));
}

#[test]
fn times_ascend_over_the_span_but_for_late_events() {
    let plan = plan(1);
    let mut last = plan.from;
    let mut late = 0;
    for (kind, event) in events(1) {
        if kind == Kind::Late {
            late += 1;
            assert!(event.time < EventTime(last.0 - LATE_LEAST / 2));
            assert!(event.time >= plan.now.before(crate::testing::catalog().acceptance));
            continue;
        }
        assert!(last <= event.time && event.time < plan.to);
        last = event.time;
    }
    assert!((400..600).contains(&late), "{late} of 5,000 are late");
}

#[test]
fn a_few_tenants_carry_most_of_the_load() {
    let mut counts = std::collections::BTreeMap::new();
    for (_, event) in events(1) {
        *counts.entry(event.tenant).or_insert(0u32) += 1;
    }
    assert_eq!(counts.len(), 50);
    // Zipf over 50 ranks: the first has 1 in 4.5, the last 1 in 225.
    assert!(counts["tenant-00001"] > 900 && counts["tenant-00050"] < 60);
}
