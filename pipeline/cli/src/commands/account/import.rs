//! `account import`: many accounts of a file, a batch on its way at once, each answered for.
//!
//! An account whose version in force says the same is not written, so a file can be imported again
//! after any failure. Each names the version that it is made of: one that another admin changed
//! meanwhile is a conflict, listed and left alone.

use super::compare::changes;
use super::patch::Patch;
use super::read::{ID_FIELDS, read_object, read_row};
use super::set::newest;
use super::{change, now, open, today};
use crate::args::account::ImportArgs;
use crate::commands::Session;
use crate::failure::Failure;
use crate::output::{Place, Table, grouped, note};
use anyhow::{Context as _, anyhow};
use meterline_control::{AccountLog, Changed, ControlError, Expected};
use meterline_core::account::{AccountChange, AccountTerms};
use meterline_core::accounts::Version;
use meterline_core::catalog::Catalog;
use meterline_core::control::Decision;
use meterline_core::limits::terms::check_account;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;

/// Largest file: its lines are held until they are written.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Most accounts on their way at once: enough that waiting costs nothing, few enough that a batch
/// ends within a second.
const BATCH: usize = 1_000;

/// One account of the file.
struct Line {
    number: u64,
    id: String,
    patch: Result<Patch, String>,
}

/// What became of one line.
enum Outcome {
    Written(u64),
    Unchanged(u64),
    Fine,
    Refused(String),
    Conflict(String),
}

/// Runs the command.
pub(super) fn run(args: &ImportArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = args.result.file()?;
    let (form, text) = read_file(&args.file)?;
    let (log, decision) = open(session)?;
    let catalog = &decision.compiled.catalog;
    let lines = read_lines(form, &text, catalog)?;
    let mut table = Table::new(&["line", "account", "result", "offset", "detail"]);
    let mut counts = [0u64; 5];
    for batch in lines.chunks(BATCH) {
        let outcomes = take(batch, args, &log, catalog, session)?;
        for (line, outcome) in batch.iter().zip(outcomes) {
            let (place, name, offset, detail) = match outcome {
                Outcome::Written(offset) => (0, "written", Some(offset), String::new()),
                Outcome::Unchanged(offset) => (1, "unchanged", Some(offset), String::new()),
                Outcome::Fine => (2, "fine", None, String::new()),
                Outcome::Refused(reason) => (3, "refused", None, reason),
                Outcome::Conflict(reason) => (4, "conflict", None, reason),
            };
            counts[place] += 1;
            if place != 1 || args.verbose {
                let cells = [
                    json!(line.number),
                    json!(line.id),
                    json!(name),
                    json!(offset),
                ];
                table.push(cells.into_iter().chain([json!(detail)]).collect());
            }
        }
    }
    let text = table.render(args.result.output)?;
    Place::of(file)?.fill(|place| Ok(place.write_all(text.as_bytes())?))?;
    say(counts)
}

fn say(counts: [u64; 5]) -> Result<(), Failure> {
    let [written, unchanged, fine, refused, conflicts] = counts;
    let total: u64 = counts.iter().sum();
    note(&format!(
        "{} accounts: {} written, {} unchanged, {} checked only, {} refused, {} conflicts",
        grouped(total),
        grouped(written),
        grouped(unchanged),
        grouped(fine),
        grouped(refused),
        grouped(conflicts),
    ));
    if refused + conflicts == 0 {
        return Ok(());
    }
    Err(anyhow!("not all accounts are as the file says; mend it and import it again").into())
}

/// Writes a batch, or only checks it.
fn take(
    batch: &[Line],
    args: &ImportArgs,
    log: &AccountLog,
    catalog: &Catalog,
    session: &Session<'_>,
) -> Result<Vec<Outcome>, Failure> {
    let today = today();
    let mut decisions = Vec::new();
    let mut wanted = Vec::new();
    let mut outcomes = Vec::with_capacity(batch.len());
    for line in batch {
        let (known, head) = newest(log, &line.id);
        let patch = line.patch.clone();
        match patch.and_then(|patch| patch.apply(known.as_ref(), &today)) {
            Err(reason) => outcomes.push(Some(Outcome::Refused(reason))),
            Ok(terms) if args.dry_run => {
                let change = change(&line.id, terms, &args.change);
                outcomes.push(Some(judge(change, log, catalog)));
            }
            Ok(terms) => {
                let change = change(&line.id, terms, &args.change);
                wanted.push(change.clone());
                let decision = Decision::Account(Box::new(change));
                decisions.push((decision, Expected::Head(head)));
                outcomes.push(None);
            }
        }
    }
    let author = &args.change.author;
    let author = session.author(author.actor.as_deref(), &author.note);
    let changed = log.change_all(decisions, &author, args.timeout.0);
    let changed = changed.context("the batch may be in force in part: import the file again")?;
    let changed = changed.into_iter().zip(&wanted);
    let mut changed = changed.map(|(changed, wanted)| outcome(changed, wanted, log, catalog));
    let outcomes = outcomes.into_iter().map(|outcome| match outcome {
        Some(outcome) => Ok(outcome),
        None => changed.next().expect("an answer for each change"),
    });
    outcomes.collect()
}

/// What would become of a change that is only checked.
fn judge(change: AccountChange, log: &AccountLog, catalog: &Catalog) -> Outcome {
    let problems = check_account(&change.terms, catalog);
    if !problems.is_empty() {
        return Outcome::Refused(join(&problems));
    }
    let decision = Decision::Account(Box::new(change));
    match log.accounts().check(&decision, now()) {
        Ok(()) => Outcome::Fine,
        Err(refused) => Outcome::Refused(refused.to_string()),
    }
}

fn outcome(
    changed: Result<Changed, ControlError>,
    wanted: &AccountChange,
    log: &AccountLog,
    catalog: &Catalog,
) -> Result<Outcome, Failure> {
    match changed {
        Ok(Changed::InForce(offset)) => Ok(Outcome::Written(offset)),
        Ok(Changed::Unchanged(offset)) => Ok(Outcome::Unchanged(offset)),
        Err(ControlError::Raced { .. }) => {
            let accounts = log.accounts();
            let account = accounts.account(&wanted.account);
            let first = account.expect("whoever was first wrote a version of it");
            let both = both(first.newest(), &wanted.terms, catalog);
            Ok(Outcome::Conflict(both))
        }
        Err(ControlError::RefusedAccount { problems, .. }) => Ok(Outcome::Refused(join(&problems))),
        Err(ControlError::Unfit(refused)) => Ok(Outcome::Refused(refused.to_string())),
        Err(error) => Err(error.into()),
    }
}

/// Who was first, with both versions on one line: the one in force, and the one not written.
fn both(first: &Version, wanted: &AccountTerms, catalog: &Catalog) -> String {
    let side = |terms| changes(None, terms, catalog).join(", ");
    let (actor, offset) = (&first.actor, first.offset);
    let (in_force, yours) = (side(&first.terms), side(wanted));
    format!("{actor} was first; in force (control offset {offset}): {in_force}; yours: {yours}")
}

fn join(problems: &[meterline_core::catalog::Problem]) -> String {
    let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}

/// Form of a file.
#[derive(Clone, Copy)]
enum Form {
    Csv,
    Json,
}

/// Reads a file as a whole; its name tells its form.
fn read_file(path: &Path) -> Result<(Form, String), Failure> {
    let name = path.display();
    let form = match path.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => Form::Csv,
        Some("ndjson" | "jsonl" | "json") => Form::Json,
        _ => {
            return Err(Failure::usage(format!(
                "{name}: the name tells the form: .csv, .ndjson, .jsonl or .json"
            )));
        }
    };
    let length = std::fs::metadata(path).with_context(|| format!("failed to read {name}"))?;
    if length.len() > FILE_BYTES_MAX {
        let most = FILE_BYTES_MAX >> 20;
        return Err(Failure::usage(format!(
            "{name} is larger than {most} MiB: split it"
        )));
    }
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {name}"))?;
    Ok((form, text))
}

/// Reads all accounts of a file; one that cannot be read is refused by itself, and so is an account
/// that the file names again.
fn read_lines(form: Form, text: &str, catalog: &Catalog) -> Result<Vec<Line>, Failure> {
    let mut lines = match form {
        Form::Csv => of_csv(text, catalog)?,
        Form::Json => of_json(text, catalog)?,
    };
    let mut first = HashMap::new();
    for line in &mut lines {
        if let Some(before) = first
            .insert(line.id.clone(), line.number)
            .filter(|_| !line.id.is_empty())
        {
            line.patch = Err(format!("line {before} names the account already"));
        }
    }
    Ok(lines)
}

fn line(number: u64, read: Result<(Option<String>, Patch), String>) -> Line {
    let missing = || format!("`{}` is missing", ID_FIELDS[0]);
    let (id, patch) = match read {
        Ok((Some(id), patch)) if !id.is_empty() => (id, Ok(patch)),
        Ok(_) => (String::new(), Err(missing())),
        Err(reason) => (String::new(), Err(reason)),
    };
    Line { number, id, patch }
}

fn of_csv(text: &str, catalog: &Catalog) -> Result<Vec<Line>, Failure> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let header = reader.headers().context("failed to read the header line")?;
    let header: Vec<String> = header.iter().map(str::to_owned).collect();
    let id_column = header
        .iter()
        .position(|name| ID_FIELDS.contains(&name.as_str()));
    let mut lines = Vec::new();
    for record in reader.records() {
        let record = record.context("failed to read a line")?;
        let number = record.position().map_or(0, csv::Position::line);
        let mut line = line(number, read_row(&header, &record, catalog));
        if line.id.is_empty() {
            let id = id_column.and_then(|column| record.get(column));
            line.id = id.unwrap_or_default().to_owned();
        }
        lines.push(line);
    }
    Ok(lines)
}

fn of_json(text: &str, catalog: &Catalog) -> Result<Vec<Line>, Failure> {
    let read = |number: u64, value: Value| match value {
        Value::Object(object) => {
            let mut line = line(number, read_object(&object, catalog, false));
            let id = ID_FIELDS
                .iter()
                .find_map(|name| object.get(*name)?.as_str());
            line.id = id.unwrap_or_default().to_owned();
            line
        }
        _ => line(number, Err("is no JSON object".to_owned())),
    };
    if text.trim_start().starts_with('[') {
        let values: Vec<Value> = serde_json::from_str(text).context("the file is no JSON array")?;
        return Ok((1..)
            .zip(values)
            .map(|(number, value)| read(number, value))
            .collect());
    }
    let lines = (1..).zip(text.lines());
    let lines = lines.filter(|(_, text)| !text.trim().is_empty());
    let read = lines.map(|(number, text)| match serde_json::from_str(text) {
        Ok(value) => read(number, value),
        Err(error) => line(
            number,
            Err(format!("is no JSON at column {}", error.column())),
        ),
    });
    Ok(read.collect())
}
