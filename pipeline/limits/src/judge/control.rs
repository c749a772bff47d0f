//! What the control log says goes to the engine, and to those who tell of alerts.

use super::Judge;
use meterline_control::{ControlEntry, ControlEvent};
use meterline_core::control::Decision;
use meterline_core::halt::Halt;
use meterline_follow::LogHalt;

impl Judge {
    /// Takes an event of the control log.
    pub(super) fn take_control(&mut self, event: ControlEvent) {
        let entry = match event {
            ControlEvent::Record(entry) => entry,
            // The log is read from its beginning: who routes tell of what must be known since when.
            ControlEvent::Restored(_) => unreachable!("this stage uses no snapshots"),
        };
        let (offset, at) = (entry.offset, entry.append_time);
        if let Err(source) = self.engine.decision(offset, at, entry.record()) {
            return self.follower.halts(&LogHalt {
                topic: self.topics.control.clone(),
                partition: 0,
                offset,
                source,
            });
        }
        if entry.in_force {
            self.follow(&entry);
        }
        if offset + 1 >= self.behind.control && self.behind.control > 0 {
            self.behind.control = 0;
            self.caught_up();
        }
        self.follower
            .health
            .reads(&self.topics.control, 0, offset + 1);
    }

    fn follow(&mut self, entry: &ControlEntry) {
        match &entry.record().decision {
            Decision::Catalog(_) => {
                let view = self.log.control().view();
                let decision = view.catalog_by_pointer(entry.offset, entry.hash);
                self.engine
                    .catalog(decision.expect("the view holds what was fed"));
                if std::mem::replace(&mut self.behind.catalog, false) {
                    self.caught_up();
                }
            }
            Decision::Account(change) => self.note_change(&change.account, entry.append_time),
            Decision::Route(route) => self.directory.seen(&route.id, entry.append_time),
            Decision::Adoption(adoption) => self.engine.adoption(adoption),
            // What a void changes comes with the totals.
            Decision::ApiKey(_) | Decision::Topic(_) | Decision::Verdict(_) | Decision::Void(_) => {
            }
        }
    }

    /// The control log cannot be read on.
    pub(super) fn control_halts(&self, source: Halt) {
        self.follower.halts(&LogHalt {
            topic: self.topics.control.clone(),
            partition: 0,
            offset: self.log.control().view().position(),
            source,
        });
    }
}
