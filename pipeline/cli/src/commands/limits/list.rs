//! `limits list`: standings by tenant and meter.

use super::percentage;
use crate::args::Output;
use crate::args::limits::ListArgs;
use crate::commands::Session;
use crate::commands::account::units::Units;
use crate::failure::Failure;
use crate::output::{Place, Table, note, short_time};
use meterline_clickhouse::{ClickHouse, PAGE_ROWS_MAX, StandingFilter};
use meterline_core::catalog::Catalog;
use meterline_core::standing::Standing;
use serde_json::json;
use std::io::Write;

/// Runs the command.
pub(super) fn run(args: &ListArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = args.result.file()?;
    let catalog = session.catalog(None)?;
    let filter = StandingFilter {
        tenant: args.tenant.as_deref(),
        meter: args.meter.as_deref(),
        health: args.health.map(Into::into),
    };
    let clickhouse = session.clickhouse()?;
    let standings = read(&clickhouse, &filter, args.limit);
    let (standings, is_cut) = session.runtime.block_on(standings)?;
    if standings.is_empty() && args.result.output == Output::Table {
        note("no standing fits; `meterline status` shows how far usage is read");
        return Ok(());
    }
    let text = table(&standings, &catalog).render(args.result.output)?;
    Place::of(file)?.fill(|place| Ok(place.write_all(text.as_bytes())?))?;
    if is_cut {
        note(&format!(
            "there are more than {}: --limit shows more of them",
            args.limit
        ));
    }
    Ok(())
}

/// The first standings that fit, and whether there are more.
async fn read(
    clickhouse: &ClickHouse,
    filter: &StandingFilter<'_>,
    most: u32,
) -> Result<(Vec<Standing>, bool), Failure> {
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let mut standings: Vec<Standing> = Vec::new();
    while standings.len() <= most {
        let last = standings.last();
        let after = last.map(|last| (last.tenant.as_str(), last.meter.as_str()));
        // One more than is shown says whether there are more.
        let wanted = u32::try_from(most + 1 - standings.len()).unwrap_or(u32::MAX);
        let wanted = wanted.min(PAGE_ROWS_MAX);
        let rows = clickhouse.standing_page(filter, after, wanted).await?;
        let is_last = rows.len() < usize::try_from(wanted).unwrap_or(usize::MAX);
        standings.extend(rows.into_iter().map(Standing::from));
        if is_last {
            break;
        }
    }
    let is_cut = standings.len() > most;
    standings.truncate(most);
    Ok((standings, is_cut))
}

/// Quantities are exact, in the meter's base unit.
pub(super) fn table(standings: &[Standing], catalog: &Catalog) -> Table {
    let mut table = Table::new(&[
        "tenant",
        "meter",
        "used",
        "included",
        "limit",
        "unit",
        "percentage",
        "health",
        "cap",
        "crossed_at",
        "period_start",
        "period_end",
        "plan",
    ]);
    for standing in standings {
        let basis = standing.limit.or(standing.included);
        table.push(vec![
            json!(standing.tenant),
            json!(standing.meter),
            json!(standing.used),
            json!(standing.included),
            json!(standing.limit),
            json!(Units::of(catalog, &standing.meter).base()),
            json!(percentage(standing.used, basis)),
            json!(standing.health.name()),
            json!(standing.cap),
            json!(standing.crossed_at.map(short_time)),
            json!(short_time(standing.period_start)),
            json!(short_time(standing.period_end)),
            json!(standing.plan),
        ]);
    }
    table
}
