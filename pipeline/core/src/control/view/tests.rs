//! The view of a control log: what is in force after which records, and what halts.

use super::*;
use crate::catalog::{Aggregation, Catalog, Meter};
use crate::control::VerdictAction;
use crate::position::TopicId;
use crate::quantity::Quantity;
use proptest::prelude::*;

const PARTITION: LogPartition = LogPartition {
    topic_id: TopicId(7),
    partition: 0,
};

fn catalog(name: &str) -> Catalog {
    let meter = Meter {
        name: "calls".to_owned(),
        description: String::new(),
        unit: "call".to_owned(),
        event_type: "api.call".to_owned(),
        filter: Vec::new(),
        value: None,
        scale: Quantity::ONE,
        aggregation: Aggregation::Count,
        group_by: Vec::new(),
        negative: false,
        max_dimensions: 10_000,
    };
    Catalog::new(name, vec![meter])
}

fn publish(catalog: Catalog) -> Decision {
    let source = String::new();
    Decision::Catalog(CatalogContent { catalog, source })
}

fn topic(partitions: u32) -> Decision {
    Decision::Topic(TopicCreated {
        topic: "usage.events".to_owned(),
        topic_id: TopicId(7),
        partitions,
    })
}

fn adoption(catalog_version: u32) -> Decision {
    Decision::Adoption(Adoption {
        topic: "usage.events".to_owned(),
        log_partition: PARTITION,
        partitions: 1,
        first_offset: 0,
        catalog_version,
    })
}

fn verdict(offset: Offset, to: Offset) -> Decision {
    Decision::Verdict(Verdict {
        log_partition: PARTITION,
        offset,
        action: VerdictAction::ContinueAt(to),
    })
}

fn record(write_id: u128, head: Option<Offset>, decision: Decision) -> ControlRecord {
    ControlRecord {
        write_id,
        actor: format!("admin {write_id}"),
        note: String::new(),
        head,
        decision,
    }
}

/// A view of a log of records at offsets from 0; the hash of each is 1,000 + its offset.
fn view(records: impl IntoIterator<Item = ControlRecord>) -> View {
    let mut view = View::default();
    for record in records {
        apply(&mut view, record).expect("readable");
    }
    view
}

fn apply(view: &mut View, record: ControlRecord) -> Result<Applied, Halt> {
    let offset = view.position();
    view.apply(offset, 1_000 + u128::from(offset), LogTime(1), Ok(record))
}

#[test]
fn catalog_versions_count_those_in_force() {
    let view = view([
        record(1, None, publish(catalog("a"))),
        record(2, None, publish(catalog("raced"))),
        record(3, Some(1), publish(catalog("follows an ignored one"))),
        record(4, Some(0), publish(catalog("b"))),
    ]);
    let versions = view.catalogs().iter();
    let names: Vec<_> = versions
        .map(|c| (c.version, c.offset, c.compiled.catalog.name.as_str()))
        .collect();
    assert_eq!(names, [(1, 0, "a"), (2, 3, "b")]);
    assert_eq!(view.catalog_version(2).map(|c| c.offset), Some(3));
    assert!(view.catalog_version(0).is_none() && view.catalog_version(3).is_none());
    assert_eq!(view.head_of(&ChainKey::Catalog), Some(3));
    let link = view.link(3).expect("in force");
    assert_eq!((link.follows, link.actor.as_str()), (Some(0), "admin 4"));
    assert!(view.link(1).is_none());
}

#[test]
fn pointers_grant_nothing() {
    let view = view([
        record(1, None, publish(catalog("a"))),
        record(2, None, publish(catalog("raced"))),
        record(3, None, topic(1)),
    ]);
    let check = |header: &str, expected: &str| {
        let found = match view.placement(header.as_bytes()) {
            None => "to be read".to_owned(),
            Some(Placement::Tick) => "tick".to_owned(),
            Some(Placement::Catalog(decision)) => format!("version {}", decision.version),
            Some(Placement::Void { decision, .. }) => format!("void at {}", decision.offset),
            Some(Placement::Bad(_)) => "bad".to_owned(),
        };
        assert_eq!(found, expected, "{header}");
    };
    let pointer = |offset, hash| Pointer::Record { offset, hash }.to_string();
    check("tick", "tick");
    check(&pointer(0, 1_000), "version 1");
    check(&pointer(0, 1_001), "bad"); // wrong hash
    check(&pointer(1, 1_001), "bad"); // not in force
    check(&pointer(2, 1_002), "bad"); // no catalog
    check(&pointer(3, 1_003), "to be read");
    check("void 5", "bad");
    let to_come = pointer(3, 1_003);
    let at_end = view.placement_at_end(to_come.as_bytes());
    assert!(matches!(at_end, Placement::Bad(_)), "{at_end:?}");
}

#[test]
fn verdicts_keep_the_order_of_the_log() {
    let view = view([
        record(1, None, verdict(50, 60)),
        record(2, None, verdict(40, 41)),
        record(3, None, verdict(50, 99)),
        record(4, Some(0), verdict(50, 70)),
    ]);
    let verdicts = view.verdicts(&PARTITION).iter();
    let found: Vec<_> = verdicts
        .map(|(at, v)| (*at, v.offset, v.action.clone()))
        .collect();
    let continue_at = VerdictAction::ContinueAt;
    assert_eq!(
        found,
        [
            (0, 50, continue_at(60)),
            (1, 40, continue_at(41)),
            (3, 50, continue_at(70)),
        ]
    );
    let other = LogPartition {
        partition: 1,
        ..PARTITION
    };
    assert!(view.verdicts(&other).is_empty());
}

#[test]
fn of_two_adoptions_that_race_the_first_counts() {
    let view = view([
        record(1, None, topic(1)),
        record(2, None, adoption(1)),
        record(3, None, adoption(2)),
    ]);
    let adoption = view.adoption(&PARTITION).expect("adopted");
    assert_eq!(adoption.catalog_version, 1);
    assert_eq!(view.adoptions().count(), 1);
    let created = view.topic_created("usage.events").expect("created");
    assert_eq!(created.topic_id, PARTITION.topic_id);
}

#[test]
fn a_writer_recognises_its_first_copy() {
    let chain = ChainKey::Topic("usage.events".to_owned());
    let view = view([
        record(1, None, topic(1)),
        record(1, None, topic(1)),
        record(2, Some(0), topic(2)),
        record(1, None, topic(1)),
    ]);
    assert_eq!(view.written(1), Some(0));
    assert_eq!(view.written(2), Some(2));
    assert_eq!(view.written(3), None);
    assert_eq!(view.successor(&chain, None), Some(0));
    assert_eq!(view.successor(&chain, Some(0)), Some(2));
    assert_eq!(view.successor(&chain, Some(2)), None);
    assert_eq!(view.successor(&chain, Some(1)), None);
    assert_eq!(view.successor(&ChainKey::Catalog, None), None);
}

#[test]
fn what_cannot_be_read_halts_and_changes_nothing() {
    let mut later = catalog("later");
    later.fold = NEWEST_FOLD + 1;
    let mut broken = catalog("broken");
    broken.meters[0].name = "Not A Name".to_owned();
    let unknown = Halt::UnknownKind("account".to_owned());
    let cases = [
        (Ok(record(2, Some(0), publish(later))), "unknown_fold"),
        (Ok(record(2, Some(0), publish(broken))), "unknown_format"),
        (Err(unknown), "unknown_kind"),
    ];
    for (next, name) in cases {
        let mut view = view([record(1, None, publish(catalog("a")))]);
        let halt = view.apply(1, 0, LogTime(1), next.clone());
        assert_eq!(halt.map_err(|h| h.name()), Err(name));
        assert_eq!((view.position(), view.catalogs().len()), (1, 1));
        assert_eq!(view.written(2), None);
    }
    let mut view = view([record(1, None, publish(catalog("a")))]);
    let again = view.apply(0, 0, LogTime(1), Ok(record(1, None, publish(catalog("a")))));
    assert_eq!(again.map_err(|h| h.name()), Err("order"));
}

#[test]
fn a_catalog_that_is_not_in_force_is_ignored_whatever_it_holds() {
    let mut later = catalog("later");
    later.fold = NEWEST_FOLD + 1;
    let view = view([
        record(1, None, publish(catalog("a"))),
        record(2, None, publish(later)),
    ]);
    assert_eq!((view.position(), view.catalogs().len()), (2, 1));
}

#[test]
fn decisions_about_accounts_move_the_position_and_nothing_else() {
    let route = crate::account::Route {
        id: "ops".to_owned(),
        account: None,
        meters: Vec::new(),
        severity: crate::catalog::plans::Severity::Info,
        target: crate::account::Target::Email { to: Vec::new() },
        enabled: true,
    };
    let decision = Decision::Route(Box::new(route));
    let chain = ChainKey::of(&decision);
    let mut view = view([record(1, None, topic(1))]);
    let applied = apply(&mut view, record(2, None, decision));
    let ruling = Ruling::Ignored { head: None };
    assert_eq!((view.position(), view.head_of(&chain)), (2, None));
    assert_eq!(applied, Ok(Applied { chain, ruling }));
    assert!(view.link(1).is_none() && view.written(2).is_none());
    // A pass stands for several of them.
    view.pass(9, LogTime(2)).expect("rises");
    assert_eq!(view.position(), 10);
    assert_eq!(view.pass(9, LogTime(2)).map_err(|h| h.name()), Err("order"));
    let ruling = apply(&mut view, record(3, Some(0), topic(2))).map(|a| a.ruling);
    assert_eq!(ruling, Ok(Ruling::InForce));
}

/// What a made-up writer does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Looks at the log and proposes on top of it, unless it has a proposal.
    Propose,
    /// Writes its proposal, once more if it did before.
    Write,
    /// Reads back; forgets its proposal once it is answered.
    ReadBack,
}

proptest! {
    /// INV-CHAIN: of writers that race, retry and die at any point, each is told the truth: who is
    /// told "in force" is in the chain exactly once, who is told "lost" never is.
    #[test]
    fn writers_are_told_the_truth(
        steps in prop::collection::vec(
            (0usize..3, prop_oneof![
                Just(Step::Propose), Just(Step::Write), Just(Step::ReadBack)
            ]),
            0..120,
        ),
    ) {
        let chain = ChainKey::Topic("usage.events".to_owned());
        let mut log = View::default();
        let mut proposals: [Option<ControlRecord>; 3] = [None, None, None];
        let (mut ids, mut won, mut lost) = (0, Vec::new(), Vec::new());
        for (writer, step) in steps {
            let proposal = &mut proposals[writer];
            match (step, &*proposal) {
                (Step::Propose, None) => {
                    ids += 1;
                    *proposal = Some(record(ids, log.head_of(&chain), topic(1)));
                }
                (Step::Write, Some(record)) => {
                    apply(&mut log, record.clone()).expect("readable");
                }
                (Step::ReadBack, Some(record)) => {
                    if log.written(record.write_id).is_some() {
                        won.push(record.write_id);
                        *proposal = None;
                    } else if log.successor(&chain, record.head).is_some() {
                        lost.push(record.write_id);
                        *proposal = None;
                    }
                }
                _ => {}
            }
        }
        let mut in_force = Vec::new();
        let mut at = log.head_of(&chain);
        while let Some(link) = at.and_then(|at| log.link(at)) {
            in_force.push(link.write_id);
            at = link.follows;
        }
        for id in won {
            prop_assert_eq!(in_force.iter().filter(|i| **i == id).count(), 1);
        }
        for id in lost {
            prop_assert!(!in_force.contains(&id));
        }
    }
}
