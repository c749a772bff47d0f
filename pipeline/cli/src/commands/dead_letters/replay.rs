//! `dead-letters replay`: asks where there are many, says what became of each letter.

use super::super::Session;
use crate::args::Output;
use crate::args::dead_letters::ReplayArgs;
use crate::failure::Failure;
use crate::output::{Table, grouped, note, print};
use anyhow::{Context, anyhow};
use meterline_clickhouse::DeadLetterFilter;
use meterline_core::position::LogPartition;
use meterline_replay::{LetterId, Outcome, Places, Refusal, Replayer, Request, Tally};
use meterline_schemas::rows::DeadLetterRow;
use serde_json::{Value, json};
use std::io::{BufRead, IsTerminal, Write};

/// More letters than this are replayed only with `--yes`, or when a person agrees.
const ASK_ABOVE: u64 = 100;

/// Connects the library to what the settings name.
pub(super) fn replayer(session: &Session<'_>) -> Result<Replayer, Failure> {
    Ok(Replayer::connect(Places {
        kafka: session.settings.kafka.clone(),
        clickhouse: session.clickhouse()?,
        control: session.control()?,
        runtime: session.runtime.handle().clone(),
    })?)
}

/// Runs the command.
pub(super) fn run(args: &ReplayArgs, session: &Session<'_>) -> Result<(), Failure> {
    let filter = filter(args)?;
    if !args.dry_run && !args.yes {
        agree(&filter, args.limit, session)?;
    }
    let mut replayer = replayer(session)?;
    let author = session.author(args.actor.as_deref(), &args.note);
    let request = Request {
        filter,
        limit: args.limit.into(),
        author: &author,
        dry_run: args.dry_run,
    };
    let stop = session.stop()?;
    let mut table = Table::new(&[
        "letter",
        "reason",
        "tenant",
        "outcome",
        "to_partition",
        "to_offset",
        "copy",
        "detail",
    ]);
    let done = replayer.run(
        &request,
        || stop.is_requested(),
        |letter, outcome| table.push(row(letter, outcome, args.dry_run)),
    );
    if !table.is_empty() || args.output != Output::Table {
        print(&table.render(args.output)?)?;
    }
    let tally = done?;
    if let Some(letter) = args.letter {
        one(letter, &tally, &replayer, session)?;
    }
    note(&summary(&tally, args.dry_run));
    Ok(())
}

/// The filter that the arguments mean; without any, `--all` must say so.
fn filter(args: &ReplayArgs) -> Result<DeadLetterFilter<'_>, Failure> {
    let mut filter = args.which.filter();
    if let Some(LetterId {
        log_partition,
        offset,
    }) = args.letter
    {
        filter.topic_id = Some(log_partition.topic_id);
        filter.partition = Some(log_partition.partition);
        filter.offset = Some(offset);
    }
    if filter.is_all() && !args.all {
        return Err(Failure::usage(
            "say which letters: one by its name, by --reason, --tenant, --topic-id, --partition, \
             --since, --until, or --all",
        ));
    }
    Ok(filter)
}

/// Asks where there are many letters.
fn agree(filter: &DeadLetterFilter<'_>, limit: u32, session: &Session<'_>) -> Result<(), Failure> {
    let clickhouse = session.clickhouse()?;
    let unreplayed = DeadLetterFilter {
        replayed: Some(false),
        purged: Some(false),
        ..*filter
    };
    let count = session
        .runtime
        .block_on(clickhouse.dead_letter_count(&unreplayed))?
        .min(limit.into());
    if count <= ASK_ABOVE {
        return Ok(());
    }
    let count = grouped(count);
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{count} dead letters would be replayed; give --yes, or --dry-run to see them"
        )));
    }
    let mut terminal = std::io::stderr().lock();
    let asked = write!(terminal, "replay {count} dead letters? [y/N] ");
    asked
        .and_then(|()| terminal.flush())
        .context("failed to ask on the terminal")?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .context("failed to read the answer")?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err(Failure::Failed(anyhow!("nothing was replayed")))
    }
}

fn row(letter: &DeadLetterRow, outcome: &Outcome, dry_run: bool) -> Vec<Value> {
    let id = LetterId {
        log_partition: LogPartition {
            topic_id: letter.topic_id,
            partition: letter.log_partition,
        },
        offset: letter.offset,
    };
    let mut row = vec![
        json!(id.to_string()),
        json!(letter.reason),
        json!(letter.tenant),
    ];
    row.extend(match outcome {
        Outcome::Replayed {
            to,
            to_offset,
            copy,
        } => {
            let done = if dry_run { "would_replay" } else { "replayed" };
            [
                json!(done),
                json!(to.partition),
                json!(to_offset),
                json!(copy.name()),
                Value::Null,
            ]
        }
        Outcome::Refused(refusal) => {
            let why = json!(refusal.to_string());
            [
                json!(refusal.name()),
                Value::Null,
                Value::Null,
                Value::Null,
                why,
            ]
        }
    });
    row
}

/// Says of a letter that was named and not met: replayed before, purged, or not there.
fn one(
    letter: LetterId,
    tally: &Tally,
    replayer: &Replayer,
    session: &Session<'_>,
) -> Result<(), Failure> {
    if tally.replayed + tally.refused > 0 {
        return Ok(());
    }
    let Some(replay) = replayer.replay_of(letter)? else {
        let clickhouse = session.clickhouse()?;
        let purge = clickhouse.purge_of(letter.log_partition, letter.offset);
        let purge = session.runtime.block_on(purge)?;
        let purge = purge.ok_or_else(|| anyhow!("there is no dead letter {letter}"))?;
        let refusal = Refusal::Purged {
            by: purge.purged_by,
            note: purge.purge_note,
        };
        return Err(Failure::Failed(anyhow!("{letter}: {refusal}")));
    };
    let to = LetterId {
        log_partition: LogPartition {
            topic_id: replay.to_topic_id,
            partition: replay.to_partition,
        },
        offset: replay.to_offset,
    };
    note(&format!("{letter}: {}", Refusal::Already { to }));
    Ok(())
}

fn summary(tally: &Tally, dry_run: bool) -> String {
    let Tally {
        replayed,
        refused,
        already,
        purged,
    } = *tally;
    let done = if dry_run { "would be " } else { "" };
    let mut text = format!("{} {done}replayed", grouped(replayed));
    if refused > 0 {
        text.push_str(&format!(", {} cannot be", grouped(refused)));
    }
    if already > 0 {
        text.push_str(&format!(", {} were replayed before", grouped(already)));
    }
    if purged > 0 {
        text.push_str(&format!(", {} were purged", grouped(purged)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_leaves_out_what_did_not_occur() {
        let tally = |replayed, refused, already, purged| Tally {
            replayed,
            refused,
            already,
            purged,
        };
        for (tally, dry_run, text) in [
            (tally(0, 0, 0, 0), false, "0 replayed"),
            (tally(1_200, 0, 0, 0), true, "1,200 would be replayed"),
            (
                tally(1, 2, 3, 4),
                false,
                "1 replayed, 2 cannot be, 3 were replayed before, 4 were purged",
            ),
        ] {
            assert_eq!(summary(&tally, dry_run), text);
        }
    }
}
