//! The keys of a catalog file, their defaults, and what they become.
//!
//! Where a key is refused or missing, a stand-in takes its place; the reader's refusals say so.

use super::plans;
use super::reader::{Item, Reader, Section};
use super::scalar;
use super::stripe;
use super::tree::{Entry, Node};
use meterline_core::catalog::check::source_path;
use meterline_core::catalog::{
    Aggregation, Bounds, Catalog, Condition, IdTime, Meter, SourceRule, Test, WriterSchema,
};
use meterline_core::quantity::Quantity;
use meterline_core::time::Millis;
use std::collections::BTreeMap;

const CATALOG_KEYS: [&str; 18] = [
    "catalog",
    "fold",
    "acceptance",
    "ahead",
    "restamp_window",
    "lateness",
    "ignored_types",
    "bounds",
    "sources",
    "schemas",
    "meters",
    "currency",
    "default_plan",
    "units",
    "derived",
    "health",
    "plans",
    "stripe",
];
const BOUNDS_KEYS: [&str; 5] = [
    "id_bytes",
    "name_bytes",
    "tenant_bytes",
    "dimension_bytes",
    "record_bytes",
];
const METER_KEYS: [&str; 10] = [
    "description",
    "unit",
    "event_type",
    "filter",
    "value",
    "scale",
    "aggregation",
    "group_by",
    "negative",
    "max_dimensions",
];
const TEST_KEYS: [&str; 4] = ["in", "not_in", "above", "exists"];
const AGGREGATIONS: [(&str, Aggregation); 7] = [
    ("count", Aggregation::Count),
    ("sum", Aggregation::Sum),
    ("min", Aggregation::Min),
    ("max", Aggregation::Max),
    ("avg", Aggregation::Avg),
    ("latest", Aggregation::Latest),
    ("unique_count", Aggregation::UniqueCount),
];
const ID_TIMES: [(&str, IdTime); 2] = [("uuidv7", IdTime::Uuidv7), ("ulid", IdTime::Ulid)];

/// Reads the whole document.
pub(super) fn catalog(reader: &mut Reader, root: &Node) -> Catalog {
    let section = reader.section(&Item::root(root), &CATALOG_KEYS);
    let name = reader.required(&section, "catalog");
    if let Some(name) = &name {
        reader.mark(&name.place.standing_for("name"));
    }
    let fold = reader.required(&section, "fold");
    let ignored_types = reader.optional(&section, "ignored_types");
    let meters = meters(reader, &section);
    Catalog {
        name: name.and_then(|item| reader.text(&item)).unwrap_or_default(),
        fold: reader
            .scalar(fold.as_ref(), scalar::whole)
            .unwrap_or_default(),
        acceptance: duration(reader, &section, "acceptance", Catalog::ACCEPTANCE),
        ahead: duration(reader, &section, "ahead", Catalog::AHEAD),
        restamp_window: duration(reader, &section, "restamp_window", Catalog::RESTAMP_WINDOW),
        lateness: duration(reader, &section, "lateness", Catalog::LATENESS),
        ignored_types: reader.sorted_texts(ignored_types.as_ref()),
        bounds: bounds(reader, &section),
        sources: sources(reader, &section),
        schemas: schemas(reader, &section),
        plans: plans::plans(reader, &section),
        stripe: stripe::stripe(reader, &section, &meters),
        meters,
    }
}

fn duration(reader: &mut Reader, section: &Section<'_>, key: &str, default: Millis) -> Millis {
    let item = reader.optional(section, key);
    reader
        .scalar(item.as_ref(), scalar::duration)
        .unwrap_or(default)
}

fn bounds(reader: &mut Reader, section: &Section<'_>) -> Bounds {
    let mut bounds = Bounds::default();
    let Some(item) = reader.optional(section, "bounds") else {
        return bounds;
    };
    let section = reader.section(&item, &BOUNDS_KEYS);
    let fields = [
        ("id_bytes", &mut bounds.id_bytes),
        ("name_bytes", &mut bounds.name_bytes),
        ("tenant_bytes", &mut bounds.tenant_bytes),
        ("dimension_bytes", &mut bounds.dimension_bytes),
        ("record_bytes", &mut bounds.record_bytes),
    ];
    for (key, field) in fields {
        let item = reader.optional(&section, key);
        *field = reader.scalar(item.as_ref(), scalar::size).unwrap_or(*field);
    }
    bounds
}

fn sources(reader: &mut Reader, section: &Section<'_>) -> BTreeMap<String, SourceRule> {
    let mut sources = BTreeMap::new();
    let Some(item) = reader.optional(section, "sources") else {
        return sources;
    };
    for Entry { key, line, node } in reader.entries(&item) {
        let place = item.place.key(key, *line).standing_for(source_path(key));
        let rule = reader.section(&Item { place, node }, &["id_time"]);
        let form = reader.required(&rule, "id_time");
        let id_time = reader.scalar(form.as_ref(), |text| scalar::word(text, &ID_TIMES));
        if let Some(id_time) = id_time {
            sources.insert(key.clone(), SourceRule { id_time });
        }
    }
    sources
}

fn schemas(reader: &mut Reader, section: &Section<'_>) -> Vec<WriterSchema> {
    let list = reader.optional(section, "schemas");
    let mut schemas = Vec::new();
    for item in reader.list(list.as_ref()) {
        let section = reader.section(&item, &["confluent_id", "schema"]);
        let confluent_id = reader.optional(&section, "confluent_id");
        let schema = reader.required(&section, "schema");
        schemas.push(WriterSchema {
            confluent_id: reader.scalar(confluent_id.as_ref(), scalar::whole),
            schema: schema
                .and_then(|item| reader.text(&item))
                .unwrap_or_default(),
        });
    }
    schemas
}

fn meters(reader: &mut Reader, section: &Section<'_>) -> Vec<Meter> {
    let Some(item) = reader.required(section, "meters") else {
        return Vec::new();
    };
    let mut meters = Vec::new();
    for (index, Entry { key, line, node }) in reader.entries(&item).iter().enumerate() {
        let place = item
            .place
            .key(key, *line)
            .standing_for(format!("meters[{index}]"));
        reader.mark(&place.standing_for(format!("meters[{index}].name")));
        meters.push(meter(reader, key, &Item { place, node }));
    }
    meters
}

fn meter(reader: &mut Reader, name: &str, item: &Item<'_>) -> Meter {
    let section = reader.section(item, &METER_KEYS);
    let description = reader.optional(&section, "description");
    let unit = reader.required(&section, "unit");
    let event_type = reader.required(&section, "event_type");
    let aggregation = reader.required(&section, "aggregation");
    let value = reader.optional(&section, "value");
    let scale = reader.optional(&section, "scale");
    let group_by = reader.optional(&section, "group_by");
    let negative = reader.optional(&section, "negative");
    let max_dimensions = reader.optional(&section, "max_dimensions");
    let mut text = |item: Option<Item<'_>>| item.and_then(|item| reader.text(&item));
    Meter {
        name: name.to_owned(),
        description: text(description).unwrap_or_default(),
        unit: text(unit).unwrap_or_default(),
        event_type: text(event_type).unwrap_or_default(),
        value: text(value),
        filter: filter(reader, &section),
        scale: reader
            .scalar(scale.as_ref(), scalar::quantity)
            .unwrap_or(Quantity::ONE),
        aggregation: reader
            .scalar(aggregation.as_ref(), |text| {
                scalar::word(text, &AGGREGATIONS)
            })
            .unwrap_or(Aggregation::Count),
        group_by: reader.sorted_texts(group_by.as_ref()),
        negative: reader
            .scalar(negative.as_ref(), scalar::switch)
            .unwrap_or(false),
        max_dimensions: reader
            .scalar(max_dimensions.as_ref(), scalar::whole)
            .unwrap_or(Meter::MAX_DIMENSIONS),
    }
}

/// Reads `filter: {property: {test: …}}`; each test is a condition of its own.
fn filter(reader: &mut Reader, section: &Section<'_>) -> Vec<Condition> {
    let mut conditions = Vec::new();
    let Some(item) = reader.optional(section, "filter") else {
        return conditions;
    };
    for Entry {
        key: property,
        line,
        node,
    } in reader.entries(&item)
    {
        let place = item.place.key(property, *line);
        let before = (conditions.len(), reader.refusal_count());
        let tests = reader.section(&Item { place, node }, &TEST_KEYS);
        for key in TEST_KEYS {
            let Some(item) = reader.optional(&tests, key) else {
                continue;
            };
            let model = format!("{}.filter[{}]", section.place.model, conditions.len());
            for part in ["", ".property", ".test"] {
                reader.mark(&item.place.standing_for(format!("{model}{part}")));
            }
            if let Some(test) = test(reader, key, &item) {
                let property = property.clone();
                conditions.push(Condition { property, test });
            }
        }
        if (conditions.len(), reader.refusal_count()) == before {
            let reason = format!("tests nothing: write one of {}", TEST_KEYS.join(", "));
            reader.refuse(&tests.place, reason);
        }
    }
    conditions
}

fn test(reader: &mut Reader, key: &str, item: &Item<'_>) -> Option<Test> {
    match key {
        "in" => Some(Test::In(reader.texts(Some(item)))),
        "not_in" => Some(Test::NotIn(reader.texts(Some(item)))),
        "above" => reader.scalar(Some(item), scalar::quantity).map(Test::Above),
        _ => reader.scalar(Some(item), scalar::switch).map(Test::Exists),
    }
}
