//! Any order of cuts and answers, against a plain model of the topic and the tables.

use super::*;
use meterline_core::counters::Counters;
use meterline_core::position::{LogPartition, TopicId};
use meterline_core::time::EventTime;
use proptest::prelude::*;

/// Any function of the position that never falls.
fn sealed_to(offset: Offset) -> EventTime {
    EventTime(i64::try_from(offset / 3).expect("small"))
}

fn mark(epoch: u16, offset: Offset, levels_to: Offset) -> Mark {
    let log_partition = LogPartition {
        topic_id: TopicId(1),
        partition: 0,
    };
    let log_time = LogTime(i64::try_from(offset).expect("small"));
    Mark::new(Header {
        log_partition,
        epoch,
        position: offset,
        partitions: 1,
        log_time,
        sealed_to: sealed_to(offset),
        accept_floor: EventTime(0),
        answer_floor: EventTime(0),
        levels_to,
        levels_sealed_to: sealed_to(levels_to),
        catalogs: Vec::new(),
        voids_to: None,
        counters: Counters::default(),
        outcome_hash: String::new(),
        hash_samples: Vec::new(),
        identity_key: String::new(),
    })
}

fn at(offset: Offset) -> Mark {
    mark(0, offset, 0)
}

fn begun(offset: Offset, levels_to: Offset) -> Ledger {
    let levels = at(levels_to).position();
    Ledger::new(at(offset), levels, sealed_to(levels_to))
}

#[test]
fn nothing_is_told_before_anything_grew() {
    assert!(begun(10, 4).take_progress().is_none());
}

#[test]
fn progress_waits_for_the_slowest_lane_and_speaks_of_its_position() {
    let mut ledger = begun(10, 10);
    ledger.cut(Lane::Hours, at(20), false);
    ledger.cut(Lane::Totals, at(25), true);
    ledger.cut(Lane::DeadLetters, at(25), true);
    assert!(ledger.take_progress().is_none());
    ledger.acked(Lane::Hours);
    let progress = ledger.take_progress().expect("hours grew");
    assert_eq!(&progress.header, mark(0, 20, 10).header());
    assert_eq!(progress.totals_position, None);
    assert!(ledger.take_progress().is_none());
}

#[test]
fn levels_of_an_earlier_epoch_say_nothing() {
    let mut ledger = begun(10, 10);
    for lane in Lane::COMPLETE {
        ledger.cut(lane, mark(1, 5, 0), true);
    }
    let progress = ledger.take_progress().expect("the epoch grew");
    assert_eq!(progress.header.levels_to, 0);
    assert_eq!(progress.header.levels_sealed_to, EventTime(0));
}

#[test]
fn days_are_sealed_as_far_as_their_rows_are_acknowledged_also_after_a_restart() {
    let mut ledger = begun(30, 12);
    for lane in Lane::COMPLETE {
        ledger.cut(lane, at(40), true);
    }
    let progress = ledger.take_progress().expect("the hours grew");
    assert_eq!(&progress.header, mark(0, 40, 12).header());
    ledger.progress_acked(0);
    ledger.cut(Lane::Levels, at(36), false);
    assert!(ledger.take_progress().is_none());
    ledger.acked(Lane::Levels);
    let progress = ledger.take_progress().expect("days and months grew");
    assert_eq!(&progress.header, mark(0, 40, 36).header());
    ledger.progress_acked(1);
    ledger.cut(Lane::Levels, at(50), true);
    let progress = ledger.take_progress().expect("days and months grew");
    assert_eq!(&progress.header, mark(0, 40, 40).header());
}

/// A totals batch or progress record on its way: it lands anywhere before its answer.
#[derive(Default)]
struct World {
    totals: Vec<(Offset, Stamp)>,
    totals_on_way: Option<Stamp>,
    progress_on_way: Option<Option<Offset>>,
    end: Offset,
    cut: [Offset; 4],
    acked: [Offset; 4],
}

impl World {
    fn land_totals(&mut self) {
        if let Some(to) = self.totals_on_way.take() {
            self.totals.push((self.end, to));
            self.end += 1;
        }
    }

    fn land_progress(&mut self) {
        if let Some(landed @ None) = &mut self.progress_on_way {
            *landed = Some(self.end);
            self.end += 1;
        }
    }
}

fn check_progress(world: &World, progress: &Progress) {
    let lane = |l: Lane| world.acked[l as usize];
    let to = Lane::COMPLETE.map(lane).into_iter().min().expect("lanes");
    let header = &progress.header;
    assert_eq!(header.position, to, "exactly what is acknowledged");
    assert_eq!(
        header.log_time,
        at(to).header().log_time,
        "of that position"
    );
    assert!(header.levels_to <= lane(Lane::Levels) && header.levels_to <= to);
    assert_eq!(
        header.levels_sealed_to,
        sealed_to(header.levels_to),
        "a function of `levels_to`"
    );
    let rows = lane(Lane::Hours).min(lane(Lane::Levels));
    if let Some(position) = progress.totals_position {
        let missed = world
            .totals
            .iter()
            .find(|(at, to)| *at < position && to.offset > rows);
        assert_eq!(missed, None, "a reader from {position} would miss it");
    }
}

fn step(world: &mut World, ledger: &mut Ledger, here: Offset, choice: u8) {
    let lane = Lane::ALL[usize::from(choice % 4)];
    let index = lane as usize;
    match choice / 4 {
        0 if ledger.is_free(lane) => {
            ledger.cut(lane, at(here), false);
            world.cut[index] = here;
            if lane == Lane::Totals {
                world.totals_on_way = Some(at(here).position());
            }
        }
        1 if !ledger.is_free(lane) => {
            if lane == Lane::Totals {
                world.land_totals();
            }
            ledger.acked(lane);
            world.acked[index] = world.cut[index];
        }
        2 => world.land_totals(),
        3 => world.land_progress(),
        4 if world.progress_on_way.is_some() => {
            world.land_progress();
            let at = world.progress_on_way.take().flatten().expect("landed");
            ledger.progress_acked(at);
        }
        5 => {
            if let Some(progress) = ledger.take_progress() {
                check_progress(world, &progress);
                world.progress_on_way = Some(None);
            }
        }
        _ => {}
    }
}

proptest! {
    /// INV-STAMP and the rule of `totals_position`, for any order of cuts and answers.
    #[test]
    fn progress_never_claims_more_than_was_acknowledged(
        steps in proptest::collection::vec((0u8..24, 0u64..3), 1..400)
    ) {
        let mut world = World::default();
        let mut ledger = begun(0, 0);
        let mut here = 0;
        for (choice, grown) in steps {
            here += grown;
            step(&mut world, &mut ledger, here, choice);
        }
    }

    /// Whatever happened before, everything is told once all lanes have answered.
    #[test]
    fn a_drained_partition_has_told_everything(
        steps in proptest::collection::vec((0u8..24, 0u64..3), 1..200)
    ) {
        let mut world = World::default();
        let mut ledger = begun(0, 0);
        let mut here = 1;
        for (choice, grown) in steps {
            here += grown;
            step(&mut world, &mut ledger, here, choice);
        }
        for choice in [4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7, 16, 20] {
            step(&mut world, &mut ledger, here, choice);
        }
        prop_assert_eq!(ledger.told, (at(here).position(), here));
    }
}
