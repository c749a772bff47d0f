//! `produce`: publishes the records of a file as usage events.
//!
//! The file is read twice: first to see that every record can be mapped, how many there are and
//! when the last one happened; then to publish. So a file that cannot be mapped publishes nothing.

use crate::args::produce::{Encoding, ProduceArgs};
use crate::config::Settings;
use crate::failure::Failure;
use crate::load::broken::{Breaker, Weakness};
use crate::load::event::{Form, Kind, UsageEvent};
use crate::load::forms::Encoder;
use crate::load::pace::Pace;
use crate::load::publisher::{Blend, Breakable, Publisher};
use crate::load::recording::Recording;
use crate::load::sender::Sender;
use crate::load::summary::conclude;
use crate::progress::Progress;
use crate::stop::Stop;
use anyhow::{Result, anyhow, bail};
use input::{Input, InputRecord};
use mapping::Mapping;
use meterline_core::catalog::Bounds;
use meterline_core::time::EventTime;
use std::path::Path;

mod input;
mod mapping;
mod template;
mod time_format;

/// What the first reading of the file found.
struct Survey {
    records: u64,
    last: Option<EventTime>,
}

/// Nothing is known of the meters that will count the events.
#[derive(Default)]
struct Unknown(Weakness);

impl Breakable for Unknown {
    fn weakness(&self) -> &Weakness {
        &self.0
    }

    fn mend(&self, _: &mut UsageEvent) {}
}

/// Publishes the file; `now` is the present that `--shift-to-now` shifts to.
pub(crate) fn run(
    args: &ProduceArgs,
    settings: &Settings,
    now: EventTime,
    stop: &Stop,
) -> Result<(), Failure> {
    let mapping = Mapping::from_args(args).map_err(Failure::Usage)?;
    let input = open(args, &mapping)?;
    input
        .columns()
        .map_or(Ok(()), |columns| mapping.check_columns(columns))
        .map_err(Failure::Usage)?;
    let survey = survey(args, &mapping)?;
    let shift = match (args.shift_to_now, survey.last) {
        (true, Some(last)) => now.0 - last.0,
        _ => args.shift.map_or(0, |shift| shift.0),
    };
    let topic = settings.kafka.topics().usage_events();
    let sender = Sender::connect(&settings.kafka, &topic)?;
    let recording = args.record.as_deref().map(Recording::create).transpose()?;
    let breaker = Breaker::new(Bounds::default(), sender.partitions(), 0);
    let blend = Blend {
        mixing: args.mixing.clone(),
        forms: vec![form(args.encoding)],
        fallback: None,
        total: survey.records,
        restamp: 0,
    };
    let mut publisher = Publisher::new(sender, Encoder::default(), breaker, blend, recording);
    let pace = Pace::start(args.rate);
    let published = publish(args, &mapping, shift, &survey, &mut publisher, pace, stop);
    conclude(
        publisher,
        published,
        &topic,
        &pace,
        args.record.as_deref(),
        stop,
    )
}

fn publish(
    args: &ProduceArgs,
    mapping: &Mapping,
    shift: i64,
    survey: &Survey,
    publisher: &mut Publisher<Sender>,
    pace: Pace,
    stop: &Stop,
) -> Result<()> {
    let mut progress = Progress::start("records", survey.records);
    let mut input = open(args, mapping)?;
    for number in 0..survey.records {
        pace.wait(number, &mut publisher.sink, stop);
        if stop.is_requested() {
            break;
        }
        let Some(record) = input.next()? else {
            bail!("{} became shorter while it was read", args.file.display());
        };
        let event = mapping
            .event(&record, shift)
            .map_err(|reason| unmapped(&args.file, number + 1, reason))?;
        publisher.offer(Kind::Event, event, &Unknown::default())?;
        progress.done(number + 1);
    }
    progress.finish();
    publisher.drain()
}

fn open(args: &ProduceArgs, mapping: &Mapping) -> Result<Input> {
    Input::open(&args.file, args.format.or(mapping.format))
}

/// Reads the file once: every record must map.
fn survey(args: &ProduceArgs, mapping: &Mapping) -> Result<Survey> {
    let mut input = open(args, mapping)?;
    let mut survey = Survey {
        records: 0,
        last: None,
    };
    let limit = args.limit.unwrap_or(u64::MAX);
    while survey.records < limit {
        let Some(record) = input.next()? else { break };
        survey.records += 1;
        let time = check(mapping, &record)
            .map_err(|reason| unmapped(&args.file, survey.records, reason))?;
        survey.last = survey.last.max(Some(time));
    }
    Ok(survey)
}

fn check(mapping: &Mapping, record: &InputRecord) -> Result<EventTime, String> {
    mapping.event(record, 0).map(|event| event.time)
}

fn unmapped(file: &Path, number: u64, reason: String) -> anyhow::Error {
    anyhow!(reason).context(format!(
        "failed to map record {number} of {}",
        file.display()
    ))
}

fn form(encoding: Encoding) -> Form {
    match encoding {
        Encoding::Json => Form::Json,
        Encoding::Binary => Form::Binary,
        Encoding::Avro => Form::Avro,
    }
}
