//! `simulate`: publishes made-up usage events that fit a catalog, or that a product's users cause.
//!
//! The load generator of demos, tests and benchmarks. With a fixed `--now` the published bytes
//! follow from the arguments alone.

use crate::args::simulate::SimulateArgs;
use crate::config::Settings;
use crate::failure::Failure;
use crate::load::avro::ConfluentWriter;
use crate::load::broken::Breaker;
use crate::load::event::{Form, Kind, UsageEvent};
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
use like::Likeness;
use meterline_core::catalog::Catalog;
use meterline_core::time::EventTime;

use shapes::Shape;

mod generator;
mod like;
mod shapes;
mod tenants;

/// Duplicates stay this far inside the restamp window, in microseconds.
const RESTAMP_MARGIN: i64 = 1_000_000;

/// Where events come from.
trait EventSource {
    /// The next event, and a shape that some meter has for it.
    fn next(&mut self) -> (Kind, UsageEvent, &Shape);
}

/// Publishes the events; `clock` is the present where `--now` does not say another.
pub(crate) fn run(
    args: &SimulateArgs,
    catalog: &Catalog,
    settings: &Settings,
    clock: EventTime,
    stop: &Stop,
) -> Result<(), Failure> {
    let now = args.now.unwrap_or(clock);
    if catalog.meters.is_empty() {
        return Err(Failure::usage(
            "the catalog has no meters, so no event would fit it",
        ));
    }
    let (mut events, count) = source(args, catalog, now)?;
    let (encoder, forms, fallback) = encoding(args, catalog)?;
    let topic = settings.kafka.topics().usage_events();
    let sender = Sender::connect(&settings.kafka, &topic)?;
    let recording = args.record.as_deref().map(Recording::create).transpose()?;
    let breaker = Breaker::new(catalog.bounds.clone(), sender.partitions(), 0);
    let restamp = i64::from(catalog.restamp_window.0) * 1_000 - RESTAMP_MARGIN;
    let blend = Blend {
        mixing: args.mixing.clone(),
        forms,
        fallback,
        total: count,
        restamp,
    };
    let mut publisher = Publisher::new(sender, encoder, breaker, blend, recording);
    let pace = Pace::start(args.rate);
    let published = publish(events.as_mut(), count, &mut publisher, pace, stop);
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
    events: &mut dyn EventSource,
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
        let (kind, event, shape) = events.next();
        publisher.offer(kind, event, shape)?;
        progress.done(number + 1);
    }
    progress.finish();
    publisher.drain()
}

/// What makes up the events, and how many there are.
fn source(
    args: &SimulateArgs,
    catalog: &Catalog,
    now: EventTime,
) -> Result<(Box<dyn EventSource>, u64), Failure> {
    let Some(product) = args.like else {
        let plan = plan(args, now)?;
        let count = plan.count;
        return Ok((Box::new(Generator::new(plan, catalog)), count));
    };
    let (from, to) = like::span(args, catalog, now)?;
    let id_prefix = id_prefix(args);
    let plan = like::Plan {
        product,
        tenants: args.tenants,
        count: count(args)?,
        from,
        to,
        late: args.late,
        seed: args.mixing.seed,
        id_prefix: &id_prefix,
    };
    let likeness = Likeness::new(&plan, catalog).map_err(Failure::usage)?;
    Ok((Box::new(likeness), plan.count))
}

fn count(args: &SimulateArgs) -> Result<u64, Failure> {
    match (args.count, args.duration, args.rate) {
        (Some(count), _, _) => Ok(count),
        (None, Some(length), Some(rate)) => Ok(rate.records_in(length.micros())),
        _ => Err(Failure::usage("give --count, or --rate and --duration")),
    }
}

fn id_prefix(args: &SimulateArgs) -> String {
    let given = args.id_prefix.clone();
    given.unwrap_or_else(|| format!("sim-{}", args.mixing.seed))
}

/// How many events, and when they happen.
fn plan(args: &SimulateArgs, now: EventTime) -> Result<Plan, Failure> {
    let count = count(args)?;
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
        id_prefix: id_prefix(args),
    })
}

/// How events are encoded: the forms, and the form of what one of them cannot hold.
fn encoding(
    args: &SimulateArgs,
    catalog: &Catalog,
) -> Result<(Encoder, Vec<Form>, Option<Form>), Failure> {
    let writer = catalog
        .schemas
        .iter()
        .find_map(|schema| Some((schema.confluent_id?, &schema.schema)));
    let all = Form::ALL
        .into_iter()
        .filter(|form| *form != Form::Confluent || writer.is_some());
    let mut forms = Vec::new();
    let mut fallback = None;
    for name in &args.encoding {
        match Form::ALL.into_iter().find(|form| form.name() == name) {
            Some(form) => forms.push(form),
            None if name == "all" => {
                forms.extend(all.clone());
                // A writer schema may hold less than an event; the built-in one holds everything.
                fallback = Some(Form::Avro);
            }
            None => {
                return Err(Failure::usage(format!(
                    "there is no record form `{name}`; there are json, binary, avro, confluent, all"
                )));
            }
        }
    }
    if forms.contains(&Form::Confluent) && writer.is_none() {
        return Err(Failure::usage(
            "the catalog has no writer schema with a `confluent_id`, so nothing can be written in the Confluent frame",
        ));
    }
    let writer = writer
        .map(|(id, schema)| ConfluentWriter::new(id, schema))
        .transpose();
    let writer = writer.map_err(|reason| Failure::Failed(anyhow!(reason)))?;
    Ok((Encoder::new(writer), forms, fallback))
}

#[cfg(test)]
#[path = "simulate/tests.rs"]
mod tests;
