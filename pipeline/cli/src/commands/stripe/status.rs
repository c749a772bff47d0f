//! `stripe status`: how far pushes are, from the tables.
//!
//! A window counts as what its newest step in force made of it. What Stripe refuses is parked until
//! somebody mends it; what it would not take at all (too old, too many digits) has no step, and is
//! found among the carries by its source.

use crate::args::Output;
use crate::args::stripe::StatusArgs;
use crate::commands::Session;
use crate::commands::account::now;
use crate::failure::Failure;
use crate::output::{Table, note, print, short_time};
use anyhow::Context as _;
use meterline_clickhouse::{ClickHouse, PushFilter};
use meterline_core::pushes::State;
use meterline_core::time::EventTime;
use meterline_schemas::rows::codes::push_step;
use meterline_schemas::rows::{CarryRow, PushCountRow, PushRow};
use serde_json::{Value, json};

/// Windows that start longer ago than this are left out where no other moment is named: Stripe
/// takes usage of 35 days.
const SHOWN_MILLIS: i64 = 35 * 86_400_000;

/// What the tables say of the windows that are asked for.
#[derive(Debug, Default)]
struct Found {
    counts: Vec<PushCountRow>,
    /// The first windows that Stripe refuses, and whether there are more.
    refused: Cut<PushRow>,
    /// The first carries, the newest of each source, and whether there are more.
    carries: Cut<CarryRow>,
}

/// The beginning of a list.
#[derive(Debug)]
struct Cut<T> {
    rows: Vec<T>,
    has_more: bool,
}

impl<T> Default for Cut<T> {
    fn default() -> Self {
        let (rows, has_more) = (Vec::new(), false);
        Self { rows, has_more }
    }
}

impl<T> Cut<T> {
    /// Of a page that asked for one row more than is shown.
    fn new(mut rows: Vec<T>, most: u32) -> Self {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let has_more = rows.len() > most;
        rows.truncate(most);
        Self { rows, has_more }
    }
}

/// Runs the command.
pub(super) fn run(args: &StatusArgs, session: &Session<'_>) -> Result<(), Failure> {
    if matches!(args.output, Output::Csv | Output::Parquet) {
        return Err(Failure::usage("a status has no rows: use table or json"));
    }
    let since = EventTime((now().0 - SHOWN_MILLIS) * 1_000);
    let tenants: Option<Vec<String>> = args.tenant.clone().map(|tenant| vec![tenant]);
    let filter = PushFilter {
        tenants: tenants.as_deref(),
        meter: args.meter.as_deref(),
        from: Some(args.from.unwrap_or(since)),
        to: args.to,
    };
    let clickhouse = session.clickhouse()?;
    let found = session
        .runtime
        .block_on(read(&clickhouse, &filter, args.limit))?;
    let text = match args.output {
        Output::Json => {
            let json = serde_json::to_string_pretty(&found.as_json());
            json.context("failed to write JSON")? + "\n"
        }
        _ => found.shown()?,
    };
    print(&text)?;
    if found.counts.is_empty() && args.output == Output::Table {
        note(
            "only mapped meters of accounts with a customer are pushed: `catalog show` and \
             `account list` show both",
        );
    }
    Ok(())
}

async fn read(
    clickhouse: &ClickHouse,
    filter: &PushFilter<'_>,
    most: u32,
) -> Result<Found, Failure> {
    let refused = clickhouse
        .pushed_windows(filter, &[State::Refused], None, most + 1)
        .await?;
    let carries = clickhouse.carries(filter, None, most + 1).await?;
    let mut carries = Cut::new(carries, most);
    carries.rows = newest(carries.rows);
    Ok(Found {
        counts: clickhouse.push_counts(filter).await?,
        refused: Cut::new(refused, most),
        carries,
    })
}

/// The last carry of each source; they come by source and position.
fn newest(carries: Vec<CarryRow>) -> Vec<CarryRow> {
    let mut kept: Vec<CarryRow> = Vec::with_capacity(carries.len());
    for carry in carries {
        if kept.last().is_some_and(|last| last.key() == carry.key()) {
            kept.pop();
        }
        kept.push(carry);
    }
    kept
}

impl Found {
    /// The oldest window that no summary has confirmed, and its step.
    fn oldest(&self) -> Option<&PushCountRow> {
        let open = self.counts.iter();
        let open = open.filter(|count| count.step != State::Confirmed);
        open.min_by_key(|count| count.oldest_window)
    }

    fn as_json(&self) -> Value {
        let oldest = self.oldest().map(|oldest| {
            json!({
                "window": short_time(oldest.oldest_window),
                "step": push_step::name(oldest.step),
            })
        });
        json!({
            "windows": counts(&self.counts).objects(),
            "oldest_not_confirmed": oldest,
            "refused": refused(&self.refused.rows).objects(),
            "more_refused": self.refused.has_more,
            "carries": carries(&self.carries.rows).objects(),
            "more_carries": self.carries.has_more,
        })
    }

    fn shown(&self) -> Result<String, Failure> {
        if self.counts.is_empty() && self.carries.rows.is_empty() {
            return Ok("no window was pushed\n".to_owned());
        }
        let oldest = match self.oldest() {
            Some(oldest) => format!(
                "{} ({})",
                short_time(oldest.oldest_window),
                push_step::name(oldest.step)
            ),
            None => "none".to_owned(),
        };
        let windows = counts(&self.counts).render(Output::Table)?;
        let mut text = format!("{windows}\noldest window that is not confirmed: {oldest}\n");
        let parts = [
            (
                refused(&self.refused.rows),
                "refused by Stripe",
                self.refused.has_more,
            ),
            (
                carries(&self.carries.rows),
                "billed with a later window",
                self.carries.has_more,
            ),
        ];
        for (table, title, has_more) in parts {
            if table.is_empty() {
                continue;
            }
            let more = if has_more {
                " (--limit shows more of them)"
            } else {
                ""
            };
            let table = table.render(Output::Table)?;
            text.push_str(&format!("\n{title}{more}\n{table}"));
        }
        Ok(text)
    }
}

fn counts(rows: &[PushCountRow]) -> Table {
    let mut table = Table::new(&["step", "windows", "oldest_window", "since"]);
    for row in rows {
        table.push(vec![
            json!(push_step::name(row.step)),
            json!(row.windows),
            json!(short_time(row.oldest_window)),
            json!(short_time(row.since)),
        ]);
    }
    table
}

fn refused(rows: &[PushRow]) -> Table {
    let mut table = Table::new(&[
        "tenant", "meter", "window", "quantity", "customer", "attempt", "since", "reason",
    ]);
    for row in rows {
        table.push(vec![
            json!(row.tenant),
            json!(row.meter),
            json!(short_time(row.window_start)),
            json!(row.quantity),
            json!(row.customer),
            json!(row.attempt),
            json!(short_time(row.append_time)),
            json!(row.detail),
        ]);
    }
    table
}

fn carries(rows: &[CarryRow]) -> Table {
    let mut table = Table::new(&[
        "tenant",
        "meter",
        "source",
        "wanted",
        "billed",
        "carried",
        "with_window",
        "since",
    ]);
    for row in rows {
        table.push(vec![
            json!(row.tenant),
            json!(row.meter),
            json!(row.source),
            json!(row.wanted),
            json!(row.billed),
            json!(row.quantity),
            json!(short_time(row.window_start)),
            json!(short_time(row.append_time)),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use meterline_core::position::TopicId;
    use meterline_core::quantity::Quantity;
    use meterline_core::time::{Hour, LogTime};

    /// Start of an hour window of 2026-01-01.
    fn window(hour: i32) -> EventTime {
        Hour(490_896 + hour).start()
    }

    fn count(step: State, windows: u64, hour: i32) -> PushCountRow {
        PushCountRow {
            step,
            windows,
            oldest_window: window(hour),
            since: LogTime(1_767_229_200_000),
        }
    }

    fn quantity(text: &str) -> Quantity {
        Quantity::parse(text).expect("a quantity")
    }

    fn refused_row() -> PushRow {
        PushRow {
            tenant: "acme".to_owned(),
            meter: "calls".to_owned(),
            window_start: window(2),
            step: State::Refused,
            customer: "cus_1".to_owned(),
            event_name: "acme_calls".to_owned(),
            quantity: quantity("2.5"),
            stamps: Vec::new(),
            attempt: 3,
            identifier: "ml_1".to_owned(),
            detail: "400 resource_missing: no such customer".to_owned(),
            instance: "stripe-0".to_owned(),
            write_id: 1,
            append_time: LogTime(1_767_229_200_000),
            topic_id: TopicId(1),
            log_partition: 0,
            offset: 7,
        }
    }

    fn carry_row(source: &str, offset: u64) -> CarryRow {
        CarryRow {
            tenant: "acme".to_owned(),
            meter: "calls".to_owned(),
            source: source.to_owned(),
            customer: "cus_1".to_owned(),
            event_name: "acme_calls".to_owned(),
            window_start: window(5),
            quantity: quantity("-1"),
            wanted: quantity("4"),
            billed: quantity("5"),
            stamps: Vec::new(),
            windows: Vec::new(),
            instance: "stripe-0".to_owned(),
            write_id: 1,
            append_time: LogTime(1_767_229_200_000),
            topic_id: TopicId(1),
            log_partition: 0,
            offset,
        }
    }

    #[test]
    fn a_status_says_what_is_open_and_why() {
        let found = Found {
            counts: vec![
                count(State::Received, 2, 3),
                count(State::Refused, 1, 2),
                count(State::Confirmed, 12_000, 0),
            ],
            refused: Cut::new(vec![refused_row(), refused_row()], 1),
            carries: Cut::new(vec![carry_row("in_1", 1)], 1),
        };
        let text = found.shown().expect("renders");
        let expected = "\
STEP       WINDOWS  OLDEST WINDOW         SINCE
received         2  2026-01-01T03:00:00Z  2026-01-01T01:00:00Z
refused          1  2026-01-01T02:00:00Z  2026-01-01T01:00:00Z
confirmed    12000  2026-01-01T00:00:00Z  2026-01-01T01:00:00Z

oldest window that is not confirmed: 2026-01-01T02:00:00Z (refused)

refused by Stripe (--limit shows more of them)
TENANT  METER  WINDOW                QUANTITY  CUSTOMER  ATTEMPT  SINCE                 REASON
acme    calls  2026-01-01T02:00:00Z       2.5  cus_1           3  2026-01-01T01:00:00Z  400 resource_missing: no such customer

billed with a later window
TENANT  METER  SOURCE  WANTED  BILLED  CARRIED  WITH WINDOW           SINCE
acme    calls  in_1         4       5       -1  2026-01-01T05:00:00Z  2026-01-01T01:00:00Z
";
        assert_eq!(text, expected);
        let json = found.as_json();
        assert_eq!(json["oldest_not_confirmed"]["step"], "refused");
        assert_eq!(
            (&json["more_refused"], &json["more_carries"]),
            (&json!(true), &json!(false))
        );
        assert_eq!(json["carries"][0]["carried"], "-1");
    }

    #[test]
    fn where_all_is_confirmed_nothing_is_open() {
        let found = Found {
            counts: vec![count(State::Confirmed, 1, 0)],
            ..Found::default()
        };
        let text = found.shown().expect("renders");
        assert!(
            text.ends_with("\noldest window that is not confirmed: none\n"),
            "{text}"
        );
        assert_eq!(found.as_json()["oldest_not_confirmed"], Value::Null);
        assert_eq!(
            Found::default().shown().expect("renders"),
            "no window was pushed\n"
        );
    }

    #[test]
    fn of_a_source_the_last_carry_counts() {
        let rows = vec![
            carry_row("in_1", 1),
            carry_row("in_1", 4),
            carry_row("in_2", 2),
        ];
        let kept = newest(rows);
        let kept: Vec<_> = kept.iter().map(|row| (&*row.source, row.offset)).collect();
        assert_eq!(kept, [("in_1", 4), ("in_2", 2)]);
    }
}
