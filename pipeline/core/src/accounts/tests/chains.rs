//! INV-CHAIN: every reader that has read up to the same position knows the same, however it got
//! there, and what is dropped bears on nothing that is still judged.

use super::*;
use crate::period::{PeriodRule, Timeline};
use crate::time::EventTime;
use proptest::prelude::*;

/// How long after its start a period is judged, in days.
const JUDGED_DAYS: i64 = 165;

/// How a made-up writer chooses the head that it names.
#[derive(Clone, Debug)]
enum Names {
    /// As a writer that has read the log up to this many records ago.
    HeadBefore(usize),
    /// The record this many places back, in force or not.
    Record(u64),
    Nothing,
}

/// One record of a made-up log.
#[derive(Clone, Debug)]
struct Entry {
    names: Names,
    /// Hours since the one before; log time never goes back, append times may.
    elapsed: i64,
    decision: Decision,
}

fn any_account() -> impl Strategy<Value = Decision> {
    let plan = prop::sample::select(&["hour", "day", "month", "billing"][..]);
    let effective = prop::option::of(-300i64..2_400);
    let zone = prop::sample::select(&["UTC", "Europe/Berlin"][..]);
    let customer = prop::option::of(prop::sample::select(&["cus_1", "cus_2", "cus_3"][..]));
    (
        any::<bool>(),
        plan,
        effective,
        any::<bool>(),
        zone,
        1u8..=31,
        customer,
    )
        .prop_map(|(first, plan, effective, restart, zone, day, customer)| {
            account_with(|change| {
                change.terms.stripe_customer = customer.map(str::to_owned);
                change.account = if first { "a" } else { "b" }.to_owned();
                // Relative to the record; `log` makes it a moment.
                change.effective = effective.map(|hours| LogTime(hours * 3_600_000));
                change.terms.plan = plan.to_owned();
                change.terms.time_zone = zone.to_owned();
                change.terms.start = format!("2020-01-{day:02}");
                if restart {
                    change.running = RunningPeriod::Restart;
                }
            })
        })
}

fn any_entry() -> impl Strategy<Value = Entry> {
    let names = prop_oneof![
        8 => (0usize..3).prop_map(Names::HeadBefore),
        1 => (0u64..5).prop_map(Names::Record),
        1 => Just(Names::Nothing),
    ];
    let elapsed = prop_oneof![Just(0i64), -5..30i64, 0..1_400i64];
    let decision = prop_oneof![
        6 => any_account(),
        1 => any::<bool>().prop_map(|revoked| api_key("k00000000001", "reader", revoked)),
        1 => any::<bool>().prop_map(|enabled| route("ops", enabled)),
        1 => Just(other()),
    ];
    (names, elapsed, decision).prop_map(|(names, elapsed, decision)| Entry {
        names,
        elapsed,
        decision,
    })
}

/// A version as the naive reader keeps it.
#[derive(Clone, Debug)]
struct Kept {
    offset: Offset,
    effective: LogTime,
    change: AccountChange,
}

/// A reader that keeps everything for ever.
#[derive(Default)]
struct Naive {
    log_time: LogTime,
    /// Per record read, the heads that were there after it.
    heads: Vec<BTreeMap<ChainKey, Offset>>,
    versions: BTreeMap<String, Vec<Kept>>,
    revoked: bool,
    /// Whose a customer is that a record in force ever linked.
    owners: BTreeMap<String, String>,
}

impl Naive {
    /// The record that a writer writes next, and whether it is in force.
    fn write(&mut self, entry: &Entry) -> (LogTime, ControlRecord, bool) {
        let offset = Offset::try_from(self.heads.len()).expect("small");
        let append_time = match offset {
            0 => LogTime(20_000 * DAY),
            _ => LogTime(self.log_time.0 + entry.elapsed * 3_600_000),
        };
        self.log_time = self.log_time.max(append_time);
        let mut decision = entry.decision.clone();
        if let Decision::Account(change) = &mut decision {
            change.effective = change.effective.map(|at| LogTime(at.0 + self.log_time.0));
        }
        let chain = ChainKey::of(&decision);
        let names = match entry.names {
            Names::HeadBefore(n) => {
                let seen = self.heads.len().checked_sub(n + 1);
                seen.and_then(|seen| self.heads[seen].get(&chain).copied())
            }
            Names::Record(n) => offset.checked_sub(n + 1),
            Names::Nothing => None,
        };
        let mut heads = self.heads.last().cloned().unwrap_or_default();
        let mut in_force = decision.is_of_accounts() && heads.get(&chain).copied() == names;
        if let Decision::ApiKey(key) = &decision {
            in_force &= key.revoked || !self.revoked;
            self.revoked |= in_force && key.revoked;
        }
        if let Decision::Account(change) = &decision
            && let Some(customer) = &change.terms.stripe_customer
        {
            let owner = self.owners.get(customer);
            in_force &= owner.is_none_or(|owner| *owner == change.account);
            if in_force {
                let account = change.account.clone();
                self.owners.insert(customer.clone(), account);
            }
        }
        if in_force {
            heads.insert(chain, offset);
            if let Decision::Account(change) = &decision {
                let versions = self.versions.entry(change.account.clone()).or_default();
                versions.push(Kept {
                    offset,
                    effective: change.effective.unwrap_or(self.log_time).max(self.log_time),
                    change: (**change).clone(),
                });
            }
        }
        self.heads.push(heads);
        (append_time, record("admin", names, decision), in_force)
    }

    /// Of the records that take effect until a moment, the last one written.
    fn at(&self, id: &str, now: LogTime) -> Option<Offset> {
        let versions = self.versions.get(id)?.iter();
        let in_effect = versions.filter(|version| version.effective <= now);
        in_effect.map(|version| version.offset).max()
    }

    /// The periods across all versions that ever were to take effect.
    fn timeline(&self, id: &str) -> Option<Timeline> {
        let versions = self.versions.get(id)?;
        let stays = |place: usize| {
            let mut later = versions[place + 1..].iter();
            later.all(|version| version.effective > versions[place].effective)
        };
        let mut left = (0..versions.len()).filter(|place| stays(*place));
        let rule = |kept: &Kept| {
            let terms = &kept.change.terms;
            let zone = Zone::parse(&terms.time_zone).expect("whole hours");
            let day = terms.start[8..].parse().expect("a day");
            rule_of(&terms.plan, zone, day)
        };
        let mut timeline = Timeline::new(rule(&versions[left.next()?]));
        for place in left {
            let kept = &versions[place];
            timeline.change(kept.effective, kept.change.running, rule(kept));
        }
        Some(timeline)
    }
}

fn rule_of(plan: &str, zone: Zone, anchor_day: u8) -> PeriodRule {
    let reset = match plan {
        "hour" => Reset::Hour,
        "day" => Reset::Day,
        "month" => Reset::Month,
        _ => Reset::BillingMonth,
    };
    PeriodRule::new(reset, zone, anchor_day)
}

/// Compares what the fold says of an account with what the naive reader does.
fn compare(accounts: &Accounts, naive: &Naive, id: &str) -> Result<(), TestCaseError> {
    let now = naive.log_time.0;
    let account = accounts.account(id);
    for day in (-JUDGED_DAYS..=110).step_by(11) {
        let at = LogTime(now + day * DAY);
        let found = account.and_then(|account| account.at(at)).map(|v| v.offset);
        prop_assert_eq!(found, naive.at(id, at));
    }
    let rule = |v: &Version| Some(rule_of(&v.terms.plan, v.zone, v.anchor_day));
    let found = account.and_then(|account| account.timeline(rule));
    let expected = naive.timeline(id);
    prop_assert_eq!(found.is_some(), expected.is_some());
    let (Some(found), Some(expected)) = (found, expected) else {
        return Ok(());
    };
    for day in -JUDGED_DAYS..=110 {
        let at = EventTime((now + day * DAY) * 1_000);
        prop_assert_eq!(found.period_at(at), expected.period_at(at), "day {}", day);
    }
    Ok(())
}

proptest! {
    /// Snapshots and restarts at any positions change nothing that is judged by, nor does what is
    /// dropped.
    #[test]
    fn every_reader_knows_what_a_naive_one_does(
        log in prop::collection::vec(any_entry(), 0..60),
        restarts in prop::collection::vec(any::<bool>(), 60),
    ) {
        let mut naive = Naive::default();
        let mut whole = Accounts::default();
        let mut accounts = Accounts::default();
        for (entry, restart) in log.iter().zip(restarts) {
            let (append_time, record, in_force) = naive.write(entry);
            if restart {
                accounts = Accounts::restore(&accounts.snapshot()).expect("its own format");
            }
            for reader in [&mut accounts, &mut whole] {
                let ruling = reader.apply(reader.position(), append_time, &record);
                prop_assert_eq!(ruling == Ok(Ruling::InForce), in_force);
            }
            let heads = naive.heads.last().expect("written");
            let chain = ChainKey::of(&record.decision);
            prop_assert_eq!(accounts.head_of(&chain), heads.get(&chain).copied());
            if let Decision::Account(change) = &record.decision {
                compare(&accounts, &naive, &change.account)?;
            }
        }
        prop_assert_eq!(accounts.snapshot(), whole.snapshot());
        for id in ["a", "b"] {
            compare(&accounts, &naive, id)?;
        }
    }
}

#[test]
fn versions_that_bear_on_nothing_any_more_are_dropped_with_the_next_change() {
    let mut accounts = Accounts::default();
    for day in [0, 10, 20, 300] {
        append(&mut accounts, day, account("acme", "free", None));
    }
    let offsets = |accounts: &Accounts| -> Vec<_> {
        let account = accounts.account("acme").expect("there");
        account
            .versions()
            .iter()
            .map(|version| version.offset)
            .collect()
    };
    // The one of day 20 was in effect until day 300.
    assert_eq!(offsets(&accounts), [2, 3]);
    append(&mut accounts, 529, account("acme", "free", None));
    assert_eq!(offsets(&accounts), [2, 3, 4]);
    append(&mut accounts, 530, account("acme", "free", None));
    assert_eq!(offsets(&accounts), [3, 4, 5]);
}

#[test]
fn a_record_that_was_read_is_not_read_again() {
    let mut accounts = Accounts::default();
    append(&mut accounts, 1, account("acme", "free", None));
    let before = accounts.snapshot();
    for decision in [account("acme", "pro", None), other()] {
        let again = accounts.apply(0, LogTime(DAY), &record("admin", Some(0), decision));
        assert_eq!(again.map_err(|halt| halt.name()), Err("order"));
    }
    assert_eq!(accounts.snapshot(), before);
}

#[test]
fn other_decisions_only_move_the_position() {
    let mut accounts = Accounts::default();
    let ruling = apply(&mut accounts, 3, record("init", None, other()));
    assert_eq!(ruling, Ok(Ruling::Ignored { head: None }));
    assert_eq!(
        (accounts.position(), accounts.log_time()),
        (1, LogTime(3 * DAY))
    );
    assert_eq!(accounts.head_of(&ChainKey::of(&other())), None);
    assert!(accounts.is_empty());
}
