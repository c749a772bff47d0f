//! `stripe setup`: meters, products and prices at Stripe, shown first and made with `--apply`.
//!
//! What is to be done is decided by the library; here it is shown. A catalog of a file is only
//! shown: what is made must be of a catalog that is in force.

use super::connect;
use crate::args::Output;
use crate::args::stripe::SetupArgs;
use crate::commands::Session;
use crate::failure::Failure;
use crate::output::{Table, note, print};
use anyhow::anyhow;
use meterline_billing::setup::{Action, Change, Found, Wanted, apply, plan};
use serde_json::json;

/// Runs the command.
pub(super) fn run(args: &SetupArgs, session: &Session<'_>) -> Result<(), Failure> {
    if args.output == Output::Parquet {
        return Err(Failure::usage(
            "there is no parquet of it: use table, json or csv",
        ));
    }
    let stripe = connect(session)?;
    let wanted = Wanted::of(&session.catalog(args.catalog.as_deref())?);
    let changes = if args.apply {
        session.runtime.block_on(apply(&stripe, &wanted))?
    } else {
        let found = session.runtime.block_on(Found::read(&stripe, &wanted))?;
        plan(&wanted, &found)
    };
    if changes.is_empty() {
        note("the catalog maps no meter to Stripe and has no plan with a fee: nothing to set up");
    }
    print(&table(&changes).render(args.output)?)?;
    let refused = count(&changes, &[Action::Refuse]);
    if args.apply && refused > 0 {
        let reason = "cannot be set up; the last column of the table says why, the rest is done";
        return Err(anyhow!("{refused} of {} {reason}", changes.len()).into());
    }
    if args.output == Output::Table && !changes.is_empty() {
        note(&summary(&changes));
    }
    Ok(())
}

fn count(changes: &[Change], actions: &[Action]) -> usize {
    let changes = changes.iter();
    let of_them = changes.filter(|change| actions.contains(&change.action));
    of_them.count()
}

fn summary(changes: &[Change]) -> String {
    let open = count(changes, &[Action::Make, Action::Move]);
    let (done, refused) = (
        count(changes, &[Action::Done]),
        count(changes, &[Action::Refuse]),
    );
    match (open, done, refused) {
        (0, 0, 0) => "nothing to do".to_owned(),
        (0, 0, _) => format!("nothing to do; {refused} cannot be set up"),
        (0, _, _) => format!("{done} done"),
        (_, _, 0) => format!("{open} to do: --apply does it"),
        _ => format!("{open} to do: --apply does it; {refused} cannot be set up"),
    }
}

fn table(changes: &[Change]) -> Table {
    let mut table = Table::new(&["action", "kind", "name", "id", "why"]);
    for change in changes {
        table.push(vec![
            json!(change.action.name()),
            json!(change.kind.name()),
            json!(change.name),
            json!(change.id),
            json!(change.why),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_schemas::catalog_yaml;

    fn changes() -> Vec<Change> {
        let text = "catalog: test\nfold: 1\nmeters:\n  \
                    calls: {unit: call, event_type: a, aggregation: count}\n\
                    currency: USD\nplans:\n  \
                    basic: {reset: month, meters: {calls: {included: 10, price: {amount: 1, per: 3}}}}\n  \
                    large: {base: 9, reset: month, meters: {calls: {price: {amount: 0.5}}}}\n\
                    stripe: {meters: {calls: {event_name: acme_calls}}}\n";
        let catalog = catalog_yaml::read("c.yaml", text);
        let catalog = catalog.unwrap_or_else(|errors| panic!("{errors}"));
        plan(&Wanted::of(&catalog), &Found::default())
    }

    #[test]
    fn what_would_be_done_is_a_row_each_with_its_terms() {
        let changes = changes();
        let text = table(&changes).render(Output::Csv).expect("renders");
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                "action,kind,name,id,why",
                "make,meter,acme_calls,,\"\"\"calls\"\"\"",
                "make,product,meterline_meter_calls,,\"\"\"calls\"\"\"",
                "make,product,meterline_plan_large,,\"\"\"large\"\"\"",
            ]
        );
        assert!(
            lines[4].starts_with("refused,price,meterline:basic:calls,,\"1 usd per 3 is 33.3"),
            "{text}"
        );
        assert_eq!(
            lines[5..],
            [
                "make,price,meterline:large,,900 of the minor unit of usd a month",
                "make,price,meterline:large:calls,,50 of the minor unit of usd each",
            ]
        );
        assert_eq!(
            summary(&changes),
            "5 to do: --apply does it; 1 cannot be set up"
        );
    }

    #[test]
    fn a_second_run_says_that_there_is_nothing_to_do() {
        let mut changes = changes();
        changes.retain(|change| change.action == Action::Make);
        for change in &mut changes {
            change.action = Action::Done;
        }
        assert_eq!(summary(&changes), "5 done");
        for change in &mut changes {
            change.action = Action::Keep;
        }
        assert_eq!(summary(&changes), "nothing to do");
    }
}
