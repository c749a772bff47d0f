//! Limits from the event to the alert: a rollup, two limits stages, and one of them killed.

use crate::support::load::{Form, Publisher, Usage};
use crate::support::site::Site;
use crate::support::wait::{SOON, until};
use crate::support::worker::Worker;
use std::collections::BTreeSet;

const PARTITIONS: u32 = 2;

/// The limit of `catalogs/limits.yaml`, and what is told on the way there.
const LIMIT: u32 = 10;

/// Starts a limits stage that does not let anybody wait.
pub(crate) fn limits(site: &Site, name: &str) -> Worker {
    let brisk = [
        ("limits.standing_interval", "\"100ms\""),
        ("limits.table_interval", "\"300ms\""),
    ];
    site.worker_of("limits", name, &brisk)
}

/// Publishes so many events of a tenant, now; `from` tells them from earlier ones.
pub(crate) fn use_up(publisher: &Publisher, tenant: &str, from: u32, count: u32) {
    for n in from..from + count {
        let usage = Usage {
            id: format!("{tenant}-{n}"),
            source: "//limits".to_owned(),
            kind: "api.request".to_owned(),
            tenant: tenant.to_owned(),
            time: chrono::Utc::now().timestamp_micros(),
            quantity: None,
            properties: Vec::new(),
        };
        publisher.send_event(usage, Form::Json);
    }
    publisher.flush();
}

/// The transitions in force, as `tenant threshold state episode`, one line each time that the
/// projection has one.
pub(crate) fn in_force(site: &Site) -> Vec<String> {
    let query = "SELECT concat(tenant, ' ', threshold, ' ', toString(state), ' ', \
                 toString(episode)) FROM alerts FINAL ORDER BY 1 FORMAT TSVRaw";
    let text = site.sql().try_run(query).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until these transitions are in force, and no others.
fn wait_in_force(site: &Site, expected: &BTreeSet<String>) {
    until(&format!("transitions: {expected:?}"), SOON, || {
        let found = in_force(site);
        let set: BTreeSet<_> = found.iter().cloned().collect();
        assert_eq!(
            set.len(),
            found.len(),
            "a transition is in force once: {found:?}"
        );
        (set == *expected).then_some(()).ok_or(format!("{set:?}"))
    });
}

#[test]
fn crossings_are_told_once_while_one_of_two_stages_is_killed() {
    let site = Site::new("limits");
    site.init(PARTITIONS, "limits");
    let publisher = site.publisher();
    let _rollup = site.worker("rollup", &[]);
    let tenants: Vec<String> = (0..10).map(|n| format!("tenant-{n}")).collect();
    for tenant in &tenants {
        use_up(&publisher, tenant, 0, LIMIT - 3);
    }
    let mut one = limits(&site, "limits-one");
    let mut two = limits(&site, "limits-two");
    one.wait_ready(200);
    two.wait_ready(200);
    let mut expected = BTreeSet::new();
    for tenant in &tenants {
        use_up(&publisher, tenant, LIMIT, 1);
        expected.insert(format!("{tenant} 80 opened 1"));
    }
    wait_in_force(&site, &expected);
    one.kill();
    for tenant in &tenants {
        use_up(&publisher, tenant, LIMIT + 1, 2);
        expected.insert(format!("{tenant} 100 opened 1"));
    }
    wait_in_force(&site, &expected);
    let mut again = limits(&site, "limits-again");
    again.wait_ready(200);
    use_up(&publisher, "tenant-0", LIMIT + 3, 1);
    expected.insert("tenant-0 >100 opened 1".to_owned());
    wait_in_force(&site, &expected);
    let standing = "SELECT toString(used), toString(health) FROM standing FINAL \
                    WHERE tenant = 'tenant-0' AND meter = 'requests' FORMAT TSVRaw";
    until("the standing of tenant-0", SOON, || {
        let text = site.sql().try_run(standing).unwrap_or_default();
        (text.trim() == "11\tcritical").then_some(()).ok_or(text)
    });
    assert!(two.stop().success());
    assert!(again.stop().success());
}
