//! `simulate`: publishes made-up usage events that fit a catalog.
//!
//! The load generator of demos, tests and benchmarks. With a fixed `--now` the published bytes
//! follow from the arguments alone.

use crate::args::simulate::SimulateArgs;
use crate::config::Settings;
use crate::failure::Failure;
use crate::load::avro::ConfluentWriter;
use crate::load::broken::Breaker;
use crate::load::event::Form;
use crate::load::forms::Encoder;
use crate::load::pace::Pace;
use crate::load::publisher::{Blend, Publisher};
use crate::load::recording::Recording;
use crate::load::sender::{Sender, Sink};
use crate::load::summary::conclude;
use crate::progress::Progress;
use crate::stop::Stop;
use anyhow::{Result, anyhow};
use generator::{Generator, Plan};
use meterline_core::catalog::Catalog;
use meterline_core::time::EventTime;

mod generator;
mod shapes;

/// Duplicates stay this far inside the restamp window, in microseconds.
const RESTAMP_MARGIN: i64 = 1_000_000;

/// Publishes the events; `clock` is the present where `--now` does not say another.
pub(crate) fn run(
    args: &SimulateArgs,
    catalog: &Catalog,
    settings: &Settings,
    clock: EventTime,
    stop: &Stop,
) -> Result<(), Failure> {
    let plan = plan(args, args.now.unwrap_or(clock))?;
    if catalog.meters.is_empty() {
        return Err(Failure::usage(
            "the catalog has no meters, so no event would fit it",
        ));
    }
    let (encoder, forms) = encoding(args, catalog)?;
    let topic = settings.kafka.topics().usage_events();
    let sender = Sender::connect(&settings.kafka, &topic)?;
    let recording = args.record.as_deref().map(Recording::create).transpose()?;
    let breaker = Breaker::new(catalog.bounds.clone(), sender.partitions(), 0);
    let restamp = i64::from(catalog.restamp_window.0) * 1_000 - RESTAMP_MARGIN;
    let blend = Blend {
        mixing: args.mixing.clone(),
        forms,
        total: plan.count,
        restamp,
    };
    let mut publisher = Publisher::new(sender, encoder, breaker, blend, recording);
    let pace = Pace::start(args.rate);
    let count = plan.count;
    let generator = Generator::new(plan, catalog);
    let published = publish(generator, count, &mut publisher, pace, stop);
    conclude(
        publisher,
        published,
        &topic,
        &pace,
        args.record.as_deref(),
        stop,
    )
}

fn publish<S: Sink>(
    mut generator: Generator,
    count: u64,
    publisher: &mut Publisher<S>,
    pace: Pace,
    stop: &Stop,
) -> Result<()> {
    let mut progress = Progress::start("events", count);
    for number in 0..count {
        pace.wait(number, &mut publisher.sink, stop);
        if stop.is_requested() {
            break;
        }
        let (kind, event, shape) = generator.next();
        publisher.offer(kind, event, shape)?;
        progress.done(number + 1);
    }
    progress.finish();
    publisher.drain()
}

/// How many events, and when they happen.
fn plan(args: &SimulateArgs, now: EventTime) -> Result<Plan, Failure> {
    let count = match (args.count, args.duration, args.rate) {
        (Some(count), _, _) => count,
        (None, Some(length), Some(rate)) => rate.records_in(length.micros()),
        _ => return Err(Failure::usage("give --count, or --rate and --duration")),
    };
    let hour = 3_600_000_000;
    let (from, to) = match (args.span, args.rate) {
        (Some(span), _) => (span.from.resolve(now), span.to.resolve(now)),
        // The time of sending: the span that the run itself takes.
        (None, Some(rate)) => (now, EventTime(now.0.saturating_add(rate.due_micros(count)))),
        (None, None) => (EventTime(now.0 - hour), now),
    };
    if from >= to {
        return Err(Failure::usage(format!(
            "--span begins at {from} and ends at {to}: it must begin before it ends"
        )));
    }
    Ok(Plan {
        tenants: args.tenants,
        count,
        from,
        to,
        now,
        late: args.late,
        seed: args.mixing.seed,
        id_prefix: args
            .id_prefix
            .clone()
            .unwrap_or_else(|| format!("sim-{}", args.mixing.seed)),
    })
}

fn encoding(args: &SimulateArgs, catalog: &Catalog) -> Result<(Encoder, Vec<Form>), Failure> {
    let mut forms = Vec::new();
    for name in &args.encoding {
        match Form::ALL.into_iter().find(|form| form.name() == name) {
            Some(form) => forms.push(form),
            None if name == "all" => forms.extend(Form::ALL),
            None => {
                return Err(Failure::usage(format!(
                    "there is no record form `{name}`; there are json, binary, avro, confluent, all"
                )));
            }
        }
    }
    let writer = catalog
        .schemas
        .iter()
        .find_map(|schema| Some((schema.confluent_id?, &schema.schema)));
    if forms.contains(&Form::Confluent) && writer.is_none() {
        return Err(Failure::usage(
            "the catalog has no writer schema with a `confluent_id`, so nothing can be written in the Confluent frame",
        ));
    }
    let writer = writer
        .map(|(id, schema)| ConfluentWriter::new(id, schema))
        .transpose();
    Ok((
        Encoder::new(writer.map_err(|reason| Failure::Failed(anyhow!(reason)))?),
        forms,
    ))
}

#[cfg(test)]
#[path = "simulate/tests.rs"]
mod tests;
