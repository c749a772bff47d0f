//! CloudEvents 1.0: structured JSON, and the binary mode of the Kafka binding.
//!
//! Both modes fill the same attributes; `subject` is the tenant. Attributes that are not read
//! (extensions) are ignored, and a null is a missing attribute. Whatever is read must be there
//! once: a second `id`, header or property is refused, never chosen between. Sources: CloudEvents
//! 1.0.2, its JSON event format, and its Kafka protocol binding.

use super::fault::{Fault, quoted};
use super::json::{Json, Value};
use super::properties::PropertyList;
use crate::event::{Event, EventQuantity, Properties};
use crate::reason::{Reason, Rejection};
use crate::time;
use std::borrow::Cow;

const STRUCTURED: &str = "CloudEvents JSON";
const BINARY: &str = "CloudEvents binary mode";
const CONTENT_TYPE: &str = "content-type";

type Headers<'a> = [(&'a str, Option<&'a [u8]>)];

/// How a CloudEvent lies in a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// The value is the event.
    Structured,
    /// Headers are the attributes, the value is the data.
    Binary,
}

/// What the headers say the record is; `None` where they say nothing.
pub(super) fn mode(headers: &Headers<'_>) -> Result<Option<Mode>, Rejection> {
    if headers.is_empty() {
        return Ok(None);
    }
    let media_type = media_type(headers)?;
    if starts_with(media_type, "application/cloudevents-batch") {
        let detail = "the content-type is a CloudEvents batch; publish one event per record";
        return Err(Rejection::new(Reason::Batch, detail));
    }
    if starts_with(media_type, "application/cloudevents") {
        let is_json = media_type.len() == "application/cloudevents".len() || is_json(media_type);
        return if is_json {
            Ok(Some(Mode::Structured))
        } else {
            Err(malformed(format!(
                "the content-type {} is no CloudEvents format that is read; use JSON",
                quoted(&String::from_utf8_lossy(media_type))
            )))
        };
    }
    let is_binary = headers.iter().any(|(name, _)| *name == "ce_specversion");
    Ok(is_binary.then_some(Mode::Binary))
}

/// Decodes a value that is one event.
pub(super) fn structured(value: &[u8]) -> Result<Event<'_>, Rejection> {
    let mut parts = Parts::default();
    read_structured(value, &mut parts).map_err(|fault| fault.rejection(STRUCTURED))?;
    parts.into_event(STRUCTURED)
}

/// Decodes headers that are attributes, and a value that is the data.
pub(super) fn binary<'a>(headers: &Headers<'a>, value: &'a [u8]) -> Result<Event<'a>, Rejection> {
    let mut parts = Parts::default();
    for (name, value) in headers {
        let Some(attribute) = name.strip_prefix("ce_").and_then(Attribute::named) else {
            continue;
        };
        let text = value.map(std::str::from_utf8).transpose();
        let text = text.map_err(|_| malformed(format!("{BINARY}: header {name} is not UTF-8")))?;
        parts
            .set(attribute, text.map(Cow::Borrowed))
            .map_err(|Twice| malformed(format!("{BINARY}: header {name} is there twice")))?;
    }
    if !value.is_empty() {
        let media_type = media_type(headers)?;
        if !media_type.is_empty() && !is_json(media_type) {
            return Err(malformed(format!(
                "{BINARY}: data of content-type {} is not read; use JSON",
                quoted(&String::from_utf8_lossy(media_type))
            )));
        }
        read_binary_data(value, &mut parts.data).map_err(|fault| fault.rejection(BINARY))?;
    }
    parts.into_event(BINARY)
}

/// The attributes that are read.
#[derive(Clone, Copy)]
enum Attribute {
    SpecVersion,
    Id,
    Source,
    Type,
    Subject,
    Time,
}

impl Attribute {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "specversion" => Self::SpecVersion,
            "id" => Self::Id,
            "source" => Self::Source,
            "type" => Self::Type,
            "subject" => Self::Subject,
            "time" => Self::Time,
            _ => return None,
        })
    }
}

/// The attribute was set before.
struct Twice;

/// An event being read.
#[derive(Default)]
struct Parts<'a> {
    /// By attribute; the inner `None` is a null.
    attributes: [Option<Option<Cow<'a, str>>>; 6],
    data: Data<'a>,
}

impl<'a> Parts<'a> {
    fn set(&mut self, attribute: Attribute, value: Option<Cow<'a, str>>) -> Result<(), Twice> {
        match self.attributes[attribute as usize].replace(value) {
            None => Ok(()),
            Some(_) => Err(Twice),
        }
    }

    fn take(&mut self, attribute: Attribute) -> Option<Cow<'a, str>> {
        self.attributes[attribute as usize].take().flatten()
    }

    fn into_event(mut self, form: &str) -> Result<Event<'a>, Rejection> {
        let version = self.take(Attribute::SpecVersion);
        if version.as_deref() != Some("1.0") {
            return Err(malformed(match version {
                None => format!("{form}: specversion is missing"),
                Some(v) => format!("{form}: specversion is {}, not `1.0`", quoted(&v)),
            }));
        }
        Ok(Event {
            id: self.take(Attribute::Id).unwrap_or_default(),
            source: self.take(Attribute::Source).unwrap_or_default(),
            kind: self.take(Attribute::Type).unwrap_or_default(),
            tenant: self.take(Attribute::Subject).unwrap_or_default(),
            time: self
                .take(Attribute::Time)
                .and_then(|text| time::parse_rfc3339(&text)),
            quantity: self.data.quantity,
            properties: self.data.properties,
        })
    }
}

fn read_structured<'a>(value: &'a [u8], parts: &mut Parts<'a>) -> Result<(), Fault> {
    let mut json = Json::new(value)?;
    let (mut data_seen, mut base64_seen) = (false, false);
    json.enter_object()?;
    let mut first = true;
    while let Some(key) = json.next_key(first)? {
        first = false;
        let at = json.at();
        let is_new = match key.as_ref() {
            "data" if data_seen => false,
            "data" => {
                data_seen = true;
                read_data_member(&mut json, &mut parts.data)?;
                true
            }
            "data_base64" if base64_seen => false,
            "data_base64" => {
                base64_seen = true;
                refuse_base64(&mut json)?;
                true
            }
            name => match Attribute::named(name) {
                Some(attribute) => {
                    let text = read_attribute(&mut json, name)?;
                    parts.set(attribute, text).is_ok()
                }
                None => {
                    json.skip()?;
                    true
                }
            },
        };
        if !is_new {
            return Err(Fault::new(at, format!("{} is there twice", quoted(&key))));
        }
    }
    json.end()
}

fn read_attribute<'a>(json: &mut Json<'a>, name: &str) -> Result<Option<Cow<'a, str>>, Fault> {
    let at = json.at();
    match json.value()? {
        Value::Text(text) => Ok(Some(text)),
        Value::Null => Ok(None),
        _ => Err(Fault::new(at, format!("`{name}` is not a string"))),
    }
}

fn refuse_base64(json: &mut Json<'_>) -> Result<(), Fault> {
    let at = json.at();
    match json.value()? {
        Value::Null => Ok(()),
        _ => Err(Fault::new(at, "`data_base64` is not read; use `data`")),
    }
}

/// What the data says.
struct Data<'a> {
    quantity: EventQuantity<'a>,
    properties: Properties<'a>,
}

impl Default for Data<'_> {
    fn default() -> Self {
        Self {
            quantity: EventQuantity::Absent,
            properties: Properties::new(),
        }
    }
}

fn read_binary_data<'a>(value: &'a [u8], data: &mut Data<'a>) -> Result<(), Fault> {
    let mut json = Json::new(value)?;
    read_data_member(&mut json, data)?;
    json.end()
}

fn read_data_member<'a>(json: &mut Json<'a>, data: &mut Data<'a>) -> Result<(), Fault> {
    let at = json.at();
    match json.value()? {
        Value::Object => read_data(json, data),
        Value::Null => Ok(()),
        _ => Err(Fault::new(at, "`data` is not an object")),
    }
}

fn read_data<'a>(json: &mut Json<'a>, data: &mut Data<'a>) -> Result<(), Fault> {
    let mut properties = PropertyList::into_place(&mut data.properties);
    let mut quantity = None;
    json.enter_object()?;
    let mut first = true;
    while let Some(key) = json.next_key(first)? {
        first = false;
        let at = json.at();
        let value = json.value()?;
        if matches!(value, Value::Object | Value::Array) {
            let key = quoted(&key);
            return Err(Fault::new(at, format!("{key} in `data` is nested")));
        }
        if key == "quantity" {
            if quantity.replace(quantity_of(value)).is_some() {
                return Err(Fault::new(at, "`quantity` is there twice"));
            }
        } else {
            properties.push(key, text_of(value));
        }
    }
    properties.finish().map_err(|key| {
        let key = quoted(&key);
        Fault::new(json.at(), format!("{key} is there twice in `data`"))
    })?;
    data.quantity = quantity.unwrap_or(EventQuantity::Absent);
    Ok(())
}

fn quantity_of(value: Value<'_>) -> EventQuantity<'_> {
    match value {
        Value::Null => EventQuantity::Absent,
        Value::Number(text) => EventQuantity::Text(Cow::Borrowed(text)),
        Value::Text(text) => EventQuantity::Text(text),
        Value::Boolean(_) | Value::Object | Value::Array => EventQuantity::NotANumber,
    }
}

/// A property's text; `None` for a null, which is no property.
fn text_of(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value {
        Value::Number(text) => Some(Cow::Borrowed(text)),
        Value::Text(text) => Some(text),
        Value::Boolean(true) => Some(Cow::Borrowed("true")),
        Value::Boolean(false) => Some(Cow::Borrowed("false")),
        Value::Null | Value::Object | Value::Array => None,
    }
}

/// The `content-type` header without its parameters; empty where there is none.
fn media_type<'a>(headers: &Headers<'a>) -> Result<&'a [u8], Rejection> {
    let mut values = headers.iter().filter(|(name, _)| *name == CONTENT_TYPE);
    let Some((_, value)) = values.next() else {
        return Ok(&[]);
    };
    if values.next().is_some() {
        return Err(malformed(format!("header {CONTENT_TYPE} is there twice")));
    }
    let value = value.unwrap_or_default();
    let without_parameters = value.split(|b| *b == b';').next().unwrap_or_default();
    Ok(without_parameters.trim_ascii())
}

/// Whether a media type is JSON: `application/json`, `text/json`, or with the suffix `+json`.
fn is_json(media_type: &[u8]) -> bool {
    let ends_with = |suffix: &str| {
        let at = media_type.len().checked_sub(suffix.len());
        at.is_some_and(|at| media_type[at..].eq_ignore_ascii_case(suffix.as_bytes()))
    };
    ends_with("/json") || ends_with("+json")
}

fn starts_with(media_type: &[u8], prefix: &str) -> bool {
    let start = media_type.get(..prefix.len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

fn malformed(detail: String) -> Rejection {
    Rejection::new(Reason::Malformed, detail)
}
