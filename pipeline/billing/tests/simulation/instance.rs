//! One stage: an engine that is killed, stopped, and begins again with nothing.

use crate::log::{Log, PARTITIONS, PUSHES};
use crate::usage::{self, Known, METERS, USAGE, USAGE_PARTITIONS};
use meterline_billing::Engine;
use meterline_billing::engine::{Action, Append, EngineSettings, Now, Topics};
use meterline_core::bucket::BucketRow;
use meterline_core::position::LogPartition;
use meterline_core::time::{EventTime, LogTime, Millis};

/// How long after its end an hour is sealed.
pub(crate) const LATENESS: i64 = 5 * 60_000;

/// A stage.
pub(crate) struct Instance {
    pub(crate) engine: Engine,
    /// Which of its lives it is.
    pub(crate) life: u64,
    positions: [u64; 4],
    totals: usize,
    /// It is stopped until then; what it was about to do waits with it.
    pub(crate) stopped_until: Option<i64>,
    pub(crate) held: Vec<Action>,
}

/// What a stage reads when it begins.
pub(crate) struct Tables<'a> {
    pub(crate) customers: &'a [String],
    pub(crate) all: &'a [Known],
    pub(crate) rows: &'a [BucketRow],
}

pub(crate) fn now(at: i64) -> Now {
    Now {
        wall: LogTime(at),
        steady: u64::try_from(at).expect("after 1970"),
    }
}

impl Instance {
    pub(crate) fn begin(name: &str, life: u64, tables: &Tables<'_>, log: &Log, at: i64) -> Self {
        let settings = EngineSettings {
            open_every: Millis(30 * 60_000),
            invoices_every: Millis(60 * 60_000),
            ..EngineSettings::default()
        };
        let topics = Topics {
            usage: USAGE,
            usage_partitions: USAGE_PARTITIONS,
            pushes: PUSHES,
            pushes_partitions: PARTITIONS,
        };
        let instance = format!("{name}-{life}");
        let mut engine = Engine::new(settings, topics, instance, 1_000 * life + 17);
        engine.map_meters(METERS.into_iter().map(|name| (name, name)));
        for (number, customer) in (0..).zip(tables.customers) {
            engine.customer(&usage::tenant(number), Some(customer), now(at));
        }
        let mut instance = Self {
            engine,
            life,
            positions: [0; 4],
            totals: 0,
            stopped_until: None,
            held: Vec::new(),
        };
        instance.read(tables, log, at);
        instance.engine.start(now(at));
        instance
    }

    /// Reads what is new in the logs.
    pub(crate) fn read(&mut self, tables: &Tables<'_>, log: &Log, at: i64) {
        for (partition, position) in (0..).zip(&mut self.positions) {
            for (appended, record) in log.from(partition, *position) {
                let taken = match record {
                    Append::Push(record) => {
                        self.engine
                            .push(partition, *position, *appended, record, now(at))
                    }
                    Append::Carry(record) => {
                        self.engine
                            .carry(partition, *position, *appended, record, now(at))
                    }
                };
                taken.expect("offsets rise");
                *position += 1;
            }
        }
        while let Some(known) = tables.all.get(self.totals)
            && known.at <= at
        {
            let partition = usage::partition(known.tenant);
            self.engine
                .total(partition, &tables.rows[self.totals], now(at));
            self.totals += 1;
        }
        let sealed = EventTime((at - LATENESS) * 1_000).hour().start();
        for partition in 0..USAGE_PARTITIONS {
            let partition = LogPartition {
                topic_id: USAGE,
                partition,
            };
            self.engine.progress(partition, sealed, now(at));
        }
    }
}
