//! `limits notifications`: attempts to tell somebody, and asking for more.
//!
//! A replay is a plain record on `usage.alerts`, in the tenant's partition: whichever instance
//! sends it, all see that somebody asked.

use super::super::account::now;
use crate::args::Output;
use crate::args::limits::{AttemptsArgs, NotificationsCommand, ReplayArgs};
use crate::commands::Session;
use crate::failure::Failure;
use crate::output::{Place, Table, grouped, note, print, short_time};
use anyhow::{Context as _, anyhow};
use meterline_clickhouse::{ClickHouse, PAGE_ROWS_MAX};
use meterline_core::alert::{Delivery, DeliveryOutcome};
use meterline_kafka::{Outgoing, Producer};
use meterline_schemas::records::encode_delivery;
use meterline_schemas::rows::DeliveryRow;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write;

/// Most parked notifications that one command asks for again.
const REPLAYED_MAX: usize = 100_000;

/// Runs the command.
pub(super) fn run(command: &NotificationsCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        NotificationsCommand::List(args) => list(args, session),
        NotificationsCommand::Replay(args) => replay(args, session),
    }
}

fn list(args: &AttemptsArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = args.result.file()?;
    let id = args.notification.as_deref().map(parse_id).transpose()?;
    let clickhouse = session.clickhouse()?;
    let tenants: Option<Vec<String>> = args.tenant.clone().map(|tenant| vec![tenant]);
    let rows = match (id, args.parked) {
        (Some(id), _) => {
            let ids = [id];
            let rows = clickhouse.alert_deliveries(tenants.as_deref(), &ids);
            session.runtime.block_on(rows)?
        }
        (None, true) => {
            let parked = parked(&clickhouse, tenants.as_deref(), limit(args));
            session.runtime.block_on(parked)?
        }
        (None, false) => {
            return Err(Failure::usage("say which: --parked, or --notification ID"));
        }
    };
    if rows.is_empty() && args.result.output == Output::Table {
        note("no attempt fits; `limits show TENANT` shows open alerts and their notifications");
        return Ok(());
    }
    let text = table(&rows[..rows.len().min(limit(args))]).render(args.result.output)?;
    Ok(Place::of(file)?.fill(|place| Ok(place.write_all(text.as_bytes())?))?)
}

fn limit(args: &AttemptsArgs) -> usize {
    usize::try_from(args.limit).unwrap_or(usize::MAX)
}

fn table(rows: &[DeliveryRow]) -> Table {
    let mut table = Table::new(&[
        "at",
        "notification",
        "tenant",
        "route",
        "outcome",
        "attempt",
        "instance",
        "detail",
    ]);
    for row in rows {
        table.push(vec![
            json!(short_time(row.at)),
            json!(format!("{:032x}", row.notification)),
            json!(row.tenant),
            json!(row.route),
            json!(row.outcome.name()),
            json!(row.attempt),
            json!(row.instance),
            json!(row.detail),
        ]);
    }
    table
}

/// The newest parked notifications, at most that many.
async fn parked(
    clickhouse: &ClickHouse,
    tenants: Option<&[String]>,
    most: usize,
) -> Result<Vec<DeliveryRow>, Failure> {
    let mut rows: Vec<DeliveryRow> = Vec::new();
    while rows.len() < most {
        let after = rows.last().map(DeliveryRow::place);
        let wanted = u32::try_from(most - rows.len()).unwrap_or(u32::MAX);
        let wanted = wanted.min(PAGE_ROWS_MAX);
        let page = clickhouse.parked_deliveries(tenants, after, wanted).await?;
        let is_last = page.len() < usize::try_from(wanted).unwrap_or(usize::MAX);
        rows.extend(page);
        if is_last {
            break;
        }
    }
    Ok(rows)
}

fn replay(args: &ReplayArgs, session: &Session<'_>) -> Result<(), Failure> {
    let clickhouse = session.clickhouse()?;
    let rows = match &args.notification {
        Some(id) => {
            let ids = [parse_id(id)?];
            session
                .runtime
                .block_on(clickhouse.alert_deliveries(None, &ids))?
        }
        None => {
            let parked = parked(&clickhouse, None, REPLAYED_MAX);
            session.runtime.block_on(parked)?
        }
    };
    let rows = rows.into_iter();
    let rows = rows.filter(|row| args.route.as_ref().is_none_or(|route| *route == row.route));
    // One request per notification and route, after its last attempt.
    let mut last: BTreeMap<(u128, String), DeliveryRow> = BTreeMap::new();
    for row in rows {
        let known = last.entry((row.notification, row.route.clone()));
        let known = known.or_insert_with(|| row.clone());
        if row.attempt > known.attempt {
            *known = row;
        }
    }
    if last.is_empty() {
        let which = match &args.notification {
            Some(id) => format!("no attempt to deliver notification {id} is known"),
            None => "no notification is parked".to_owned(),
        };
        return Err(anyhow!(which).into());
    }
    let author = session.author(args.author.actor.as_deref(), &args.author.note);
    let requests = last.values().map(|row| Delivery {
        notification: row.notification,
        tenant: row.tenant.clone(),
        route: row.route.clone(),
        outcome: DeliveryOutcome::Requested,
        attempt: row.attempt,
        at: now(),
        instance: author.actor.clone(),
        detail: author.note.clone(),
    });
    let requests: Vec<Delivery> = requests.collect();
    publish(&requests, session)?;
    Ok(print(&format!(
        "asked for again: {}; `limits notifications list --notification ID` shows what becomes of it\n",
        grouped(u64::try_from(requests.len()).unwrap_or(u64::MAX))
    ))?)
}

/// Writes requests, each in its tenant's partition.
fn publish(requests: &[Delivery], session: &Session<'_>) -> Result<(), Failure> {
    let kafka = &session.settings.kafka;
    let producer = Producer::connect(kafka)?;
    let topic = kafka.topics().alerts();
    let records: Vec<Vec<u8>> = requests
        .iter()
        .map(|request| {
            let mut bytes = Vec::new();
            encode_delivery(request, &mut bytes);
            bytes
        })
        .collect();
    let outgoing = requests
        .iter()
        .zip(&records)
        .map(|(request, bytes)| Outgoing {
            topic: &topic,
            key: Some(request.tenant.as_bytes()),
            payload: Some(bytes),
            ..Outgoing::default()
        });
    let sent = producer.send_all_blocking(outgoing);
    Ok(sent.context("some of the requests may be written: they may be repeated")?)
}

fn parse_id(text: &str) -> Result<u128, Failure> {
    let id = u128::from_str_radix(text, 16).ok();
    id.filter(|_| text.len() == 32).ok_or_else(|| {
        Failure::usage(format!(
            "`{text}` is no notification: its id has 32 hexadecimal digits"
        ))
    })
}
