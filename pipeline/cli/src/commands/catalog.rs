//! `catalog check`, `catalog apply`, `catalog show` and `catalog schema`.

use super::{KAFKA_TIMEOUT, Session};
use crate::args::{ApplyArgs, CatalogCommand, Output, ShowArgs};
use crate::failure::Failure;
use crate::output::{Table, length, note, print, short_time};
use anyhow::{Context, anyhow};
use meterline_control::{CatalogApplied, ControlError};
use meterline_core::catalog::{Catalog, Meter, Problem, succeeds};
use meterline_core::control::{CatalogDecision, View};
use meterline_schemas::catalog_yaml;
use serde_json::json;
use std::path::Path;

mod plans;
mod schema;
mod stripe;

/// A catalog and the text it was read from.
pub(crate) struct CatalogFile {
    /// The file's name, as it was given.
    pub name: String,
    /// What it says.
    pub text: String,
    /// The catalog.
    pub catalog: Catalog,
}

/// Runs the command.
pub(crate) fn run(command: &CatalogCommand, session: &Session<'_>) -> Result<(), Failure> {
    match command {
        CatalogCommand::Check { file, in_force } => check(file, *in_force, session),
        CatalogCommand::Apply(args) => apply(args, session),
        CatalogCommand::Show(args) => show(args, session),
        CatalogCommand::Schema(command) => schema::run(command, session),
    }
}

/// Reads and validates a catalog file.
pub(crate) fn read_file(path: &Path) -> Result<CatalogFile, Failure> {
    let name = path.display().to_string();
    let text =
        std::fs::read_to_string(path).with_context(|| format!("failed to read catalog {name}"))?;
    let catalog = catalog_yaml::read(&name, &text).map_err(refused)?;
    Ok(CatalogFile {
        name,
        text,
        catalog,
    })
}

fn refused(errors: catalog_yaml::CatalogErrors) -> Failure {
    Failure::Failed(anyhow!("the catalog is refused:\n{errors}"))
}

fn check(path: &Path, in_force: bool, session: &Session<'_>) -> Result<(), Failure> {
    let file = read_file(path)?;
    if in_force {
        let view = session.control()?.read_to_end(KAFKA_TIMEOUT)?;
        let problems = succeeds(
            &file.catalog,
            view.catalogs().iter().map(|c| &c.compiled.catalog),
        );
        if !problems.is_empty() {
            return Err(refused(catalog_yaml::locate(
                &file.name, &file.text, problems,
            )));
        }
    }
    let meters = file.catalog.meters.len();
    let hint = if in_force {
        ""
    } else {
        "; `--in-force` also checks it against the versions in force"
    };
    Ok(print(&format!(
        "{}: ok, catalog {} with {meters} meters{hint}\n",
        file.name, file.catalog.name
    ))?)
}

fn apply(args: &ApplyArgs, session: &Session<'_>) -> Result<(), Failure> {
    let file = read_file(&args.file)?;
    let author = session.author(args.actor.as_deref(), &args.note);
    let control = session.control()?;
    let timeout = args.timeout.0;
    let written = file.catalog.schemas.len();
    let applied = if args.drop_schemas {
        control.replace_catalog(file.catalog, &file.text, &author, timeout)
    } else {
        control.apply_catalog(file.catalog, &file.text, &author, timeout)
    };
    let applied = match applied {
        Err(ControlError::Refused(problems)) => {
            return Err(refused(catalog_yaml::locate(
                &file.name, &file.text, problems,
            )));
        }
        result => result?,
    };
    say_applied(&applied)?;
    let decision = applied.decision();
    let kept = decision.compiled.catalog.schemas.len() - written;
    if kept > 0 {
        note(&format!(
            "{kept} writer schemas that {} lacks are taken over from the version before; \
             `catalog schema list` lists them, --drop-schemas drops them",
            file.name
        ));
    }
    if args.wait {
        let version = decision.version;
        let partitions = control.place(decision, timeout)?;
        print(&format!(
            "catalog version {version} is placed in all {partitions} partitions\n"
        ))?;
    }
    Ok(())
}

fn say_applied(applied: &CatalogApplied) -> Result<(), Failure> {
    let decision = applied.decision();
    let (version, offset) = (decision.version, decision.offset);
    Ok(print(&match applied {
        CatalogApplied::New(_) => {
            format!("catalog version {version} is in force (control offset {offset})\n")
        }
        CatalogApplied::Unchanged(_) => {
            format!("catalog version {version} says the same and stays in force\n")
        }
    })?)
}

/// Says what of a writer schema cannot be used; where it lies in the catalog is no help here.
fn refused_schema(problems: &[Problem]) -> Failure {
    let reasons: Vec<&str> = problems.iter().map(|p| p.reason.as_str()).collect();
    Failure::Failed(anyhow!(
        "the writer schema is refused: {}",
        reasons.join("; ")
    ))
}

fn show(args: &ShowArgs, session: &Session<'_>) -> Result<(), Failure> {
    let view = session.control()?.read_to_end(KAFKA_TIMEOUT)?;
    if args.list {
        return list(&view, args.output);
    }
    let decision = match args.version {
        Some(version) => view.catalog_version(version).with_context(|| {
            format!("there is no catalog version {version}; `catalog show --list` lists them")
        })?,
        None => view
            .catalog()
            .context("there is no catalog in force; `meterline catalog apply FILE` applies one")?,
    };
    let catalog = &decision.compiled.catalog;
    let text = match args.output {
        Output::Json => {
            serde_json::to_string_pretty(catalog).context("failed to write JSON")? + "\n"
        }
        Output::Table => {
            let mut text = heading(&view, decision);
            let tables = [
                meters(catalog),
                plans::table(catalog),
                stripe::table(catalog),
            ];
            for table in tables.into_iter().filter(|table| !table.is_empty()) {
                text = format!("{text}\n{}", table.render(Output::Table)?);
            }
            text
        }
        form @ (Output::Csv | Output::Parquet) => meters(catalog).render(form)?,
    };
    Ok(print(&text)?)
}

fn list(view: &View, output: Output) -> Result<(), Failure> {
    let mut table = Table::new(&[
        "version",
        "catalog",
        "control_offset",
        "applied_at",
        "actor",
        "note",
    ]);
    for decision in view.catalogs() {
        let link = view.link(decision.offset);
        table.push(vec![
            json!(decision.version),
            json!(decision.compiled.catalog.name),
            json!(decision.offset),
            json!(link.map(|link| short_time(link.append_time))),
            json!(link.map(|link| &link.actor)),
            json!(link.map(|link| &link.note)),
        ]);
    }
    print(&table.render(output)?)?;
    if table.is_empty() {
        note("there is no catalog yet; `meterline catalog apply FILE` applies one");
    }
    Ok(())
}

fn heading(view: &View, decision: &CatalogDecision) -> String {
    let catalog = &decision.compiled.catalog;
    let applied = view.link(decision.offset).map_or_else(String::new, |link| {
        let note = if link.note.is_empty() {
            String::new()
        } else {
            format!(": {}", link.note)
        };
        format!(
            "applied   {} by {}{note}\n",
            short_time(link.append_time),
            link.actor
        )
    });
    let lengths = [
        ("accepts", catalog.acceptance),
        ("ahead", catalog.ahead),
        ("restamp", catalog.restamp_window),
        ("lateness", catalog.lateness),
    ];
    let lengths: Vec<String> = lengths
        .iter()
        .map(|(name, window)| format!("{name} {}", length(u64::from(window.0 / 1_000))))
        .collect();
    let ignored = if catalog.ignored_types.is_empty() {
        "none".to_owned()
    } else {
        catalog.ignored_types.join(", ")
    };
    format!(
        "catalog   {}, version {} (control offset {}), fold {}\n{applied}windows   {}\nignores   {ignored}\nschemas   {}\n",
        catalog.name,
        decision.version,
        decision.offset,
        catalog.fold,
        lengths.join(", "),
        catalog.schemas.len(),
    )
}

fn meters(catalog: &Catalog) -> Table {
    let mut table = Table::new(&[
        "meter",
        "event_type",
        "aggregation",
        "value",
        "scale",
        "unit",
        "group_by",
        "filter",
    ]);
    for meter in &catalog.meters {
        let value = match &meter.value {
            _ if !meter.aggregation.reads_quantity() => "",
            Some(property) => property,
            None => "quantity",
        };
        table.push(vec![
            json!(meter.name),
            json!(meter.event_type),
            json!(meter.aggregation.name()),
            json!(value),
            json!(meter.scale.to_string()),
            json!(meter.unit),
            json!(meter.group_by.join(", ")),
            json!(filter_text(meter)),
        ]);
    }
    table
}

fn filter_text(meter: &Meter) -> String {
    use meterline_core::catalog::Test;
    let conditions = meter.filter.iter().map(|condition| {
        let name = &condition.property;
        match &condition.test {
            Test::In(texts) => format!("{name} in ({})", texts.join(", ")),
            Test::NotIn(texts) => format!("{name} not in ({})", texts.join(", ")),
            Test::Above(bound) => format!("{name} > {bound}"),
            Test::Exists(true) => format!("{name} exists"),
            Test::Exists(false) => format!("{name} is missing"),
        }
    });
    conditions.collect::<Vec<_>>().join(" and ")
}
