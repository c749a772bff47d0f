//! `limits show`: one tenant's standings and open alerts.

use super::{list, open};
use crate::args::Output;
use crate::args::limits::ShowArgs;
use crate::commands::Session;
use crate::commands::account::now;
use crate::failure::Failure;
use crate::output::{Table, print, short_time};
use anyhow::{Context as _, anyhow};
use meterline_clickhouse::{OpenAlertFilter, PAGE_ROWS_MAX};
use meterline_core::limits::TermsSource;
use meterline_core::standing::Standing;
use meterline_schemas::rows::OpenAlertRow;
use serde_json::json;

/// Runs the command.
pub(super) fn run(args: &ShowArgs, session: &Session<'_>) -> Result<(), Failure> {
    let (log, decision) = open(session)?;
    let catalog = &decision.compiled.catalog;
    let clickhouse = session.clickhouse()?;
    let standings = clickhouse.standings_of(&args.tenant);
    let standings: Vec<Standing> = session.runtime.block_on(standings)?;
    let tenants = [args.tenant.clone()];
    let filter = OpenAlertFilter {
        tenants: Some(&tenants),
        ..OpenAlertFilter::default()
    };
    let alerts = clickhouse.open_alerts(&filter, None, PAGE_ROWS_MAX);
    let alerts = alerts_table(&session.runtime.block_on(alerts)?);
    let accounts = log.accounts();
    let account = accounts.account(&args.tenant);
    if account.is_none() && standings.is_empty() {
        let near = accounts.nearest_account(&args.tenant);
        let hint = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        let tenant = &args.tenant;
        return Err(anyhow!("tenant `{tenant}` has no account and no standing{hint}").into());
    }
    let source = TermsSource::new(&catalog.plans, account, now());
    let worst = standings.iter().map(|standing| standing.health).max();
    let worst = worst.unwrap_or_default().name();
    let table = list::table(&standings, catalog);
    let text = match args.output {
        Output::Json => {
            let json = json!({
                "tenant": args.tenant,
                "plan": source.plan(),
                "status": source.status(),
                "health": worst,
                "standings": table.objects(),
                "open_alerts": alerts.objects(),
            });
            serde_json::to_string_pretty(&json).context("failed to write JSON")? + "\n"
        }
        Output::Table => {
            let plan = Some(source.plan()).filter(|plan| !plan.is_empty());
            let whose = if account.is_some() {
                ""
            } else {
                " (there is no account)"
            };
            let opened = if alerts.is_empty() {
                "no alert is open\n".to_owned()
            } else {
                format!("open alerts\n{}", alerts.render(Output::Table)?)
            };
            format!(
                "tenant   {}\nplan     {}{whose}\nhealth   {worst}\n\n{}\n{opened}",
                args.tenant,
                plan.unwrap_or("none"),
                table.render(Output::Table)?,
            )
        }
        form => table.render(form)?,
    };
    Ok(print(&text)?)
}

/// Open alerts, by meter, period and threshold.
pub(super) fn alerts_table(alerts: &[OpenAlertRow]) -> Table {
    let mut table = Table::new(&[
        "meter",
        "threshold",
        "severity",
        "since",
        "used",
        "limit",
        "period_start",
        "episode",
        "notification",
    ]);
    for alert in alerts {
        table.push(vec![
            json!(alert.meter),
            json!(format!("{}%", alert.threshold)),
            json!(alert.severity.name()),
            json!(short_time(alert.append_time)),
            json!(alert.used),
            json!(alert.limit),
            json!(short_time(alert.period_start)),
            json!(alert.episode),
            json!(format!("{:032x}", alert.notification)),
        ]);
    }
    table
}
