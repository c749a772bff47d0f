//! Voids where a part of what segments kept is gone: a value is never guessed.

use crate::voids::{Log, only, used};
use crate::world::KEY;
use meterline_core::catalog::Aggregation;
use meterline_core::fold::{CheckpointCut, Partition};
use meterline_core::hash::Identity;
use meterline_core::runs::{LookupFailed, Runs};
use meterline_core::time::{EventTime, Hour, Window};
use std::sync::Arc;

/// Runs of one checkpoint, as far as `keeps` wants its ids.
struct Kept {
    cut: CheckpointCut,
    keeps: fn(usize) -> bool,
}

impl Runs for Kept {
    fn has_id(&self, hour: Hour, id: Identity) -> Result<bool, LookupFailed> {
        Ok(self.note(hour, id)?.is_some())
    }

    fn note(&self, hour: Hour, id: Identity) -> Result<Option<Vec<u8>>, LookupFailed> {
        let mut found = None;
        self.notes(hour, &mut |at, note| {
            if at == id {
                found = Some(note.to_vec());
            }
        })?;
        Ok(found)
    }

    fn notes(&self, hour: Hour, each: &mut dyn FnMut(Identity, &[u8])) -> Result<(), LookupFailed> {
        let ids = self.cut.ids.iter().enumerate();
        for (_, entry) in ids.filter(|(at, e)| e.hour == hour && (self.keeps)(*at)) {
            each(entry.id, &entry.note);
        }
        Ok(())
    }

    fn bucket(&self, window: Window, key: &[u8]) -> Result<Option<Vec<u8>>, LookupFailed> {
        let buckets = self.cut.buckets.iter();
        let mut found = buckets.filter(|b| b.window == window && b.key == key);
        Ok(found.next().map(|bucket| bucket.state.clone()))
    }
}

#[test]
fn a_value_is_never_guessed_where_the_ids_of_its_hour_are_not_kept() {
    let check = |keeps: fn(usize) -> bool, expected: &str| {
        let mut log = Log::begin(only(Aggregation::Max));
        log.count(&used("a", "5"));
        let greatest = used("b", "7");
        let offset = log.count(&greatest);
        let cut = log.partition.cut_checkpoint((0, EventTime(0)));
        let header = cut.header.clone();
        let catalog = Arc::clone(&log.catalogs[0]);
        let mut restored = Log {
            partition: Partition::restore(header, catalog, KEY, std::iter::empty())
                .expect("own format"),
            runs: Kept { cut, keeps },
            catalogs: log.catalogs,
            voids: log.voids,
            clock: log.clock,
        };
        let outcome = restored.void(offset, &greatest);
        assert!(outcome.contains(expected), "{outcome}");
        let hours = restored.hours();
        assert_eq!(hours.contains_key("m"), expected == "voided");
    };
    check(|_| true, "voided");
    check(|at| at == 1, "whose values are not kept");
    check(|at| at == 0, "no such event is recorded");
}
