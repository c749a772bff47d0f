//! `stripe reconcile`: a month's buckets, ledger and summaries at Stripe side by side.
//!
//! The comparison is [`meterline_billing::reconcile`]'s; here it is begun, told of and ended. Exit
//! code 1 where anything differs.

use crate::args::Output;
use crate::args::stripe::ReconcileArgs;
use crate::commands::Session;
use crate::commands::account::{now, open};
use crate::failure::Failure;
use crate::output::{Table, grouped, note, print, short_time};
use crate::stop::Stop;
use anyhow::{Context as _, anyhow};
use meterline_billing::reconcile::{Billed, ReconcileSettings, Reconciled, Reconciler, Scope};
use meterline_billing::stripe::Pace;
use meterline_core::quantity::Quantity;
use meterline_schemas::rows::{DifferenceCountRow, DifferenceRow, ReconciliationRow};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::Arc;

/// What a run came to.
struct Found {
    period: String,
    run: ReconciliationRow,
    counts: Vec<DifferenceCountRow>,
    shown: Vec<DifferenceRow>,
}

/// Runs the command.
pub(super) fn run(args: &ReconcileArgs, session: &Session<'_>) -> Result<(), Failure> {
    if matches!(args.output, Output::Csv | Output::Parquet) {
        return Err(Failure::usage(
            "a reconciliation has no rows: use table or json; the table \
             `stripe_differences_open` has every difference",
        ));
    }
    check_key(session)?;
    let hours = args.period.hours();
    if hours.start.start() > super::super::clock() {
        return Err(Failure::usage(format!("{} has not begun", args.period)));
    }
    let scope = Scope {
        period: hours,
        tenant: args.tenant.clone(),
        meter: args.meter.clone(),
        since: None,
    };
    let reconciler = reconciler(args, session)?;
    let stop = session.stop()?;
    let found = session
        .runtime
        .block_on(reconcile(&reconciler, &scope, args, &stop))?;
    let text = match args.output {
        Output::Json => {
            let json = serde_json::to_string_pretty(&found.as_json());
            json.context("failed to write JSON")? + "\n"
        }
        _ => found.shown()?,
    };
    print(&text)?;
    match found.differences() {
        0 => Ok(()),
        count => Err(Failure::Failed(anyhow!("{count} differences"))),
    }
}

/// Refuses to begin without a key.
pub(super) fn check_key(session: &Session<'_>) -> Result<(), Failure> {
    if session.settings.stripe.api_key.expose().is_empty() {
        return Err(Failure::usage(
            "stripe.api_key is not set: without a key Stripe shows nothing",
        ));
    }
    Ok(())
}

/// Who is billed for what, by the catalog and the accounts in force.
pub(super) fn billed(session: &Session<'_>) -> Result<Billed, Failure> {
    let (log, catalog) = open(session)?;
    let stripe = &catalog.compiled.catalog.stripe;
    let meters = stripe.meters.iter();
    let meters = meters.map(|(meter, at_stripe)| (meter.clone(), at_stripe.event_name.clone()));
    let accounts = log.accounts();
    let now = now();
    let customers = accounts.accounts().filter_map(|(tenant, _)| {
        let customer = accounts.stripe_customer(tenant, now)?;
        Some((tenant.to_owned(), customer.to_owned()))
    });
    Ok(Billed {
        meters: meters.collect(),
        customers: customers.collect(),
    })
}

fn reconciler(args: &ReconcileArgs, session: &Session<'_>) -> Result<Arc<Reconciler>, Failure> {
    let billed = billed(session)?;
    if let Some(meter) = args.meter.as_ref()
        && !billed.meters.contains_key(meter)
    {
        let known: Vec<&str> = billed.meters.keys().map(String::as_str).collect();
        return Err(Failure::usage(format!(
            "meter `{meter}` is not pushed to Stripe; the catalog's section `stripe` has: {}",
            known.join(", ")
        )));
    }
    let settings = ReconcileSettings {
        in_work: args.in_work.0,
        shadow: session.settings.stripe.shadow,
        ..ReconcileSettings::default()
    };
    let stage = &session.settings.stripe;
    let pace = Pace::new(stage.requests_per_second);
    let clickhouse = session.clickhouse()?;
    Ok(Reconciler::new(clickhouse, stage, pace, billed, settings)?)
}

async fn reconcile(
    reconciler: &Arc<Reconciler>,
    scope: &Scope,
    args: &ReconcileArgs,
    stop: &Stop,
) -> Result<Found, Failure> {
    let watch = |run: &ReconciliationRow| {
        note(&format!(
            "{} tenants' meters compared, up to {} of {}; {} differing windows",
            grouped(run.pairs),
            run.after_meter,
            run.after_tenant,
            grouped(run.found)
        ));
        if stop.is_requested() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    };
    let run = match reconciler.run(scope, args.restart, watch).await? {
        Reconciled::Finished(run) => run,
        Reconciled::Stopped(_) => {
            return Err(Failure::Failed(anyhow!(
                "stopped; the same command goes on where this was"
            )));
        }
    };
    Ok(Found {
        period: args.period.to_string(),
        run,
        counts: reconciler.counts(scope).await?,
        shown: reconciler.differences(scope, args.limit).await?,
    })
}

impl Found {
    fn differences(&self) -> u64 {
        self.counts.iter().map(|count| count.differences).sum()
    }

    fn as_json(&self) -> Value {
        let counts = self.counts.iter();
        let counts = counts.map(|count| (count.kind.name().to_owned(), json!(count.differences)));
        json!({
            "period": self.period,
            "scope": self.run.scope,
            "started_at": short_time(self.run.started_at),
            "finished_at": short_time(self.run.updated_at),
            "tenant_meters": self.run.pairs,
            "windows": self.run.windows,
            "in_work": self.run.in_work,
            "summaries_read": self.run.readings,
            "invoice_lines": self.run.invoice_lines,
            "differences": self.differences(),
            "differences_by_kind": counts.collect::<serde_json::Map<_, _>>(),
            "first_differences": differences(&self.shown).objects(),
        })
    }

    fn shown(&self) -> Result<String, Failure> {
        let run = &self.run;
        let mut text = format!(
            "{}: {} windows of {} tenants' meters compared, {} left out as in work; summaries of \
             {} customers' meters read; {} lines of final invoices compared\n",
            self.period,
            grouped(run.windows),
            grouped(run.pairs),
            grouped(run.in_work),
            grouped(run.readings),
            grouped(run.invoice_lines)
        );
        if !self.counts.is_empty() {
            let counts = counts(&self.counts).render(Output::Table)?;
            let shown = differences(&self.shown).render(Output::Table)?;
            text.push_str(&format!("\n{counts}\n{shown}"));
            let rows: u64 = self.shown.iter().map(|row| row.windows).sum();
            if rows < self.differences() {
                text.push_str("(--limit shows more, `stripe_differences_open` has all)\n");
            }
            text.push('\n');
        }
        text.push_str(&format!("differences: {}\n", self.differences()));
        Ok(text)
    }
}

fn counts(rows: &[DifferenceCountRow]) -> Table {
    let mut table = Table::new(&["kind", "differences", "since"]);
    for row in rows {
        table.push(vec![
            json!(row.kind.name()),
            json!(row.differences),
            json!(short_time(row.since)),
        ]);
    }
    table
}

fn differences(rows: &[DifferenceRow]) -> Table {
    let mut table = Table::new(&[
        "kind", "tenant", "meter", "window", "subject", "bucket", "ledger", "stripe", "billed",
        "since", "reason",
    ]);
    let side = |quantity: Option<Quantity>| json!(quantity.map(|quantity| quantity.to_string()));
    for row in rows {
        table.push(vec![
            json!(row.kind.name()),
            json!(row.tenant),
            json!(row.meter),
            json!(short_time(row.window_start)),
            json!(row.subject),
            side(row.bucket),
            side(row.ledger),
            side(row.stripe),
            side(row.billed),
            json!(short_time(row.first_seen)),
            json!(row.reason),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::time::{Hour, LogTime};
    use meterline_schemas::rows::DifferenceKind;

    fn found(differences: u64) -> Found {
        let window = Hour(490_896).start();
        let quantity = |text| Quantity::parse(text).ok();
        let since = LogTime(1_767_229_200_000);
        let count = DifferenceCountRow {
            kind: DifferenceKind::StripeDiffers,
            differences,
            since,
        };
        let row = DifferenceRow {
            tenant: "acme".to_owned(),
            meter: "calls".to_owned(),
            window_start: window,
            kind: DifferenceKind::StripeDiffers,
            subject: "cus_1".to_owned(),
            window_end: window,
            windows: 1,
            reason: "somebody else pushes, too".to_owned(),
            bucket: quantity("2.5"),
            ledger: quantity("2.5"),
            stripe: quantity("3"),
            billed: None,
            first_seen: since,
            last_seen: since,
            is_open: true,
            run: 1,
            judged_at: since,
        };
        let counts = [count].into_iter().filter(|count| count.differences > 0);
        let rows = usize::from(differences > 0);
        Found {
            period: "2026-01".to_owned(),
            run: ReconciliationRow {
                run: 1,
                period_start: window,
                period_end: window,
                scope: "all".to_owned(),
                started_at: since,
                updated_at: since,
                is_finished: true,
                after_tenant: "acme".to_owned(),
                after_meter: "calls".to_owned(),
                slices: 2,
                pairs: 1_200,
                windows: 892_800,
                in_work: 7,
                readings: 1_200,
                invoice_lines: 2,
                found: differences,
            },
            counts: counts.collect(),
            shown: std::iter::repeat_n(row, rows).collect(),
        }
    }

    #[test]
    fn the_last_line_counts_the_differences() {
        let head = "2026-01: 892,800 windows of 1,200 tenants' meters compared, 7 left out as in \
                    work; summaries of 1,200 customers' meters read; 2 lines of final invoices compared\n";
        let text = found(0).shown().expect("renders");
        assert_eq!(text, format!("{head}differences: 0\n"));
        let text = found(3).shown().expect("renders");
        let expected = "
KIND            DIFFERENCES  SINCE
stripe_differs            3  2026-01-01T01:00:00Z

KIND            TENANT  METER  WINDOW                SUBJECT  BUCKET  LEDGER  STRIPE  BILLED  SINCE                 REASON
stripe_differs  acme    calls  2026-01-01T00:00:00Z  cus_1       2.5     2.5       3       -  2026-01-01T01:00:00Z  somebody else pushes, too
(--limit shows more, `stripe_differences_open` has all)

differences: 3
";
        assert_eq!(text, format!("{head}{expected}"));
    }

    #[test]
    fn json_has_the_sides_of_each_difference_as_text() {
        let json = found(3).as_json();
        assert_eq!(json["differences"], 3);
        assert_eq!(json["differences_by_kind"]["stripe_differs"], 3);
        assert_eq!(json["first_differences"][0]["stripe"], "3");
        assert_eq!(json["first_differences"][0]["billed"], Value::Null);
        assert_eq!(found(0).as_json()["first_differences"], json!([]));
    }
}
