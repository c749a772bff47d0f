//! Who has read less than the head of a chain was judged by says nothing of it.

use crate::instances::{Instance, Logs, Published};
use crate::usage_log::Event;
use crate::walks::two_plans;
use crate::world::START;
use meterline_core::alert::AlertState;
use meterline_core::time::{EventTime, LogTime};

/// The places of `usage.totals` of the tenant and of all of `usage.alerts` in [`Instance::read`].
const TOTALS: usize = 0;
const ALERTS: [usize; 2] = [3, 4];

fn uses(logs: &mut Logs, quantity: i64) {
    logs.usage.append(Event {
        tenant: 0,
        meter: 0,
        time: EventTime(START * 1_000),
        quantity,
        log_time: LogTime(logs.now),
    });
    logs.usage.flush(0, 0, usize::MAX);
}

/// Judges all and says what follows, by state.
fn judges(instance: &mut Instance, now: i64) -> Vec<AlertState> {
    while instance.judge(now, 10, &mut Published::default()) {}
    instance.outbox.iter().map(|said| said.state).collect()
}

/// One engine reads everything, judges, and its transitions are written; the other reads those.
fn leads(logs: &mut Logs, first: &mut Instance, second: &mut Instance) -> Vec<AlertState> {
    first.read_all(logs);
    let said = judges(first, logs.now);
    first.outbox.drain(..).for_each(|one| logs.write(one));
    ALERTS.iter().for_each(|log| second.read(logs, *log, 100));
    said
}

#[test]
fn who_knows_less_than_the_head_neither_resolves_nor_opens() {
    let mut logs = Logs::new(two_plans());
    let (mut first, mut second) = (Instance::new(1), Instance::new(2));
    uses(&mut logs, 70);
    second.read_all(&logs);
    assert_eq!(judges(&mut second, logs.now), []);

    uses(&mut logs, 15);
    assert_eq!(
        leads(&mut logs, &mut first, &mut second),
        [AlertState::Opened]
    );
    assert_eq!(judges(&mut second, logs.now), [], "it knows of 70 only");

    second.read(&logs, TOTALS, 100);
    uses(&mut logs, -10);
    assert_eq!(
        leads(&mut logs, &mut first, &mut second),
        [AlertState::Resolved]
    );
    assert_eq!(judges(&mut second, logs.now), [], "it knows of 85 only");

    // It is heard again as soon as it knows as much.
    uses(&mut logs, 10);
    second.read_all(&logs);
    assert_eq!(judges(&mut second, logs.now), [AlertState::Opened]);
}
