//! Tenants walked through their periods: every transition, in order.

use crate::instances::{Instance, Logs, Published};
use crate::usage_log::Event;
use crate::world::{DAY, HOUR, METERS, START, TENANTS, Wish, catalog, q, terms};
use meterline_core::account::{AccountStatus, RunningPeriod};
use meterline_core::alert::{AlertState, Transition};
use meterline_core::catalog::Catalog;
use meterline_core::catalog::plans::{Cap, Reset};
use meterline_core::standing::{Health, Standing};
use meterline_core::time::{EventTime, LogTime};

/// One engine, everything written and read back at once.
pub(crate) struct Walk {
    pub(crate) logs: Logs,
    pub(crate) instance: Instance,
    published: Published,
}

impl Walk {
    pub(crate) fn new(catalog: Catalog) -> Self {
        Self {
            logs: Logs::new(catalog),
            instance: Instance::new(1),
            published: Published::default(),
        }
    }

    /// A change of use by `tenant` at a moment, published at once.
    pub(crate) fn uses(&mut self, meter: &str, quantity: i64, at: i64) -> Vec<String> {
        let meter = METERS
            .iter()
            .position(|(name, _)| *name == meter)
            .expect("known");
        let (time, log_time) = (EventTime(at * 1_000), LogTime(self.logs.now));
        let event = Event {
            tenant: 0,
            meter,
            time,
            quantity,
            log_time,
        };
        self.logs.usage.append(event);
        self.logs.usage.flush(0, 0, usize::MAX);
        self.follow()
    }

    pub(crate) fn decides(&mut self, wish: Wish) -> Vec<String> {
        self.logs.decide_account(wish, None);
        self.follow()
    }

    pub(crate) fn waits(&mut self, until: i64) -> Vec<String> {
        self.logs.now = until;
        self.follow()
    }

    /// Reads, judges and writes until nothing follows; what was decided.
    pub(crate) fn follow(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        loop {
            self.instance.read_all(&self.logs);
            while self.instance.judge(self.logs.now, 10, &mut self.published) {}
            if self.instance.outbox.is_empty() {
                return said;
            }
            for transition in self.instance.outbox.drain(..) {
                said.push(line(&transition));
                self.logs.write(transition);
            }
        }
    }

    pub(crate) fn standing(&self, meter: &str) -> &Standing {
        &self.published.0[&(TENANTS[0].to_owned(), meter.to_owned())]
    }
}

/// `+80 #1 81/100`: opened, threshold, episode, use and limit; `-` where it resolves.
fn line(transition: &Transition) -> String {
    let sign = if transition.state == AlertState::Opened {
        '+'
    } else {
        '-'
    };
    let Transition {
        key,
        episode,
        used,
        limit,
        ..
    } = transition;
    format!("{sign}{} #{episode} {used}/{limit}", key.threshold)
}

fn calls(limit: &str, cap: Cap) -> (&'static str, meterline_core::catalog::plans::Terms) {
    ("calls", terms(limit, cap, Reset::Day, &["80", "100"]))
}

pub(crate) fn two_plans() -> Catalog {
    let small = vec![calls("100", Cap::Soft)];
    catalog(vec![
        ("small", small),
        ("large", vec![calls("200", Cap::Soft)]),
    ])
}

#[test]
fn each_threshold_opens_at_its_boundary_and_not_below() {
    let mut walk = Walk::new(two_plans());
    assert_eq!(walk.uses("calls", 79, START), [""; 0]);
    assert_eq!(walk.standing("calls").health, Health::Caution);
    assert_eq!(walk.uses("calls", 1, START), ["+80 #1 80/100"]);
    assert_eq!(walk.uses("calls", 19, START), [""; 0]);
    assert_eq!(walk.standing("calls").health, Health::Warning);
    assert_eq!(walk.uses("calls", 1, START), ["+100 #1 100/100"]);
    assert_eq!(walk.standing("calls").health, Health::Warning);
    assert_eq!(walk.standing("calls").crossed_at, None);
    assert_eq!(walk.uses("calls", 1, START), ["+>100 #1 101/100"]);
    assert_eq!(walk.standing("calls").health, Health::Critical);
    assert_eq!(walk.standing("calls").crossed_at, Some(LogTime(START)));
}

#[test]
fn a_rise_past_several_reports_each() {
    let mut walk = Walk::new(two_plans());
    let all = ["+80 #1 500/100", "+100 #1 500/100", "+>100 #1 500/100"];
    assert_eq!(walk.uses("calls", 500, START), all);
}

#[test]
fn a_correction_resolves_and_a_second_crossing_is_a_new_episode() {
    let mut walk = Walk::new(two_plans());
    assert_eq!(walk.uses("calls", 81, START), ["+80 #1 81/100"]);
    assert_eq!(walk.uses("calls", -2, START), ["-80 #1 79/100"]);
    assert_eq!(walk.uses("calls", 3, START), ["+80 #2 82/100"]);
}

#[test]
fn a_correction_after_the_periods_end_is_of_that_period() {
    let mut walk = Walk::new(two_plans());
    assert_eq!(walk.uses("calls", 90, START), ["+80 #1 90/100"]);
    assert_eq!(walk.waits(START + 2 * DAY), [""; 0]);
    assert_eq!(
        walk.uses("calls", 15, START + HOUR),
        ["+100 #1 105/100", "+>100 #1 105/100"]
    );
    let resolved = ["-100 #1 75/100", "-80 #1 75/100", "-\u{3e}100 #1 75/100"];
    assert_eq!(walk.uses("calls", -30, START), resolved);
}

#[test]
fn an_upgrade_is_judged_at_once_and_its_own_shares_are_reported() {
    let mut walk = Walk::new(two_plans());
    assert_eq!(walk.uses("calls", 90, START), ["+80 #1 90/100"]);
    assert_eq!(walk.decides(Wish::of("acme", "large")), ["-80 #1 90/200"]);
    assert_eq!(walk.uses("calls", 70, START), ["+80 #2 160/200"]);
}

#[test]
fn another_catalog_is_judged_at_once() {
    let mut walk = Walk::new(two_plans());
    assert_eq!(walk.uses("calls", 90, START), ["+80 #1 90/100"]);
    let larger = catalog(vec![("small", vec![calls("200", Cap::Soft)])]);
    walk.logs.decide_catalog(larger);
    assert_eq!(walk.follow(), ["-80 #1 90/200"]);
}

#[test]
fn a_lower_limit_is_another_opening_and_another_crossing() {
    let mut walk = Walk::new(two_plans());
    walk.uses("calls", 110, START);
    walk.logs.now += HOUR;
    let lower = Wish {
        calls: Some(50),
        ..Wish::of("acme", "small")
    };
    let again = ["+80 #2 110/50", "+100 #2 110/50", "+>100 #2 110/50"];
    assert_eq!(walk.decides(lower), again);
    assert_eq!(
        walk.standing("calls").crossed_at,
        Some(LogTime(START + HOUR))
    );
    walk.logs.now += HOUR;
    walk.decides(Wish::of("acme", "small"));
    assert_eq!(
        walk.standing("calls").crossed_at,
        Some(LogTime(START)),
        "of the first limit"
    );
}

#[test]
fn a_new_period_starts_clean_and_a_level_holds_into_it() {
    let meters = vec![
        calls("100", Cap::None),
        ("seats", terms("10", Cap::Hard, Reset::Day, &["100"])),
    ];
    let mut walk = Walk::new(catalog(vec![("small", meters)]));
    assert_eq!(
        walk.uses("calls", 100, START),
        ["+80 #1 100/100", "+100 #1 100/100"]
    );
    assert_eq!(walk.uses("seats", 10, START), ["+100 #1 10/10"]);
    assert_eq!(
        walk.instance.engine.next_moment(),
        Some(LogTime(START + DAY))
    );
    assert_eq!(walk.waits(START + DAY - 1), [""; 0]);
    assert_eq!(walk.waits(START + DAY), ["+100 #1 10/10"]);
    assert_eq!(walk.standing("calls").used, q("0"));
    assert_eq!(walk.standing("seats").used, q("10"));
    assert_eq!(walk.uses("seats", 9, START + DAY), ["-100 #1 9/10"]);
}

#[test]
fn a_level_is_held_when_its_hour_is_no_longer_kept() {
    let meters = vec![("seats", terms("10", Cap::Hard, Reset::Month, &[]))];
    let mut walk = Walk::new(catalog(vec![("small", meters)]));
    walk.uses("calls", 1, START);
    walk.uses("seats", 7, START);
    walk.uses("seats", 8, START + HOUR);
    assert_eq!(walk.instance.engine.usage().size(), (1, 3));
    walk.waits(START + 90 * DAY);
    assert_eq!(walk.instance.engine.usage().size(), (1, 0));
    assert_eq!(walk.standing("seats").used, q("8"));
    assert!(walk.standing("seats").period_start > EventTime((START + 59 * DAY) * 1_000));
}

#[test]
fn who_starts_from_what_a_level_held_judges_like_who_read_it_all() {
    let seats = |limit| vec![("seats", terms(limit, Cap::Hard, Reset::Month, &["100"]))];
    // The value's own record, the last change of its hour, and that of an hour before.
    let second = 1_000;
    let late = [
        vec![],
        vec![START + second],
        vec![START + second, START - HOUR],
    ];
    for late in late {
        let plans = vec![("small", seats("10")), ("large", seats("20"))];
        let mut walk = Walk::new(catalog(plans));
        walk.decides(Wish::of("acme", "small"));
        assert_eq!(
            walk.uses("seats", 10, START + 2 * second),
            ["+100 #1 10/10"]
        );
        for at in late {
            assert_eq!(walk.uses("seats", 3, at), [""; 0]);
        }
        walk.waits(START + 90 * DAY);
        assert_eq!(walk.standing("seats").used, q("10"));
        let standing = walk.standing("seats").clone();
        walk.instance = Instance::from_tables(2, &walk.logs);
        assert_eq!(walk.follow(), [""; 0]);
        assert_eq!(*walk.standing("seats"), standing);
        assert_eq!(walk.decides(Wish::of("acme", "large")), ["-100 #1 10/20"]);
    }
}

#[test]
fn a_scheduled_version_is_judged_when_it_begins() {
    let mut walk = Walk::new(two_plans());
    walk.uses("calls", 90, START);
    let begins = LogTime(START + HOUR);
    let later = Wish {
        effective: Some(begins),
        ..Wish::of("acme", "large")
    };
    walk.logs.decide_account(later, Some(HOUR));
    assert_eq!(walk.follow(), [""; 0]);
    assert_eq!(walk.instance.engine.next_moment(), Some(begins));
    assert_eq!(walk.waits(begins.0 - 1), [""; 0]);
    assert_eq!(walk.waits(begins.0), ["-80 #1 90/200"]);
}

#[test]
fn whoever_is_closed_has_nothing_open_and_whoever_is_suspended_has() {
    let mut walk = Walk::new(two_plans());
    walk.uses("calls", 90, START);
    let suspended = Wish {
        status: AccountStatus::Suspended,
        ..Wish::of("acme", "small")
    };
    assert_eq!(walk.decides(suspended), [""; 0]);
    let closed = Wish {
        status: AccountStatus::Closed,
        ..Wish::of("acme", "small")
    };
    assert_eq!(walk.decides(closed), ["-80 #1 90/100"]);
    assert_eq!(walk.uses("calls", 50, START), [""; 0]);
    let opened = ["+80 #2 140/100", "+100 #1 140/100", "+>100 #1 140/100"];
    assert_eq!(walk.decides(Wish::of("acme", "small")), opened);
}

#[test]
fn a_restart_ends_the_period_before_the_hour_of_the_change() {
    let mut walk = Walk::new(two_plans());
    walk.decides(Wish::of("acme", "small"));
    walk.uses("calls", 50, START);
    walk.logs.now = START + 3 * HOUR + 1;
    assert_eq!(walk.uses("calls", 40, START + 3 * HOUR), ["+80 #1 90/100"]);
    let restart = Wish {
        running: RunningPeriod::Restart,
        ..Wish::of("acme", "small")
    };
    assert_eq!(walk.decides(restart), ["-80 #1 50/100"]);
    assert_eq!(walk.standing("calls").used, q("40"));
    assert_eq!(walk.uses("calls", 40, START + 3 * HOUR), ["+80 #1 80/100"]);
}

#[test]
fn unlimited_never_alerts_and_of_nothing_any_use_is_over() {
    let meters = vec![
        ("calls", terms("unlimited", Cap::Hard, Reset::Day, &["1"])),
        ("texts", terms("0", Cap::None, Reset::Day, &["80", ">100"])),
    ];
    let mut walk = Walk::new(catalog(vec![("small", meters)]));
    assert_eq!(walk.uses("calls", 1_000_000, START), [""; 0]);
    assert_eq!(walk.standing("calls").health, Health::Healthy);
    assert_eq!(walk.uses("texts", 1, START), ["+80 #1 1/0", "+>100 #1 1/0"]);
    assert_eq!(walk.standing("texts").health, Health::Critical);
}

#[test]
fn nobody_is_judged_beyond_the_progress_that_was_read() {
    let mut walk = Walk::new(two_plans());
    let (time, log_time) = (EventTime(START * 1_000), LogTime(START));
    let event = Event {
        tenant: 0,
        meter: 0,
        time,
        quantity: 90,
        log_time,
    };
    walk.logs.usage.append(event);
    walk.logs.usage.flush(0, 0, usize::MAX);
    let progress = walk.logs.usage.totals[0].pop().expect("it ends a flush");
    assert_eq!(walk.follow(), [""; 0]);
    assert_eq!(walk.instance.engine.pending(), (1, 0));
    assert_eq!(walk.instance.engine.complete(), []);
    walk.logs.usage.totals[0].push(progress);
    assert_eq!(walk.follow(), ["+80 #1 90/100"]);
    assert_eq!(walk.instance.engine.complete().len(), 1);
    assert_eq!(walk.instance.engine.complete(), []);
}

#[test]
fn what_is_in_flight_is_judged_again_only_when_it_is_given_up() {
    let mut walk = Walk::new(two_plans());
    walk.follow();
    let (time, log_time) = (EventTime(START * 1_000), LogTime(START));
    walk.logs.usage.append(Event {
        tenant: 0,
        meter: 0,
        time,
        quantity: 80,
        log_time,
    });
    walk.logs.usage.flush(0, 0, usize::MAX);
    walk.instance.read_all(&walk.logs);
    let judge = |walk: &mut Walk| {
        while walk.instance.judge(walk.logs.now, 10, &mut walk.published) {}
        std::mem::take(&mut walk.instance.outbox)
    };
    let first = judge(&mut walk);
    assert_eq!(first.len(), 1);
    walk.instance
        .engine
        .abandon(&first[0].key, first[0].write_id + 1);
    assert_eq!(judge(&mut walk), []);
    walk.instance
        .engine
        .abandon(&first[0].key, first[0].write_id);
    let second = judge(&mut walk);
    assert_eq!(second.len(), 1);
    // Both reach the log: one is in force.
    walk.logs.write(second[0].clone());
    walk.logs.write(first[0].clone());
    assert_eq!(walk.follow(), [""; 0]);
    let counts = walk.instance.engine.alerts().counts();
    assert_eq!((counts.in_force, counts.not_the_head), (1, 1));
}
