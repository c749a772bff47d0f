//! Mappings: which field of an event is made from what of a record.
//!
//! A mapping file is TOML: `format`, `time_format`, and a table `event` with a template for each
//! of tenant, id, source, type, time, quantity, and `event.properties`. `--map` options go before
//! it. Tenant, type and time must be there; the id defaults to source and line number, the source
//! to the file's name, and without a quantity the event has none. A property is left out where its
//! text is empty or the record lacks a field that it reads.
//!
//! Without any mapping, records are CloudEvents in JSON: their attributes are the event's, `subject`
//! the tenant, and what is in `data` the quantity and the properties.

use super::template::{Fields, Template};
use super::time_format::TimeFormat;
use crate::args::produce::{FileFormat, ProduceArgs};
use crate::load::event::UsageEvent;
use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// What `--map` names before a property.
const PROPERTY: &str = "properties.";
/// What names of fields begin with in the data of a CloudEvent.
const DATA: &str = "data.";
/// The quantity in the data of a CloudEvent.
const DATA_QUANTITY: &str = "quantity";

/// How records become events.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    /// Format of the file, where the mapping says so.
    pub format: Option<FileFormat>,
    time_format: TimeFormat,
    tenant: Template,
    id: Template,
    source: Template,
    kind: Template,
    time: Template,
    quantity: Option<Template>,
    properties: Vec<(Arc<str>, Template)>,
    /// Records are CloudEvents: what is in their data is quantity and properties.
    is_cloudevents: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MappingFile {
    format: Option<String>,
    time_format: Option<String>,
    #[serde(default)]
    event: EventTemplates,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventTemplates {
    tenant: Option<String>,
    id: Option<String>,
    source: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    time: Option<String>,
    quantity: Option<String>,
    #[serde(default)]
    properties: BTreeMap<String, String>,
}

impl Mapping {
    /// The mapping that the arguments ask for.
    ///
    /// # Errors
    /// What of the file or the options cannot be used.
    pub(crate) fn from_args(args: &ProduceArgs) -> Result<Self> {
        if args.mapping.is_none() && args.map.is_empty() {
            return Self::cloudevents(args.time_format.as_deref());
        }
        let mut written = args
            .mapping
            .as_deref()
            .map_or_else(|| Ok(MappingFile::default()), read_file)?;
        for option in &args.map {
            set(&mut written.event, option)?;
        }
        if let Some(format) = &args.time_format {
            written.time_format = Some(format.clone());
        }
        let file_name = args
            .file
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Self::new(written, &file_name)
    }

    /// The mapping of records that are CloudEvents already.
    fn cloudevents(time_format: Option<&str>) -> Result<Self> {
        let attribute = |name: &str| Some(format!("{{{name}}}"));
        let event = EventTemplates {
            tenant: attribute("subject"),
            id: attribute("id"),
            source: attribute("source"),
            kind: attribute("type"),
            time: attribute("time"),
            ..EventTemplates::default()
        };
        let written = MappingFile {
            format: None,
            time_format: time_format.map(str::to_owned),
            event,
        };
        Ok(Self {
            is_cloudevents: true,
            ..Self::new(written, "")?
        })
    }

    fn new(written: MappingFile, file_name: &str) -> Result<Self> {
        let format = written
            .format
            .map(|text| FileFormat::from_str(&text, false));
        let format = format
            .transpose()
            .map_err(|_| anyhow!("format must be ndjson, csv or tsv"))?;
        let time_format = written
            .time_format
            .map_or(Ok(TimeFormat::Rfc3339), |text| text.parse());
        let event = written.event;
        let source = event
            .source
            .unwrap_or_else(|| file_name.replace('{', "{{").replace('}', "}}"));
        let id = event.id.unwrap_or_else(|| format!("{source}-{{line}}"));
        let properties = event.properties.into_iter().map(|(name, text)| {
            let template = template(&format!("{PROPERTY}{name}"), &text)?;
            Ok((Arc::from(name), template))
        });
        Ok(Self {
            format,
            time_format: time_format.map_err(|reason| anyhow!(reason))?,
            tenant: required("tenant", event.tenant)?,
            id: template("id", &id)?,
            source: template("source", &source)?,
            kind: required("type", event.kind)?,
            time: required("time", event.time)?,
            quantity: event
                .quantity
                .map(|text| template("quantity", &text))
                .transpose()?,
            properties: properties.collect::<Result<_>>()?,
            is_cloudevents: false,
        })
    }

    /// Refuses templates that cannot fit the columns: one that reads a column that is not there,
    /// and a constant that is a column's name, where the braces were forgotten.
    pub(crate) fn check_columns(&self, columns: &[String]) -> Result<()> {
        let properties = self
            .properties
            .iter()
            .map(|(name, template)| (&**name, template));
        let targets = [
            ("tenant", &self.tenant),
            ("id", &self.id),
            ("source", &self.source),
            ("type", &self.kind),
            ("time", &self.time),
        ];
        let quantity = self
            .quantity
            .as_ref()
            .map(|template| ("quantity", template));
        for (target, template) in targets.into_iter().chain(quantity).chain(properties) {
            let has = |name: &str| columns.iter().any(|column| column == name);
            if let Some(name) = template.fields().find(|name| !has(name)) {
                bail!(
                    "the template of `{target}` reads `{name}`, which is no column; there are {}",
                    columns.join(", ")
                );
            }
            if let Some(name) = template.constant().filter(|text| has(text)) {
                bail!(
                    "`{target}={name}` is the same text for every record; for the column write `{target}={{{name}}}`"
                );
            }
        }
        Ok(())
    }

    /// The event time of a record, as written.
    ///
    /// # Errors
    /// A sentence that says what of the record cannot be used.
    fn time(&self, record: &impl Fields) -> Result<meterline_core::time::EventTime, String> {
        let text = self
            .time
            .render(record)
            .map_err(|reason| format!("time: {reason}"))?;
        self.time_format.read(&text)
    }

    /// The event of a record, its time moved by `shift` microseconds.
    ///
    /// # Errors
    /// A sentence that says what of the record cannot be used.
    pub(crate) fn event(&self, record: &impl Fields, shift: i64) -> Result<UsageEvent, String> {
        let render = |name: &str, template: &Template| {
            template
                .render(record)
                .map_err(|reason| format!("{name}: {reason}"))
        };
        let mut time = self.time(record)?;
        time.0 = time
            .0
            .checked_add(shift)
            .ok_or("time: the shift leads out of range")?;
        let quantity = self
            .quantity
            .as_ref()
            .map(|template| render("quantity", template))
            .transpose()?;
        let mut properties = Vec::with_capacity(self.properties.len());
        for (name, template) in &self.properties {
            let text = if template.fits(record) {
                render(name, template)?
            } else {
                String::new()
            };
            if !text.is_empty() {
                properties.push((Arc::clone(name), text));
            }
        }
        let mut quantity = quantity;
        if self.is_cloudevents {
            for (name, text) in record.below(DATA) {
                if name == DATA_QUANTITY {
                    quantity = Some(text.to_owned());
                } else if name.contains('.') {
                    return Err(format!("{DATA}{name}: a property has no parts"));
                } else {
                    properties.push((Arc::from(name), text.to_owned()));
                }
            }
        }
        Ok(UsageEvent {
            id: render("id", &self.id)?,
            source: render("source", &self.source)?.into(),
            kind: render("type", &self.kind)?.into(),
            tenant: render("tenant", &self.tenant)?.into(),
            time,
            quantity: quantity.filter(|text| !text.is_empty()),
            properties,
        })
    }
}

fn read_file(path: &Path) -> Result<MappingFile> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read mapping {}", path.display()))?;
    toml::from_str(&text).with_context(|| format!("mapping {} cannot be used", path.display()))
}

fn set(event: &mut EventTemplates, option: &str) -> Result<()> {
    let (target, text) = option
        .split_once('=')
        .with_context(|| format!("`--map {option}` has no `=`; write TARGET=TEMPLATE"))?;
    let text = text.to_owned();
    if let Some(name) = target
        .strip_prefix(PROPERTY)
        .filter(|name| !name.is_empty())
    {
        event.properties.insert(name.to_owned(), text);
        return Ok(());
    }
    let slot = match target {
        "tenant" => &mut event.tenant,
        "id" => &mut event.id,
        "source" => &mut event.source,
        "type" => &mut event.kind,
        "time" => &mut event.time,
        "quantity" => &mut event.quantity,
        _ => bail!(
            "`--map {option}`: there is no target `{target}`; there are tenant, id, source, type, time, quantity, properties.NAME"
        ),
    };
    *slot = Some(text);
    Ok(())
}

fn required(target: &str, text: Option<String>) -> Result<Template> {
    let text = text.with_context(|| {
        format!("nothing is mapped to `{target}`; give --map {target}=TEMPLATE or a mapping file")
    })?;
    template(target, &text)
}

fn template(target: &str, text: &str) -> Result<Template> {
    Template::parse(text)
        .map_err(|reason| anyhow!("the template of `{target}` cannot be used: {reason}"))
}

#[cfg(test)]
#[path = "mapping_tests.rs"]
mod tests;
