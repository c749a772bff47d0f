//! The fold equals the model, whatever the worker does between two records.

use crate::driver::{Act, Driver, Table};
use crate::model::{Key, Model, Value};
use crate::world::{
    Appended, Content, HOUR, MINUTE, START, Use, VoidOf, catalog, decision, void_of,
};
use meterline_core::bucket::{Bucket, Kind, Series};
use meterline_core::time::{EventTime, Level, LogTime, Window};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One step of a generated log: how far offset and clock move, and what is appended.
type Step = (u64, i64, Made);

/// What a step appends.
#[derive(Clone, Debug)]
enum Made {
    Event(Use),
    /// Nonsense or a tick.
    Other,
    /// A void of one of the events counted so far, or its amend to a quantity and model; and how
    /// many pointers to it follow, the first ones out of turn.
    Void(usize, Option<(i64, u8)>, usize),
    /// One more pointer to a void that was pointed at before.
    Copy(usize),
}

fn an_event() -> impl Strategy<Value = Use> {
    let kind = prop_oneof![20 => Just("use"), 1 => Just("noise"), 1 => Just("nobody's")];
    let quantity =
        prop_oneof![20 => (-5i64..100).prop_map(|q| q.to_string()), 1 => Just("\"NaN\"".into())];
    let back = prop_oneof![
        10 => 0..20 * MINUTE,
        4 => 0..3 * HOUR,
        2 => 0..40 * 24 * HOUR,
        1 => -10 * MINUTE..0,
    ];
    let model = prop_oneof![2 => Just(None), 5 => (0..5u8).prop_map(|m| Some(format!("m{m}")))];
    (0..40u16, kind, 0..2usize, back, quantity, model).prop_map(
        |(id, kind, tenant, back, quantity, model)| Use {
            id: format!("id{id}"),
            kind,
            tenant: ["acme", "globex"][tenant],
            time: EventTime(-back),
            quantity,
            model,
        },
    )
}

fn a_log() -> impl Strategy<Value = Vec<Appended>> {
    let pace = prop_oneof![10 => 0..60_000i64, 2 => 0..3_600_000i64, 1 => 0..86_400_000i64];
    let amended = prop::option::of((-5i64..100, 0..5u8));
    let content = prop_oneof![
        30 => an_event().prop_map(Made::Event),
        1 => Just(Made::Other),
        6 => (any::<usize>(), amended, 0..3usize).prop_map(|(n, a, c)| Made::Void(n, a, c)),
        1 => any::<usize>().prop_map(Made::Copy),
    ];
    let step = (prop_oneof![8 => Just(1u64), 1 => 2..5u64], pace, content);
    prop::collection::vec(step, 1..120).prop_map(to_log)
}

/// Event times of the steps are relative to the log's clock at their record.
fn to_log(steps: Vec<Step>) -> Vec<Appended> {
    let (mut offset, mut clock) = (0, START / 1_000);
    let mut log = Vec::new();
    let mut model = Model::default();
    let mut voids = Vec::new();
    for (gap, pace, made) in steps {
        clock += pace;
        for content in contents(made, clock, &model, &mut voids) {
            offset += gap;
            log.push(Appended {
                offset,
                append_time: LogTime(clock),
                content,
            });
            model.take(log.last().expect("just pushed"));
        }
    }
    log
}

/// The records of one step. Pointers to voids come once more or not at all, and before those that
/// they follow: whoever copies them repeats until each was taken.
fn contents(made: Made, clock: i64, model: &Model, voids: &mut Vec<VoidOf>) -> Vec<Content> {
    match made {
        Made::Other if clock % 2 == 0 => vec![Content::Broken],
        Made::Other => vec![Content::Tick],
        Made::Event(event) => {
            let time = EventTime(clock * 1_000 + event.time.0);
            vec![Content::Event(Use { time, ..event })]
        }
        Made::Copy(which) => {
            let copy = (!voids.is_empty()).then(|| voids[which % voids.len()].clone());
            copy.into_iter().map(Content::Void).collect()
        }
        Made::Void(which, amended, copies) => {
            let Some(at) = which.checked_rem(model.counted.len()) else {
                return vec![];
            };
            let (offset, counted) = model.counted.iter().nth(at).expect("below the count");
            let replacement = amended.map(|(quantity, model)| Use {
                quantity: quantity.to_string(),
                model: Some(format!("m{model}")),
                ..counted.event.clone()
            });
            let control = 1_000 + voids.len() as u64;
            let before: Vec<_> = voids
                .iter()
                .map(|void| Arc::clone(&void.decision))
                .collect();
            let event = (*offset, &counted.event);
            voids.push(void_of(control, event, replacement.as_ref(), &before));
            // One that is not pointed at at once keeps those after it waiting for their turn.
            let newest = voids.last().into_iter().filter(|_| copies != 1).cloned();
            let repeated = voids.iter().rev().take(3).rev().cloned().cycle();
            let repeated = repeated.take(copies / 2 * 2 * voids.len().min(3));
            newest.chain(repeated).map(Content::Void).collect()
        }
    }
}

fn a_script() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => Just(Act::Nothing),
        2 => Just(Act::FlushHours),
        1 => Just(Act::FlushLevels),
        1 => Just(Act::FlushTotals),
        2 => Just(Act::BeginCheckpoint),
        3 => Just(Act::EndCheckpoint),
        1 => Just(Act::Crash),
    ];
    prop::collection::vec(act, 1..40)
}

fn folded(log: &[Appended], script: &[Act]) -> Driver {
    let mut driver = Driver::begin(decision(1, catalog()));
    driver.run(log, script);
    driver
}

/// The table in the model's words, columns that the aggregation does not define left out.
fn in_model_words(table: &Table) -> BTreeMap<Key, Value> {
    table
        .iter()
        .map(|((window, key), (_, bucket))| {
            let series = Series::from_key(key).expect("own key");
            (model_key(&series, *window), model_value(&series, bucket))
        })
        .collect()
}

fn model_key(series: &Series, window: Window) -> Key {
    let names = ["a_count", "b_sum", "c_min", "d_max", "e_avg", "f_latest"];
    let name = names
        .into_iter()
        .find(|n| *n == series.meter.as_ref())
        .expect("a test meter");
    let part = (series.kind == Kind::Part).then(|| series.dimensions[0].1.to_string());
    (
        name,
        series.tenant.to_string(),
        part,
        window.level.name(),
        window.start / 3_600,
    )
}

fn model_value(series: &Series, bucket: &Bucket) -> Value {
    let mut value = Value {
        events: bucket.events,
        revision: bucket.revision,
        ..Value::default()
    };
    match series.meter.as_ref() {
        "b_sum" | "e_avg" => value.sum = bucket.sum.raw(),
        "c_min" => value.min = (bucket.events > 0).then_some(bucket.min.raw()),
        "d_max" => value.max = (bucket.events > 0).then_some(bucket.max.raw()),
        "f_latest" => {
            let offset = bucket.latest_stamp.offset;
            let latest = (bucket.latest_time.0, offset, bucket.latest.raw());
            value.latest = (bucket.events > 0).then_some(latest);
        }
        _ => {}
    }
    value
}

/// The model's buckets, reduced to the columns that each aggregation defines.
fn reduced(model: &Model) -> BTreeMap<Key, Value> {
    let reduce = |(key, value): (&Key, &Value)| {
        let mut kept = Value {
            events: value.events,
            revision: value.revision,
            ..Value::default()
        };
        match key.0 {
            "b_sum" | "e_avg" => kept.sum = value.sum,
            "c_min" => kept.min = value.min,
            "d_max" => kept.max = value.max,
            "f_latest" => kept.latest = value.latest,
            _ => {}
        }
        (key.clone(), kept)
    };
    model.buckets.iter().map(reduce).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// INV-ORDER, INV-REPLAY, INV-STAMP: splits, crashes and evictions change nothing.
    #[test]
    fn the_tables_equal_the_model(log in a_log(), script in a_script()) {
        let driver = folded(&log, &script);
        let model = Model::of(&log);
        prop_assert_eq!(in_model_words(&driver.tables), reduced(&model));
        let counters = driver.partition.counters();
        let rejected: u64 = counters.rejected.values().sum();
        prop_assert_eq!(
            (counters.accepted, counters.duplicate, rejected),
            (model.accepted, model.duplicate, model.rejected)
        );
    }

    /// INV-CONSERVE: every record is accounted for, and hour buckets hold what meters matched.
    #[test]
    fn nothing_is_lost_and_nothing_is_made(log in a_log(), script in a_script()) {
        let driver = folded(&log, &script);
        let counters = driver.partition.counters();
        prop_assert!(counters.is_conserved(), "{:?}", counters);
        prop_assert_eq!(counters.delivered, log.len() as u64);
        let mut in_hours: BTreeMap<String, u64> = BTreeMap::new();
        for ((window, key), (_, bucket)) in &driver.tables {
            let series = Series::from_key(key).expect("own key");
            if window.level == Level::Hour && series.kind != Kind::Part {
                *in_hours.entry(series.meter.to_string()).or_default() += bucket.events;
            }
        }
        prop_assert_eq!(in_hours, counters.counted());
    }

    /// INV-LEVELS: a month is the sum of its days and of their hours; a whole of its parts.
    #[test]
    fn levels_and_parts_add_up(log in a_log(), script in a_script()) {
        let tables = in_model_words(&folded(&log, &script).tables);
        for (coarse, fine) in [("day", "hour"), ("month", "day")] {
            prop_assert_eq!(summed(&tables, coarse), summed(&tables, fine));
        }
        let grouped = |key: &Key| key.0 == "b_sum" || key.0 == "d_max";
        let wholes = tables.iter().filter(|(k, _)| grouped(k) && k.2.is_none());
        for (key, whole) in wholes {
            let of_whole = |k: &&Key| (k.0, &k.1, k.3, k.4) == (key.0, &key.1, key.3, key.4);
            let parts: u64 = tables
                .iter()
                .filter(|(k, _)| of_whole(k) && k.2.is_some())
                .map(|(_, part)| part.events)
                .sum();
            prop_assert_eq!(whole.events, parts);
        }
    }

    /// INV-STAMP: totals are the tables' whole and only rows, stamp for stamp.
    #[test]
    fn totals_and_tables_agree(log in a_log(), script in a_script()) {
        let driver = folded(&log, &script);
        let mut expected = driver.tables.clone();
        expected.retain(|(_, key), _| {
            Series::from_key(key).expect("own key").kind != Kind::Part
        });
        prop_assert_eq!(&driver.totals, &expected);
    }

    /// INV-STAMP: two owners at once never write different rows under one stamp, and whoever
    /// writes last, the higher stamp holds the same value.
    #[test]
    fn two_owners_write_the_same_rows(log in a_log(), one in a_script(), two in a_script()) {
        let (first, second) = (folded(&log, &one), folded(&log, &two));
        for (key, bucket) in &first.written {
            if let Some(other) = second.written.get(key) {
                prop_assert_eq!(bucket, other, "{:?}", key);
            }
        }
        prop_assert_eq!(first.tables, second.tables);
    }

    /// INV-REPLAY: the running hash over all outcomes does not depend on crashes.
    #[test]
    fn the_outcome_hash_is_the_logs(log in a_log(), script in a_script()) {
        let undisturbed = folded(&log, &[]).partition.header();
        let disturbed = folded(&log, &script).partition.header();
        prop_assert_eq!(undisturbed, disturbed);
    }
}

/// Events and sums of one level, by meter, tenant and part.
fn summed(
    tables: &BTreeMap<Key, Value>,
    level: &str,
) -> BTreeMap<(&'static str, String, Option<String>), (u64, i128)> {
    let mut sums = BTreeMap::new();
    for ((meter, tenant, part, at, _), value) in tables {
        if *at == level {
            let sum: &mut (u64, i128) = sums
                .entry((*meter, tenant.clone(), part.clone()))
                .or_default();
            sum.0 += value.events;
            sum.1 += value.sum;
        }
    }
    sums
}
